"""What operators see and do: status, tasks, drain, reload; what a kill and a broken file cost."""

import json
import os
import pty
import select
import subprocess
import termios
import time

import pytest

from conftest import PATIENCE, PROGRAM, until
from relay import Relay

SOON = 'lease = "3s"\nheartbeat = "200ms"\n'
TASK = ("INSERT INTO task (bucket, role, key, payload, due_at, version, owner, generation, claimed_at,"
        " attempts, deaths, created_at, last_error) VALUES ")


def add_tasks(rota, role, keys, due_at):
    """Tasks as they lie in the store; the buckets do not matter to one shard."""
    for at in range(0, len(keys), 500):
        rows = (f"({(at + i) % 1024}, '{role}', '{key}', '', {due_at}, 1, 0, 0, 0, 0, 0, {due_at}, '')"
                for i, key in enumerate(keys[at:at + 500]))
        rota.query(TASK + ", ".join(rows))


def bury(rota, role, key):
    rota.query("INSERT INTO dead_letter (bucket, role, key, payload, attempts, deaths, created_at,"
               " buried_at, last_error, node)"
               f" VALUES (5, '{role}', '{key}', '', 3, 0, 1, 2, 'no such device', 9)")


def count(rota, what="task"):
    return int(rota.query(f"SELECT count(*) FROM {what}")[0][0])


def node_of(rota, number):
    return next((n for n in rota.status()["nodes"] if n["node"] == number), None)


# ---------------------------------------------------------------- status and tasks


def test_status_before_the_first_node(rota):
    assert rota.run("status", status=1) == ""  # there is no store
    rota.run("store", "init")
    assert "no node has ever started" in rota.run("status", status=1)
    assert rota.status()["good"] is False


def test_tasks_show_tells_how_rounds_ended(rota):
    rota.serve().ready()
    rota.run("tasks", "show", "purge.stores:round/data/1", status=1)
    rota.run("run", "purge.stores")
    rota.run("run", "purge.stores")
    found = json.loads(rota.run("tasks", "show", "--json", "purge.stores:round/data/1"))
    assert found["tasks"] == [] and [past["outcome"] for past in found["history"]] == ["done", "done"]
    assert found["history"][0]["ended_at"] >= found["history"][1]["ended_at"]
    assert "nothing to remove" in rota.run("tasks", "show", "purge.stores:round/data/1")
    assert "on node 1 (done): nothing to remove" in rota.run("tasks", "why", "purge.stores:round/data/1")
    rota.run("tasks", "why", "purge.stores:round/data/2", status=1)
    rota.run("tasks", "show", "purge.stores:round/data/2", status=1)


def test_status_counts_and_lag(rota):
    """The tasks are another node's, which is not there: nobody runs them."""
    elsewhere = '[cluster.roles.imip-processing]\nimip-processing = ["2"]'
    rota.settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", elsewhere)
    node = rota.serve().ready()
    assert "purge.stores" in rota.run("status", status=1)
    now = rota.status()["at"]
    add_tasks(rota, "imip-processing", ["1", "2", "3"], now - 60000)
    add_tasks(rota, "imip-processing", ["4", "5"], now + 3600000)
    bury(rota, "imip-processing", "9")
    shard = rota.shard("imip-processing")
    assert (shard["due"], shard["waiting"], shard["running"], shard["dead"]) == (3, 2, 0, 1)
    assert not (shard["due_at_least"] or shard["dead_at_least"])
    assert 60000 <= shard["lag_ms"] < 60000 + PATIENCE * 1000
    assert shard["living"] == [] and not shard["covered"]
    shard = rota.shard("fts-indexing")
    assert shard["living"] == [1] and shard["covered"]
    alone = node_of(rota, 1)
    assert (alone["pid"], alone["state"], alone["living"]) == (node.process.pid, "up", True)
    listed = json.loads(rota.run("tasks", "list", "--json", "--role", "imip-processing", "--limit", "4"))
    assert [t["id"].split(":")[1] + t["state"] for t in listed["tasks"]] == ["9dead", "1due", "2due", "3due"]
    assert listed["more"] is True
    assert len(json.loads(rota.run("tasks", "list", "--json", "--state", "waiting"))["tasks"]) == 2
    rota.run("tasks", "list", "--state", "sleeping", status=2)
    rota.run("tasks", "show", "imip-processing:77", status=1)


