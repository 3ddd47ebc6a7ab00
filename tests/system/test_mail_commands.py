"""`rota mail …`: a person looks at mail, and moves, marks and deletes it."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import unicodedata

import pytest

from conftest import PATIENCE, PROGRAM, until

ADA = "ada@example.org"
PLAIN = (b"From: Eve <eve@example.net>\r\nSubject: dredging \x1b[31mred\r\n"
         b"Date: Mon, 2 Jan 2023 03:04:05 +0000\r\n\r\ntext\x1b[2J\r\n")


@pytest.fixture
def ada(rota):
    rota.run("account", "add", ADA)
    (rota.folder / "in").mkdir()
    for number in range(5):
        (rota.folder / "in" / f"{number}.eml").write_bytes(b"Subject: number %d\n\ntext %d\n" % (number, number))
    (rota.folder / "in" / "5.eml").write_bytes(PLAIN)
    rota.run("import", "-a", ADA, str(rota.folder / "in"))
    return rota


def listed(rota, *words):
    return [email["id"] for email in json.loads(rota.run("mail", "list", "-a", ADA, "--json", *words))["emails"]]


def counts(rota):
    mailboxes = json.loads(rota.run("mail", "folders", "-a", ADA, "--json"))["mailboxes"]
    return {box["path"]: (box["total"], box["unread"]) for box in mailboxes if box["total"]}


def said(rota, status, *words):
    done = subprocess.run([PROGRAM, "mail", *words, "-c", str(rota.settings)], capture_output=True, timeout=PATIENCE,
                          cwd=rota.folder)
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout, done.stderr.decode()


def test_looks(ada):
    assert listed(ada) == [6, 5, 4, 3, 2, 1]
    assert listed(ada, "-n", "2") == [6, 5] and listed(ada, "-n", "2", "--before", "5") == [4, 3]
    assert listed(ada, "--before", "1") == [] and listed(ada, "--folder", "Junk") == []
    assert listed(ada, "--all", "-n", "1") == [6] and listed(ada, "--folder", "INBOX", "-n", "1") == [6]
    out, _ = said(ada, 0, "list", "-a", ADA)
    assert b"dredging" in out and b"\x1b" not in out
    assert "--before 5" in said(ada, 0, "list", "-a", ADA, "-n", "2")[1]
    assert counts(ada) == {"Inbox": (6, 6)}
    assert b"Inbox" in said(ada, 0, "folders", "-a", ADA)[0]
    for more in ([], ["--bytes"]):
        assert said(ada, 0, "show", "-a", ADA, "6", *more)[0] == PLAIN
    assert json.loads(said(ada, 0, "show", "-a", ADA, "6", "--json")[0])["bytes"] == len(PLAIN)


def on_terminal(rota, columns, *words):
    """What a terminal of so many columns shows."""
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execve(PROGRAM, [PROGRAM, "mail", *words, "-c", str(rota.settings)], {**os.environ, "NO_COLOR": "1"})
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, shown
    return shown


def test_shows_on_a_terminal_what_cannot_drive_it(ada):
    shown = on_terminal(ada, 80, "show", "-a", ADA, "6")
    assert b"Eve <eve@example.net>" in shown and b"text" in shown and b"\x1b" not in shown


def test_a_list_fits_the_terminal(rota_sqlite):
    rota = rota_sqlite
    rota.run("account", "add", ADA)
    for number, subject in enumerate(["long " * 40, "東京" * 60, "short"]):
        (rota.folder / f"{number}.eml").write_text(f"From: {'Ada ' * 20}<ada@example.org>\nSubject: {subject}\n\nx\n")
    rota.run("import", "-a", ADA, *(str(rota.folder / f"{number}.eml") for number in range(3)))
    for columns in (70, 80, 120):
        lines = on_terminal(rota, columns, "list", "-a", ADA).decode().splitlines()
        widths = [sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line) for line in lines]
        assert len(lines) == 4 and max(widths) <= columns and all("…" in line for line in lines[1:3])
    assert "…" not in rota.run("mail", "list", "-a", ADA)


def test_trace_lines_come_before_the_bytes(ada):
    node = ada.serve().ready()
    with ada.lmtp() as client:
        client.sendmail("eve@example.net", [ADA], b"Subject: by lmtp\r\n\r\ntext\r\n")
    node.stop()
    newest = str(listed(ada, "-n", "1", "--all")[0])
    whole, bare = said(ada, 0, "show", "-a", ADA, newest)[0], said(ada, 0, "show", "-a", ADA, "--bytes", newest)[0]
    assert whole.endswith(bare) and b"eve@example.net" in whole[:-len(bare)] and bare.endswith(b"\r\ntext\r\n")


def test_moves_marks_and_deletes(ada):
    said(ada, 0, "mark", "-a", ADA, "--set", "$seen", "--set", "Work", "1", "2")
    assert counts(ada) == {"Inbox": (6, 4)}
    assert json.loads(said(ada, 0, "show", "-a", ADA, "1", "--json")[0])["keywords"] == ["$seen", "work"]
    said(ada, 0, "mark", "-a", ADA, "--unset", "$seen", "2")
    assert b"2 messages were moved" in said(ada, 0, "move", "-a", ADA, "Junk", "1", "3")[0]
    assert counts(ada) == {"Inbox": (4, 4), "Junk": (2, 1)}
    said(ada, 0, "move", "-a", ADA, "Inbox", "3")
    out, lines = said(ada, 1, "delete", "-a", ADA, "4", "99", "5")
    assert b"2 messages were put into Trash" in out and "99" in lines
    assert counts(ada) == {"Inbox": (3, 3), "Junk": (1, 0), "Trash": (2, 2)}
    assert b"1 message was destroyed" in said(ada, 0, "delete", "-a", ADA, "--destroy", "4")[0]
    assert "has no message 4" in said(ada, 1, "show", "-a", ADA, "4")[1]
    assert json.loads(said(ada, 1, "delete", "-a", ADA, "--destroy", "4", "--json")[0]) == {"done": 0, "missed": 1}
    assert counts(ada)["Trash"] == (1, 1)
    assert "whole" in ada.run("store", "check")


def test_what_is_destroyed_is_not_found(ada):
    ada.serve().ready()

    def found():
        return int(ada.run("search", "-a", ADA, "--count", "dredging", status=None))

    until(lambda: found() == 1, "the message in the index")
    said(ada, 0, "delete", "-a", ADA, "--destroy", "6")
    until(lambda: found() == 0, "the message out of the index")


def test_wrong_use(ada):
    for words, status, word in [
        (["list"], 2, "-a ADDRESS"),
        (["list", "-a", "adda@example.org"], 1, f'did you mean "{ADA}"?'),
        (["list", "-a", ADA, "--folder", "Jnuk"], 1, 'did you mean "Junk"?'),
        (["list", "-a", ADA, "--folder", "Elsewhere"], 1, "rota mail folders"),
        (["list", "-a", ADA, "--folder", "a//b"], 2, "is not the path of a mailbox"),
        (["list", "-a", ADA, "--folder", "Junk", "--all"], 2, "not both"),
        (["list", "-a", ADA, "-n", "0"], 2, "--limit"),
        (["show", "-a", ADA, "six"], 2, "not the number of a message"),
        (["show", "-a", ADA, "0"], 2, "not the number of a message"),
        (["show", "-a", ADA, "99"], 1, "has no message 99"),
        (["move", "-a", ADA, "Junk"], 2, "one more argument is missing"),
        (["move", "-a", ADA, "Jnuk", "1"], 1, 'did you mean "Junk"?'),
        (["mark", "-a", ADA, "1"], 2, "--set or --unset"),
        (["mark", "-a", ADA, "--set", "", "1"], 2, "in quotes"),
        (["mark", "-a", ADA, "--set", "a b", "1"], 2, "cannot be a keyword"),
        (["delete", "-a", ADA, "x"], 2, "not the number of a message"),
    ]:
        out, lines = said(ada, status, *words)
        assert word in lines and out == b"", words
    assert counts(ada) == {"Inbox": (6, 6)}
