"""The faults, and the order in which a seed brings them.

A fault begins, lasts, and is undone. Several may be at work at once, but no two at one target. The plan is made before
the run from the seed alone, so that a seed replays as far as real processes let it: what is in hand when a fault comes
is not in our hands.
"""

import random
import threading
import time

from store import Storm

STORE = 0  # the target of what is done to PostgreSQL


class Fault:
    """One kind; `begin` and `end` get (world, target, fault's own chance)."""
    weight = 1
    on_store = False
    shortest, longest = 1.0, 10.0

    def begin(self, world, target, chance):
        raise NotImplementedError

    def end(self, world, target):
        pass


class Kill(Fault):
    """kill -9, and another life after a while."""
    name, weight = "kill -9", 4

    def begin(self, world, target, chance):
        world.cluster.nodes[target].kill()

    def end(self, world, target):
        world.cluster.nodes[target].start()


class Stop(Fault):
    """SIGSTOP, for longer than a lease or less; most often in the midst of work: when the node holds tasks."""
    name, weight, longest = "SIGSTOP", 4, 60.0

    def begin(self, world, target, chance):
        node = world.cluster.nodes[target]
        end = time.monotonic() + (3 if chance.random() < 0.7 else 0)
        while True:
            node.stop()
            if time.monotonic() >= end or holds(world, target):
                return
            node.go_on()
            world.stopping.wait(chance.uniform(0, 0.03))

    def end(self, world, target):
        world.cluster.nodes[target].go_on()


class Cut(Fault):
    """The node and the store do not hear of each other; nobody is told."""
    name, weight, longest = "partition", 3, 30.0

    def begin(self, world, target, chance):
        world.network.cut(target)

    def end(self, world, target):
        world.network.mend(target)


class Disturb(Fault):
    name, weight, longest = "loss and delay", 2, 20.0

    def begin(self, world, target, chance):
        world.network.disturb(target, chance.uniform(0.02, 0.2), chance.uniform(5, 80), chance.randrange(1 << 30))

    def end(self, world, target):
        world.network.mend(target)


class StepClock(Fault):
    """An hour forward or back, and back again."""
    name, weight, longest = "clock step", 2, 20.0

    def begin(self, world, target, chance):
        world.cluster.nodes[target].clock.step(chance.choice([-3600000, 3600000]))

    def end(self, world, target):
        world.cluster.nodes[target].clock.step(0)


class KillStore(Fault):
    """PostgreSQL dies with all its connections, and comes back by itself."""
    name, on_store, weight, longest = "PostgreSQL kill -9", True, 2, 8.0

    def begin(self, world, target, chance):
        world.store.kill()

    def end(self, world, target):
        world.store.revive()


class StormStore(Fault):
    name, on_store, weight, longest = "connection storm", True, 2, 15.0

    def __init__(self):
        self.storm = None

    def begin(self, world, target, chance):
        self.storm = Storm(world.store)

    def end(self, world, target):
        self.storm.end()


class FillDisk(Fault):
    name, on_store, weight, shortest = "full disk", True, 1, 4.0

    def begin(self, world, target, chance):
        world.store.fill()

    def end(self, world, target):
        world.store.empty()
        world.store.revive()


KINDS = [Kill, Stop, Cut, Disturb, StepClock, KillStore, StormStore, FillDisk]


def holds(world, target):
    """A task, by the store's word."""
    rows = world.store.try_sql("SELECT 1 FROM task t JOIN member m ON m.incarnation = t.owner"
                               f" WHERE m.node = {target} LIMIT 1")
    return bool(rows and rows[0])


def kinds_of(words):
    """All, or those whose name has one of the words."""
    return [kind for kind in KINDS if not words or any(word in kind.name for word in words.split(","))]


def make(seed, seconds, nodes, kinds, longest):
    """[(at, kind, target, how long)] in order; the first ones are one of each kind."""
    chance = random.Random(seed)
    at, plan, busy_until = 2.0, [], {}
    first = list(kinds)
    chance.shuffle(first)
    while at < seconds:
        kind = first.pop() if first else chance.choices(kinds, [kind.weight for kind in kinds])[0]
        most = min(kind.longest, longest)
        lasts = chance.uniform(kind.shortest, most)
        free = [STORE] if kind.on_store else [n for n in nodes if busy_until.get(n, 0) <= at]
        target = chance.choice(free) if free else None
        if target is None or busy_until.get(target, 0) > at or at + lasts > seconds + longest:
            at += 0.5
            if not any(line[1] is kind for line in plan):
                first.insert(0, kind)
            continue
        plan.append((at, kind, target, lasts))
        busy_until[target] = at + lasts + 2.0  # a moment to come back
        at += chance.uniform(0.5, max(1.0, min(6.0, most / 2)))
    return plan


def format_plan(plan):
    return "\n".join(f"  {at:6.1f} s  {kind.name} {'at PostgreSQL' if target == STORE else f'of node {target}'}"
                     f" for {lasts:.1f} s" for at, kind, target, lasts in plan)


class Runner:
    """Carries a plan out; whatever happens, each fault that began is ended."""

    def __init__(self, world, plan, seed):
        self.world, self.plan = world, plan
        self.seed, self.done, self.trouble = seed, {}, []

    def one(self, index, kind, target, lasts):
        fault = kind()
        try:
            fault.begin(self.world, target, random.Random(f"{self.seed}/{index}"))
            self.done[kind.name] = self.done.get(kind.name, 0) + 1
            self.world.stopping.wait(lasts)
            fault.end(self.world, target)
        except Exception as error:  # the suite itself is broken, or what it stands on
            self.trouble.append(f"{kind.name} of {target}: {type(error).__name__}: {error}")

    def run(self):
        begin, threads = time.monotonic(), []
        for index, (at, kind, target, lasts) in enumerate(self.plan):
            if self.world.stopping.wait(max(0, begin + at - time.monotonic())):
                break
            thread = threading.Thread(target=self.one, args=(index, kind, target, lasts), daemon=True)
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
