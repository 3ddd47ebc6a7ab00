"""PostgreSQL as a pair with a synchronous standby, kept by Patroni and one etcd: what is lost when the primary dies.

Debian's patroni, and etcd of Debian's etcd-server; all private, in the store's own network. The nodes know both hosts
and ask for the one that takes writes. A primary is killed only when the standby is synchronous: before that nobody
promises anything.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import store
from store import BIN, USER, as_postgres, own, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
PORT, REST_PORT, ETCD_PORT = 54340, 54350, 54360
NAMES = ["a", "b"]

CONFIG = """
scope: rota
name: {name}
restapi: {{listen: "{host}:{rest}", connect_address: "{host}:{rest}"}}
etcd3: {{hosts: "127.0.0.1:{etcd}"}}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 5
    master_start_timeout: 0
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 150, track_commit_timestamp: "on", wal_log_hints: "on", max_wal_size: 256MB}}
  initdb: [{{encoding: UTF8}}, {{locale: C.UTF-8}}]
postgresql:
  listen: "{host}:{port}"
  connect_address: "{host}:{port}"
  data_dir: "{folder}/data"
  bin_dir: {bin}
  pgpass: "{folder}/pgpass"
  authentication: {{superuser: {{username: root}}, replication: {{username: replicator}}, rewind: {{username: root}}}}
  pg_hba: ["local all all trust", "host all all {net} trust", "host replication all {net} trust"]
  parameters: {{unix_socket_directories: "{folder}", shared_buffers: 128MB}}
