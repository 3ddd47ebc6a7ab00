"""What the functional tests of python3-caldav do with a server, scenario for scenario, on both stores."""

import uuid
from datetime import date, datetime, timedelta, timezone

import caldav
import pytest
from caldav.elements import cdav, dav, ical
from caldav.lib.error import DAVError, NotFoundError
from dav_client import ADA, Dav, event

UTC = timezone.utc


def todo(uid, more="", due="20260415T133000Z", start="20260410T090000Z"):
    begin = f"DTSTART:{start}\r\n" if start else ""
    end = f"DUE:{due}\r\n" if due else ""
    return (f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VTODO\r\nUID:{uid}\r\n"
            f"DTSTAMP:20260101T000000Z\r\n{begin}{end}SUMMARY:{uid}\r\n{more}END:VTODO\r\nEND:VCALENDAR\r\n")


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.fixture
def server(rota):
    return Dav(rota)


@pytest.fixture
def principal(server):
    return server.principal()


@pytest.fixture
def calendar(principal):
    return principal.make_calendar(name="Yep", cal_id="pythoncaldav-test")


def uids(found):
    return sorted(str(one.icalendar_component["UID"]) for one in found)


def test_who_and_where(server, principal):
    assert principal.url.path.endswith(f"/dav/principals/{ADA}/")
    home = principal.calendar_home_set
    assert home.calendars() and principal.get_vcal_address()
    assert f"mailto:{ADA}" in [str(one).lower() for one in principal.calendar_user_address_set()]
    assert principal.schedule_inbox().get_items() == []
    assert principal.schedule_outbox().url.path.endswith("outbox/")
    client = caldav.DAVClient(server.url + "/dav/", username=ADA, password="right")
    assert client.check_dav_support() and client.check_cdav_support() and client.check_scheduling_support()
    with pytest.raises(DAVError):
        caldav.DAVClient(server.url + "/dav/", username=ADA, password="wrong").principal()
    # A path that the client was told, and none at all.
    for url in (server.url, server.url + "/dav", home.url):
        assert caldav.DAVClient(str(url) if "dav" in str(url) else server.url + "/.well-known/caldav", username=ADA,
                                password="right").principal().calendars()


def test_calendars(principal):
    made = principal.make_calendar(name="Yep", cal_id="test1")
    assert principal.calendar(name="Yep").url == made.url == principal.calendar(cal_id="test1").url
    assert made.events() == []
    with pytest.raises(DAVError):
        principal.make_calendar(name="Yep", cal_id="test1")
    made.delete()
    for again in (lambda: principal.calendar(name="Yep"), made.events):
        with pytest.raises(NotFoundError):
            again()
    tasks = principal.make_calendar(name="Tasks", cal_id="t", supported_calendar_component_set=["VTODO"])
    assert tasks.get_supported_components() == ["VTODO"]
    assert tasks.save_todo(todo("x")) and len(tasks.todos()) == 1
    with pytest.raises(DAVError):
        tasks.save_event(event("x"))
    journals = principal.make_calendar(name="J", cal_id="j", supported_calendar_component_set=["VJOURNAL"])
    journals.save_journal(dtstart=date(2011, 11, 11), summary="A first", description="Lots of words")
    journals.save_journal(event("j2").replace("VEVENT", "VJOURNAL").replace("DURATION:PT1H\r\n", ""))
    assert len(journals.journals()) == 2 and "A first" in str([one.data for one in journals.journals()])
    assert not journals.todos() + journals.events()


def test_properties(calendar, principal):
    calendar.set_properties([dav.DisplayName("hooray"), ical.CalendarColor("#0000ff"), ical.CalendarOrder("7")])
    got = calendar.get_properties([dav.DisplayName(), ical.CalendarColor(), ical.CalendarOrder(), dav.GetEtag()])
    assert got["{DAV:}displayname"] == "hooray"
    assert got["{http://apple.com/ns/ical/}calendar-color"] == "#0000ff"
    assert got["{http://apple.com/ns/ical/}calendar-order"] == "7"
    assert principal.calendar(name="hooray").url == calendar.url
    assert calendar.get_properties([cdav.CalendarDescription()], depth=0) is not None


