"""Scheduling by CalDAV (RFC 6638): the inbox and the outbox, and what a change of a meeting has to keep to."""

import re

import pytest
from conftest import until
from dav_client import ADA, HOME, Dav, event
from guests import calendar, mail
from guests import event as meeting
from lmtp_client import LmtpClient, crlf

BOB, CLEO = "bob@example.org", "cleo@example.com"
INBOX, OUTBOX = f"/dav/scheduling/{ADA}/inbox/", f"/dav/scheduling/{ADA}/outbox/"
NAMES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'


@pytest.fixture
def dav(rota):
    found = Dav(rota)
    rota.run("account", "add", BOB, "--password-stdin", text="wrong\n", settings=found.settings)
    rota.run("account", "add", "eve@example.net", settings=found.settings)
    for who in (ADA, BOB):
        found.dav("PROPFIND", f"/dav/calendars/{who}/", who=f"{who}:{'right' if who == ADA else 'wrong'}", Depth="1")
    return found


def people(organizer, *attendees):
    return f"ORGANIZER:mailto:{organizer}\r\n" + "".join(f"ATTENDEE:mailto:{one}\r\n" for one in attendees)


def question(organizer, *attendees, end="20360302T000000Z", method="REQUEST"):
    return (f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nMETHOD:{method}\r\nBEGIN:VFREEBUSY\r\nUID:q\r\n"
            f"DTSTAMP:20260101T000000Z\r\nDTSTART:20360301T000000Z\r\nDTEND:{end}\r\n{people(organizer, *attendees)}"
            "END:VFREEBUSY\r\nEND:VCALENDAR\r\n")


def test_what_a_client_looks_for(dav):
    ask = (f"<D:propfind {NAMES}><D:prop><C:schedule-inbox-URL/><C:schedule-outbox-URL/><C:calendar-user-type/>"
           "<C:calendar-user-address-set/></D:prop></D:propfind>")
    status, headers, body = dav.dav("PROPFIND", f"/dav/principals/{ADA}/", ask, Depth="0")
    assert status == 207 and "calendar-auto-schedule" in headers["DAV"]
    for part in (INBOX, OUTBOX, f"mailto:{ADA}", "INDIVIDUAL"):
        assert part.encode() in body
    ask = (f"<D:propfind {NAMES}><D:prop><D:resourcetype/><C:schedule-default-calendar-URL/>"
           "<D:current-user-privilege-set/></D:prop></D:propfind>")
    body = dav.dav("PROPFIND", INBOX, ask, Depth="0")[2]
    assert b"<C:schedule-inbox/>" in body and f"{HOME}default/".encode() in body
    body = dav.dav("PROPFIND", OUTBOX, ask, Depth="0")[2]
    assert b"<C:schedule-outbox/>" in body and b"<C:schedule-send-freebusy/>" in body
    assert dav.dav("PROPFIND", INBOX, ask, who=f"{BOB}:wrong", Depth="0")[0] == 403
    assert dav.dav("DELETE", INBOX)[0] == dav.dav("DELETE", OUTBOX)[0] == 403
    assert dav.dav("PUT", INBOX + "1.ics", event("x"))[0] == 405


def test_the_inbox(dav):
    client = LmtpClient(dav.rota.folder / "lmtp-node")
    invited = calendar(meeting("party", CLEO, [ADA]), method="REQUEST")
    client.send(CLEO, [ADA], crlf(mail(CLEO, ADA, invited, "REQUEST", 1).as_bytes()))
    forged = calendar(meeting("party", CLEO, [ADA], sequence=3), method="CANCEL")
    client.send("eve@example.net", [ADA], crlf(mail("eve@example.net", ADA, forged, "CANCEL", 2).as_bytes()))
    ask = f"<D:propfind {NAMES}><D:prop><D:getetag/><D:displayname/></D:prop></D:propfind>"

    def letters():
        return re.findall(rb"<D:href>(\S*?inbox/\d+\.ics)</D:href>", dav.dav("PROPFIND", INBOX, ask, Depth="1")[2])
    until(letters, "the invitation in the inbox")
    [path] = [path.decode() for path in letters()]
    status, headers, body = dav.dav("GET", path)
    assert status == 200 and b"METHOD:REQUEST" in body and b"UID:party" in body and headers["ETag"]
    query = (f"<C:calendar-query {NAMES}><D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter>"
             '<C:comp-filter name="VCALENDAR"><C:comp-filter name="{}"/></C:comp-filter></C:filter></C:calendar-query>')
    assert dav.dav("REPORT", INBOX, query.format("VEVENT"))[2].count(b"UID:party") == 1
    assert b"party" not in dav.dav("REPORT", INBOX, query.format("VTODO"))[2]
    get = (f"<C:calendar-multiget {NAMES}><D:prop><C:calendar-data/></D:prop><D:href>{path}</D:href>"
           f"<D:href>{INBOX}77.ics</D:href></C:calendar-multiget>")
    body = dav.dav("REPORT", INBOX, get)[2]
    assert body.count(b"UID:party") == 1 and body.count(b"404 Not Found") == 1
    assert dav.dav("REPORT", INBOX, f"<C:free-busy-query {NAMES}/>")[0] == 403
    assert dav.dav("DELETE", path)[0] == 204
    assert dav.dav("DELETE", path)[0] == dav.dav("GET", path)[0] == 404
    assert letters() == []
    assert len(dav.rota.query("SELECT id FROM calendar_object")) == 1  # what came stays in the calendar
    dav.rota.run("store", "check", settings=dav.settings)


