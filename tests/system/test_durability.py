"""What was answered 250 is there, once, byte for byte: after kill -9 at any moment, on a full disk, on a read-only one.

A ledger outside rota holds the digest of each message and whether it was answered 250. In the end the store has each of
these once, `rota export` writes the bytes that were sent, and `rota store check --deep` finds the store whole.
"""

import collections
import contextlib
import hashlib
import os
import random
import resource
import subprocess
import tempfile
import threading
import time

from conftest import exported_digests, until
from lmtp_client import LmtpClient

SOON = 'lease = "3s"\nheartbeat = "200ms"\n'
PEOPLE = ["ada@example.org", "bob@example.org", "eve@example.org"]


def letter(ident, size=0, chance=random):
    """A message whose text does not compress, so that it takes the room that it says."""
    text = "".join(chance.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=size))
    lines = "\r\n".join(text[at:at + 70] for at in range(0, size, 70))
    return (f"From: <sender@example.net>\r\nTo: someone\r\nMessage-ID: <{ident}>\r\nSubject: hedgehog {ident}\r\n"
            f"\r\n.A dot first.\r\n{lines}\r\n").encode()


class Ledger:
    """What was sent to whom: Message-ID → digest, and who of the recipients has a 250."""

    def __init__(self):
        self.lock = threading.Lock()
        self.digests = {}
        self.acknowledged = set()  # of (ident, recipient)

    def sent(self, ident, message):
        with self.lock:
            self.digests[ident] = hashlib.sha256(message).hexdigest()

    def answered(self, ident, recipient, code):
        with self.lock:
            if code == 250:
                self.acknowledged.add((ident, recipient))

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def check(self, rota):
        """Every acknowledged message is in the store, and none is there twice; it comes out as it went in; the store
        is whole."""
        hexed = "hex(e.blob)" if rota.kind == "sqlite" else "encode(e.blob, 'hex')"
        stored = {}
        for ident, address, digest in rota.query(
                f"SELECT e.message_id, a.address, {hexed} FROM email e JOIN account a ON a.id = e.account"):
            assert (ident, address) not in stored, f"{ident} is there twice"
            stored[ident, address] = digest.lower()
        missing = self.acknowledged - stored.keys()
        assert not missing, f"{len(missing)} of {len(self.acknowledged)} are lost: {sorted(missing)[:3]}"
        for (ident, _), digest in stored.items():
            assert digest == self.digests[ident], f"{ident} is not what was sent"
        for person in PEOPLE:
            want = collections.Counter(digest for (_, address), digest in stored.items() if address == person)
            assert exported_digests(rota, person) == want, person
        assert "whole" in rota.run("store", "check", "--deep")


class Sender(threading.Thread):
    """One session after the other; a message is sent until all of its recipients have answered 250."""

    def __init__(self, rota, ledger, name, seed):
        super().__init__(daemon=True)
        self.rota, self.ledger, self.number = rota, ledger, name
        self.chance = random.Random(seed)
        self.stopping = threading.Event()
        self.client = None
        self.trouble = None

    def attempt(self, ident, message, left):
        try:
            self.client = self.client or LmtpClient(self.rota.lmtp_path)
            for recipient, (code, _) in zip(list(left), self.client.send("sender@example.net", left, message)):
                self.ledger.answered(ident, recipient, code)
                if code == 250:
                    left.remove(recipient)
                assert code in (250, 451), code
        except OSError:  # the node is gone, or goes: again
            if self.client:
                self.client.close()
            self.client = None
            self.stopping.wait(0.01)

    def run(self):
        number = 0
        try:
            while not self.stopping.is_set():
                number += 1
                ident = f"{self.number}.{number}@example.net"
                message = letter(ident, self.chance.choice([0, 200, 3000, 60000]), self.chance)
                self.ledger.sent(ident, message)
                left = self.chance.sample(PEOPLE, self.chance.randint(1, 3))
                end = time.monotonic() + 60
                while left:
                    self.attempt(ident, message, left)
                    assert time.monotonic() < end, f"{ident} finds no node"
        except AssertionError as trouble:
            self.trouble = trouble


def make_accounts(rota):
    for address in PEOPLE:
        rota.run("account", "add", address)


