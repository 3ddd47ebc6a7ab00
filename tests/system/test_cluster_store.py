"""The cluster store as operators have it: servers, TLS, roles of its own; and what cannot work, said clearly."""

import os
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

from conftest import PATIENCE, PROGRAM, Rota, until
from postgres_server import PostgresServer, as_postgres, free_port

SOON = 'lease = "2s"\nheartbeat = "200ms"\n'
PASSWORD = "correct horse"


class OwnStore(Rota):
    """A Rota on a server of the test's own."""

    def __init__(self, url):
        super().__init__("sqlite")
        self.settings = self.at(url)

    def at(self, url, name="rota.toml", cluster=SOON, node=1):
        self.store = f'type = "postgresql"\nurl = "{url}"'
        return self.write_settings(name, node, self.folder / f"lmtp{node}", "", cluster)

    def refused(self, *words, settings=None, status):
        """Standard error of a command that ends with that status."""
        got = subprocess.run([PROGRAM, *words, "-c", settings or self.settings], capture_output=True, text=True,
                             timeout=PATIENCE * 2)
        assert got.returncode == status, f"{got.returncode}\n{got.stdout}\n{got.stderr}"
        assert PASSWORD not in got.stderr
        assert ":  " not in got.stderr
        return got.stderr


@pytest.fixture(scope="module")
def server():
    made = PostgresServer.primary()
    yield made
    made.close()


@pytest.fixture
def database(server):
    """A fresh database "rota", and a role "rota" with a password that owns nothing."""
    server.psql("DROP DATABASE IF EXISTS rota WITH (FORCE)", "postgres")
    server.psql("DROP ROLE IF EXISTS rota", "postgres")
    server.psql(f"CREATE ROLE rota LOGIN PASSWORD '{PASSWORD}'", "postgres")
    server.psql("CREATE DATABASE rota", "postgres")
    return server


@pytest.fixture
def rota(database):
    made = OwnStore(database.dsn())
    yield made
    made.close()


def plain(server, **more):
    return server.dsn(user="rota", password=f"'{PASSWORD}'", **more)


def mail(rota, count=3):
    """Messages taken, indexed and found."""
    with rota.lmtp() as client:
        for number in range(count):
            client.sendmail("bob@example.org", ["ada@example.org"],
                            f"Subject: {number} of {count}\r\n\r\nword{number}\r\n")
    last = f"word{count - 1}"
    until(lambda: "1" in rota.run("search", "-a", "ada@example.org", "--count", last, status=None), "the index")


# ---------------------------------------------------------------- roles

def test_a_plain_role_serves_and_changes_no_schema(rota, database):
    owners, settings = rota.settings, rota.at(plain(database), "plain.toml")
    assert "permission denied" in rota.refused("store", "init", settings=settings, status=2)
    rota.run("store", "init", settings=owners)
    database.psql(rota.run("store", "grants", "rota"))
    rota.settings = settings
    rota.lmtp_path = rota.folder / "lmtp1"
    rota.run("account", "add", "ada@example.org")
    node = rota.serve(settings).ready()
    mail(rota)
    for role in ("purge.stores", "purge.accounts"):
        rota.run("run", role)
    rota.run("mail", "move", "-a", "ada@example.org", "Junk", "1")
    rota.run("store", "check")
    assert "permission denied" not in node.text()
    owned = database.psql("SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner"
                          " WHERE r.rolname = 'rota'")
    assert owned == "0"
    denied = subprocess.run(["/usr/bin/psql", "-d", plain(database), "-c", "DROP TABLE task"], capture_output=True,
                            text=True)
    assert "must be owner" in denied.stderr
    node.stop()


