"""Six real nodes with the seed's role table on one PostgreSQL, and the commands of an operator beside them."""

import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import tomllib

import stepped_clock
from store import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("ROTA_PROGRAM", str(ROOT / "build" / "rota"))
SEED_TABLE = (ROOT / "tests" / "data" / "seed.toml").read_text(encoding="utf-8").split("\n", 1)[1]

SETTINGS = """
[cluster]
node-id = {node}
lease = "{lease}ms"
heartbeat = "{heartbeat}ms"

[store.data]
type = "postgresql"
url = "{url}"
purge.frequency = "every {purge}s"

[account]
purge.frequency = "every {purge}s"

[lmtp]
listen = ["unix:{lmtp}"]
hostname = "mx.example.org"

[http]
listen = ["unix:{lmtp}.http"]

[spam-filter]
bayes.min-learns = 5

[log]
level = "debug"
format = "json"
{table}
"""


class Node:
    """One node-id, over all of its lives; its log goes on from life to life."""

    def __init__(self, cluster, number, clock):
        self.cluster, self.number, self.clock = cluster, number, clock
        self.lmtp = cluster.folder / f"lmtp{number}"
        self.log = cluster.folder / f"node{number}.log"
        self.settings = cluster.folder / f"node{number}.toml"
        self.process, self.stopped, self.table = None, False, cluster.seed_table
        self.wanted, self.ends = False, []  # whether it shall run; how lives ended that nobody killed
        self.write_settings(cluster.seed_table)

    def write_settings(self, table):
        self.table = table
        self.settings.write_text(SETTINGS.format(
            node=self.number, lease=self.cluster.lease, heartbeat=self.cluster.heartbeat, lmtp=self.lmtp, table=table,
            url=self.cluster.url(self.number), purge=self.cluster.PURGE_SECONDS), encoding="utf-8")

    def start(self):
        inside = self.cluster.network.inside(self.number)
        environment = {**os.environ, **self.clock.environment(), "ROTA_NODE_ID": str(self.number)}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*inside, PROGRAM, "serve", "-c", str(self.settings)], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, env=environment,
                                            cwd=self.cluster.folder)
        self.wanted = True

    def revive(self):
        """What a service manager does: a node that ended by itself is started again."""
        if self.wanted and self.process.poll() is not None:
            self.ends.append(self.process.returncode)
            self.start()

    def kill(self):
        self.wanted = False
        self.process.kill()
        self.process.wait()
        self.stopped = False

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        self.stopped = False

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def end(self):
        """SIGTERM; the exit status must be 0."""
        self.wanted = False
        self.process.terminate()
        return self.process.wait(timeout=60)

    def text(self):
        return self.log.read_text(errors="replace")

    def events(self):
        """The log as dictionaries; a line that a kill cut off is left out."""
        for line in self.text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def close(self):
        self.wanted = False
        if self.process:
            self.process.kill()
            self.process.wait()


class Cluster:
    PURGE_SECONDS = 20

    def __init__(self, folder, network, store, table=SEED_TABLE, lease=3000):
        self.folder, self.network, self.store = pathlib.Path(folder), network, store
        self.closing, self.seed_table, self.table = threading.Event(), table, RoleTable.of_settings(table)
        self.lease, self.heartbeat = lease, lease // 3  # ms
        library = stepped_clock.build(folder)
        self.url = store.url
        self.nodes = {n: Node(self, n, stepped_clock.SteppedClock(folder, f"node{n}", library)) for n in network.nodes}
        self.settings = self.folder / "operator.toml"
        self.write_operator_settings(store.own_url())

    def write_operator_settings(self, url):
        self.settings.write_text(f'[cluster]\nnode-id = 1\n[store.data]\ntype = "postgresql"\nurl = "{url}"\n'
                                 f"[spam-filter]\nbayes.min-learns = 5\n{self.seed_table}", encoding="utf-8")

    def start(self):
        for node in self.nodes.values():
            node.start()
        until(lambda: len(self.living()) == len(self.nodes), "all nodes", 120)
        threading.Thread(target=self.keep_alive, daemon=True).start()

    def keep_alive(self):
        while not self.closing.wait(0.5):
            for node in self.nodes.values():
                node.revive()

    def living(self):
        return {int(row[0]) for row in self.store.try_sql(
            "SELECT node FROM member WHERE lease_until >= rota_now() AND state = 'up'") or [] if row and row[0]}

    def run(self, *words, status=0, text=None, patience=300):
        got = subprocess.run([PROGRAM, *words, "-c", str(self.settings)], capture_output=True, text=True, input=text,
                             timeout=patience, cwd=self.folder)
        if status is not None and got.returncode != status:
            raise RuntimeError(f"rota {' '.join(words)}: {got.returncode}\n{got.stdout}\n{got.stderr}")
        return got.stdout

    def status(self):
        return json.loads(self.run("status", "--json", status=None))

    def close(self):
        self.closing.set()
        for node in self.nodes.values():
            node.close()


class RoleTable:
    """Who may do what, as read from a settings file or from the store's canonical text."""

    def __init__(self, shards):
        self.shards = shards  # role → list of sets of nodes; a role that is not there: every node

    @classmethod
    def of_settings(cls, text):
        roles = tomllib.loads(text)["cluster"]["roles"]
        found = {}
        for first, inner in roles.items():
            for second, shards in inner.items():
                name = first if first == second else f"{first}.{second}"
                found[name] = [cls.nodes(shard) for shard in shards]
        return cls(found)

    @classmethod
    def of_text(cls, text):
        found = {}
        for line in text.splitlines():
            name, nodes = line.split(" = ")
            if nodes != "*":
                found[name] = [] if nodes == "none" else [cls.nodes(shard) for shard in nodes.split(" | ")]
        return cls(found)

    @staticmethod
    def nodes(text):
        found = set()
        for item in re.split(r",\s*", str(text)):
            first, _, last = item.partition("-")
            found.update(range(int(first), int(last or first) + 1))
        return found

    def may(self, role, node, bucket=None, shard=None):
        shards = self.shards.get(role)
        if shards is None:
            return True
        if not shards:
            return False
        return node in shards[shard - 1 if shard is not None else bucket % len(shards)]