def test_a_failing_task_becomes_a_dead_letter(rota):
    """list, show, why, retry, drop of a task that its handler refuses."""
    settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "[lane.fts-indexing]\nattempts = 1\n", SOON)
    rota.serve(settings).ready()
    add_tasks(rota, "fts-indexing", ["nobody"], 1)
    until(lambda: count(rota, "dead_letter") == 1, "the dead letter")
    first = json.loads(rota.run("tasks", "list", "--state", "dead", "--json"))["tasks"][0]
    assert first["id"] == "fts-indexing:nobody" and first["attempts"] == 1 and first["node"] == 1
    assert "nobody" in first["error"]
    assert "is not an account's number" in rota.run("tasks", "show", "fts-indexing:nobody")
    why = rota.run("tasks", "why", "fts-indexing:nobody")
    assert "It is a dead letter: node 1" in why and "rota tasks retry" in why
    assert rota.shard("fts-indexing")["dead"] == 1
    buried = first["buried_at"]
    rota.run("tasks", "retry", "fts-indexing:nobody")
    until(lambda: [int(at) for (at,) in rota.query("SELECT buried_at FROM dead_letter")] > [buried], "a second burial")
    assert "dropped" in rota.run("tasks", "drop", "fts-indexing:nobody")
    rota.run("tasks", "drop", "fts-indexing:nobody", status=1)
    add_tasks(rota, "fts-indexing", ["a", "b", "c"], 1)
    until(lambda: count(rota, "dead_letter") == 3, "three dead letters")
    rota.run("tasks", "drop", status=2)
    rota.run("tasks", "drop", "--dead", status=2)
    assert json.loads(rota.run("tasks", "drop", "--dead", "--role", "fts-indexing", "--json"))["dropped"] == 3
    assert count(rota, "dead_letter") == count(rota) == 0
    assert until(lambda: rota.shard("fts-indexing")["failed_hour"] == 5, "five failures in the last hour")


# ---------------------------------------------------------------- coverage


def test_a_shard_of_an_absent_node(rota):
    settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, '[cluster.roles.purge]\nstores = ["1", "7"]\n', SOON)
    node = rota.serve(settings).ready()
    node.logged("shard.uncovered")
    assert "no living node for purge.stores shard 2 of 2" in node.text()
    told = rota.run("status", status=1)
    assert told.splitlines()[1].startswith("UNCOVERED: 1 of 11 shards") and "purge.stores shard 2 of 2" in told
    status = rota.status()
    assert (status["good"], status["uncovered"]) == (False, 1)


def test_a_dead_nodes_shard_is_told_within_two_leases(rota_postgresql):
    rota = rota_postgresql
    soon = 'lease = "5s"\nheartbeat = "200ms"\n'
    table = '[cluster.roles.purge]\nstores = ["1", "2"]\n'
    first = rota.serve(rota.write_settings("rota.toml", 1, rota.lmtp_path, table, soon)).ready()
    second = rota.serve(rota.write_settings("2.toml", 2, rota.folder / "lmtp2", table, soon), "second").ready()
    until(lambda: rota.status()["uncovered"] == 0, "full coverage")
    first.logged("shard.covered")
    second.kill()
    begin = time.monotonic()
    until(lambda: rota.status()["uncovered"] == 1, "the uncovered shard")
    until(lambda: first.text().count("shard.uncovered") == 2, "its line in the log")
    assert time.monotonic() - begin < 2 * 5.0
    rota.run("status", status=1)


# ---------------------------------------------------------------- a node goes


def test_tasks_of_a_killed_node_run_after_its_restart(rota):
    settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "[lane.fts-indexing]\nbatch = 100\n", SOON)
    node = rota.serve(settings).ready()
    now = rota.status()["at"]
    add_tasks(rota, "fts-indexing", [str(k) for k in range(1, 3001)], now)
    until(lambda: count(rota, "task WHERE owner <> 0") or count(rota) == 0, "a claim")
    node.kill()
    rota.serve(settings, "again").ready()
    until(lambda: count(rota) == 0, "an empty queue")
    assert count(rota, "dead_letter") == 0


def test_another_node_takes_a_killed_nodes_tasks(rota_postgresql):
    rota = rota_postgresql
    first = rota.serve(rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)).ready()
    rota.serve(rota.write_settings("2.toml", 2, rota.folder / "lmtp2", "", SOON), "second").ready()
    incarnation = node_of(rota, 1)["incarnation"]
    now = rota.status()["at"]
    # As if it were in the middle of them: held by its incarnation, which then dies.
    add_tasks(rota, "fts-indexing", [str(k) for k in range(1, 301)], now + 3600000)
    rota.query(f"UPDATE task SET owner = {incarnation}, due_at = {now}")
    assert until(lambda: rota.shard("fts-indexing")["running"] == 300, "what it holds")
    first.kill()
    begin = time.monotonic()
    until(lambda: count(rota) == 0, "an empty queue")
    assert time.monotonic() - begin < PATIENCE / 4
    assert count(rota, "dead_letter") == 0