def test_an_old_schema_under_a_plain_role_is_named(rota, database):
    rota.run("store", "init")
    database.psql(rota.run("store", "grants", "rota"))
    newest = database.psql("SELECT max(version) FROM migration")
    database.psql("ALTER TABLE cluster DROP COLUMN name; DELETE FROM migration WHERE name LIKE '%cluster'"
                  " OR version > (SELECT version FROM migration WHERE name LIKE '%cluster')")
    before = database.psql("SELECT max(version) FROM migration")
    plain_settings = rota.at(plain(database), "plain.toml")
    said = rota.refused("serve", settings=plain_settings, status=2)
    assert f"has version {before}" in said and f"needs {newest}" in said and "rota store upgrade" in said
    assert "rota store upgrade" in rota.refused("status", settings=plain_settings, status=2)


# ---------------------------------------------------------------- TLS

def openssl(*words):
    subprocess.run(["/usr/bin/openssl", *map(str, words)], check=True, capture_output=True)


def make_certificate(folder, name, subject, ca=None):
    key, request, cert = (folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
    if not ca:
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={subject}", "-keyout", key,
                "-out", cert)
        return cert
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={subject}", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", folder / f"{ca}.crt", "-CAkey", folder / f"{ca}.key", "-days", 2,
            "-CAcreateserial", "-out", cert)
    return cert


def test_tls_is_verified_against_a_private_ca(rota, database):
    folder = rota.folder
    ca = make_certificate(folder, "ca", "rota test CA")
    make_certificate(folder, "server", "localhost", "ca")
    other = make_certificate(folder, "other", "another CA")
    for name in ("server.crt", "server.key"):
        shutil.copy(folder / name, database.data / name)
        os.chmod(database.data / name, 0o600)
        if os.getuid() == 0:
            shutil.chown(database.data / name, "postgres", "postgres")
    database.psql("ALTER SYSTEM SET ssl = on", "postgres")
    database.psql("SELECT pg_reload_conf()", "postgres")
    until(lambda: database.psql("SHOW ssl", "postgres") == "on", "TLS")
    named = database.dsn(host="localhost", hostaddr="127.0.0.1", sslmode="verify-full")
    rota.settings = rota.at(f"{named} sslrootcert={ca}")
    node = rota.serve(rota.settings).ready()
    crypted = database.psql("SELECT bool_and(ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)"
                            " WHERE application_name = 'rota'")
    assert crypted == "t"
    node.stop()
    unknown = rota.at(f"{named} sslrootcert={other}", "unknown.toml")
    assert "certificate verify failed" in rota.refused("status", settings=unknown, status=75)
    # The certificate is not for 127.0.0.1.
    unnamed = rota.at(database.dsn(sslmode="verify-full", sslrootcert=ca), "unnamed.toml")
    assert "does not match host name" in rota.refused("status", settings=unnamed, status=75)


# ---------------------------------------------------------------- several hosts

def test_several_hosts_and_a_failover(rota, database):
    """A standby stands first in the string, then a host that is down; then the primary dies and the standby rises."""
    standby = PostgresServer.standby_of(database)
    try:
        hosts = {"host": "127.0.0.1,127.0.0.1,127.0.0.1", "port": f"{free_port()},{standby.port},{database.port}"}
        rota.settings = rota.at(database.dsn(**hosts))
        rota.lmtp_path = rota.folder / "lmtp1"
        rota.run("store", "init")
        rota.run("account", "add", "ada@example.org")
        node = rota.serve(rota.settings).ready()
        mail(rota)
        database.caught_up(standby)
        database.stop()
        node.logged("node.heartbeat")
        standby.promote()
        until(lambda: node.text().count("the store answers again") >= 1 or node.text().count("node.joined") >= 2,
              "the node at the new primary")
        until(lambda: rota.run("status", status=None) and rota.status()["good"], "a good status")
        mail(rota, 7)
        assert standby.psql("SELECT count(*) FROM email") == "10"
        node.stop()
    finally:
        standby.close()
        database.start()


# ---------------------------------------------------------------- wake-ups

