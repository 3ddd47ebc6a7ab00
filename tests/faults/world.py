"""All that a run is made of, and its end: folder, wires, PostgreSQL, six nodes, accounts. Nothing of it stays."""

import contextlib
import os
import shutil
import tempfile
import threading

import audit
import cluster
import mail
import network
import store

NODES = range(1, 7)


class World:
    def __init__(self, keep=False):
        self.stopping, self.keep = threading.Event(), keep
        self.folder = tempfile.mkdtemp(prefix="rota-faults-")
        os.chmod(self.folder, 0o755)
        self.network = self.store = self.cluster = self.audit = None
        self.people = []

    def start(self, people, table=cluster.SEED_TABLE, lease=3000, make_store=store.Store):
        # Each is known before it begins, so that what was cut off in the midst is taken away too.
        self.network = network.make(NODES)
        self.network.open()
        self.store = make_store(self.folder, self.network)
        self.store.open()
        self.cluster = cluster.Cluster(self.folder, self.network, self.store, table, lease)
        self.cluster.run("store", "init")
        audit.install(self.store)
        self.audit = audit.Audit(self.store)
        self.people = mail.make_people(self.cluster, people)
        self.cluster.start()

    def close(self):
        self.stopping.set()
        for part in (self.cluster, self.store, self.network):
            if part:
                with contextlib.suppress(Exception):
                    part.close()
        if self.keep:
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


class Load:
    """Mail from several sessions to all nodes, and a person who files some of it as spam."""

    def __init__(self, world, seed, chance, rate, sessions):
        self.ledger, self.mails = mail.Ledger(), mail.real_mail(chance)
        doors = {number: node.lmtp for number, node in world.cluster.nodes.items()}
        self.threads = [mail.Sender(doors, world.people, self.ledger, self.mails, seed + n, rate / sessions)
                        for n in range(sessions)]
        self.threads.append(mail.Filer(world.cluster, self.ledger, seed))
        for thread in self.threads:
            thread.start()

    def end(self):
        for thread in reversed(self.threads):
            thread.stopping.set()
        for thread in self.threads:
            thread.join()
