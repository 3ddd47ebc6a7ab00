"""Invitations between rota and another system over real SMTP: none is lost, none comes twice, whatever the mail servers
say and whoever dies."""

import base64
import collections
import json
import os
import time

import pytest

from conftest import until
from door import Door
from guests import Guests, answer, calendar, calendar_of, event, mail
from postfix import Postfix, free_port

ADA, BOB = "ada@example.org", "bob@example.com"
SOON = 'lease = "3s"\nheartbeat = "200ms"\n'
LETTER = ("INSERT INTO imip_letter (account, id, method, uid, recurrence, sequence, stamp, sender, recipients,"
          " calendar, at) VALUES (1, {id}, 'REQUEST', '{uid}', '', 0, {id}, '" + ADA + "', {count}, {bytes}, {now})")
OUT = ("INSERT INTO imip_out (account, letter, recipient, state, due_at, attempts, uncertain, error, at)"
       " VALUES (1, {id}, '{to}', 0, 0, 0, 0, '', {now})")


@pytest.fixture
def guests():
    others = Guests()
    yield others
    others.close()


def log(rota):
    """The log, the oldest first, without what is the same in all."""
    entries = json.loads(rota.run("imip", "log", "-a", ADA, "-n", "1000", "--json"))["invitations"]
    return [entry for entry in reversed(entries)]


def told(rota):
    return [(entry["method"], entry["outcome"]) for entry in log(rota)]


def behind_postfix(rota):
    """A rota whose mail comes from a Postfix; None for a user whom Postfix does not let start its master."""
    if os.geteuid() != 0:
        assert not os.environ.get("CI"), "in CI the tests run as root"
        return None
    port = free_port()
    rota.settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)
    rota.settings.write_text(rota.settings.read_text().replace(f"unix:{rota.lmtp_path}", f"127.0.0.1:{port}"))
    rota.run("account", "add", ADA)
    return Postfix(port)


def test_invitations_come_by_postfix(rota_sqlite):
    rota = rota_sqlite
    postfix = behind_postfix(rota)
    if not postfix:
        return
    try:
        node = rota.serve().ready()
        client = postfix.client()
        steps = [
            (BOB, "REQUEST", event("m1", BOB, [ADA]), "added"),
            (BOB, "REQUEST", event("m1", BOB, [ADA], start="20360301T093000Z", sequence=1, stamp=1), "updated"),
            ("eve@example.net", "CANCEL", event("m1", BOB, [ADA], sequence=2, stamp=2), "refused"),
            (BOB, "REQUEST", event("m1", BOB, [ADA]), "ignored"),
            (BOB, "CANCEL", event("m1", BOB, [ADA], sequence=2, stamp=3, more="STATUS:CANCELLED\r\n"), "cancelled"),
        ]
        for number, (sender, method, text, outcome) in enumerate(steps):
            client.send_message(mail(sender, ADA, calendar(text, method=method), method, number))
            until(lambda: len(log(rota)) == number + 1 and log(rota)[-1]["outcome"] != "waiting", f"step {number}")
            assert told(rota)[-1] == (method, outcome)
        assert len(rota.query("SELECT id FROM calendar_object")) == 1
        assert len(rota.query("SELECT id FROM email")) == len(steps)
        assert "is from eve@example.net, the organizer is bob@example.com" in log(rota)[2]["why"]
        node.stop()
        assert "whole" in rota.run("store", "check", "--deep")
    finally:
        postfix.close()


def put_out(rota, number, recipients):
    """A letter in the outbox as a change of an event leaves it there."""
    text = calendar(event(f"out{number}", ADA, recipients), method="REQUEST")
    in_sql = f"decode('{text.encode().hex()}', 'hex')" if rota.kind == "postgresql" else f"x'{text.encode().hex()}'"
    now = int(time.time() * 1000)
    letter = LETTER.format(id=number, uid=f"out{number}", count=len(recipients), bytes=in_sql, now=now)
    rota.query(letter)
    for recipient in recipients:
        rota.query(OUT.format(id=number, to=recipient, now=now))
    [[bucket]] = rota.query("SELECT bucket FROM account WHERE id = 1")
    rota.query("INSERT INTO task (bucket, role, key, due_at, payload, version, owner, generation, claimed_at,"
               " attempts, deaths,"
               f" created_at, last_error) VALUES ({bucket}, 'imip-processing', '1', 0, '', 1, 0, 0, 0, 0, 0, 0, '')"
               " ON CONFLICT DO NOTHING")


