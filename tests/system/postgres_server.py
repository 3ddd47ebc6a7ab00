"""A PostgreSQL of a test's own, over TCP: with TLS, as a standby of another, stopped and promoted.

tests/postgres.sh starts the one that most tests share; this is for those that have to do with the server itself.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

from conftest import PATIENCE, until

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def as_postgres(*words, **more):
    """Runs a program, as the user "postgres" where we are root: PostgreSQL refuses to be that."""
    before = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--inh-caps=-all"]
    with tempfile.TemporaryFile("w+") as out:  # a server that it starts keeps what it is given: no pipe
        got = subprocess.run([*(before if os.getuid() == 0 else []), *map(str, words)], cwd="/", stdout=out,
                             stderr=out, timeout=PATIENCE * 2, **more)
        out.seek(0)
        assert got.returncode == 0, f"{words[0]}: {got.returncode}\n{out.read()}"


class PostgresServer:
    """Made by `primary` or `standby_of`; `start` and `stop` as often as one likes. The superuser is "rota_owner"."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rota-server-"))
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self.data, self.port = self.folder / "data", free_port()

    @classmethod
    def primary(cls, *settings):
        """Everybody is let in from this machine, by scram where there is a password to ask for."""
        server = cls()
        as_postgres(BIN / "initdb", "-D", server.data, "-A", "trust", "-U", "rota_owner", "-E", "UTF8",
                    "--locale=C.UTF-8")
        server.write("postgresql.auto.conf", *settings, "fsync = off", "wal_level = replica", "hot_standby = on")
        server.write("pg_hba.conf", "local all all trust", "host replication all 127.0.0.1/32 trust",
                     "host all rota_owner 127.0.0.1/32 trust", "host all all 127.0.0.1/32 scram-sha-256")
        return server.start()

    @classmethod
    def standby_of(cls, primary):
        server = cls()
        as_postgres(BIN / "pg_basebackup",
                    "-D", server.data, "-R", "-X", "stream", "-c", "fast", "-d", primary.dsn("postgres"))
        return server.start()

    def write(self, name, *lines):
        path = self.data / name
        path.write_text("".join(f"{line}\n" for line in lines))

    def start(self):
        if (self.data / "postmaster.pid").exists():
            return self
        try:
            where = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
            as_postgres(BIN / "pg_ctl", "-D", self.data, "-w", "-t", PATIENCE, "-l", self.folder / "log", "-o", where,
                        "start")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{(self.folder / 'log').read_text()}") from None
        return self

    def stop(self, mode="immediate"):
        if (self.data / "postmaster.pid").exists():
            as_postgres(BIN / "pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def promote(self):
        as_postgres(BIN / "pg_ctl", "-D", self.data, "-w", "promote")

    def dsn(self, database="rota", user="rota_owner", **more):
        words = {"host": "127.0.0.1", "port": self.port, "user": user, "dbname": database, **more}
        return " ".join(f"{key}={value}" for key, value in words.items())

    def psql(self, sql, database="rota"):
        return subprocess.run(["/usr/bin/psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.dsn(database)], input=sql,
                              check=True, capture_output=True, text=True, timeout=PATIENCE).stdout.strip()

    def caught_up(self, standby):
        """All that is written here is replayed there."""
        end = self.psql("SELECT pg_current_wal_lsn()", "postgres")
        until(lambda: standby.psql(f"SELECT pg_last_wal_replay_lsn() >= '{end}'", "postgres") == "t", "the standby")

    def close(self):
        self.stop()
        shutil.rmtree(self.folder)