def test_a_delivery_wakes_another_node_at_once(rota, database):
    """Node 1 takes mail in, node 2 alone indexes; its poll comes every ten seconds only."""
    table = '[cluster.roles]\nfts-indexing = ["2"]\n'
    settings = [rota.at(database.dsn(), f"node{n}.toml", table, n) for n in (1, 2)]
    rota.settings = settings[0]
    rota.lmtp_path = rota.folder / "lmtp1"
    nodes = [rota.serve(path, path.stem).ready() for path in settings]
    rota.run("account", "add", "ada@example.org")
    took = []
    for number in range(5):
        with rota.lmtp() as client:
            client.sendmail("bob@example.org", ["ada@example.org"], f"Subject: {number}\r\n\r\nx\r\n")
        begin = time.monotonic()
        until(lambda: database.psql("SELECT count(*) FROM search_index") == str(number + 1), "the index")
        took.append(time.monotonic() - begin)
    assert sorted(took)[2] < 2, took
    for node in nodes:
        node.stop()


# ---------------------------------------------------------------- what cannot work

def test_another_clusters_store(rota, database):
    ours = rota.at(database.dsn(), cluster=SOON + 'name = "ours"\n')
    theirs = rota.at(database.dsn(), "theirs.toml", SOON + 'name = "theirs"\n', node=2)
    unnamed = rota.at(database.dsn(), "unnamed.toml", node=3)
    node = rota.serve(ours).ready()
    for words in (["serve"], ["status"], ["account", "add", "ada@example.org"]):
        said = rota.refused(*words, settings=theirs, status=2)
        assert 'belongs to the cluster "ours"' in said and 'of the cluster "theirs"' in said
        assert "store.data.url" in said
    rota.serve(unnamed, "unnamed").ready().stop()
    assert [n["node"] for n in rota.status(ours)["nodes"]] == [1]
    assert "node.lost" not in node.text() and node.process.poll() is None
    rota.run("store", "rename", "theirs", settings=theirs)
    rota.run("status", settings=theirs)
    node.stop()


def test_nodes_that_do_not_fit_harm_nobody(rota, database):
    """The same node-id, another role table, a newer schema: each is told, and node 1 goes on as it was."""
    table = '[cluster.roles]\nfts-indexing = ["1"]\n'
    first = rota.settings = rota.at(database.dsn(), "first.toml", SOON + table)
    node = rota.serve(first).ready()

    again = rota.at(database.dsn(), "again.toml", SOON + table)
    again.write_text(again.read_text().replace("/lmtp1", "/lmtp9"))
    said = rota.refused("serve", settings=again, status=1)
    assert "node.refused" in said and f"pid {node.process.pid}" in said

    other = rota.serve(rota.at(database.dsn(), "other.toml", SOON + table.replace('"1"', '"2"'), 2), "other").ready()
    status = rota.status(first)
    assert [n["node"] for n in status["nodes"] if n["differs"]] == [2] and status["epoch"] == 1
    assert "fts-indexing" in " ".join(status["differing"])
    living = {s["role"]: s["living"] for s in status["shards"]}
    assert living["fts-indexing"] == [1]
    other.stop()

    database.psql("INSERT INTO migration SELECT max(version) + 1, '9999-later', 'x', 0 FROM migration")
    for words in (["serve"], ["status"]):
        said = rota.refused(*words, settings=rota.at(database.dsn(), "old.toml", SOON + table, 3), status=2)
        assert "newer than this program" in said and "9999-later" in said
    database.psql("DELETE FROM migration WHERE name = '9999-later'")

    assert node.process.poll() is None and "node.lost" not in node.text()
    assert rota.status(first)["good"]
    node.stop()


def test_wrong_password_role_and_database(rota, database):
    rota.run("store", "init")
    cases = {
        "password authentication failed for user \"rota\"": plain(database).replace(PASSWORD, "wrong"),
        "database \"nowhere\" does not exist": database.dsn("nowhere"),
        "role \"nobody\" does not exist": f"host={database.folder} port={database.port} user=nobody dbname=rota",
        "Connection refused": database.dsn(port=free_port()),
        "invalid connection option \"colour\"": database.dsn(colour="blue"),
    }
    for want, url in cases.items():
        settings = rota.at(url, "wrong.toml", node=9)
        for words in (["status"], ["serve"]):
            status = 2 if "colour" in url else 75
            assert want in rota.refused(*words, settings=settings, status=status)