def test_invitations_go_out_once(rota, guests):
    """Refusals, temporary and final, and a node that is killed while it sends."""
    rota.settings = rota.write_settings("rota.toml", 1, rota.lmtp_path,
                                        f'[smtp]\nrelay = "smtp://127.0.0.1:{guests.port}"\ntls = "never"', SOON)
    rota.run("account", "add", ADA)
    people = [f"guest{number}@example.com" for number in range(40)]
    guests.refused, guests.delayed = {people[3]}, {people[7]}
    put_out(rota, 1, people)
    node = rota.serve().ready()
    until(lambda: len(guests.mails) >= 5, "the first five")
    node.kill()
    node = rota.serve(name="again").ready()
    done = "SELECT count(*) FROM imip_out WHERE state >= 2"
    until(lambda: int(rota.query(done)[0][0]) >= 38, "all but the delayed one, and the one that was under way")
    # What is left waits for its time: a minute, or until nothing can be in flight. It is due now.
    rota.query("UPDATE imip_out SET due_at = 0 WHERE state < 2")
    rota.query("UPDATE task SET due_at = 0 WHERE role = 'imip-processing'")
    until(lambda: int(rota.query(done)[0][0]) == 40, "all")
    copies = collections.Counter((to, message["Message-ID"]) for _, to, message in guests.mails)
    uncertain = int(rota.query("SELECT sum(uncertain) FROM imip_out")[0][0])
    assert sorted(to for to, _ in copies) == sorted(set(people) - {people[3]})
    assert sum(copies.values()) - len(copies) <= uncertain <= 1
    assert rota.query("SELECT state, error FROM imip_out WHERE recipient = 'guest3@example.com'") == [
        ["3", "550 5.1.1 no such person"]]
    assert guests.asked[people[3]] == 1 and guests.asked[people[7]] == 2
    message = guests.of(people[0])[0]
    assert message["From"] == ADA and message["Subject"] == "Invitation: Plan"
    text, method = calendar_of(message)
    assert method == "REQUEST" and "METHOD:REQUEST" in text and "UID:out1" in text
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
    failed = [entry for entry in log(rota) if entry["outcome"] == "failed"]
    assert [(entry["recipient"], entry["why"]) for entry in failed] == [(people[3], "550 5.1.1 no such person")]
    node.stop()


class Calendar(Door):
    """Ada's client: a calendar by CalDAV on a node behind a Postfix, which hands mail to and from the guests."""

    def __init__(self, rota, guests):
        lmtp_port = free_port()
        self.postfix = Postfix(lmtp_port, guests.port)
        relay = f'[smtp]\nrelay = "smtp://127.0.0.1:{self.postfix.port}"'
        rota.run("store", "init")
        rota.run("account", "add", ADA, "--password-stdin", text="right\n")
        rota.lmtp_path = rota.folder / "lmtp-node"
        super().__init__(rota, f"{relay}\n[lane.imip-processing]\n")
        self.node.close()
        text = self.settings.read_text().replace(f"unix:{rota.lmtp_path}", f"127.0.0.1:{lmtp_port}")
        self.settings.write_text(text)
        self.node = rota.serve(self.settings, "again").ready()

    def dav(self, method, name, body=None, status=(200, 201, 204)):
        login = base64.b64encode(f"{ADA}:right".encode()).decode()
        kind = "text/calendar" if method == "PUT" else "application/xml"
        got, _, text = self.ask(f"/dav/calendars/{ADA}/{name}", method, body and body.encode(),
                                {"Authorization": f"Basic {login}", "Content-Type": kind})
        assert got in status, f"{method} {name}: {got} {text}"
        return text.replace("\r\n ", "")

    def name_of(self, uid):
        found = self.rota.query(f"SELECT name FROM calendar_object WHERE uid = '{uid}'")
        return f"default/{found[0][0]}" if found else None


