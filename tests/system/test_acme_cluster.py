"""acme.renew in a cluster of six: one order for each renewal, whoever is killed, and the exchange on all nodes.

ROTA_ACME_RENEWALS is how many renewals are made (default 4; `./test faults --part acme` makes 50). In each of them the
node that works is killed with SIGKILL at another step of the order, before the CA hears a request or when the node has
not heard its answer. Node 6 has no part in the role and answers the challenges; clients shake hands with it all the
time.
"""

import os
import ssl
import subprocess
import threading
import time

from ca_gate import Gate
from conftest import until
from door import free_port
from pebble import Pebble
from test_acme import certificate, node_settings
from test_tls import shake

RENEWALS = int(os.environ.get("ROTA_ACME_RENEWALS", "4"))
# What the node says last, and whether the CA hears it: all steps of an order. In a short run the first four.
POINTS = [("order-plz", False), ("finalize-order", True), ("chalZ", False), ("certZ", False), ("order-plz", True),
          ("my-order", True), ("my-order", False), ("authZ", True), ("authZ", False), ("chalZ", True),
          ("finalize-order", False), ("certZ", True)]
SOON = 'lease = "2s"\nheartbeat = "300ms"\n'
ROLES = '[cluster.roles.acme]\nrenew = ["1-5"]\n'


class Six:
    def __init__(self, rota):
        self.rota, self.http = rota, free_port()
        self.pebble = Pebble(rota.folder, http_port=self.http)
        self.gate = Gate(self.pebble, self.kill_worker)
        self.nodes, self.settings, self.ports, self.dead = {}, {}, {}, []
        acme = self.pebble.settings().replace(f":{self.pebble.port}/", f":{self.gate.port}/")
        for number in range(1, 7):
            self.settings[number], self.ports[number] = node_settings(
                rota, acme, self.http if number == 6 else 0, name=f"node-{number}", node=number, cluster=SOON + ROLES)
        rota.run("store", "init", settings=self.settings[1], status=None)
        self.start(6)  # who answers challenges, before anybody asks for one
        self.nodes[6].ready()
        for number in range(1, 6):
            self.start(number)
        for number in range(1, 6):
            self.nodes[number].ready()

    def start(self, number):
        self.nodes[number] = self.rota.serve(self.settings[number], f"node-{number}")

    def kill_worker(self):
        """The node that holds the order dies; False: none does."""
        rows = self.rota.query("SELECT m.node FROM task t JOIN member m ON m.incarnation = t.owner "
                               "WHERE t.role = 'acme.renew' AND t.key = 'mail'")
        if not rows:
            return False
        self.nodes[int(rows[0][0])].kill()
        self.dead.append(int(rows[0][0]))
        return True

    def version(self):
        rows = self.rota.query("SELECT version FROM certificate WHERE name = 'mail'")
        return int(rows[0][0]) if rows else 0

    def newest(self):
        """The certificate that the store has."""
        folder = self.rota.folder / "newest"
        self.rota.run("cert", "export", "mail", str(folder), settings=self.settings[6])
        first, end, _ = (folder / "fullchain.pem").read_text().partition("-----END CERTIFICATE-----\n")
        return ssl.PEM_cert_to_DER_cert(first + end)

    def renew(self, point):
        """One renewal, in which the node that works dies at this point; its work is another's then."""
        before = self.version()
        self.gate.arm(*point)
        self.rota.run("cert", "renew", "mail", settings=self.settings[6])
        assert self.gate.killed.wait(60), f"nobody was killed at {point}"
        until(lambda: self.version() == before + 1, f"the renewal after a death at {point}")

    def exchange(self):
        """How long until all nodes that run serve the newest; then the dead are started again, and serve it too."""
        begin, new = time.monotonic(), self.newest()
        for number in set(self.nodes) - set(self.dead):
            until(lambda: serves(self, number, new), f"the exchange on node {number}")
        taken = time.monotonic() - begin
        while self.dead:
            number = self.dead.pop()
            self.start(number)
            until(lambda: serves(self, number, new), f"the exchange on node {number}")
        return taken

    def stop(self):
        self.gate.stop()
        self.pebble.stop()


class Clients:
    """curl and openssl s_client, one handshake after the other with one node; what failed is kept."""

    def __init__(self, port):
        self.port, self.ended, self.failed, self.count = port, threading.Event(), [], 0
        commands = [["/usr/bin/curl", "-skf", "--max-time", "20", f"https://127.0.0.1:{port}/healthz"],
                    ["/usr/bin/openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername",
                     "mail.example.org"]]
        self.threads = [threading.Thread(target=self.loop, args=(command,)) for command in commands]
        for thread in self.threads:
            thread.start()

    def loop(self, command):
        while not self.ended.wait(0.1):
            got = subprocess.run(command, input=b"", capture_output=True, timeout=60)
            self.count += 1
            if got.returncode != 0:
                self.failed.append((command[0], got.returncode, got.stderr[-300:]))

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def test_six_nodes_one_order(rota_postgresql):
    six = Six(rota_postgresql)
    until(lambda: six.version() == 1, "the first certificate")
    clients, slowest, begin = Clients(six.ports[6]), 0.0, time.monotonic()
    try:
        for renewal in range(RENEWALS):
            six.renew(POINTS[renewal % len(POINTS)])
            slowest = max(slowest, six.exchange())
            assert six.pebble.orders() == renewal + 2, certificate(rota_postgresql, six.settings[6])
        asked = six.gate.counts["order-plz"]
    finally:
        clients.end()
        six.stop()
    points = min(RENEWALS, len(POINTS))
    print(f"{RENEWALS} renewals and as many workers killed, at {points} points, in {time.monotonic() - begin:.0f} s:"
          f" {six.pebble.orders() - 1} orders, {asked} times asked for; an exchange on six nodes"
          f" took {slowest:.1f} s at most; {clients.count} handshakes of clients, {len(clients.failed)} failed")
    assert not clients.failed and clients.count > RENEWALS and slowest < 5
    assert not rota_postgresql.query("SELECT * FROM dead_letter")


def serves(six, number, certificate_der):
    try:
        return shake(six.ports[number], None, "mail.example.org")[0] == certificate_der
    except OSError:  # it has just been started again
        return False
