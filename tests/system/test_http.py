"""The HTTP door: probes, limits, and what it does when the store is gone or the node stops."""

import base64
import http.client
import json
import os
import shutil
import smtplib
import socket
import subprocess
import time

import pytest
from conftest import ROOT, until
from door import Door
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_parser
from prometheus_client.parser import text_string_to_metric_families as plain_parser
from relay import Relay

SOON = 'lease = "2s"\nheartbeat = "300ms"\n'


def test_probes(rota):
    door = Door(rota)
    door.node.ready()
    assert door.ask("/healthz")[0::2] == (200, "well\n")
    assert door.ask("/readyz")[0::2] == (200, "ready\n")
    status, headers, text = door.ask("/nothing")
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(text)["status"] == 404
    status, headers, _ = door.ask("/healthz", "DELETE")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert f"http at 127.0.0.1:{door.port}" in door.node.text()
    rota.run("drain", "1", settings=door.settings)
    until(lambda: door.ask("/readyz")[0] == 503, "not ready")
    assert "drained" in door.ask("/readyz")[2]
    assert door.ask("/healthz")[0] == 200
    assert door.node.stop() < 1.0


def test_a_taken_port_is_said(rota_sqlite):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    node = rota_sqlite.serve(rota_sqlite.write_settings("rota.toml", 1, rota_sqlite.lmtp_path,
                                                        http=f'listen = ["127.0.0.1:{port}"]'))
    assert node.process.wait(timeout=60) == 1
    assert f'http.listen: could not listen on "127.0.0.1:{port}": Address already in use' in node.text()
    assert "node.joined" not in node.text()
    taken.close()


def test_slow_and_many_clients(rota_sqlite):
    """A client that drips, one that says nothing and too many of one address cost the node nothing."""
    door = Door(rota_sqlite, 'timeout = "1s"\nmax-connections-per-address = 20\n')
    door.node.ready()
    begin = time.monotonic()
    clients = [door.raw() for _ in range(30)]
    drip = clients[0]
    with pytest.raises(OSError):
        drip.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ")
        while True:
            drip.sendall(b"a")
            time.sleep(0.05)
    assert time.monotonic() - begin < 30
    heard = []
    for client in clients[1:]:
        try:
            heard.append(client.recv(100))
        except ConnectionResetError:
            heard.append(b"")
        client.close()
    assert sum(word.startswith(b"HTTP/1.1 503") for word in heard) == 10
    assert sum(word == b"" for word in heard) == 19
    until(lambda: door.ask("/readyz")[0] == 200, "room again")
    assert door.node.text().count("http.too-many-connections") == 1
    head = door.raw()
    head.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100000 + b"\r\n\r\n")
    assert head.recv(100).startswith(b"HTTP/1.1 431")
    head.close()
    door.node.stop()


def test_not_ready_without_the_store(rota_postgresql):
    """And ready again with it; the process is well all the time."""
    relay = Relay(rota_postgresql.folder, os.environ["ROTA_TEST_PG"])
    rota_postgresql.store = rota_postgresql.store.replace(os.environ["ROTA_TEST_PG"], relay.url)
    door = Door(rota_postgresql, cluster=SOON)
    door.node.ready()
    assert door.ask("/readyz")[0] == 200
    relay.cut()
    until(lambda: door.ask("/readyz")[0] == 503, "not ready")
    assert "the store" in door.ask("/readyz")[2] or "no lease" in door.ask("/readyz")[2]
    assert door.ask("/healthz")[0] == 200
    relay.open()
    until(lambda: door.ask("/readyz")[0] == 200, "ready again")
    door.node.stop()


def test_metrics(rota):
    """They parse by the reference parsers, and tell what was done; a tool of Prometheus' has nothing to say."""
    door = Door(rota, cluster='[cluster.roles.purge]\nstores = ["1", "7"]\n')
    door.node.ready()
    rota.run("account", "add", "ada@example.org")
    with smtplib.LMTP(str(rota.folder / "lmtp-node")) as client:
        client.sendmail("s@example.org", ["ada@example.org"], b"Subject: one\r\n\r\ntext\r\n")
    rota.run("run", "purge.stores", "--shard", "1", settings=door.settings)

    def scrape(accept, parse):
        status, headers, text = door.ask("/metrics", headers={"Accept": accept})
        assert status == 200 and headers["Content-Type"].startswith(accept)
        families = list(parse(text))
        return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}, text

    plain, text = scrape("text/plain", plain_parser)
    opened, _ = scrape("application/openmetrics-text", open_parser)
    assert set(plain) == set(opened)
    for got in (plain, opened):
        assert got["rota_deliveries_total", ("result", "stored")] == 1
        assert got["rota_node_ready",] == 1
        assert got["rota_cluster_nodes", ("state", "up")] == 1
        assert got["rota_cluster_uncovered_shards",] == 1
        assert got["rota_cluster_shard_covered", ("role", "purge.stores"), ("shard", "2")] == 0
    until(lambda: scrape("text/plain", plain_parser)[0].get(
        ("rota_tasks_total", ("result", "done"), ("role", "purge.stores"), ("shard", "1"))) == 1, "the purge")
    if shutil.which("promtool"):
        said = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=True)
        assert said.stdout + said.stderr == ""
    door.node.stop()


