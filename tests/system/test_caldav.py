"""CalDAV with clients that people have: vdirsyncer and python3-caldav; and bytes that come back as they were."""

import os
import pathlib
import re
import subprocess
import textwrap
from datetime import datetime, timedelta, timezone

import pytest
from dav_client import ADA, HOME, Dav, event

@pytest.fixture
def dav(rota):
    return Dav(rota)


def test_what_a_client_stores_comes_back(dav):
    assert dav.dav("PROPFIND", HOME, Depth="1")[0] == 207
    path = HOME + "default/a%20b.ics"
    body = event("a", summary="T\u00e9a \\, with\r\n  a fold & <x>", more="X-ODD;X-Y=\"z\":1\r\n")
    status, headers, _ = dav.dav("PUT", path, body, If_None_Match="*")
    assert status == 201
    etag = headers["ETag"]
    status, headers, data = dav.dav("GET", path)
    assert (status, headers["ETag"], data) == (200, etag, body.encode())
    assert dav.dav("PUT", path, body, If_None_Match="*")[0] == 412
    assert dav.dav("PUT", path, event("a"), If_Match='"other"')[0] == 412
    assert dav.dav("PUT", path, event("a"), If_Match=etag)[0] == 204
    assert dav.dav("PUT", path, body, If_Match=etag)[0] == 412
    assert dav.dav("PUT", HOME + "default/c.ics", event("a"))[0] == 403  # one UID, two objects
    assert dav.dav("GET", path, If_None_Match=etag)[0] == 200
    assert dav.dav("MOVE", path, Destination=dav.url + HOME + "default/moved.ics")[0] == 201
    assert dav.dav("GET", path)[0] == 404
    moved = dav.url + HOME + "default/moved.ics"
    assert dav.dav("PUT", path, event("b"), If_Match='"x", W/"y"')[0] == 412
    assert dav.dav("PUT", path, event("b"))[0] == 201
    assert dav.dav("MOVE", path, Destination=moved, Overwrite="F")[0] == 412
    status, headers, _ = dav.dav("GET", moved.removeprefix(dav.url))
    tags, schedule = f'"x",W/"y" , {headers["ETag"]}', headers["Schedule-Tag"]
    assert dav.dav("GET", moved.removeprefix(dav.url), If_None_Match=tags)[0] == 304
    for fields in ({"If_None_Match": tags}, {"If_Schedule_Tag_Match": '"77"'}):
        assert dav.dav("PUT", moved.removeprefix(dav.url), event("a"), **fields)[0] == 412
    status, headers, _ = dav.dav("PUT", moved.removeprefix(dav.url), event("a"), If_Match=tags,
                                 If_Schedule_Tag_Match=schedule)
    assert status == 204 and headers["Schedule-Tag"] != schedule
    assert dav.dav("DELETE", HOME + "default/moved.ics", If_Schedule_Tag_Match=schedule)[0] == 412
    assert dav.dav("DELETE", HOME + "default/moved.ics", If_Match=f'"x", {headers["ETag"]}')[0] == 204
    assert dav.dav("DELETE", HOME + "default/moved.ics")[0] == 404


SYNC = ('<D:sync-collection xmlns:D="DAV:"><D:sync-token>{}</D:sync-token><D:sync-level>1</D:sync-level>'
        '<D:prop><D:getetag/></D:prop></D:sync-collection>')