def test_events(calendar):
    first = calendar.save_event(event("e1", summary="Bastille Day Party"))
    assert [one.url for one in calendar.events()] == [first.url]
    assert calendar.event_by_url(first.url).data == first.data
    assert calendar.event_by_uid("e1").url == first.url
    with pytest.raises(NotFoundError):
        calendar.event_by_uid("0")
    with pytest.raises(NotFoundError):
        calendar.event_by_url(str(first.url).replace("e1", "e9"))
    calendar.save_event(event("e2", summary="Bringebærsyltetøyfestival \U0001f353"))
    assert "Bringebærsyltetøyfestival \U0001f353" in calendar.event_by_uid("e2").data
    calendar.save_event(dtstart=at(2026, 7, 1, 9), dtend=at(2026, 7, 1, 10), summary="made of words")
    calendar.save_event(dtstart=date(2026, 8, 1), summary="a whole day", rrule={"FREQ": "YEARLY"})
    assert len(calendar.events()) == 4
    again = event("e1", summary="changed")
    with pytest.raises(caldav.lib.error.ConsistencyError):
        calendar.save_event(again, no_overwrite=True)
    with pytest.raises(caldav.lib.error.ConsistencyError):
        calendar.save_event(event("new"), no_create=True)
    calendar.save_event(again, no_create=True)
    assert calendar.event_by_uid("e1").icalendar_component["SUMMARY"] == "changed"
    first.load()
    first.icalendar_component["SUMMARY"] = "by hand"
    first.save()
    assert calendar.event_by_uid("e1").icalendar_component["SUMMARY"] == "by hand"
    first.delete()
    with pytest.raises(NotFoundError):
        first.load()
    copy = calendar.event_by_uid("e2").copy()
    copy.save()
    assert len(calendar.events()) == 4 and copy.id != "e2"


def test_searches(calendar):
    calendar.save_event(event("one", start="20070714T170000Z", more="CATEGORIES:FAMILY,FINANCE\r\nCLASS:PUBLIC\r\n"))
    calendar.save_event(event("yearly", start="19971102T100000Z", more="RRULE:FREQ=YEARLY\r\nCLASS:CONFIDENTIAL\r\n"
                              "TRANSP:TRANSPARENT\r\n"))
    calendar.save_event(event("monthly", start="20060101T090000Z", summary="Pay", more="RRULE:FREQ=MONTHLY\r\n"
                              "CATEGORIES:Work\r\n"))

    def search(**words):
        return uids(calendar.search(event=True, **words))
    assert search() == ["monthly", "one", "yearly"]
    assert search(start=at(2007, 7, 13, 17), end=at(2007, 7, 15, 17)) == ["one"]
    assert search(start=at(2007, 7, 13), end=at(2007, 8, 15)) == ["monthly", "one"]
    assert search(start=at(2008, 11, 1), end=at(2008, 11, 3)) == ["monthly", "yearly"]
    assert search(summary="Pay") == ["monthly"]
    assert search(class_="CONFIDENTIAL") == ["yearly"]
    assert search(category="FINANCE") == ["one"]
    assert search(uid="one") == ["one"]
    assert search(summary="Pay", start=at(2007, 1, 1), end=at(2007, 1, 2)) == ["monthly"]
    expanded = calendar.search(event=True, start=at(2007, 1, 1), end=at(2007, 5, 1), expand="server")
    assert sum(one.data.count("BEGIN:VEVENT") for one in expanded) == 4 and "RRULE" not in expanded[0].data
    assert len(calendar.search(event=True, start=at(2007, 1, 1), end=at(2007, 5, 1), expand="client")) == 4
    busy = calendar.freebusy_request(at(2007, 7, 13), at(2007, 8, 15))
    assert busy.data.count("FREEBUSY:") == 2
    assert calendar.search(todo=True) == []
    empty = calendar.search(comp_class=caldav.Event, start=at(2030, 1, 2), end=at(2030, 1, 3))
    assert empty == []


