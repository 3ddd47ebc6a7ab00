"""./run --cluster: a PostgreSQL and six nodes with the seed's table: the tour, and the verbs beside a live one."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from conftest import PATIENCE, PROGRAM, ROOT, until

WHOLE_TOUR = PATIENCE * 6


class Way:
    """A folder for the cluster; both tests share it, so that the second goes on with the first one's store."""

    def __init__(self):
        self.var = pathlib.Path(tempfile.mkdtemp(prefix="rota-"))
        self.cluster = self.var / "cluster"
        keep = {k: v for k, v in os.environ.items() if k not in ("ROTA_CONFIG", "NOTIFY_SOCKET", "ROTA_NODE_ID")}
        self.env = {**keep, "ROTA_VAR": str(self.var), "ROTA_PROGRAM": PROGRAM}
        self.process = None

    def run(self, *words, status=0):
        got = subprocess.run([ROOT / "run", "--cluster", *words], env=self.env, cwd="/", capture_output=True, text=True,
                             timeout=WHOLE_TOUR)
        assert got.returncode == status, got.stdout + got.stderr
        return got.stdout + got.stderr

    def rota(self, *words, status=0):
        got = subprocess.run([PROGRAM, *words, "-c", self.cluster / "node1.toml"], capture_output=True, text=True,
                             timeout=PATIENCE)
        assert status is None or got.returncode == status, got.stdout + got.stderr
        return got.stdout

    def status(self):
        return json.loads(self.rota("status", "--json", status=None))

    def states(self):
        return {n["node"]: n["state"] if n["living"] or n["state"] == "drained" else "dead"
                for n in self.status()["nodes"]}

    def living(self, role, shard):
        return next(s["living"] for s in self.status()["shards"] if (s["role"], s["shard"]) == (role, shard))

    def start(self):
        self.out = open(self.var / "run.out", "wb")
        self.process = subprocess.Popen([ROOT / "run", "--cluster"], env=self.env, stdin=subprocess.DEVNULL,
                                        stdout=self.out, stderr=self.out, cwd="/", start_new_session=True)
        until(lambda: "Serving until Ctrl-C" in self.text() or self.process.poll() is not None, "the cluster")
        assert self.process.poll() is None, self.text()

    def text(self):
        return (self.var / "run.out").read_text()

    def processes(self):
        """What still runs of this cluster: nodes, PostgreSQL, the feeder."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(self.var) in words:
                found.append(words)
        return found

    def close(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=PATIENCE)
        link = self.cluster / "postgresql"
        if link.is_symlink():
            shutil.rmtree(link.resolve())
        shutil.rmtree(self.var)


@pytest.fixture(scope="module")
def way():
    made = Way()
    yield made
    made.close()


def test_the_tour(way):
    said = way.run("--once")
    assert "6 nodes work, and every shard has a living node" in said
    assert "its lease had run out, and what it held was free" in said
    assert "node 3 takes none" not in said and "by nobody" not in said
    assert "whole" in said and not way.processes()
    for number in range(1, 7):
        text = (way.cluster / f"node{number}.toml").read_text()
        table = (ROOT / "tests" / "data" / "seed.toml").read_text().replace("node-id = 4", f"node-id = {number}")
        assert table in text  # letter for letter
    tables = [line for line in said.splitlines() if "UNCOVERED" in line]
    assert not tables, tables


def test_verbs_beside_a_second_run(way):
    before = (way.cluster / "node1.toml").read_bytes()
    way.start()
    assert (way.cluster / "node1.toml").read_bytes() == before  # the same store, the same doors
    assert "is made" not in way.text()
    assert "another ./run --cluster is at work" in way.run(status=1)
    assert way.states() == {n: "up" for n in range(1, 7)}

    killed = time.monotonic()
    way.run("kill", "3")
    until(lambda: way.living("fts-indexing", 1) == [2], "the work of node 3 at node 2")
    print(f"moved after {time.monotonic() - killed:.1f} s")
    assert "does not run" in way.run("kill", "3", status=1)
    way.run("start", "3")
    until(lambda: way.living("fts-indexing", 1) == [2, 3], "node 3 back")

    way.rota("drain", "2")
    assert way.living("fts-indexing", 1) == [3] and way.states()[2] == "drained"
    way.run("start", "2")
    until(lambda: way.living("fts-indexing", 1) == [2, 3], "node 2 back")

    way.run("pause", "5")
    until(lambda: way.living("calendar-alerts", 1) == [], "a shard without a node")
    way.rota("status", status=1)
    way.run("resume", "5")
    until(lambda: way.living("calendar-alerts", 1) == [5], "node 5 back")
    way.run("stop", "6")
    until(lambda: way.living("purge.stores", 3) == [5], "node 6 gone")
    assert "which node" in way.run("kill", "7", status=2)

    os.killpg(way.process.pid, signal.SIGINT)  # as a terminal sends it: to all of the group
    assert way.process.wait(timeout=PATIENCE * 2) == 0, way.text()
    assert not way.processes()
    assert "there is no cluster at work" in way.run("kill", "3", status=1)
