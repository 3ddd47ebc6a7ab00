#!/usr/bin/env python3
"""The fault suite: six real nodes with the seed's role table on PostgreSQL, under load, and what can go wrong.

    tests/faults/faults.py [--minutes N] [--seed S] [--part WORD] [--kinds WORD,WORD] [--keep]

An outside ledger decides (mail.py: what was answered 250; audit.py: what was committed, by triggers in the store). Exit
status 0 only if every line of the verdict is "ok". README.md tells of the parts.
"""

import argparse
import random
import signal
import sys
import time

import certificates
import checks
import cluster
import failover
import measure
import plan
import pushing
import rolling
import totals
from world import NODES, Load, World


def faults(world, options, verdict):
    """Load and faults by seed; then what must be true."""
    world.start(options.people)
    seconds = options.minutes * 60
    made = plan.make(options.seed, seconds, options.nodes, plan.kinds_of(options.kinds), options.longest)
    print(f"{world.network.kind}, {len(made)} faults:\n{plan.format_plan(made)}", flush=True)
    load = Load(world, options.seed, random.Random(options.seed), options.rate, options.sessions)
    runner = plan.Runner(world, made, options.seed)
    begin = time.monotonic()
    runner.run()
    world.stopping.wait(max(0, seconds - (time.monotonic() - begin)))
    load.end()
    ledger = load.ledger
    verdict.add("the faults came and went", not runner.trouble, str(runner.trouble or ""))
    retried = checks.settle(world.cluster)
    measure.arrivals(world, ledger, 300 if options.long else 60, options.seed, verdict)
    retried += checks.settle(world.cluster)
    checks.check_all(world, ledger, retried, options.seed, verdict)
    counts = world.audit.counts()
    print(f"{ledger.count()} deliveries answered 250, {ledger.refused} answered 4xx, {ledger.unknown} not answered;"
          f" {counts['claims']} claims, {counts['ends']} tasks done, {counts['slots']} slots of rounds,"
          f" {counts['lives']} lives")
    print("faults: " + ", ".join(f"{count} × {name}" for name, count in sorted(runner.done.items())))


def takeover(world, options, verdict):
    """What a killed node held runs elsewhere; long runs take the lease that is the default, short ones half of it."""
    world.start(1, measure.pair_table(cluster.SEED_TABLE), 6000 if options.long else 3000)
    measure.takeover(world, options.kills or (200 if options.long else 9), options.seed, verdict)
    checks.check_roster(world, 0, verdict)


def change(world, options, verdict):
    """From the seed's table to another one, node by node, under load."""
    world.start(options.people)
    count = options.tasks or (100000 if options.long else 6000)
    load = Load(world, options.seed, random.Random(options.seed), options.rate / 4, 2)
    rolling.rolling(world, count, options.seed, verdict)
    load.end()
    retried = checks.settle(world.cluster)
    rolling.check(world, count, verdict)
    checks.check_all(world, load.ledger, retried, options.seed, verdict)


def pair(world, options, verdict):
    """Failovers of Patroni with a synchronous standby, under load: what was answered 250 is there."""
    world.start(options.people, make_store=failover.Pair)
    load = Load(world, options.seed, random.Random(options.seed), options.rate, options.sessions)
    turns = options.turns or (8 if options.long else 1)
    failover.failover(world, load, turns, options.long, options.seed, verdict)
    load.end()
    retried = checks.settle(world.cluster)
    checks.check_all(world, load.ledger, retried, options.seed, verdict)


def metrics(world, options, verdict):
    """Totals by metrics.calculate, beside a recount by SQL, after mixed load and three deaths."""
    def load():
        return Load(world, options.seed, random.Random(options.seed), options.rate / 4, options.sessions)
    totals.totals(world, options, load, verdict)


PARTS = {"faults": faults, "takeover": takeover, "change": change, "failover": pair, "push": pushing.push}
NAMED = {"metrics": metrics}  # it comes only if it is named: a round is a minute


def run_certificates(options):
    print(f"-- acme: {certificates.renewals.__doc__}", flush=True)
    verdict = checks.Verdict()
    certificates.renewals(options, verdict)
    verdict.print()
    return verdict.good()


def run_part(name, options):
    if name == "acme":
        return run_certificates(options)
    part = {**PARTS, **NAMED}[name]
    print(f"-- {name}: {part.__doc__}", flush=True)
    verdict, world = checks.Verdict(), World(options.keep)
    try:
        part(world, options, verdict)
    except (RuntimeError, TimeoutError) as error:
        verdict.add("the run came to its end", False, f"{type(error).__name__}: {error}")
    finally:
        world.close()
    verdict.print()
    if not verdict.good():
        print(f"again: ./test faults --minutes {options.minutes:g} --seed {options.seed} --part {name}", flush=True)
    return verdict.good()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1.2, help="of faults; from 5 on all parts are long")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument("--part", choices=[*PARTS, *NAMED, "acme"], action="append",
                        help="this one alone; may come again")
    parser.add_argument("--kinds", help="only faults whose name has one of these words")
    parser.add_argument("--nodes", default=list(NODES), help="faults at these nodes only",
                        type=lambda text: [int(word) for word in text.split(",")])
    parser.add_argument("--kills", type=int, help="of the part takeover")
    parser.add_argument("--tasks", type=int, help="of the part change")
    parser.add_argument("--turns", type=int, help="of the part failover")
    parser.add_argument("--accounts", type=int, help="of the part push")
    parser.add_argument("--renewals", type=int, default=50, help="of the part acme, which comes only if it is named")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument("--rate", type=float, default=40, help="messages a second")
    parser.add_argument("--longest", type=float, help="seconds that a fault lasts")
    parser.add_argument("--keep", action="store_true", help="leave the folders, with logs and settings")
    options = parser.parse_args()
    options.long = options.minutes >= 5
    options.longest = options.longest or (60 if options.long else 10)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(130))
    print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
    good = [run_part(name, options) for name in options.part or PARTS]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
