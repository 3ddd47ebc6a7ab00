"""acme.renew in a cluster of six: one order for each renewal, whoever is killed, and the exchange on all nodes.

ROTA_ACME_RENEWALS is how many renewals are made (default 4); each kills the node that works with SIGKILL at another
step of the order. Node 6 has no part in the role and answers the challenges.
"""

import os
import ssl
import time

from conftest import until
from door import free_port
from pebble import Pebble
from test_acme import certificate, node_settings
from test_tls import shake

RENEWALS = int(os.environ.get("ROTA_ACME_RENEWALS", "4"))
STEPS = ["authorise", "account", "finalise", "order", "collect"]
SOON = 'lease = "2s"\nheartbeat = "300ms"\n'
ROLES = '[cluster.roles.acme]\nrenew = ["1-5"]\n'


class Six:
    def __init__(self, rota):
        self.rota, self.http = rota, free_port()
        self.pebble = Pebble(rota.folder, http_port=self.http)
        self.nodes, self.settings, self.ports = {}, {}, {}
        for number in range(1, 7):
            self.settings[number], self.ports[number] = node_settings(
                rota, self.pebble.settings(), self.http if number == 6 else 0, name=f"node-{number}", node=number,
                cluster=SOON + ROLES)
        rota.run("store", "init", settings=self.settings[1], status=None)
        self.start(6)  # who answers challenges, before anybody asks for one
        self.nodes[6].ready()
        for number in range(1, 6):
            self.start(number)
        for number in range(1, 6):
            self.nodes[number].ready()

    def start(self, number):
        self.nodes[number] = self.rota.serve(self.settings[number], f"node-{number}")

    def worker(self, step):
        """The node that holds the order while it is at this step; None: it is not, or is past it."""
        rows = self.rota.query("SELECT m.node, c.step FROM task t JOIN member m ON m.incarnation = t.owner "
                               "JOIN certificate c ON c.name = t.key WHERE t.role = 'acme.renew' AND t.key = 'mail'")
        return int(rows[0][0]) if rows and rows[0][1] == step else None

    def version(self):
        rows = self.rota.query("SELECT version FROM certificate WHERE name = 'mail'")
        return int(rows[0][0]) if rows else 0

    def newest(self):
        """The certificate that the store has."""
        folder = self.rota.folder / "newest"
        self.rota.run("cert", "export", "mail", str(folder), settings=self.settings[6])
        first, end, _ = (folder / "fullchain.pem").read_text().partition("-----END CERTIFICATE-----\n")
        return ssl.PEM_cert_to_DER_cert(first + end)

    def served(self, number):
        return shake(self.ports[number], None, "mail.example.org")[0]

    def kill_at(self, step, version):
        """True: the worker was killed at the step; False: it was too quick."""
        while self.version() < version:
            number = self.worker(step)
            if number:
                self.nodes[number].kill()
                self.start(number)
                return True
        return False


def test_six_nodes_one_order(rota_postgresql):
    six = Six(rota_postgresql)
    until(lambda: six.version() == 1, "the first certificate")
    assert six.pebble.orders() == 1
    killed, slowest = 0, 0.0
    for renewal in range(RENEWALS):
        rota_postgresql.run("cert", "renew", "mail", settings=six.settings[6])
        killed += six.kill_at(STEPS[renewal % len(STEPS)], renewal + 2)
        until(lambda: six.version() == renewal + 2, f"renewal {renewal + 1}")
        begin, new = time.monotonic(), six.newest()
        for number in six.nodes:
            until(lambda: serves(six, number, new), f"the exchange on node {number}")
        slowest = max(slowest, time.monotonic() - begin)
        assert six.pebble.orders() == renewal + 2, certificate(rota_postgresql, six.settings[6])
    print(f"{RENEWALS} renewals, {killed} workers killed, an exchange on six nodes took {slowest:.1f} s at most")
    assert killed >= RENEWALS // 2 and slowest < 5
    assert not rota_postgresql.query("SELECT * FROM dead_letter")
    six.pebble.stop()


def serves(six, number, certificate_der):
    try:
        return six.served(number) == certificate_der
    except OSError:  # it has just been started again
        return False