def test_no_acknowledged_message_is_lost_by_a_kill(rota):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)
    make_accounts(rota)
    ledger = Ledger()
    node = rota.serve(settings)
    senders = [Sender(rota, ledger, n, seed + n) for n in range(4)]
    for sender in senders:
        sender.start()
    for kill in range(6):
        goal = ledger.count() + chance.randint(3, 60)
        until(lambda: ledger.count() >= goal or any(s.trouble for s in senders), "more mail")
        time.sleep(chance.random() * 0.03)  # any moment, not that of a reply
        node.kill()
        node = rota.serve(settings, f"life{kill}")
    goal = ledger.count() + 20
    until(lambda: ledger.count() >= goal, "mail after the last kill")
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join()
        assert sender.trouble is None
    until(lambda: rota.query("SELECT count(*) FROM task") == [["0"]], "the index")
    node.stop()
    print(f"{ledger.count()} deliveries acknowledged, 6 kills")
    ledger.check(rota)


# ---------------------------------------------------------------- disks


def fill_until_451(rota, ledger, client, prefix, limit):
    """Sends until the store takes no more; the texts of the refusals."""
    for number in range(limit):
        ident = f"{prefix}{number}@example.net"
        message = letter(ident, 100000)
        ledger.sent(ident, message)
        code, text = client.send("sender@example.net", PEOPLE[:1], message)[0]
        ledger.answered(ident, PEOPLE[0], code)
        if code != 250:
            assert code == 451 and text.startswith("4.3.0"), (code, text)
            return
    raise AssertionError("the disk did not fill")


def send_one(ledger, client, ident):
    message = letter(ident, 1000)
    ledger.sent(ident, message)
    code, _ = client.send("sender@example.net", PEOPLE[:1], message)[0]
    ledger.answered(ident, PEOPLE[0], code)
    return code


def goes_on(rota, ledger, client, node):
    """There is room again: mail is taken, and background work is done, by the same process."""
    tries = iter(range(100000))
    until(lambda: send_one(ledger, client, f"again{next(tries)}@example.net") == 250, "a 250")
    node.logged("lmtp.store-up")
    until(lambda: rota.query("SELECT count(*) FROM task") == [["0"]], "the index")
    assert node.process.poll() is None
    node.stop()
    ledger.check(rota)


@contextlib.contextmanager
def small_disk(size, owner=0):
    """A file system of its own, for root; None where this machine does not let us."""
    folder = tempfile.mkdtemp(prefix="rota-disk-")
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], stderr=subprocess.DEVNULL).returncode == 0
    try:
        if mounted and owner:
            os.chown(folder, owner, -1)
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)
        os.rmdir(folder)


def test_a_file_that_may_not_grow(rota_sqlite):
    """As a quota does it; by any user."""
    rota = rota_sqlite
    settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)
    make_accounts(rota)
    node = rota.serve(settings).ready()
    client, ledger = LmtpClient(rota.lmtp_path), Ledger()
    assert send_one(ledger, client, "first@example.net") == 250
    _, hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (2 << 20, hard))
    fill_until_451(rota, ledger, client, "full", 200)
    node.logged("lmtp.store-down")
    assert "full" in node.text() or "too large" in node.text(), node.text()
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    goes_on(rota, ledger, client, node)


def test_a_full_disk(rota_sqlite):
    rota = rota_sqlite
    with small_disk("6m") as disk:
        if not disk:
            print("no file system could be mounted: test_a_file_that_may_not_grow stands for it")
            return
        rota.store = f'type = "sqlite"\npath = "{disk}/rota.db"'
        settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)
        filler = f"{disk}/filler"
        make_accounts(rota)
        node = rota.serve(settings).ready()
        client, ledger = LmtpClient(rota.lmtp_path), Ledger()
        assert send_one(ledger, client, "first@example.net") == 250
        with open(filler, "wb") as file:
            file.write(bytes(2 << 20))
        fill_until_451(rota, ledger, client, "full", 100)
        node.logged("lmtp.store-down")
        assert "full" in node.text()
        os.unlink(filler)
        os.symlink(f"{disk}/rota.db", rota.folder / "rota.db")  # where the ledger looks
        goes_on(rota, ledger, client, node)