class OldServer:
    """Speaks as much of PostgreSQL's protocol as a client needs to be let in, and says that it is 12.3."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    @staticmethod
    def message(kind, body):
        return kind + struct.pack("!I", len(body) + 4) + body

    def answer(self, client):
        size, = struct.unpack("!I", client.recv(4))
        code = client.recv(size - 4)[:4]
        if code in (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"):  # TLS, GSSAPI: no
            client.sendall(b"N")
            return self.answer(client)
        said = self.message(b"R", struct.pack("!I", 0))
        for name, value in (("server_version", "12.3"), ("client_encoding", "UTF8"),
                            ("standard_conforming_strings", "on")):
            said += self.message(b"S", f"{name}\0{value}\0".encode())
        client.sendall(said + self.message(b"K", struct.pack("!II", 1, 1)) + self.message(b"Z", b"I"))
        while client.recv(4096)[:1] == b"Q":  # it asks whether we take writes
            row = self.message(b"T", struct.pack("!H", 1) + b"transaction_read_only\0" +
                               struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0))
            row += self.message(b"D", struct.pack("!HI", 1, 3) + b"off")
            client.sendall(row + self.message(b"C", b"SHOW\0") + self.message(b"Z", b"I"))
        client.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def close(self):
        self.listener.close()


def test_an_old_server_is_refused(rota):
    old = OldServer()
    settings = rota.at(f"host=127.0.0.1 port={old.port} user=rota dbname=rota", "old.toml")
    said = rota.refused("serve", settings=settings, status=2)
    assert "PostgreSQL 12.3" in said and "13 or newer" in said
    old.close()


class Pooler:
    """PgBouncer before the server."""

    def __init__(self, server, mode):
        self.folder = server.folder / f"pooler-{mode}"
        self.folder.mkdir()
        self.port = free_port()
        (self.folder / "users").write_text('"rota_owner" ""\n')
        (self.folder / "ini").write_text(
            f"[databases]\nrota = host=127.0.0.1 port={server.port} dbname=rota user=rota_owner\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nauth_type = any\n"
            f"auth_file = {self.folder}/users\npool_mode = {mode}\ndefault_pool_size = 60\nunix_socket_dir =\n"
            f"logfile = {self.folder}/log\n"
            f"pidfile = {self.folder}/pid\nignore_startup_parameters = extra_float_digits\n")
        if os.getuid() == 0:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, "postgres", "postgres")
        as_postgres("/usr/sbin/pgbouncer", "-q", "-d", self.folder / "ini")
        pid = self.folder / "pid"
        self.pid = int(until(lambda: pid.exists() and pid.read_text(), "the pooler"))

    def close(self):
        os.kill(self.pid, 9)
        shutil.rmtree(self.folder)


def test_a_pooler_in_transaction_mode_is_refused_and_in_session_mode_not(rota, database):
    rota.run("store", "init")
    for mode, status in (("transaction", 2), ("session", 0)):
        pooler = Pooler(database, mode)
        try:
            settings = rota.at(f"host=127.0.0.1 port={pooler.port} user=rota_owner dbname=rota", f"{mode}.toml")
            said = rota.refused("account", "list", settings=settings, status=status)
            assert ("pooler in transaction mode" in said) == (mode == "transaction"), said
            if mode == "session":
                rota.lmtp_path = rota.folder / "lmtp1"
                rota.run("account", "add", "ada@example.org", settings=settings)
                rota.settings = settings
                node = rota.serve(settings).ready()
                mail(rota)
                node.stop()
        finally:
            pooler.close()