def test_an_exchange_with_another_system(rota, guests):
    """Ada plans by CalDAV, the guests answer by mail, and the other way round; all of it through Postfix."""
    if os.geteuid() != 0:
        assert not os.environ.get("CI"), "in CI the tests run as root"
        return
    cleo, nobody = "cleo@example.com", "nobody@example.com"
    guests.refused, guests.delayed = {nobody}, {cleo}
    ada = Calendar(rota, guests)
    try:
        ada.dav("PROPFIND", "", status=[207])  # makes the first calendar
        ada.dav("PUT", "default/plan.ics", calendar(event("plan", ADA, [BOB, cleo, nobody])))
        until(lambda: guests.of(BOB) and guests.of(cleo), "the invitations")
        until(lambda: any("Undelivered" in row[0] for row in rota.query("SELECT subject FROM email")), "the bounce")
        client = ada.postfix.client()
        client.send_message(answer(guests.of(BOB)[0], BOB, "ACCEPTED", 1))
        client.send_message(answer(guests.of(cleo)[0], cleo, "TENTATIVE", 2))
        client.send_message(answer(guests.of(cleo)[0], "eve@example.net", "ACCEPTED", 3))  # nobody asked her
        until(lambda: ada.dav("GET", "default/plan.ics").count("SCHEDULE-STATUS=2.0") == 2, "both answers")
        text = ada.dav("GET", "default/plan.ics")
        assert "PARTSTAT=ACCEPTED" in text and "PARTSTAT=TENTATIVE" in text and "eve@" not in text
        assert (len(guests.of(BOB)), len(guests.of(cleo))) == (1, 1)  # answers are not sent around

        ada.dav("PUT", "default/plan.ics", text.replace("T090000Z", "T093000Z").replace("SEQUENCE:0", "SEQUENCE:1"))
        until(lambda: len(guests.of(BOB)) == 2 and len(guests.of(cleo)) == 2, "the new time")
        assert "DTSTART:20360301T093000Z" in calendar_of(guests.of(BOB)[1])[0]

        invited = calendar(event("party", BOB, [ADA]), method="REQUEST")
        client.send_message(mail(BOB, ADA, invited, "REQUEST", 7))
        until(lambda: ada.name_of("party"), "Bob's party")
        party = ada.dav("GET", ada.name_of("party"))
        assert "PARTSTAT=NEEDS-ACTION" in party and "METHOD" not in party
        ada.dav("PUT", ada.name_of("party"), party.replace("NEEDS-ACTION", "ACCEPTED"))
        until(lambda: len(guests.of(BOB)) == 3, "Ada's answer")
        text, method = calendar_of(guests.of(BOB)[2])
        assert method == "REPLY" and f"PARTSTAT=ACCEPTED:mailto:{ADA}" in text and BOB in text

        send = ["imip", "send", "-a", ADA, "--uid", "plan"]
        rota.run(*send, "publish", "--to", "club@example.com", settings=ada.settings)
        until(lambda: guests.of("club@example.com"), "what is published")
        text, method = calendar_of(guests.of("club@example.com")[0])
        assert method == "PUBLISH" and "ATTENDEE" not in text
        rota.run(*send, "declinecounter", "--to", "eve@example.net", settings=ada.settings, status=2)  # not invited

        ada.dav("DELETE", "default/plan.ics")
        until(lambda: len(guests.of(BOB)) == 4 and len(guests.of(cleo)) == 3, "the end of the plan")
        assert calendar_of(guests.of(cleo)[2])[1] == "CANCEL"
        ids = [message["Message-ID"] for _, _, message in guests.mails]
        assert len(ids) == len(set(ids)) == 8
        assert {entry["outcome"] for entry in log(rota) if entry["way"] == "out"} == {"sent"}
        ada.node.stop()
        assert "whole" in rota.run("store", "check", "--deep")
    finally:
        ada.postfix.close()


def test_what_the_relay_says_and_when_it_is_away(rota_sqlite, guests):
    """A Postfix that refuses for good, for now, is away, and comes back: each guest who can be reached gets one."""
    rota = rota_sqlite
    if os.geteuid() != 0:
        assert not os.environ.get("CI"), "in CI the tests run as root"
        return
    later, never = "later@example.com", "never@example.com"
    people = [f"guest{number}@example.com" for number in range(8)] + [later, never]
    ada = Calendar(rota, guests)
    states = "SELECT recipient, state, uncertain FROM imip_out ORDER BY recipient"
    try:
        # An smtpd that knows the old configuration lives on while it has clients: a new master.
        ada.postfix.stop()
        ada.postfix.configure({later: "450 4.2.0 come again", never: "550 5.1.1 no such person"})
        ada.dav("PROPFIND", "", status=[207])
        ada.dav("PUT", "default/plan.ics", calendar(event("plan", ADA, people)))
        until(lambda: rota.query("SELECT count(*) FROM imip_out WHERE attempts > 0") != [["0"]], "the first try")
        assert guests.mails == []

        def due():
            rota.query("UPDATE imip_out SET due_at = 0 WHERE state = 0")  # not what is under way
            rota.query("UPDATE task SET due_at = 0 WHERE role = 'imip-processing'")

        ada.postfix.start()
        until(ada.postfix.answers, "Postfix again")

        def settled(left):
            due()
            return [row[0] for row in rota.query(states) if int(row[1]) < 2] == left
        until(lambda: settled([later]), "all but the one who is asked to come again")
        until(lambda: len(guests.mails) == 8, "what Postfix took")
        assert [row[0] for row in rota.query(states) if row[1] == "3"] == [never]
        text = ada.dav("GET", "default/plan.ics")
        assert f"SCHEDULE-STATUS=5.1:mailto:{never}" in text and text.count("SCHEDULE-STATUS=5.1") == 1

        ada.postfix.stop()
        ada.postfix.configure({})
        ada.postfix.start()
        until(ada.postfix.answers, "Postfix without refusals")
        until(lambda: settled([]), "the last one")
        until(lambda: len(guests.mails) == 9, "the last one's mail")
        assert sorted(to for _, to, _ in guests.mails) == sorted(set(people) - {never})
        assert {row[2] for row in rota.query(states)} == {"0"}
        told = {entry["recipient"]: (entry["outcome"], entry["why"]) for entry in log(rota) if entry["way"] == "out"}
        assert told[never][0] == "failed" and "no such person" in told[never][1] and told[later][0] == "sent"
        ada.node.stop()
        assert "whole" in rota.run("store", "check", "--deep")
    finally:
        ada.postfix.close()
