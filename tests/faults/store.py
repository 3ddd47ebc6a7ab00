"""A PostgreSQL of our own, on a small disk of its own, that can be killed, filled and stormed."""

import json
import os
import pathlib
import pwd
import signal
import socket
import struct
import subprocess
import threading
import time

BIN = "/usr/lib/postgresql/15/bin"
PORT = 54330
USER = "mail"  # what the nodes connect as; not a superuser, so that a storm can shut them out


def until(condition, what, patience=60):
    """Asks until it is true, and returns what it gave; every wait has an end."""
    end = time.monotonic() + patience
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {patience} s")
        time.sleep(0.02)


def as_postgres(argv):
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return argv
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--inh-caps=-all", *argv]


def own(path):
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(path, account.pw_uid, account.pw_gid)


class Store:
    DISK_MB = 3000  # pages of memory that are used as they are written
    CONNECTIONS = 150

    def __init__(self, folder, network):
        self.folder = pathlib.Path(folder) / "store"
        self.network, self.process = network, None
        self.data = self.folder / "disk" / "data"
        self.mounted, self.port = False, network.port(PORT)

    def open(self):
        os.makedirs(self.data)
        os.chmod(self.folder, 0o755)
        if os.geteuid() == 0:
            self.mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.DISK_MB}m", "tmpfs",
                                           self.folder / "disk"], stderr=subprocess.DEVNULL).returncode == 0
            os.makedirs(self.data, exist_ok=True)
        if not self.mounted:
            print("no file system can be mounted here: PostgreSQL's disk does not fill", flush=True)
        for path in (self.folder, self.folder / "disk", self.data):
            own(path)
        with open(self.folder / "initdb.log", "w", encoding="utf-8") as log:
            subprocess.run(as_postgres([f"{BIN}/initdb", "-D", str(self.data), "-A", "trust", "-U", "root", "-E",
                                        "UTF8", "--locale=C.UTF-8"]), check=True, stdout=log, stderr=log, cwd="/")
        with open(self.data / "pg_hba.conf", "a", encoding="utf-8") as file:
            file.write("host all all 10.77.0.0/24 trust\n")
        self.start()
        self.sql(f"CREATE ROLE {USER} LOGIN", database="postgres")
        self.sql(f"CREATE DATABASE rota OWNER {USER}", database="postgres")

    def start(self):
        argv = [f"{BIN}/postgres", "-D", str(self.data), "-k", str(self.folder), "-p", str(self.port),
                "-c", f"listen_addresses={self.network.listen_address()}", "-c", f"max_connections={self.CONNECTIONS}",
                "-c", "track_commit_timestamp=on", "-c", "shared_buffers=128MB", "-c", "max_wal_size=256MB",
                "-c", "log_checkpoints=off"]
        with open(self.folder / "postgres.log", "ab") as log:
            self.process = subprocess.Popen([*self.network.inside_store(), *as_postgres(argv)], stdout=log, stderr=log,
                                            cwd="/", start_new_session=True)

    def revive(self):
        """Until it answers, started again as a service manager would: it ends itself when its disk is full."""
        def answers():
            if self.process.poll() is not None:
                self.start()
            return self.try_sql("SELECT 1", database="postgres") is not None
        until(answers, "PostgreSQL", 120)

    def kill(self):
        """kill -9 of the postmaster and all of its children: what a dead machine leaves."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def url(self, node):
        return f"{self.network.store_url(node, self.port)} user={USER} dbname=rota application_name=rota-{node}"

    def place(self):
        """Where it is for us, who are not in the nodes' network: its socket."""
        return f"host={self.folder} port={self.port}"

    def own_url(self):
        """For commands of an operator beside the store."""
        return f"{self.place()} user={USER} dbname=rota"

    def sql(self, text, database="rota"):
        """Rows as lists of text, past the program; the first answer waits until the server is up."""
        return until(lambda: self.try_sql(text, database, [[""]]), f"an answer to {text[:80]}")

    def try_sql(self, text, database="rota", empty=None):
        """None: it does not answer now. `empty` stands for no rows."""
        where = f"{self.place()} user=root dbname={database}"
        got = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-F", "\t", "-d", where, "-c", text],
                             capture_output=True, text=True)
        if got.returncode == 0:
            return [line.split("\t") for line in got.stdout.splitlines()] or empty or [[]]
        if "ERROR" in got.stderr and "connect" not in got.stderr:
            raise RuntimeError(f"{text[:200]}: {got.stderr}")
        return None

    def rows(self, text):
        """As Python values: what row_to_json gives, one a row."""
        got = self.sql(f"SELECT row_to_json(x) FROM ({text}) x")
        return [json.loads("\t".join(row)) for row in got if row and row[0]]

    def number(self, text):
        return int(self.sql(text)[0][0])

    # ---- faults

    def fill(self):
        """The disk has no room from now on. False: this machine does not let us have a disk."""
        if not self.mounted:
            return False
        # It grows meanwhile, and may not be made smaller than it is.
        until(lambda: self.resize(self.used()), "a disk without room", 10)
        return True

    def empty(self):
        if self.mounted:
            until(lambda: self.resize(self.DISK_MB << 20), "room on the disk", 10)

    def used(self):
        disk = os.statvfs(self.folder / "disk")
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize

    def resize(self, size):
        return subprocess.run(["mount", "-o", f"remount,size={size // 1024}k", self.folder / "disk"],
                              stderr=subprocess.DEVNULL).returncode == 0

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        if self.mounted:
            subprocess.run(["umount", "-l", self.folder / "disk"], check=False)


class Storm:
    """Hundreds of clients that connect and stay, and come again when they are turned away."""

    CLIENTS = 300

    def __init__(self, store):
        self.path = f"{store.folder}/.s.PGSQL.{store.port}"
        self.ending, self.held = threading.Event(), []
        self.refused = 0
        parts = b"".join(word + b"\0" for word in (b"user", USER.encode(), b"database", b"rota", b"application_name",
                                                   b"storm"))
        self.hello = struct.pack("!ii", 8 + len(parts) + 1, 196608) + parts + b"\0"
        # Some of the nodes' own are cut off, so that they must come back into the crowd.
        store.try_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rota-%'"
                      " AND random() < 0.3")
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def connect(self):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(5)
        try:
            client.connect(self.path)
            client.sendall(self.hello)
            if client.recv(1) == b"R":
                return client
        except OSError:
            pass
        client.close()
        return None

    def run(self):
        while not self.ending.is_set():
            client = self.connect() if len(self.held) < self.CLIENTS else None
            if client:
                self.held.append(client)
            else:
                self.refused += 1
                self.ending.wait(0.02)

    def end(self):
        self.ending.set()
        self.thread.join()
        for client in self.held:
            client.close()
