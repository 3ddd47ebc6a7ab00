"""A change of the role table, node by node, while tasks run: none of them runs zero or two times, and at no moment do
two tables work together.

Every second node is restarted, the others read their file again (SIGHUP). The tasks are of accounts that are not there:
they are claimed, run and ended as any other.
"""

import collections
import random
import signal
import threading

import measure
from cluster import RoleTable
from store import until

NEW_TABLE = """
[cluster.roles.purge]
stores = ["1,2", "3,4,5,6"]
accounts = ["2,5"]
[cluster.roles.acme]
renew = ["6"]
[cluster.roles.metrics]
calculate = ["1,2"]
push = ["3"]
[cluster.roles.push-notifications]
push-notifications = ["1,5", "2,4", "3,6"]
[cluster.roles.fts-indexing]
fts-indexing = ["1,4", "3,5", "2,6"]
[cluster.roles.bayes-training]
bayes-training = ["6"]
[cluster.roles.imip-processing]
imip-processing = ["2,3"]
[cluster.roles.calendar-alerts]
calendar-alerts = ["1"]
"""
CHUNK, WAITING_MAX = 500, 3000


class Feeder(threading.Thread):
    """Enqueues all tasks, never many more than are worked on."""

    def __init__(self, world, count):
        super().__init__(daemon=True)
        self.world, self.count, self.added, self.trouble = world, count, 0, None

    def run(self):
        first = measure.KEY_FIRST
        try:
            while self.added < self.count and not self.world.stopping.is_set():
                size = min(CHUNK, self.count - self.added)
                self.world.store.sql(
                    "INSERT INTO task (bucket, role, key, payload, due_at, version, owner, generation, claimed_at,"
                    " attempts, deaths, created_at, last_error) SELECT (n * 7919) % 1024, 'fts-indexing',"
                    f" ({first} + n)::TEXT, '', rota_now(), 1, 0, 0, 0, 0, 0, rota_now(), ''"
                    f" FROM generate_series({self.added}, {self.added + size - 1}) n; NOTIFY rota, 'fts-indexing'")
                self.added += size
                until(lambda: self.world.store.number("SELECT count(*) FROM task") < WAITING_MAX, "room in the queue")
        except (RuntimeError, TimeoutError) as error:
            self.trouble = str(error)


def change(node, number_of_turn):
    node.write_settings(NEW_TABLE)
    if number_of_turn % 2:
        node.process.send_signal(signal.SIGHUP)
        return "reload"
    status = node.end()
    node.start()
    return f"restart ({status})"


def epoch(world):
    return world.store.number("SELECT epoch FROM cluster")


def rolling(world, count, seed, verdict):
    order = list(world.cluster.nodes)
    random.Random(seed).shuffle(order)
    feeder, early = Feeder(world, count), []
    feeder.start()
    for turn, number in enumerate(order):
        until(lambda turn=turn: feeder.added >= count * (turn + 1) / (len(order) + 2) or feeder.trouble, "work", 600)
        if epoch(world) != 1:
            early.append(number)
        how = change(world.cluster.nodes[number], turn)
        until(lambda number=number: proposes_new(world, number), f"the proposal of node {number}", 60)
        print(f"  {feeder.added} tasks enqueued: node {number} has the new table by {how}", flush=True)
    until(lambda: epoch(world) == 2, "the new table in force", 30)
    feeder.join()
    verdict.add("all tasks were enqueued", not feeder.trouble and feeder.added == count, feeder.trouble or str(count))
    verdict.add("the new table waits for the last node", not early, str(early or ""))


def proposes_new(world, number):
    rows = world.store.rows(f"SELECT proposed_table FROM member WHERE node = {number} AND lease_until >= rota_now()")
    return bool(rows) and same_table(rows[0]["proposed_table"])


def same_table(text):
    want = RoleTable.of_settings(NEW_TABLE).shards
    return {role: shards for role, shards in RoleTable.of_text(text).shards.items() if role in want} == want


def check(world, count, verdict):
    """After it has settled."""
    ends = world.store.rows("SELECT count(*) AS keys, count(*) FILTER (WHERE n <> 1) AS wrong FROM (SELECT count(*)"
                            " AS n FROM ledger.finish WHERE role = 'fts-indexing' AND length(key) > 6 AND removed"
                            " GROUP BY key) x")[0]
    verdict.add("each task was ended once", ends["keys"] == count and ends["wrong"] == 0,
                f"{ends['keys']} of {count}, {ends['wrong']} not once")
    runs = collections.Counter(event["task"] for node in world.cluster.nodes.values() for event in node.events()
                               if event["event"] == "task.done" and len(event["task"]) > 6)
    wrong = [key for key, number in runs.items() if number != 1]
    verdict.add("the nodes' logs tell of one run of each", len(runs) == count and not wrong,
                f"{len(runs)} of {count}, {len(wrong)} not once {wrong[:3] or ''}")
    tables = world.store.rows("SELECT epoch, role_table FROM ledger.in_force WHERE epoch > 0 ORDER BY epoch")
    verdict.add("one table after the other", [row["epoch"] for row in tables] == [1, 2] and
                same_table(tables[-1]["role_table"]), f"epochs {[row['epoch'] for row in tables]}")