def test_copies_and_what_is_gone(dav):
    dav.dav("PROPFIND", HOME, Depth="1")
    assert dav.dav("MKCALENDAR", HOME + "other/")[0] == 201
    path, copy = HOME + "default/a.ics", HOME + "other/b.ics"
    status, headers, _ = dav.dav("PUT", path, event("a"))
    assert dav.dav("COPY", path, Destination=dav.url + copy)[0] == 201
    assert dav.dav("COPY", path, Destination=copy, Overwrite="F")[0] == 412
    assert dav.dav("COPY", path, Destination=copy)[0] == 204
    assert dav.dav("COPY", path, Destination=HOME + "default/twin.ics")[0] == 403  # one UID, two objects
    assert dav.dav("COPY", path, Destination=HOME + "nowhere/a.ics")[0] == 409
    assert dav.dav("COPY", path, Destination=path)[0] == 403
    assert dav.dav("COPY", path, Destination="/dav/calendars/bob@example.org/default/a.ics")[0] == 403
    assert dav.dav("GET", path)[2] == dav.dav("GET", copy)[2] == event("a").encode()
    first = dav.dav("REPORT", HOME + "default/", SYNC.format(""))[2]
    token = re.search(rb"<D:sync-token>(.*?)<", first).group(1).decode()
    assert dav.dav("DELETE", path)[0] == 204
    first = dav.dav("REPORT", HOME + "default/", SYNC.format(""))[2]
    later = dav.dav("REPORT", HOME + "default/", SYNC.format(token))[2]
    assert b"a.ics" not in first and b"404" not in first
    assert later.count(b"a.ics") == 1 and b"404 Not Found" in later


def test_who_may(dav):
    dav.rota.run("account", "add", "bob@example.org", "--password-stdin", text="wrong\n", settings=dav.settings)
    assert dav.dav("PROPFIND", HOME, who="bob@example.org:wrong")[0] == 403
    assert dav.dav("PROPFIND", HOME, who="ada@example.org:bad")[0] == 401
    assert dav.dav("PROPFIND", "/dav/calendars/nobody@example.org/", who="bob@example.org:wrong")[0] == 403
    assert dav.dav("PROPFIND", "/dav/elsewhere/")[0] == 404
    status, headers, _ = dav.dav("OPTIONS", "/dav/")
    assert status == 200 and "calendar-access" in headers["DAV"]
    status, headers, _ = dav.dav("PROPFIND", "/.well-known/caldav")
    assert (status, headers["Location"]) == (301, "/dav/")


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BAD_XML = [
    f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]><D:propfind xmlns:D="DAV:"><D:prop>&l9;</D:prop></D:propfind>',
    '<!DOCTYPE x [<!ENTITY l0 "lol">]><D:propfind xmlns:D="DAV:"/>'.encode("utf-16"),
    '<?xml version="1.0" encoding="utf-7"?><D:propfind xmlns:D="DAV:"/>+ADwAIQ-DOCTYPE',
    "<D:propfind xmlns:D='DAV:' " + " ".join(f'a{n}="b"' for n in range(200)) + "><D:prop>" + "<D:a>" * 50,
    "<D:propfind xmlns:D='DAV:'><D:prop xmlns:x='" + "n" * 100000 + "'>&#0;</D:prop></D:propfind>",
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><D:propfind xmlns:D="DAV:"><D:prop>&a;</D:prop></D:propfind>',
    '<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><D:propfind xmlns:D="DAV:"/>',
    "<D:propfind xmlns:D='DAV:'>" + "<D:prop>" * 100 + "</D:prop>" * 100 + "</D:propfind>",
    "<D:propfind", "not xml", "\x00",
    "<D:propfind xmlns:D='DAV:'>&lol;</D:propfind>",
]


def test_bad_input(dav):
    # Told by the head alone: who sends on may find the connection closed before it has read the answer.
    large = {"Content-Type": "application/xml", "Content-Length": str(2 * 1024 * 1024 + 3)}
    assert dav.dav("PROPFIND", HOME, **large)[0] == 413
    for body in BAD_XML:
        assert dav.dav("PROPFIND", HOME, body, Depth="1")[0] == 400, body[:60]
    dav.dav("PROPFIND", HOME, Depth="1")
    bad = [b"", b"hello", event("x").replace("DTSTART:20260301T090000Z\r\n", ""),
           event("x", more="ATTENDEE:mailto:b@example.org\r\n" * 1001),
           event("x", start="00000101T000000Z"),
           event("x").replace("VERSION:2.0", "METHOD:REQUEST")]
    for number, body in enumerate(bad):
        status, _, data = dav.dav("PUT", HOME + f"default/bad{number}.ics", body)
        assert status == 403 and b"valid-calendar-data" in data, (number, status, data)
    assert dav.dav("PUT", HOME + "default/big.ics", event("b", more="X-A:" + "b" * 600000 + "\r\n"))[0] in (403, 413)
    good = [event("s", more="RRULE:FREQ=SECONDLY\r\n"), event("y1", start="00010101T000000Z"),
            event("y9", start="99991231T235959Z", more="RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30\r\n"),
            event("z").replace("DTSTART:", "DTSTART;TZID=Nowhere/City:")]
    for number, body in enumerate(good):
        assert dav.dav("PUT", HOME + f"default/good{number}.ics", body)[0] == 201, number
    query = ('<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/></D:prop>'
             '<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">'
             '<C:time-range start="20300101T000000Z" end="20300102T000000Z"/>'
             '</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>')
    assert dav.dav("REPORT", HOME + "default/", query)[0] == 207