def test_todos(calendar):
    calendar.save_todo(todo("late", more="PRIORITY:5\r\n", due="20260301T000000Z", start="20260201T000000Z"))
    calendar.save_todo(todo("soon", more="PRIORITY:1\r\nCATEGORIES:Home\r\n"))
    calendar.save_todo(todo("some day", due=None, start=None))
    calendar.save_todo(summary="made of words", due=date(2026, 12, 1))
    calendar.save_todo(todo("daily", more="RRULE:FREQ=DAILY;COUNT=5\r\n", start="20260501T090000Z",
                            due="20260501T100000Z"))
    assert set(uids(calendar.todos())) > {"daily", "late", "some day", "soon"} and len(calendar.todos()) == 5
    assert [str(one.icalendar_component["UID"]) for one in calendar.todos(sort_keys=("priority",))][-2:] == [
        "soon", "late"]
    found = calendar.search(todo=True, start=at(2026, 4, 12), end=at(2026, 4, 13), include_completed=True)
    assert "soon" in uids(found) and "late" not in uids(found)
    found = calendar.search(todo=True, start=at(2026, 5, 2), end=at(2026, 5, 4), expand="server",
                            include_completed=True)
    assert sum(one.data.count("UID:daily") for one in found) == 2
    assert uids(calendar.search(todo=True, category="Home")) == ["soon"]
    late = calendar.todo_by_uid("late")
    late.complete(completion_timestamp=at(2026, 3, 1, 12))
    assert "late" not in uids(calendar.todos()) and "late" in uids(calendar.todos(include_completed=True))
    daily = calendar.todo_by_uid("daily")
    daily.complete(handle_rrule=True, rrule_mode="safe")
    assert len(calendar.todos(include_completed=True)) == 6
    calendar.todo_by_uid("late").delete()
    assert "late" not in uids(calendar.todos(include_completed=True))
    assert not calendar.events()


def test_synchronisation(calendar):
    one = calendar.save_event(event("s1"))
    two = calendar.save_event(event("s2"))
    known = calendar.objects(load_objects=True)
    assert len(list(known)) == 2
    updated, deleted = known.sync()
    assert not list(updated) and not list(deleted)
    token = known.sync_token
    one.icalendar_component["SUMMARY"] = "new"
    one.save()
    three = calendar.save_event(event("s3"))
    two.delete()
    assert len(list(calendar.objects_by_sync_token(token))) == 3
    updated, deleted = known.sync()
    assert ({each.url for each in updated}, {each.url for each in deleted}) == ({one.url, three.url}, {two.url})
    assert {each.url for each in known} == {one.url, three.url}
    fresh = calendar.objects_by_sync_token()
    assert {each.url for each in fresh} == {one.url, three.url}


def test_planning(calendar, principal, server):
    """Attendees, answers, and when others are busy."""
    server.rota.run("account", "add", "bob@example.org", "--password-stdin", text="right\n", settings=server.settings)
    bob = caldav.DAVClient(server.url + "/dav/", username="bob@example.org", password="right").principal()
    bob.calendars()[0].save_event(event("busy", start="20260711T090000Z"))
    meeting = calendar.save_event(event("meet", start="20260711T100000Z"))
    meeting.add_organizer()
    meeting.add_attendee(bob)
    meeting.add_attendee("cleo@example.com", cutype="INDIVIDUAL")
    meeting.save()
    assert calendar.event_by_uid("meet").data.count("ATTENDEE") == 2
    sent = server.rota.query("SELECT recipient FROM imip_out ORDER BY recipient")
    assert sent == [["bob@example.org"], ["cleo@example.com"]]
    # This version of the library asks, but cannot read the answer: test_scheduling.py does.
    assert principal.freebusy_request(at(2026, 7, 11, 8), at(2026, 7, 11, 17), [bob]) is not None
    invited = calendar.save_event(event("party", more="ORGANIZER:mailto:cleo@example.com\r\nATTENDEE;PARTSTAT="
                                        f"NEEDS-ACTION:mailto:{ADA}\r\n"))
    invited.change_attendee_status(partstat="ACCEPTED")
    invited.save()
    assert "PARTSTAT=ACCEPTED" in calendar.event_by_uid("party").data
    assert server.rota.query("SELECT method FROM imip_letter ORDER BY id")[-1] == ["REPLY"]


def test_related_and_many(calendar):
    parent = calendar.save_event(event("parent"))
    child = calendar.save_event(dtstart=at(2026, 1, 1, 9), dtend=at(2026, 1, 1, 10), summary="child", parent=["parent"])
    assert "RELATED-TO" in child.data
    for number in range(60):
        calendar.save_event(event(str(uuid.uuid4()), start=f"20270101T{number % 24:02d}0000Z"))
    assert len(calendar.events()) == 62
    found = calendar.search(event=True, start=at(2027, 1, 1), end=at(2027, 1, 1) + timedelta(hours=2))
    assert len(found) == 6
    assert len(calendar.calendar_multiget([parent.url, child.url])) == 2
