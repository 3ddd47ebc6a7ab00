"""What the system tests share: the real program, with a folder, a store and a node of its own for each test.

A test waits for conditions (a reply, a line of output, the READY datagram), never for a time; every wait has an end.
"""

import collections
import hashlib
import json
import os
import pathlib
import shutil
import signal
import smtplib
import socket
import sqlite3
import subprocess
import tempfile
import time
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("ROTA_PROGRAM", str(ROOT / "build" / "rota"))
PATIENCE = 60  # seconds until a condition that does not come fails the test; sanitizers are slow


def mail_files(archive):
    """The messages of an archive of $ROTA_DATA; in CI a missing one is a failure, elsewhere our own stand for it."""
    folder = pathlib.Path(os.environ.get("ROTA_DATA_UNPACKED", ROOT / "var" / "data")) / archive
    files = sorted(folder.rglob("*.eml"))
    assert files or not os.environ.get("CI"), f"no mail in {folder}"
    if not files:
        print(f"{archive} is not in $ROTA_DATA: the project's own mail stands for it")
        files = sorted((ROOT / "examples" / "mail").glob("*.eml"))
    return files


def until(condition, what="the condition"):
    """Asks until it is true, and returns what it gave."""
    end = time.monotonic() + PATIENCE
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < end, f"{what} did not come within {PATIENCE} s"
        time.sleep(0.01)


def exported_digests(rota, address):
    """How often each digest is among the messages that `rota export` writes."""
    folder = rota.folder / f"export-{address}"
    rota.run("export", "-a", address, str(folder))
    return collections.Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*")
                               if path.is_file() and path.parent.name in ("cur", "new"))


class Node:
    """One `rota serve`, started; `ready` when it has its lease and its doors are open."""

    def __init__(self, rota, settings, name):
        self.log = rota.folder / f"{name}.log"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = rota.folder / f"{name}.notify"
        path.unlink(missing_ok=True)
        self.socket.bind(str(path))
        self.socket.settimeout(PATIENCE)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([PROGRAM, "serve", "-c", str(settings)], stdout=log,
                                            stderr=log, cwd=rota.folder,
                                            env={**os.environ, "NOTIFY_SOCKET": str(path)})

    def told(self, word):
        """Waits until the node has told its service manager `word`."""
        end = time.monotonic() + PATIENCE
        self.socket.settimeout(0.2)
        while time.monotonic() < end:
            try:
                if word in self.socket.recv(4096).decode():
                    return
            except TimeoutError:
                assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.text()}"
        raise AssertionError(f"no {word}:\n{self.text()}")

    def ready(self):
        self.told("READY=1")
        return self

    def text(self):
        return self.log.read_text(errors="replace")

    def logged(self, event):
        until(lambda: event in self.text(), f'"{event}" in the log')

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM, and how long it took to end; the exit status must be 0."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=PATIENCE)
        assert self.process.returncode == 0, self.text()
        return time.monotonic() - begin

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.socket.close()


class Rota:
    """A folder with settings and a store, and the commands on it."""

    def __init__(self, kind):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rota-"))
        self.kind = kind
        self.nodes = []
        self.schema = None
        self.lmtp_path = self.folder / "lmtp"
        if kind == "postgresql":
            self.schema = "rota_system_" + uuid.uuid4().hex[:12]
            self.psql(f"CREATE SCHEMA {self.schema}")
            url = f'{os.environ["ROTA_TEST_PG"]} options=-csearch_path={self.schema}'
            self.store = f'type = "postgresql"\nurl = "{url}"'
        else:
            self.store = f'type = "sqlite"\npath = "{self.folder}/rota.db"'
        self.settings = self.write_settings("rota.toml", 1, self.lmtp_path)

    def psql(self, sql):
        subprocess.run(["/usr/bin/psql", "-q", "-d", os.environ["ROTA_TEST_PG"],
                        "-c", "SET client_min_messages = warning", "-c", sql],
                       check=True, stdout=subprocess.DEVNULL)

    def query(self, sql):
        """Rows of the store as lists of text, past the program; also for statements without rows."""
        if self.kind == "sqlite":
            with sqlite3.connect(self.folder / "rota.db", timeout=PATIENCE) as store:
                return [[str(cell) for cell in row] for row in store.execute(sql).fetchall()]
        got = subprocess.run(["/usr/bin/psql", "-qAt", "-F", "\t", "-d", os.environ["ROTA_TEST_PG"],
                              "-c", f"SET search_path = {self.schema}", "-c", sql],
                             check=True, capture_output=True, text=True)
        return [line.split("\t") for line in got.stdout.splitlines()]

    def status(self, settings=None):
        """What `rota status --json` says, whatever its exit status."""
        return json.loads(self.run("status", "--json", settings=settings, status=None))

    def shard(self, role, shard=1):
        return next(s for s in self.status()["shards"] if (s["role"], s["shard"]) == (role, shard))

    def write_settings(self, name, node_id, lmtp_path, more="", cluster="", http="listen = []"):
        path = self.folder / name
        path.write_text(f'[cluster]\nnode-id = {node_id}\n{cluster}\n[store.data]\n{self.store}\n\n'
                        f'[lmtp]\nlisten = ["unix:{lmtp_path}"]\nhostname = "mx.example.org"\n{more}\n'
                        f'[http]\n{http}\n')
        return path

    def run(self, *words, settings=None, status=0, text=None):
        """Runs a command; its standard output."""
        got = subprocess.run([PROGRAM, *map(str, words), "-c", str(settings or self.settings)],
                             capture_output=True, text=True, input=text,
                             timeout=PATIENCE * 2, cwd=self.folder)
        if status is not None:
            said = f"rota {' '.join(map(str, words))}: {got.returncode}\n{got.stdout}\n{got.stderr}"
            assert got.returncode == status, said
        return got.stdout

    def serve(self, settings=None, name="node"):
        node = Node(self, settings or self.settings, name)
        self.nodes.append(node)
        return node

    def lmtp(self):
        client = smtplib.LMTP(str(self.lmtp_path))
        client.sock.settimeout(PATIENCE)
        return client

    def close(self):
        for node in self.nodes:
            node.close()
        if self.schema:
            self.psql(f"DROP SCHEMA {self.schema} CASCADE")
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def rota(request):
    """A Rota on each store."""
    made = Rota(request.param)
    yield made
    made.close()


@pytest.fixture
def rota_sqlite():
    made = Rota("sqlite")
    yield made
    made.close()


@pytest.fixture
def rota_postgresql():
    made = Rota("postgresql")
    yield made
    made.close()