def test_all_of_the_archive(rota_sqlite):
    """What is accepted comes back as it was; nothing else is disturbed."""
    folder = os.environ.get("ROTA_DATA_UNPACKED")
    folder = pathlib.Path(folder) / "ical" / "dev" if folder else None
    if not folder or not folder.is_dir():
        pytest.skip("no ical archive")
    dav = Dav(rota_sqlite)
    dav.dav("PROPFIND", HOME, Depth="1")
    taken = 0
    for number, path in enumerate(sorted(folder.glob("*.ics"))):
        data, where = path.read_bytes(), HOME + f"default/{number}.ics"
        status = dav.dav("PUT", where, data)[0]
        assert status in (201, 403, 413), (path.name, status)
        if status == 201:
            taken += 1
            assert dav.dav("GET", where)[2] == data, path.name
    assert taken > 80
    assert dav.dav("PUT", HOME + "default/last.ics", event("last"))[0] == 201
    dav.rota.run("store", "check", settings=dav.settings)


def test_python_caldav(dav):
    """What its own functional tests do: calendars, events, to-dos, searches, synchronisation."""
    principal = dav.principal()
    assert [str(one.name) for one in principal.calendars()] == ["Calendar"]
    calendar = principal.make_calendar(name="Work", cal_id="work")
    assert {str(one.name) for one in principal.calendars()} == {"Calendar", "Work"}
    one = calendar.save_event(event("one"))
    calendar.save_event(event("series", start="20260105T090000Z", summary="Stand-up",
                              more="RRULE:FREQ=WEEKLY;COUNT=20\r\n"))
    calendar.save_event(event("far", start="20290101T090000Z"))
    todo = calendar.save_todo(event("todo").replace("VEVENT", "VTODO").replace("DURATION:PT1H\r\n", ""))
    assert len(calendar.events()) == 3
    assert len(calendar.todos()) == 1
    begin, end = datetime(2026, 3, 1, tzinfo=timezone.utc), datetime(2026, 3, 8, tzinfo=timezone.utc)
    found = calendar.date_search(start=begin, end=end, expand=False)
    assert {re.search(r"UID:(\S+)", item.data).group(1) for item in found} == {"one", "series"}
    found = calendar.date_search(start=begin, end=end, expand=True)
    assert sorted(re.search(r"DTSTART\S*:(\S+)", item.data).group(1) for item in found) == [
        "20260301T090000Z", "20260302T090000Z"]
    assert calendar.event_by_uid("far").data.count("BEGIN:VEVENT") == 1
    busy = calendar.freebusy_request(begin, begin + timedelta(days=2)).data
    assert "FREEBUSY:20260301T090000Z/20260301T100000Z" in busy
    assert "FREEBUSY:20260302T090000Z/20260302T100000Z" in busy
    known = calendar.objects_by_sync_token(load_objects=True)
    assert len(list(known)) == 4
    one.delete()
    todo.data = todo.data.replace("Tea", "Cake")
    todo.save()
    updates, deletes = known.sync()
    assert (len(updates), len(deletes)) == (1, 1)
    calendar.delete()
    assert [str(one.name) for one in principal.calendars()] == ["Calendar"]