"""


def etcd_program():
    unpacked = ROOT / "var" / "packages" / "usr" / "bin" / "etcd"
    found = str(unpacked) if unpacked.exists() else shutil.which("etcd")
    if not found or not shutil.which("patroni"):
        raise RuntimeError("patroni and etcd are not here: ./test faults brings them")
    return found


class Pair(store.Store):
    """Two PostgreSQL under Patroni, as the store of a cluster."""

    def __init__(self, folder, network):
        self.folder, self.network = pathlib.Path(folder) / "store", network
        self.mounted, self.process, self.processes = False, None, {}
        self.hosts = dict(zip(NAMES, network.pair_addresses()))
        self.ports = {name: network.port(PORT + at) for at, name in enumerate(NAMES)}
        self.rest = {name: network.port(REST_PORT + at) for at, name in enumerate(NAMES)}
        self.etcd_port, self.etcd_peers = network.port(ETCD_PORT), network.port(ETCD_PORT + 1)

    def open(self):
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o755)
        own(self.folder)
        # Run by another user, who may not be able to enter the checkout.
        etcd = shutil.copy(etcd_program(), self.folder / "etcd")
        url = f"http://127.0.0.1:{self.etcd_port}"
        self.run("etcd", [etcd, "--data-dir", str(self.folder / "etcd-data"), "--listen-client-urls", url,
                          "--advertise-client-urls", url, "--listen-peer-urls", f"http://127.0.0.1:{self.etcd_peers}",
                          "--unsafe-no-fsync"])
        for name in NAMES:
            os.makedirs(self.folder / name)
            os.chmod(self.folder / name, 0o755)
            own(self.folder / name)
            net = "10.77.0.0/24" if self.network.inside_store() else "127.0.0.1/32"
            (self.folder / f"{name}.yml").write_text(CONFIG.format(
                name=name, host=self.hosts[name], port=self.ports[name], rest=self.rest[name],
                etcd=self.etcd_port, folder=self.folder / name, bin=BIN, net=net))
            self.start_one(name)
            if name == NAMES[0]:
                until(self.primary, "the first PostgreSQL", 120)
        until(self.is_safe, "a synchronous standby", 120)
        self.sql(f"CREATE ROLE {USER} LOGIN", database="postgres")
        self.sql(f"CREATE DATABASE rota OWNER {USER}", database="postgres")

    def run(self, name, argv):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen([*self.network.inside_store(), *as_postgres(argv)], stdout=log,
                                                    stderr=log, stdin=subprocess.DEVNULL, cwd="/",
                                                    start_new_session=True)

    def start_one(self, name):
        self.run(name, ["/usr/bin/patroni", str(self.folder / f"{name}.yml")])

    def addresses(self, places):
        return f"host={','.join(str(place) for place in places)} port={','.join(str(self.ports[n]) for n in NAMES)}"

    def url(self, node):
        return (f"{self.addresses(self.hosts.values())} user={USER} dbname=rota target_session_attrs=read-write"
                f" application_name=rota-{node}")

    def place(self):
        where = self.addresses(self.folder / name for name in NAMES)
        return f"{where} target_session_attrs=read-write connect_timeout=3"

    def members(self):
        """By name, as Patroni sees them; {} when neither answers."""
        for name in NAMES:
            url = f"http://{self.hosts[name]}:{self.rest[name]}/cluster"
            got = subprocess.run([*self.network.inside_store(), "/usr/bin/python3", "-c", "import sys, urllib.request;"
                                  "print(urllib.request.urlopen(sys.argv[1], timeout=2).read().decode())", url],
                                 capture_output=True, text=True)
            if got.returncode == 0:
                return {member["name"]: member for member in json.loads(got.stdout)["members"]}
        return {}

    def primary(self):
        return next((name for name, member in self.members().items()
                     if member["role"] == "leader" and member["state"] == "running"), None)

    def is_safe(self):
        """The primary waits for the standby with each commit."""
        roles = [member["role"] for member in self.members().values()]
        if sorted(roles) != ["leader", "sync_standby"]:
            return False
        rows = self.try_sql("SELECT sync_state FROM pg_stat_replication", "postgres")
        return bool(rows) and rows[0] == ["sync"]

    def postmaster(self, name):
        with open(self.folder / name / "data" / "postmaster.pid", encoding="utf-8") as file:
            return int(file.readline())

    def kill_postgres(self, name):
        os.kill(self.postmaster(name), signal.SIGKILL)

    def kill_machine(self, name):
        """Patroni and PostgreSQL at once; the other learns of it when the leader's key runs out."""
        self.processes[name].kill()
        self.kill_postgres(name)
        self.processes[name].wait()

    def close(self):
        for name in NAMES:
            process = self.processes.get(name)
            if process:
                process.kill()
                process.wait()
            try:
                self.kill_postgres(name)
            except (OSError, ValueError):
                pass  # it has ended
        if "etcd" in self.processes:
            self.processes["etcd"].kill()
            self.processes["etcd"].wait()


def more_mail(load, number):
    goal = load.ledger.count() + number
    until(lambda: load.ledger.count() >= goal, "a message answered 250", 60)


def failover(world, load, turns, machines, seed, verdict):
    """Each turn the primary dies; the next comes when the old one is back as a synchronous standby."""
    chance, pair, times = random.Random(seed), world.store, []
    for turn in range(turns):
        until(pair.is_safe, "a synchronous standby", 180)
        more_mail(load, chance.randint(50, 200))
        old, machine = pair.primary(), machines and turn % 2
        begin = time.monotonic()
        if machine:
            pair.kill_machine(old)
        else:
            pair.kill_postgres(old)
        until(lambda old=old: pair.primary() not in (None, old), "another primary", 90)
        promoted = time.monotonic() - begin
        more_mail(load, 1)
        times.append((promoted, time.monotonic() - begin))
        print(f"  {'machine' if machine else 'PostgreSQL'} of the primary killed: another after {promoted:.1f} s,"
              f" mail again after {times[-1][1]:.1f} s", flush=True)
        if machine:
            pair.start_one(old)
        more_mail(load, 50)
    verdict.add("each time another primary came, and mail with it", len(times) == turns,
                f"{turns} failovers, mail again after at most {max(row[1] for row in times):.1f} s")
