"""./run, the newcomer's way in: all of it, on a store of its own, with the program that is built already."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from conftest import PATIENCE, PROGRAM, ROOT, until


class Way:
    """A folder for ./run's node; its mail comes in at a socket there, so that tests do not meet at a port."""

    def __init__(self):
        self.var = pathlib.Path(tempfile.mkdtemp(prefix="rota-"))
        self.listen(f"unix:{self.var}/lmtp")
        keep = {k: v for k, v in os.environ.items() if k not in ("ROTA_CONFIG", "NOTIFY_SOCKET")}
        self.env = {**keep, "ROTA_VAR": str(self.var), "ROTA_PROGRAM": PROGRAM}
        self.process = None

    def listen(self, address):
        (self.var / "rota.toml").write_text(
            f'[cluster]\nnode-id = 1\n[store.data]\npath = "rota.db"\n[lmtp]\nlisten = ["{address}"]\n'
            '[http]\nlisten = []\n[spam-filter]\nbayes.min-learns = 2\n'
            '[account]\ndelete-retention = "1s"\n[storage]\nundelete.retention = "1s"\n')

    def run(self, *words):
        return subprocess.run([ROOT / "run", *words], env=self.env, cwd="/", capture_output=True, text=True,
                              timeout=PATIENCE * 3)

    def rota(self, *words):
        return subprocess.run([PROGRAM, *words, "-c", self.var / "rota.toml"], capture_output=True, text=True,
                              timeout=PATIENCE, check=True).stdout

    def start(self):
        with open(self.var / "run.out", "wb") as out:
            self.process = subprocess.Popen([ROOT / "run"], env=self.env, stdout=out, stderr=out, cwd="/",
                                            start_new_session=True)
        until(lambda: "Serving until Ctrl-C" in self.text(), "the end of the tour")
        return self

    def text(self):
        return (self.var / "run.out").read_text()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=PATIENCE)
        shutil.rmtree(self.var)


@pytest.fixture
def way():
    made = Way()
    yield made
    made.close()


def test_twice_and_nothing_is_there_twice(way):
    mails = len(list((ROOT / "examples" / "mail").glob("*.eml")))
    first = way.run("--once")
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.count("password: ") == 2 and first.stdout.count(" Stored") >= mails
    assert "removed 1 messages" in first.stdout and "removed 1 blobs" in first.stdout
    assert "X-Spam-Status: Yes" in first.stdout
    junk = json.loads(way.rota("mail", "list", "-a", "ada@example.org", "--folder", "Junk", "--json"))
    assert len(junk["emails"]) == 3
    kept = way.rota("account", "list", "--json")
    second = way.run("--once")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "password: " not in second.stdout and second.stdout.count(" Stored") == 1  # the message to be purged
    assert way.rota("account", "list", "--json") == kept
    way.rota("store", "check")


def test_a_second_one_is_refused_and_ctrl_c_hands_over(way):
    way.start()
    got = way.run("--once")
    assert got.returncode == 1
    assert "Another ./run has this store" in got.stderr
    os.killpg(way.process.pid, signal.SIGINT)  # as a terminal sends it: to all of the group
    assert way.process.wait(timeout=PATIENCE) == 0, way.text()
    assert "handed over" in way.text()
    assert "serve.stopped" in (way.var / "rota.log").read_text()
    assert not (way.var / "lmtp").exists()


def test_a_taken_port_is_named(way):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        way.listen("127.0.0.1:%d" % taken.getsockname()[1])
        got = way.run("--once")
    assert got.returncode == 1
    assert "lmtp.listen" in got.stderr


def test_wrong_use(way):
    got = way.run("--twice")
    assert got.returncode == 2 and "--help" in got.stderr
    assert "--once" in way.run("--help").stdout