def test_properties(dav):
    dav.dav("PROPFIND", HOME, Depth="1")
    patch = ('<D:propertyupdate xmlns:D="DAV:" xmlns:A="http://apple.com/ns/ical/"><D:set><D:prop><D:displayname>Mine'
             '</D:displayname><A:calendar-color>#00ff00ff</A:calendar-color></D:prop></D:set></D:propertyupdate>')
    assert b"200 OK" in dav.dav("PROPPATCH", HOME + "default/", patch)[2]
    bad = patch.replace("D:displayname", "D:getetag")
    answer = dav.dav("PROPPATCH", HOME + "default/", bad)[2]
    assert b"403 Forbidden" in answer and b"424 Failed" in answer
    ask = ('<D:propfind xmlns:D="DAV:" xmlns:A="http://apple.com/ns/ical/"><D:prop><D:displayname/><A:calendar-color/>'
           '<D:nothing/></D:prop></D:propfind>')
    answer = dav.dav("PROPFIND", HOME + "default/", ask, Depth="0")[2]
    assert b"<D:displayname>Mine</D:displayname>" in answer and b"#00ff00ff" in answer
    assert b"<D:nothing/></D:prop><D:status>HTTP/1.1 404" in answer
    made = ('<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop><D:displayname>To do'
            '</D:displayname><C:supported-calendar-component-set><C:comp name="VTODO"/>'
            '</C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>')
    assert dav.dav("MKCALENDAR", HOME + "todo/", made)[0] == 201
    assert dav.dav("MKCALENDAR", HOME + "todo/", made)[0] == 405
    assert dav.dav("PUT", HOME + "default/moves.ics", event("moves"))[0] == 201
    status, _, data = dav.dav("MOVE", HOME + "default/moves.ics", Destination=dav.url + HOME + "todo/moves.ics")
    assert status == 403 and b"supported-calendar-component" in data
    status, _, data = dav.dav("PUT", HOME + "todo/a.ics", event("a"))
    assert status == 403 and b"supported-calendar-component" in data


def vdirsyncer(folder, url, name):
    """A local collection that is kept the same as the default calendar."""
    home = folder / name
    (home / "local" / "default").mkdir(parents=True, exist_ok=True)
    config = home / "config"
    config.write_text(textwrap.dedent(f"""
        [general]
        status_path = "{home}/status/"
        [pair cal]
        a = "local"
        b = "remote"
        collections = ["default"]
        conflict_resolution = "a wins"
        [storage local]
        type = "filesystem"
        path = "{home}/local/"
        fileext = ".ics"
        [storage remote]
        type = "caldav"
        url = "{url}/dav/"
        username = "{ADA}"
        password = "right"
        """))

    def run(*words):
        done = subprocess.run(["vdirsyncer", "-c", str(config), *words], capture_output=True, text=True,
                              input="y\n" * 9, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    run("discover")
    return home / "local" / "default", lambda: run("sync")


def test_vdirsyncer_and_two_clients(dav):
    """Two clients change things at the same time: nothing is lost."""
    dav.dav("PROPFIND", HOME, Depth="1")
    one, sync_one = vdirsyncer(dav.rota.folder, dav.url, "one")
    two, sync_two = vdirsyncer(dav.rota.folder, dav.url, "two")
    for number in range(20):
        (one / f"one{number}.ics").write_bytes(event(f"one{number}").encode())
        (two / f"two{number}.ics").write_bytes(event(f"two{number}").encode())
    sync_one(), sync_two(), sync_one()
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in two.iterdir()}
    assert len(list(one.iterdir())) == 40
    # One is changed by both: who comes second has the last word, and both end with it.
    (one / "one0.ics").write_bytes(event("one0", summary="by one").encode())
    (two / "one0.ics").write_bytes(event("one0", summary="by two").encode())
    (one / "one1.ics").unlink()
    (two / "two1.ics").write_bytes(event("two1", summary="changed").encode())
    sync_one(), sync_two(), sync_one()
    files = {path.name: path.read_bytes() for path in one.iterdir()}
    assert files == {path.name: path.read_bytes() for path in two.iterdir()}
    assert len(files) == 39 and b"by two" in files["one0.ics"] and b"changed" in files["two1.ics"]
    dav.rota.run("store", "check", settings=dav.settings)
