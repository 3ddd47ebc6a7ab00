"""Mail in and out of files: byte for byte, nothing lost, nothing twice, also when it is killed."""

import collections
import hashlib
import json
import mailbox
import os
import pathlib
import random
import socket
import sqlite3
import subprocess
import tempfile
import time

import pytest

from conftest import PATIENCE, PROGRAM, ROOT, until

ADA = "ada@example.org"


def told(rota, status, *words, **more):
    """Standard output and error of a command that must end with `status`."""
    done = subprocess.run([PROGRAM, *map(str, words), "-c", str(rota.settings)], capture_output=True,
                          timeout=PATIENCE * 2, cwd=rota.folder, **more)
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout.decode(), done.stderr.decode()


def take_in(rota, *words, status=0, account=ADA):
    """What `rota import` says, as JSON."""
    return json.loads(told(rota, status, "import", "-a", account, "--json", *words)[0])


def digest(data):
    return hashlib.sha256(data).hexdigest()


def tree(folder):
    """Maildir folder, file name without flags, flags, time and digest of all messages of an export."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name in ("cur", "new"):
            unique, _, flags = path.name.partition(":2,")
            found.append((str(path.parent.parent.relative_to(folder)), unique, flags, path.stat().st_mtime_ns // 10**6,
                          digest(path.read_bytes())))
    return sorted(found)


def contents(folder):
    return collections.Counter((entry[0], entry[4]) for entry in tree(folder))


def export(rota, name="out", *words, account=ADA):
    rota.run("export", "-a", account, str(rota.folder / name), *words)
    return rota.folder / name


@pytest.fixture
def ada(rota):
    rota.run("account", "add", ADA)
    return rota


@pytest.fixture
def ada_sqlite(rota_sqlite):
    rota_sqlite.run("account", "add", ADA)
    return rota_sqlite


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def make_maildir(top):
    """A Maildir++ as mail servers leave it, and what its export must hold: (folder, flags, bytes)."""
    mails = {
        "cur/1700000000.M1.host,S=9:2,RS": b"a: 1\n\nx\n",
        "cur/1700000001.M2.host:2,DF": b"a: 2\r\n\r\nCRLF\r\n",
        "new/1700000002.M3.host": b"a: 3\n\nno end",
        "cur/1700000003.M4.host:2,Sab": b"a: 4\n\n\0\xff\n",
        ".Entw&APw-rfe/cur/1700000004.M5.host:2,T": b"a: 5\n\n",
        ".Lists.rota/cur/1700000005.M6.host:2,": b"a: 6\n\nsame\n",
        ".Lists.rota/cur/1700000006.M7.host:2,P": b"a: 6\n\nsame\n",
        ".Lists/new/1700000007.M8.host": b"a: 6\n\nsame\n",
    }
    for name, data in mails.items():
        os.utime(write(top / name, data), ns=(0, int(name.split("/")[-1][:10]) * 10**9 + 123 * 10**6))
    for folder in (top, top / ".Empty"):
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    write(top / "dovecot-keywords", b"0 $junk\n1 work\n")
    write(top / "dovecot-uidlist", b"3 V1\n")
    write(top / "tmp/1700000009.M9.host", b"half a mess")
    return collections.Counter(
        (str(pathlib.Path(name).parent.parent), name.partition(":2,")[2], digest(data)) for name, data in mails.items())


def test_maildir_there_and_back(ada):
    want = make_maildir(ada.folder / "in")
    got = take_in(ada, ada.folder / "in")
    assert (got["stored"], got["already"], got["problems"]) == (8, 0, [])
    out = export(ada)
    first = tree(out)
    assert collections.Counter((entry[0], entry[2], entry[4]) for entry in first) == want
    assert {entry[3] for entry in first} == {(1700000000 + n) * 1000 + 123 for n in range(8)}
    assert (out / ".Empty" / "cur").is_dir() and (out / "dovecot-keywords").read_text() == "0 $junk\n1 work\n"
    assert take_in(ada, ada.folder / "in")["already"] == 8
    assert "0 messages written, 8 were there already" in ada.run("export", "-a", ADA, str(out))
    assert tree(out) == first
    ada.run("account", "add", "bob@example.org")
    assert take_in(ada, out, account="bob@example.org")["stored"] == 8
    assert tree(export(ada, "again", account="bob@example.org")) == first
    assert len(mailbox.Maildir(out, create=False)) == 4  # another reader understands it
    assert "whole" in ada.run("store", "check", "--deep")


MBOX = (b"From ada@example.org Mon Jan  2 03:04:05 2023\nStatus: RO\nX-Status: F\nA: 1\n\nFrom here\n>From there\n\n"
        b"From bob@example.org Mon Jan  2 03:04:06 2023\nA: 2\n\nsame\n\n"
        b"From bob@example.org Mon Jan  2 03:04:06 2023\nA: 2\n\nsame\n\n")


def test_mbox(ada):
    box = write(ada.folder / "old.mbox", MBOX)
    assert take_in(ada, box, "--folder", "Old/Box")["stored"] == 3
    assert take_in(ada, box, "--folder", "Old/Box") == {"stored": 0, "already": 3, "passed_over": 0,
                                                        "problems": [], "whole": True}
    assert [entry[1:] for entry in tree(export(ada)) if entry[0] == ".Old.Box"] == [
        (f"1672628645.{digest(first)[:24]}.1,S={len(first)}", "FS", 1672628645000, digest(first))
        for first in [b"Status: RO\nX-Status: F\nA: 1\n\nFrom here\nFrom there\n"]] + [
        (f"1672628646.{digest(second)[:24]}.{n},S={len(second)}", "", 1672628646000, digest(second))
        for second in [b"A: 2\n\nsame\n"] for n in (1, 2)]
    assert take_in(ada, box, "--folder", "plain", "--mbox", "none")["stored"] == 3
    quoted = export(ada, "plain", "--folder", "plain")
    assert any(b"\n>From there\n" in path.read_bytes() for path in quoted.rglob("cur/*"))
    write(ada.folder / "letters/Sent.sbd/2023.mbox", MBOX)  # in a directory its name is a mailbox
    assert take_in(ada, ada.folder / "letters")["stored"] == 3
    assert (export(ada) / ".Sent.2023").is_dir()


def test_hostile_files(ada_sqlite):
    rota = ada_sqlite
    top = rota.folder / "in"
    settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "max-message-size = \"1kb\"\n")
    assert settings == rota.settings
    write(top / "good.eml", b"a: 1\n\nx\n")
    write(top / "new\nline.eml", b"a: 2\n\nx\n")
    write(pathlib.Path(os.fsdecode(os.fsencode(top) + b"/b\xff/\xfe.eml")), b"a: 3\n\nx\n")
    write(top / "zero.eml", b"")
    write(top / "large.eml", b"a: 4\n\n" + b"x" * 1000)
    write(top / "meeting.ics", b"BEGIN:VCALENDAR\r\n")
    write(top / "README", b"no mail\n")
    write(top / ".hidden/x.eml", b"a: 5\n\nx\n")
    write(top / "big.mbox", MBOX + b"From x Mon Jan  2 03:04:07 2023\nA: 3\n\n" + b"y" * 2000 + b"\n\n"
          b"From x Mon Jan  2 03:04:08 2023\nA: 4\n\nlast, cut o")
    write(top / "odd.eml", bytes(range(256)))
    (top / "loop").symlink_to(top)
    (top / "link.eml").symlink_to("good.eml")
    os.mkfifo(top / "fifo.eml")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(top / "socket.eml"))
    got = take_in(rota, top, rota.folder / "gone", top / "README", "/dev/zero", top / "fifo.eml", status=1)
    assert (got["stored"], got["passed_over"]) == (8, 1)
    problems = [(problem["place"].rpartition("/")[2], problem["text"].partition(",")[0]) for problem in got["problems"]]
    odd = "is neither a file nor a directory"
    assert sorted(problems) == sorted([
        ("zero.eml", "is empty"), ("large.eml", "has 1006 bytes"), (f"big.mbox, at byte {len(MBOX)}", "has 2007 bytes"),
        ("meeting.ics", "calendars are not taken yet"), ("loop", "is a symbolic link"),
        ("link.eml", "is a symbolic link"), ("fifo.eml", odd), ("fifo.eml", odd), ("socket.eml", odd), ("zero", odd),
        ("gone", "No such file or directory"), ("README", "is neither a message nor an mbox")])
    lines = told(rota, 1, "import", "-a", ADA, top)[1]
    assert "\x1b" not in lines and "new\nline" not in lines
    assert take_in(rota, top / "link.eml")["already"] == 1  # named, it is what it points to
    out = export(rota)
    assert contents(out)[(".", digest(bytes(range(256))))] == 1


def test_names_of_mailboxes(ada):
    names = ["a.b", "..", ".", "x&y", "Entwürfe/台北", "cur", "new/tmp", "~ ; *", "😀" * 60, "n" * 250,
             "/".join(["deep" * 8] * 12)]
    mail = write(ada.folder / "one.eml", b"a: 1\n\nx\n")
    for name in names:
        assert take_in(ada, mail, "--folder", name)["stored"] == 1
    for wrong in ["", "a//b", "/a", "a\nb", "x" * 256, "/".join("a" * 33)]:
        assert "is not the path of a mailbox" in told(ada, 2, "import", "-a", ADA, mail, "--folder", wrong)[1]
    assert take_in(ada, mail, "--folder", "Entwu\u0308rfe/台北")["already"] == 1  # as other keyboards write it
    assert len(tree(export(ada, "one", "--folder", "Entwu\u0308rfe"))) == 1
    out = export(ada)
    assert all(part.isascii() for path in out.rglob("*") for part in path.parts)
    first = tree(out)
    assert len(first) == len(names)
    ada.run("account", "add", "bob@example.org")
    assert take_in(ada, out, account="bob@example.org")["stored"] == len(names)
    assert tree(export(ada, "again", account="bob@example.org")) == first


def test_quota(ada):
    ada.run("account", "quota", ADA, "100b")
    for number in range(5):
        write(ada.folder / "in" / f"{number}.eml", b"a: %d\n\n" % number + b"x" * 40)
    got = take_in(ada, ada.folder / "in", status=1)
    assert got["stored"] == 2
    assert [problem["text"] for problem in got["problems"]] == ["the account is over its quota"] * 3
    ada.run("account", "quota", ADA, "none")
    assert take_in(ada, ada.folder / "in")["stored"] == 3


def test_wrong_use(ada):
    mail = write(ada.folder / "one.eml", b"a: 1\n\nx\n")
    for words, status, word in [
        (["import", mail], 2, "-a ADDRESS"),
        (["import", "-a", ADA], 2, "an argument is missing"),
        (["import", "-a", "adda@example.org", mail], 1, f'did you mean "{ADA}"?'),
        (["import", "-a", ADA, "--mbox", "x", mail], 2, "rd, o or none"),
        (["export", ada.folder / "out"], 2, "-a ADDRESS"),
        (["export", "-a", "adda@example.org", ada.folder / "out"], 1, f'did you mean "{ADA}"?'),
        (["export", "-a", ADA, ada.folder], 1, "is not empty and is no Maildir"),
        (["export", "-a", ADA, mail], 1, "Not a directory"),
        (["export", "-a", ADA, ada.folder / "out", "--folder", "Nowhere"], 1, 'no mailbox "Nowhere"'),
    ]:
        out, said = told(ada, status, *words)
        assert word in said + out, words


# ---- killed at any moment

def archive():
    """Real mail where it is (tests/data.sh unpacks it), else as many messages of our own."""
    folder = os.environ.get("ROTA_DATA_UNPACKED")
    path = pathlib.Path(folder or ROOT / "var" / "data") / "mail" / "dev"
    return path if path.is_dir() else None


def make_messages(top, count):
    with open(top, "wb") as box:
        for number in range(count):
            box.write(b"From x@example.org Mon Jan  2 03:04:05 2023\nMessage-ID: <%d@example.org>\n\n%s\n\n" % (
                number // 2, b"text " * (number // 2 % 50)))
    return top


def killed_runs(rota, words, done, goals):
    """Runs a command and kills it when `done()` has reached each goal; how often that was in its middle."""
    kills = 0
    for goal in goals:
        with open(rota.folder / "killed.log", "ab") as log:
            process = subprocess.Popen([PROGRAM, *map(str, words), "-c", str(rota.settings)], stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while process.poll() is None and done() < goal:
            assert time.monotonic() < end
        process.kill()
        kills += process.wait() == -9
    return kills


def kill_import_and_export(rota, out, source, total, kills):
    chance = random.Random(total)

    def stored():
        return json.loads(rota.run("account", "show", ADA, "--json"))["used_messages"]

    goals = sorted(chance.randrange(1, total * 2 // 3) for _ in range(kills))
    assert killed_runs(rota, ["import", "-a", ADA, source], stored, goals) >= kills // 2, "killed too seldom"
    got = take_in(rota, source)
    assert got["stored"] + got["already"] == total and got["problems"] == [] and got["already"] > 0
    assert stored() == total

    def written():
        return sum(len(files) for folder, _, files in os.walk(out) if folder.endswith("cur"))

    goals = sorted(chance.randrange(1, total * 8 // 10) for _ in range(3))
    assert killed_runs(rota, ["export", "-a", ADA, out], written, goals) >= 1
    rota.run("export", "-a", ADA, str(out))
    assert written() == total


@pytest.fixture
def memory():
    """A folder whose many small files cost no disk."""
    with tempfile.TemporaryDirectory(prefix="rota-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        yield pathlib.Path(folder)


def test_whole_archive_killed(ada_sqlite, memory):
    """All of the archive: imported though killed ten times, indexed, exported: each message once, byte for byte."""
    rota = ada_sqlite
    source = archive()
    if not source:
        assert not os.environ.get("CI"), "CI has the archive"
        pytest.skip("there is no archive; test_killed does the same with mail of our own")
    want = collections.Counter(("." + path.parent.name, digest(path.read_bytes())) for path in source.rglob("*.eml"))
    kill_import_and_export(rota, memory / "out", source, want.total(), 10)
    assert contents(memory / "out") == want
    node = rota.serve().ready()
    store = sqlite3.connect(f"file:{rota.folder}/rota.db?mode=ro", uri=True)
    whole = "SELECT count(*) FROM search_state JOIN account ON account = id AND position = change_seq"
    until(lambda: store.execute(whole).fetchone()[0], "the index")
    assert store.execute("SELECT count(*) FROM search_index").fetchone()[0] == want.total()
    node.stop()


def test_killed(ada, memory):
    """The same with mail of our own on each store, in one file, where half of the messages are there twice."""
    total = 6000
    kill_import_and_export(ada, memory / "out", make_messages(ada.folder / "in.mbox", total), total, 6)
    twice = [number for number in contents(memory / "out").values() if number == 2]
    assert len(twice) == total // 2
    assert "whole" in ada.run("store", "check")


def test_beside_a_node(ada):
    """A node that runs takes the new mail into its index."""
    ada.serve().ready()
    take_in(ada, write(ada.folder / "one.eml", b"Subject: marzipan\n\nx\n"))
    until(lambda: told_count(ada, "marzipan") == 1, "the message in the index")


def told_count(rota, word):
    return int(rota.run("search", "-a", ADA, "--count", word, status=None))
