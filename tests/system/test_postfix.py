"""Postfix as the client: what it has taken arrives once, also when rota is away, or is killed in the middle."""

import os

import pytest

from conftest import until
from postfix import Postfix, free_port

SOON = 'lease = "3s"\nheartbeat = "200ms"\n'


@pytest.fixture
def mail(rota):
    """A rota behind a Postfix, or None for a user whom Postfix does not let start its master."""
    if os.geteuid() != 0:
        assert not os.environ.get("CI"), "in CI the tests run as root"
        print("Postfix's master runs as root only: Postfix was not tried")
        yield None
        return
    port = free_port()
    rota.settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)
    rota.settings.write_text(rota.settings.read_text().replace(f"unix:{rota.lmtp_path}", f"127.0.0.1:{port}"))
    for address in ("ada@example.org", "bob@example.org"):
        rota.run("account", "add", address)
    postfix = Postfix(port)
    yield rota, postfix
    postfix.close()


def subjects(rota, address):
    return sorted(subject for (subject,) in rota.query(
        "SELECT e.subject FROM email e JOIN account a ON a.id = e.account"
        f" WHERE a.address = '{address}'"))


def letter(number):
    return (f"From: ada@example.org\nMessage-ID: <{number}@example.net>\nSubject: letter {number:03d}\n"
            f"Content-Type: text/plain; charset=utf-8\n\n.Punkt, Grüße\n..\n{'long ' * 300}\n").encode()


def test_mail_by_postfix(mail):
    if not mail:
        return
    rota, postfix = mail
    node = rota.serve().ready()
    want = [f"letter {number:03d}" for number in range(60)]
    client = postfix.client()
    for number in range(20):
        client.sendmail("ada@example.org", ["ada@example.org", "bob+x@example.org"], letter(number))
    until(lambda: len(subjects(rota, "bob@example.org")) == 20, "the first twenty")
    # Killed in the middle, and away for a while: Postfix keeps what has no 250.
    for number in range(20, 40):
        client.sendmail("ada@example.org", ["ada@example.org", "bob@example.org"], letter(number))
    node.kill()
    for number in range(40, 60):
        client.sendmail("ada@example.org", ["ada@example.org", "bob@example.org"], letter(number))
    client.sendmail("ada@example.org", ["nobody@example.org"], b"From: ada@example.org\nSubject: to nobody\n\nText.\n")
    until(lambda: "Connection refused" in postfix.text() or "lost connection" in postfix.text(), "a try in vain")
    node = rota.serve(name="again").ready()
    until(lambda: postfix.queued() == 0, "an empty queue")
    assert subjects(rota, "bob@example.org") == want
    got = subjects(rota, "ada@example.org")
    assert [subject for subject in got if subject.startswith("letter")] == want
    # The unknown address came back to its sender, with our reason.
    assert got[-1].startswith("Undelivered Mail") or got[0].startswith("Undelivered Mail"), got
    assert "550 5.1.1" in postfix.text()
    until(lambda: rota.query("SELECT count(*) FROM task") == [["0"]], "the index")
    node.stop()
    assert "whole" in rota.run("store", "check", "--deep")