def test_the_outbox(dav):
    own = f"/dav/calendars/{BOB}/default/"
    busy = event("b", start="20360301T090000Z", more=people(CLEO, CLEO, BOB))
    declined = event("d", start="20360301T120000Z", more=f"ORGANIZER:mailto:{CLEO}\r\nATTENDEE;PARTSTAT=DECLINED:"
                     f"mailto:{BOB}\r\n")
    free = event("f", start="20360301T140000Z", more="TRANSP:TRANSPARENT\r\n")
    for name, text in (("b", busy), ("d", declined), ("f", free)):
        assert dav.dav("PUT", own + name, text, who=f"{BOB}:wrong")[0] == 201

    def post(text, path=OUTBOX):
        return dav.dav("POST", path, text, Content_Type="text/calendar")
    status, _, body = post(question(ADA, BOB, ADA, "nobody@example.org", "eve@example.net", CLEO))
    assert status == 200
    answers = re.findall(rb"<C:response>(.*?)</C:response>", body, re.DOTALL)
    assert [b"2.0;Success" in one for one in answers] == [True, True, False, False, False]
    assert b"FREEBUSY:20360301T090000Z/20360301T100000Z" in answers[0] and answers[0].count(b"FREEBUSY:") == 1
    for part in ("METHOD:REPLY", "UID:q", f"ATTENDEE:mailto:{BOB}"):
        assert part.encode() in answers[0]
    assert b"FREEBUSY:" not in answers[1] and all(b"3.7" in one for one in answers[2:])  # eve is of another domain
    bad = [(question(BOB, ADA), b"organizer-allowed"), ("nothing", b"valid-calendar-data"),
           (question(ADA, BOB, end="20380301T000000Z"), b"valid-scheduling-message"),
           (question(ADA), b"valid-scheduling-message"),
           (question(ADA, BOB, method="REPLY"), b"valid-scheduling-message"),
           (calendar(meeting("m", ADA, [BOB]), method="REQUEST"), b"valid-scheduling-message")]
    for text, condition in bad:
        status, _, body = post(text)
        assert status == 403 and condition in body, (condition, status, body)
    assert post(question(ADA, BOB), INBOX)[0] == 405


def test_conditions(dav):
    """What RFC 6638 section 3.2.4 names."""
    path, other = HOME + "default/m.ics", HOME + "other/m.ics"
    assert dav.dav("MKCALENDAR", HOME + "other/")[0] == 201
    mine = event("m", more=people(ADA, CLEO))
    assert dav.dav("PUT", path, mine)[0] == 201
    for target, text, condition in [
            (other, mine, "unique-scheduling-object-resource"),
            (path, event("m", more=people(CLEO, ADA)), "allowed-organizer-scheduling-object-change"),
            (HOME + "default/two.ics", two_organizers(), "same-organizer-in-all-components")]:
        status, _, body = dav.dav("PUT", target, text)
        assert status == 403 and condition.encode() in body, (condition, status, body)
    invited = HOME + "default/i.ics"
    assert dav.dav("PUT", invited, event("i", more=people(CLEO, ADA)))[0] == 201
    for text in (event("i", more=people("eve@example.net", ADA)), event("i")):
        status, _, body = dav.dav("PUT", invited, text)
        assert status == 403 and b"allowed-attendee-scheduling-object-change" in body
    assert dav.dav("PUT", path, event("m"))[0] == 204  # nobody is invited any more
    assert sent(dav) == [("CANCEL", CLEO), ("REQUEST", CLEO)]
    assert dav.dav("DELETE", invited, Schedule_Reply="F")[0] == 204
    assert len(sent(dav)) == 2
    assert dav.dav("PUT", invited, event("i", more=people(CLEO, ADA)))[0] == 201
    assert dav.dav("DELETE", invited)[0] == 204
    assert sent(dav) == [("CANCEL", CLEO), ("REPLY", CLEO), ("REQUEST", CLEO)]
    # An event of others only is nobody's meeting here.
    assert dav.dav("PUT", HOME + "default/three.ics", two_organizers().replace(ADA, "eve@example.net"))[0] == 201