def test_a_clean_stop_hands_over_at_once(rota_postgresql):
    rota = rota_postgresql
    first = rota.serve(rota.write_settings("rota.toml", 1, rota.lmtp_path)).ready()
    rota.serve(rota.write_settings("2.toml", 2, rota.folder / "lmtp2"), "second").ready()
    assert first.stop() < 1.0
    assert node_of(rota, 1) is None
    assert rota.shard("fts-indexing")["living"] == [2]


# ---------------------------------------------------------------- drain and reload


def test_drain(rota):
    settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)
    rota.run("account", "add", "ada@example.org")
    node = rota.serve(settings).ready()
    rota.run("drain", "9", status=1)
    rota.run("drain", "x", status=2)
    assert "node 1 is drained" in rota.run("drain", "1")
    assert node_of(rota, 1)["state"] == "drained"
    assert "node 1 is drained" in rota.run("drain", "1")  # again is the same
    rota.lmtp().sendmail("bob@example.org", ["ada@example.org"], "Subject: hedgehog\n\nText.\n")
    assert rota.shard("fts-indexing")["due"] == 1 and rota.status()["uncovered"] > 0
    assert "None of these is alive and working" in rota.run("tasks", "why", "fts-indexing:1")
    node.stop()
    rota.serve(settings, "again").ready()
    until(lambda: count(rota) == 0, "the index")
    assert json.loads(rota.run("drain", "1", "--no-wait", "--json")) == {"node": 1, "drained": False, "uncovered": ""}
    until(lambda: node_of(rota, 1)["state"] == "drained", "the drain")


def test_drain_leaves_the_work_to_the_other(rota_postgresql):
    rota = rota_postgresql
    rota.serve(rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)).ready()
    rota.serve(rota.write_settings("2.toml", 2, rota.folder / "lmtp2", "", SOON), "second").ready()
    rota.run("drain", "1")
    add_tasks(rota, "fts-indexing", [str(k) for k in range(1, 201)], 1)
    until(lambda: count(rota) == 0, "an empty queue")
    until(lambda: rota.shard("fts-indexing")["done_hour"] == 200, "the counts")
    assert rota.query("SELECT DISTINCT node FROM load_sample WHERE done > 0") == [["2"]]


def test_reload(rota):
    settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON)
    node = rota.serve(settings).ready()
    before = rota.status()
    assert f'{before["digest"][:12]} is in force, epoch 1' in rota.run("reload")
    settings.write_text(settings.read_text() + '[cluster.roles.purge]\nstores = ["1", "1,2"]\n')
    told = json.loads(rota.run("reload", "--json"))
    assert told["in_force"] and told["epoch"] == 2 and told["nodes"] == [{"node": 1, "answered": True, "refusal": None}]
    good = settings.read_text()
    settings.write_text(good.replace('"1,2"', '"1,0"'))
    other = rota.write_settings("command.toml", 1, rota.lmtp_path, "", SOON)
    broken = json.loads(rota.run("reload", "1", "--json", settings=other, status=1))
    assert "rota.toml" in broken["nodes"][0]["refusal"] and "node 0" in broken["nodes"][0]["refusal"]
    assert (broken["epoch"], broken["digest"], broken["in_force"]) == (2, told["digest"], True)
    assert "nothing changes" in node.text()
    settings.write_text(good)
    rota.run("reload")
    rota.run("reload", "7", status=1)


def test_reload_of_one_node_after_the_other(rota_postgresql):
    """Two tables are never at work together: the new one waits for the last node."""
    rota = rota_postgresql
    files = [rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SOON),
             rota.write_settings("2.toml", 2, rota.folder / "lmtp2", "", SOON)]
    for number, file in enumerate(files):
        rota.serve(file, f"node{number}").ready()
    for file in files:
        file.write_text(file.read_text() + '[cluster.roles.purge]\nstores = ["1", "2"]\n')
    told = json.loads(rota.run("reload", "1", "--json"))
    assert told["in_force"] is False and told["epoch"] == 1
    assert told["differing"] == ["node 1 proposes purge.stores = 1 | 2"]
    assert "node 1 proposes purge.stores = 1 | 2" in rota.run("status")
    assert json.loads(rota.run("reload", "2", "--json"))["epoch"] == 2
    assert rota.status()["differing"] == []


# ---------------------------------------------------------------- what an idle node costs


def told_at(rota):
    """When the node's last heartbeat was, by the store's clock in ms, and its statements until then."""
    node = node_of(rota, 1)
    return node["lease_until"], node["statements"]


def idle_rate(rota):
    """By what the node told with a heartbeat and with the fourth one after it."""
    until(lambda: told_at(rota)[1] > 0, "the first heartbeat")
    begin, before = told_at(rota)
    until(lambda: told_at(rota)[0] - begin > 7900, "four heartbeats")
    end, after = told_at(rota)
    return (after - before) * 1000 / (end - begin)