def test_a_store_that_hangs_holds_one_scrape(rota_postgresql):
    """The next ones tell what the node knows, and nobody waits for it at the probes."""
    relay = Relay(rota_postgresql.folder, os.environ["ROTA_TEST_PG"])
    rota_postgresql.store = rota_postgresql.store.replace(os.environ["ROTA_TEST_PG"], relay.url)
    door = Door(rota_postgresql)
    door.node.ready()
    clients = [http.client.HTTPConnection("127.0.0.1", door.port, timeout=60) for _ in range(4)]
    for client in clients:  # so that workers have handles
        client.request("GET", "/metrics")
    assert all("rota_cluster_report_success 1" in client.getresponse().read().decode() for client in clients)
    time.sleep(5)  # a node does not ask again before
    relay.flowing.clear()
    clients[0].request("GET", "/metrics")
    with pytest.raises(TimeoutError):
        clients[0].sock.settimeout(0.5)
        clients[0].getresponse()
    for _ in range(20):
        text = door.ask("/metrics")[2]
        assert "rota_node_state" in text and "rota_cluster_nodes" in text
    assert door.ask("/healthz")[0] == 200
    relay.flowing.set()
    until(lambda: door.ask("/readyz")[0] == 200, "ready")
    door.node.stop()


def test_metrics_for_whom(rota_sqlite):
    door = Door(rota_sqlite, '[metrics.prometheus]\nusername = "eve"\npassword = "secret"\n')
    door.node.ready()
    assert door.ask("/metrics")[0] == 401
    assert "Basic" in door.ask("/metrics")[1]["WWW-Authenticate"]
    for word, status in (("eve:secret", 200), ("eve:secreT", 401), ("eve", 401)):
        field = "Basic " + base64.b64encode(word.encode()).decode()
        assert door.ask("/metrics", headers={"Authorization": field})[0] == status
    door.node.stop()
    none = Door(rota_sqlite, "[metrics.prometheus]\nenable = false\n", name="none")
    none.node.ready()
    assert none.ask("/metrics")[0] == 404
    none.node.stop()


def test_a_crowd_costs_the_node_nothing(rota_sqlite):
    """A thousand idle, slow and broken connections, of which some are turned away; `./bench http` has 10,000."""
    door = Door(rota_sqlite, 'max-connections = 1200\nmax-connections-per-address = 1000\n', cluster=SOON)
    door.node.ready()
    said = subprocess.run(["python3", ROOT / "benches" / "http_crowd.py", str(door.port), "1000", "2"], check=True,
                          capture_output=True, text=True, timeout=100).stdout
    got = dict(line.split() for line in said.splitlines())
    assert int(got["open"]) > 700  # what is no HTTP is hung up on
    assert float(got["longest"]) < 2000
    assert door.ask("/readyz")[0] == 200
    text = door.ask("/metrics")[2]
    beat = [line for line in text.splitlines() if line.startswith("rota_node_heartbeat_gap_seconds")]
    assert beat and float(beat[0].split()[-1]) < 2


def test_a_proxy_says_who_asks(rota_sqlite):
    rota_sqlite.run("account", "add", "ada@example.org", "--admin", "--password-stdin", text="right\n")
    door = Door(rota_sqlite, 'proxied = ["127.0.0.1"]\n')
    door.node.ready()

    def guess(address, **fields):
        return door.api("/api/status", who=f"{address}@example.org:wrong", **fields)[0]

    # Another name each time: the peer alone counts.
    assert [guess(name, X_Forwarded_For="198.51.100.1, 203.0.113.9") for name in "abcd"] == [401] * 4
    assert guess("e", X_Forwarded_For="203.0.113.9") == 429
    assert guess("f", Forwarded='for="203.0.113.9";proto=https') == 429
    assert guess("g", X_Forwarded_For="203.0.113.10") == 401
    with door.raw() as link:  # a proxy may add a line of its own below the client's (HAProxy's forwardfor)
        link.sendall(b"GET /api/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.11\r\n"
                     b"X-Forwarded-For: 203.0.113.9\r\nAuthorization: Basic aEBleGFtcGxlLm9yZzp3cm9uZw==\r\n\r\n")
        assert link.makefile("rb").readline().split()[1] == b"429"
    assert "from 203.0.113.9" in door.node.text()
    assert "198.51.100.1" not in door.node.text()
    bad = rota_sqlite.write_settings("bad.toml", 1, rota_sqlite.folder / "l", http='proxied = ["10/8"]')
    rota_sqlite.run("check", settings=bad, status=2)


def test_streams_end_with_the_node(rota):
    """An open stream has the roster at once, and ends when its node drains; another is refused until it works again."""
    rota.run("account", "add", "admin@example.org", "--admin", "--password-stdin", text="right\n")
    door = Door(rota, cluster=SOON)
    door.node.ready()
    basic = {"Authorization": "Basic " + base64.b64encode(b"admin@example.org:right").decode()}
    client = door.connect()
    client.request("GET", "/api/events", headers=basic)
    answer = client.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert answer.read1(20)
    rota.run("drain", "1", settings=door.settings)
    answer.read()  # to its end
    assert door.ask("/api/events", headers=basic)[0] == 503
    client.close()


def test_streams_of_one_person_are_bounded(rota_sqlite):
    rota_sqlite.run("account", "add", "admin@example.org", "--admin", "--password-stdin", text="right\n")
    door = Door(rota_sqlite)
    door.node.ready()
    basic = {"Authorization": "Basic " + base64.b64encode(b"admin@example.org:right").decode()}

    def open_one():
        client = door.connect()
        client.request("GET", "/api/events", headers=basic)
        return client, client.getresponse().status

    clients = [open_one() for _ in range(21)]
    assert [status for _, status in clients] == [200] * 20 + [503]
    for client, _ in clients:
        client.close()
    until(lambda: open_one()[1] == 200, "room again")
    assert door.node.stop() < 3