def test_an_answer_that_came_meanwhile_stays(dav):
    path = HOME + "default/m.ics"
    old = event("m", more=people(ADA, CLEO, BOB))
    tag = dav.dav("PUT", path, old)[1]["Schedule-Tag"]
    reply = calendar(meeting("m", ADA, [CLEO], start="20260301T090000Z", end="20260301T100000Z").replace(
        "RSVP=TRUE", "PARTSTAT=ACCEPTED"), method="REPLY")
    client = LmtpClient(dav.rota.folder / "lmtp-node")
    client.send(CLEO, [ADA], crlf(mail(CLEO, ADA, reply, "REPLY", 1).as_bytes()))
    until(lambda: b"PARTSTAT=ACCEPTED" in dav.dav("GET", path)[2], "the answer")
    assert dav.dav("GET", path)[1]["Schedule-Tag"] == tag
    status, headers, _ = dav.dav("PUT", path, old.replace("Tea", "Cake"), If_Schedule_Tag_Match=tag)
    assert status == 204 and "ETag" not in headers
    body = dav.dav("GET", path)[2].decode().replace("\r\n ", "")
    assert "SUMMARY:Cake" in body and re.search(f"ATTENDEE;PARTSTAT=ACCEPTED\\S*:mailto:{CLEO}", body)
    assert dav.dav("PUT", path, old, If_Schedule_Tag_Match=tag)[0] == 412
    moved = old.replace("T090000Z", "T110000Z")
    status, answer, _ = dav.dav("PUT", path, moved, If_Schedule_Tag_Match=headers["Schedule-Tag"])
    assert status == 204 and answer["ETag"] and b"PARTSTAT" not in dav.dav("GET", path)[2]  # all are asked anew


def test_an_invitation_gets_the_default_alarm(dav):
    alarm = "BEGIN:VALARM&#13;\nACTION:EMAIL&#13;\nTRIGGER:-PT20M&#13;\nEND:VALARM"
    patch = (f"<D:propertyupdate {NAMES}><D:set><D:prop><C:default-alarm-vevent-datetime>{{}}"
             "</C:default-alarm-vevent-datetime></D:prop></D:set></D:propertyupdate>")
    assert b"403 Forbidden" in dav.dav("PROPPATCH", HOME + "default/", patch.format("BEGIN:VEVENT\nEND:VEVENT"))[2]
    assert b"200 OK" in dav.dav("PROPPATCH", HOME + "default/", patch.format(alarm))[2]
    client = LmtpClient(dav.rota.folder / "lmtp-node")
    invited = calendar(meeting("party", CLEO, [ADA]), method="REQUEST")
    client.send(CLEO, [ADA], crlf(mail(CLEO, ADA, invited, "REQUEST", 1).as_bytes()))
    until(lambda: dav.rota.query("SELECT alert_at FROM calendar_object WHERE alert_at > 0"), "the invitation's alarm")
    [[name]] = dav.rota.query("SELECT name FROM calendar_object")
    assert b"TRIGGER:-PT20M\r\n" in dav.dav("GET", HOME + "default/" + name)[2]
    assert dav.dav("PUT", HOME + "default/mine.ics", event("mine"))[0] == 201
    assert dav.dav("GET", HOME + "default/mine.ics")[2] == event("mine").encode()


def two_organizers():
    return event("two", more="RRULE:FREQ=DAILY;COUNT=9\r\n" + people(ADA, CLEO)).replace(
        "END:VCALENDAR", "BEGIN:VEVENT\r\nUID:two\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID:20260302T090000Z\r\n"
        "DTSTART:20260302T100000Z\r\nDURATION:PT1H\r\n" + people(CLEO, CLEO) + "END:VEVENT\r\nEND:VCALENDAR")


def sent(dav):
    return sorted(tuple(row) for row in dav.rota.query(
        "SELECT l.method, o.recipient FROM imip_letter l JOIN imip_out o ON o.account = l.account AND o.letter = l.id"))