def without_rounds(settings):
    """metrics.calculate adds up each minute, some 90 rows in one transaction: that is work, and not what idle costs."""
    settings.write_text(settings.read_text() + '[metrics]\ninterval = "every 1h"\n')


def test_an_idle_node_on_sqlite(rota_sqlite):
    without_rounds(rota_sqlite.settings)
    rota_sqlite.serve().ready()
    assert 0.4 < idle_rate(rota_sqlite) < 2


def test_an_idle_node_on_postgresql(rota_postgresql):
    """Counted by a relay on the wire, with BEGIN and COMMIT, and by the node itself, without."""
    rota = rota_postgresql
    relay = Relay(rota.folder, os.environ["ROTA_TEST_PG"])
    own = rota.settings
    without_rounds(own)
    through = rota.write_settings("relayed.toml", 1, rota.lmtp_path)
    through.write_text(own.read_text().replace(os.environ["ROTA_TEST_PG"], relay.url))
    rota.serve(through).ready()
    until(lambda: node_of(rota, 1)["statements"] > 0, "the first heartbeat")
    begin, before = time.monotonic(), relay.executes
    assert idle_rate(rota) < 2
    rate = (relay.executes - before) / (time.monotonic() - begin)
    print(f"{rate:.2f} statements a second on the wire")
    # Heartbeats and polls with a BEGIN and a COMMIT each; one poll more or less may fall into the window.
    assert 0.4 < rate < 2 + 3 / (time.monotonic() - begin)


# ---------------------------------------------------------------- the live view


class Terminal:
    """`rota status --watch` on a terminal of its own."""

    def __init__(self, settings):
        self.ours, theirs = pty.openpty()
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.seen = ""
        self.process = subprocess.Popen([PROGRAM, "status", "--watch", "-c", str(settings)],
                                        stdin=theirs, stdout=theirs, stderr=theirs,
                                        env={**os.environ, "TERM": "xterm"}, start_new_session=True)

    def read(self):
        while select.select([self.ours], [], [], 0.05)[0]:
            self.seen += os.read(self.ours, 65536).decode(errors="replace")

    def shows(self, word):
        """Waits for a word that comes after what was waited for before."""
        def come():
            self.read()
            at = self.seen.find(word)
            if at < 0:
                return False
            self.seen = self.seen[at + len(word):]
            return True
        until(come, f'"{word}" on the terminal')

    def last_frame(self):
        self.read()
        return self.seen.split("\x1b[H")[-1]

    def key(self, text):
        os.write(self.ours, text.encode())

    def end(self):
        self.process.wait(timeout=PATIENCE)
        self.read()
        assert self.seen.endswith("\x1b[?7h\x1b[?25h\x1b[?1049l")  # wraps, has a cursor, is the first screen
        assert termios.tcgetattr(self.theirs) == self.before
        return self.process.returncode


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_watch_ends_and_leaves_the_terminal_as_it_was(rota_sqlite, key):
    rota_sqlite.serve().ready()
    terminal = Terminal(rota_sqlite.settings)
    terminal.shows("\x1b[?1049h")
    terminal.shows("fts-indexing")
    terminal.shows("fts-indexing")  # drawn again
    assert "\x1b[2J" not in terminal.seen  # not cleared in between: no flicker
    assert termios.tcgetattr(terminal.theirs) != terminal.before
    terminal.key(key)
    assert terminal.end() == 0


def test_watch_ends_by_a_signal(rota_sqlite):
    table = '[cluster.roles.acme]\nrenew = "9"\n'
    settings = rota_sqlite.write_settings("rota.toml", 1, rota_sqlite.lmtp_path, table)
    rota_sqlite.serve(settings).ready()
    terminal = Terminal(settings)
    terminal.shows("UNCOVERED")
    terminal.process.terminate()
    assert terminal.end() == 1


def test_watch_outlives_the_store(rota_postgresql):
    rota = rota_postgresql
    rota.serve().ready()
    relay = Relay(rota.folder, os.environ["ROTA_TEST_PG"])
    through = rota.write_settings("relayed.toml", 1, rota.lmtp_path)
    through.write_text(through.read_text().replace(os.environ["ROTA_TEST_PG"], relay.url))
    terminal = Terminal(through)
    terminal.shows("fts-indexing")
    relay.cut()
    terminal.shows("The store has not answered since")
    terminal.shows("What it said before")
    relay.open()
    terminal.shows("\x1b[J")
    until(lambda: terminal.last_frame().count("fts-indexing") == 1 and "not answered" not in terminal.last_frame(),
          "the store again")
    terminal.key("q")
    assert terminal.end() == 0


def test_watch_wants_a_terminal(rota_sqlite):
    rota_sqlite.run("store", "init")
    rota_sqlite.run("status", "--watch", status=2)
    rota_sqlite.run("status", "--watch", "--json", status=2)
