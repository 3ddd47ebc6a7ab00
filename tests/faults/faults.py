#!/usr/bin/env python3
"""The fault suite: six real nodes with the seed's role table on PostgreSQL, under load, and what can go wrong.

    tests/faults/faults.py [--minutes N] [--seed S] [--kinds WORD,WORD] [--keep]

An outside ledger decides (mail.py: what was answered 250; audit.py: what was committed, by triggers in the store). Exit
status 0 only if every line of the verdict is "ok". README.md tells of the parts.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

import audit
import checks
import cluster as cluster_module
import mail
import network
import plan
import stepped_clock
import store as store_module

NODES = range(1, 7)


class World:
    """All that a run is made of, and its end."""

    def __init__(self, keep=False):
        self.stopping, self.keep = threading.Event(), keep
        self.folder = tempfile.mkdtemp(prefix="rota-faults-")
        os.chmod(self.folder, 0o755)
        self.network = self.store = self.cluster = None

    def start(self, people):
        self.network = network.make(NODES)
        self.store = store_module.Store(self.folder, self.network)
        library = stepped_clock.build(self.folder)
        self.cluster = cluster_module.Cluster(self.folder, self.network, self.store, library)
        self.cluster.table = cluster_module.RoleTable.of_settings(cluster_module.SEED_TABLE)
        self.cluster.run("store", "init")
        audit.install(self.store)
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


def run_faults(world, options):
    """The load and the plan; then what must be true."""
    chance = random.Random(options.seed)
    ledger, mails = mail.Ledger(), mail.real_mail(chance)
    doors = {number: node.lmtp for number, node in world.cluster.nodes.items()}
    senders = [mail.Sender(doors, world.people, ledger, mails, options.seed + n, options.rate / options.sessions)
               for n in range(options.sessions)]
    filer = mail.Filer(world.cluster, ledger, options.seed)
    seconds = options.minutes * 60
    made = plan.make(options.seed, seconds, list(NODES), options.longest)
    if options.kinds:
        made = [line for line in made if any(word in line[1].name for word in options.kinds.split(","))]
    print(f"seed {options.seed}, {options.minutes} minutes, {world.network.kind}, {len(made)} faults:\n"
          f"{plan.format_plan(made)}", flush=True)
    for thread in [*senders, filer]:
        thread.start()
    runner = plan.Runner(world, made, options.seed)
    begin = time.monotonic()
    runner.run()
    world.stopping.wait(max(0, seconds - (time.monotonic() - begin)))
    filer.stopping.set()
    for sender in senders:
        sender.stopping.set()
    for thread in [*senders, filer]:
        thread.join()
    verdict = checks.check_all(world.cluster, ledger, audit.Audit(world.store), options.seed)
    verdict.add("the faults came and went", not runner.trouble, str(runner.trouble or ""))
    counts = audit.Audit(world.store).counts()
    print(f"{ledger.count()} deliveries answered 250, {ledger.refused} answered 4xx, {ledger.unknown} not answered;"
          f" {counts['claims']} claims, {counts['ends']} tasks done, {counts['slots']} slots of rounds,"
          f" {counts['lives']} lives")
    print("faults: " + ", ".join(f"{count} × {name}" for name, count in sorted(runner.done.items())))
    return verdict


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument("--kinds", help="only faults whose name has one of these words")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument("--rate", type=float, default=40, help="messages a second")
    parser.add_argument("--longest", type=float, help="seconds that a fault lasts")
    parser.add_argument("--keep", action="store_true", help="leave the folder, with logs and settings")
    options = parser.parse_args()
    options.longest = options.longest or (10 if options.minutes < 5 else 60)
    world = World(options.keep)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    try:
        world.start(options.people)
        verdict = run_faults(world, options)
        verdict.print()
        if not verdict.good():
            print(f"again: ./test faults --minutes {options.minutes:g} --seed {options.seed}")
        return 0 if verdict.good() else 1
    except KeyboardInterrupt:
        return 130
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
