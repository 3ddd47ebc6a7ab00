"""calendar-alerts: reminders come by mail, once, on time."""

import email
import email.header
import json
import socketserver
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from conftest import until
from test_caldav import HOME, Dav, event


def at(seconds):
    return (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%SZ")


def alarm(trigger="-PT1M", action="EMAIL"):
    return f"BEGIN:VALARM\r\nACTION:{action}\r\nTRIGGER:{trigger}\r\nDESCRIPTION:x\r\nEND:VALARM\r\n"


class Session(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs; `server.refuse` mails are put off first."""

    def say(self, text):
        self.wfile.write(text + b"\r\n")

    def handle(self):
        self.say(b"220 relay")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"MAIL" and self.server.refuse > 0:
                self.server.refuse -= 1
                self.say(b"451 later")
            elif word == b"DATA":
                self.say(b"354 go on")
                text = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    text += line
                self.server.mails.append(text)
                self.say(b"250 taken")
            elif word == b"QUIT":
                self.say(b"221 bye")
                return
            else:
                self.say(b"250 fine")


@pytest.fixture
def relay():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
    server.mails, server.refuse, server.daemon_threads = [], 0, True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_reminders_by_mail(rota, relay):
    dav = Dav(rota, more=f'[smtp]\nrelay = "smtp://127.0.0.1:{relay.server_address[1]}"\ntls = "never"\n')
    dav.dav("PROPFIND", HOME, Depth="1")
    for name, lines in {
            "soon": alarm() + alarm("-PT2M"), "shown": alarm(action="DISPLAY"),
            "declined": "ATTENDEE;PARTSTAT=DECLINED:mailto:ada@example.org\r\n" + alarm(),
            "cancelled": "STATUS:CANCELLED\r\n" + alarm()}.items():
        body = event(name, start=at(63), summary="T\u00e9a", more=lines)
        assert dav.dav("PUT", HOME + f"default/{name}.ics", body)[0] == 201
    asked = time.monotonic()
    until(lambda: relay.mails, "the reminder")
    assert time.monotonic() - asked < 8
    message = email.message_from_bytes(relay.mails[0])
    assert str(email.header.make_header(email.header.decode_header(message["Subject"]))) == "Reminder: T\u00e9a"
    parts = message.get_payload()
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert "What: T\u00e9a" in parts[0].get_payload(decode=True).decode()
    until(lambda: rota.query("SELECT count(*) FROM task WHERE role = 'calendar-alerts'") == [["0"]], "the others")
    assert len(relay.mails) == 1
    assert rota.query("SELECT count(*) FROM change WHERE kind = 5") == [["1"]]  # one to be shown
    assert rota.query("SELECT state, tries, uncertain FROM calendar_alert ORDER BY due_at") == [["2", "1", "0"]] * 2


def test_a_time_without_a_zone(rota_sqlite, relay):
    """It is in server.time-zone, nine hours ahead of UTC all year."""
    dav = Dav(rota_sqlite, more=f'[smtp]\nrelay = "smtp://127.0.0.1:{relay.server_address[1]}"\ntls = "never"\n'
              '[server]\ntime-zone = "Asia/Tokyo"\n')
    dav.dav("PROPFIND", HOME, Depth="1")
    start = at(9 * 3600 + 62)[:-1]
    assert dav.dav("PUT", HOME + "default/a.ics", event("a", start=start, more=alarm()))[0] == 201
    until(lambda: relay.mails, "the reminder")


def test_a_relay_that_puts_off(rota_sqlite, relay):
    relay.refuse = 1
    rota = rota_sqlite
    dav = Dav(rota, more=f'[smtp]\nrelay = "smtp://127.0.0.1:{relay.server_address[1]}"\ntls = "never"\n')
    dav.dav("PROPFIND", HOME, Depth="1")
    assert dav.dav("PUT", HOME + "default/a.ics", event("a", start=at(61), more=alarm()))[0] == 201
    until(lambda: relay.refuse == 0, "the refusal")
    assert rota.query("SELECT tries FROM calendar_alert") == [["1"]]
    until(lambda: relay.mails, "the reminder")
    until(lambda: rota.query("SELECT state, uncertain FROM calendar_alert") == [["2", "0"]], "its end")
    assert len(relay.mails) == 1


def test_what_rings_next(rota):
    """By time, over calendars and objects, in the zone of the calendar; what is too near is left out."""
    dav = Dav(rota, more='[server]\ntime-zone = "Asia/Tokyo"\n')
    dav.dav("PROPFIND", HOME, Depth="1")
    assert rota.run("calendar", "next", "-a", "ada@example.org", settings=dav.settings) == ""
    for name, start, lines in [
            ("daily", "20360101T090000", "RRULE:FREQ=DAILY\r\n" + alarm("-PT15M", "DISPLAY")),
            ("mail", "20360102T000000Z", alarm("PT0S") + alarm("PT30S") + alarm("PT5M")),
            ("never", "20360101T090000", "STATUS:CANCELLED\r\n" + alarm())]:
        body = event(name, start=start, summary=name, more=lines)
        assert dav.dav("PUT", HOME + f"default/{name}.ics", body)[0] == 201
    said = rota.run("calendar", "next", "-a", "ada@example.org", "--count", "5", "--json", settings=dav.settings)
    alarms = json.loads(said)["alarms"]
    assert [(one["when"], one["action"], one["uid"]) for one in alarms] == [
        ("2036-01-01 08:45:00", "shown", "daily"), ("2036-01-02 08:45:00", "shown", "daily"),
        ("2036-01-02 09:00:00", "mail", "mail"), ("2036-01-02 09:05:00", "mail", "mail"),
        ("2036-01-03 08:45:00", "shown", "daily")]
    assert {one["zone"] for one in alarms} == {"Asia/Tokyo"}
    table = rota.run("calendar", "next", "-a", "ada@example.org", settings=dav.settings).splitlines()
    assert len(table) == 21 and table[1].split()[1:] == ["08:45:00", "Asia/Tokyo", "shown", "Calendar", "daily"]
    rota.run("calendar", "next", "-a", "bob@example.org", status=1)
    rota.run("calendar", "next", status=2)
