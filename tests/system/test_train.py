"""`rota train` and `rota score`: from sorted files and from what people file, to the Junk mailbox."""

import json
import mailbox
import subprocess
import time

import pytest

from conftest import PROGRAM, until

ADA = "ada@example.org"
ENOUGH = 4


def spam(number):
    return (f"From: Win <win@win.example>\nSubject: WIN {number}\n\n"
            f"Free money {number}! Win now, click http://win.example/{number}\n")


def ham(number):
    return f"From: Bob <bob@example.org>\nSubject: lunch {number}\n\nShall we meet on day {number} at noon for lunch?\n"


@pytest.fixture
def sorted_mail(rota):
    """Settings with a low bar, an account, and mail sorted into a folder, a Maildir and an mbox."""
    rota.settings = rota.write_settings("rota.toml", 1, rota.lmtp_path,
                                        f"\n[spam-filter]\nbayes.min-learns = {ENOUGH}\n")
    rota.run("account", "add", ADA)
    (rota.folder / "spam").mkdir()
    for number in range(ENOUGH):
        (rota.folder / "spam" / f"{number}.eml").write_text(spam(number))
    box = mailbox.mbox(rota.folder / "ham.mbox")
    for number in range(ENOUGH):
        box.add(ham(number))
    box.close()
    return rota


def train(rota, *words):
    return json.loads(rota.run("train", "--json", *words))


def known(rota):
    return train(rota, "--status")


def score(rota, text, *words):
    path = rota.folder / "asked.eml"
    path.write_text(text)
    return json.loads(rota.run("score", "--json", *words, str(path)))[0]


def fold_now(rota):
    """The fold waits for more to come; here it need not."""
    rota.query(f"UPDATE task SET due_at = {int(time.time() * 1000)} WHERE role = 'bayes-training' AND key = '0'"
               " AND owner = 0")


def test_from_files_to_junk(sorted_mail):
    rota = sorted_mail
    (rota.folder / "sub").mkdir()
    got = train(rota, "--spam", "spam", "--ham", "ham.mbox", "sub")
    assert (got["spam_read"], got["spam_new"], got["ham_read"], got["ham_new"]) == (ENOUGH,) * 4
    got = train(rota, "--ham", "ham.mbox", "--spam", "spam", "spam/0.eml")
    assert (got["spam_read"], got["spam_new"], got["ham_new"]) == (ENOUGH + 1, 0, 0)
    assert known(rota)["model"] is None
    asked = subprocess.run([PROGRAM, "score", "spam/0.eml", "-c", str(rota.settings)], cwd=rota.folder,
                           capture_output=True, text=True)
    assert asked.returncode == 1 and "no spam model yet" in asked.stderr
    node = rota.serve().ready()
    until(lambda: known(rota)["model"], "a model")
    assert known(rota)["model"]["spam"] == ENOUGH
    with rota.lmtp() as client:
        client.sendmail("x@win.example", [ADA], spam(77))
        client.sendmail("bob@example.org", [ADA], "X-Spam-Status: Yes, score=0.99\n" + ham(77))
    mails = {row[0]: row[1:] for row in rota.query(
        "SELECT e.subject, b.role, e.spam_score FROM email e"
        " JOIN email_mailbox m ON m.account = e.account AND m.email = e.id"
        " JOIN mailbox b ON b.account = e.account AND b.id = m.mailbox")}
    assert mails["WIN 77"][0] == "junk" and float(mails["WIN 77"][1]) >= 0.9
    assert mails["lunch 77"][0] == "inbox" and float(mails["lunch 77"][1]) < 0.5
    asked = score(rota, spam(77), "--explain")
    assert asked["junk"] and asked["score"] >= 0.9 and any(word["weight"] > 0 for word in asked["words"])
    assert not score(rota, ham(78))["junk"]
    # What is taken back leaves too few: no model, and mail is not scored.
    got = train(rota, "--forget", "spam/0.eml", "ham.mbox")
    assert got["forgotten"] == ENOUGH + 1 and got["known"]["ham"] == 0
    until(lambda: known(rota)["model"] is None, "the model's end")
    node.stop()


def test_what_a_person_files_is_learnt(sorted_mail):
    rota = sorted_mail
    train(rota, "--spam", "spam", "--ham", "ham.mbox")
    for number in (50, 51):
        (rota.folder / f"{number}.eml").write_text(spam(number))
    rota.run("import", "-a", ADA, "50.eml", "51.eml")
    rota.serve().ready()
    rota.run("mail", "move", "-a", ADA, "Junk", "1")
    rota.run("mail", "mark", "-a", ADA, "--set", "$junk", "2")
    until(lambda: known(rota)["spam"] == ENOUGH + 2 and not known(rota)["waiting"], "their features")
    fold_now(rota)
    until(lambda: (known(rota)["model"] or {}).get("spam") == ENOUGH + 2, "the model with them")
    rota.run("mail", "move", "-a", ADA, "INBOX", "1")
    rota.run("mail", "mark", "-a", ADA, "--unset", "$junk", "2")
    assert known(rota)["spam"] == ENOUGH
    until(lambda: fold_now(rota) or known(rota)["model"]["spam"] == ENOUGH, "the model without them")


def test_what_cannot_be_read_is_named(sorted_mail):
    rota = sorted_mail
    (rota.folder / "spam" / "empty.eml").write_text("")
    rota.run("train", "--spam", "spam", "nowhere", status=1)
    assert known(rota)["spam"] == ENOUGH
    rota.run("train", status=2)
    rota.run("train", "--status", "--spam", "spam", status=2)
    rota.run("train", "spam", status=2)