def test_a_full_tablespace(rota_postgresql):
    rota = rota_postgresql
    folder = dict(part.split("=", 1) for part in os.environ["ROTA_TEST_PG"].split())["host"]
    with small_disk("16m", os.stat(folder).st_uid) as disk:
        if not disk:
            print("no file system could be mounted: PostgreSQL's full disk was not tried")
            return
        space = rota.schema + "_space"
        rota.psql(f"CREATE TABLESPACE {space} LOCATION '{disk}'")
        rota.store = rota.store.replace(f"options=-csearch_path={rota.schema}",
                                        f"options='-csearch_path={rota.schema} -cdefault_tablespace={space}'")
        try:
            settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)
            make_accounts(rota)
            node = rota.serve(settings).ready()
            client, ledger = LmtpClient(rota.lmtp_path), Ledger()
            assert send_one(ledger, client, "first@example.net") == 250
            free = os.statvfs(disk)
            with open(f"{disk}/filler", "wb") as file:
                file.write(bytes(free.f_bavail * free.f_bsize - (1 << 20)))
            fill_until_451(rota, ledger, client, "full", 100)
            node.logged("lmtp.store-down")
            assert "No space left on device" in node.text()
            os.unlink(f"{disk}/filler")
            goes_on(rota, ledger, client, node)
        finally:
            for each in rota.nodes:
                each.close()
            rota.psql(f"DROP SCHEMA {rota.schema} CASCADE")
            rota.psql(f"DROP TABLESPACE {space}")
            rota.psql(f"CREATE SCHEMA {rota.schema}")


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* While the file $READ_ONLY is there, writing to files named rota.db* fails as on a read-only disk. */
static int refuses(int fd)
{
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(name, path, sizeof path - 1);
    if (size < 0 || access(getenv("READ_ONLY"), F_OK) != 0)
        return 0;
    path[size] = 0;
    if (!strstr(path, "/rota.db"))
        return 0;
    errno = EROFS;
    return 1;
}
#define WRITES(name, type, args, call) \
    type name args { static type (*real) args; if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name); \
        return refuses(fd) ? -1 : real call; }
WRITES(pwrite64, ssize_t, (int fd, const void *bytes, size_t size, off_t at), (fd, bytes, size, at))
WRITES(pwrite, ssize_t, (int fd, const void *bytes, size_t size, off_t at), (fd, bytes, size, at))
WRITES(write, ssize_t, (int fd, const void *bytes, size_t size), (fd, bytes, size))
WRITES(ftruncate, int, (int fd, off_t size), (fd, size))
WRITES(ftruncate64, int, (int fd, off_t size), (fd, size))
"""


def test_a_disk_that_turns_read_only(rota_sqlite, monkeypatch):
    """As a file system does after an error. No mounted one can be turned while files on it are open for writing,
    so the system calls are, by a library that is loaded before the C library."""
    rota = rota_sqlite
    source, library, switch = rota.folder / "shim.c", rota.folder / "shim.so", rota.folder / "read-only"
    source.write_text(SHIM)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)
    make_accounts(rota)
    with monkeypatch.context() as environment:
        environment.setenv("LD_PRELOAD", str(library))
        environment.setenv("READ_ONLY", str(switch))
        environment.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0")
        node = rota.serve(settings).ready()
    client, ledger = LmtpClient(rota.lmtp_path), Ledger()
    assert send_one(ledger, client, "first@example.net") == 250
    switch.touch()
    assert send_one(ledger, client, "refused@example.net") == 451
    node.logged("lmtp.store-down")
    assert "Read-only file system" in node.text(), node.text()
    assert send_one(ledger, client, "refused2@example.net") == 451
    node.logged("node.heartbeat")
    switch.unlink()
    goes_on(rota, ledger, client, node)


def test_a_store_that_is_read_only_from_the_start(rota_sqlite):
    """The node says so and does not start; mail stays with its sender."""
    rota = rota_sqlite
    with small_disk("6m") as disk:
        if not disk:
            print("no file system could be mounted: a read-only store was not tried")
            return
        rota.store = f'type = "sqlite"\npath = "{disk}/rota.db"'
        settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)
        make_accounts(rota)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        node = rota.serve(settings)
        assert node.process.wait(timeout=60) not in (0, -6, -11)
        assert "ead-only" in node.text() or "readonly" in node.text(), node.text()
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        rota.serve(settings, "again").ready().stop()
