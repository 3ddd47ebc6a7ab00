"""Pushes while their senders are killed and stopped: devices behind a push service that decrypts and counts.

The seed's table has two shards of two nodes for push-notifications. Each account has one device; a few of them are gone
(410) from some time on. Mail comes at all nodes. In the end each device was told the store's last state; no state
twice, but as often as the store says that it repeated one whose fate it did not know; nothing came after a 410, and
nothing from a node outside the account's shard (each node names itself in its token).
"""

import collections
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import checks
import cluster
import measure
import plan
from store import until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import lmtp_client  # noqa: E402
from push_receiver import Device, make_certificate  # noqa: E402

PORT, RECIPIENTS = 18443, 40
SETTINGS = """
[jmap]
push.allow-private = true
push.ca-file = "{folder}/ca.pem"
push.contact = "mailto:node%{{env:ROTA_NODE_ID}}%@example.org"
push.throttle = "1s"
push.attempts.interval = "2s"
push.retry.interval = "5s"
"""
RECEIVER = pathlib.Path(__file__).resolve().parents[1] / "system" / "push_receiver.py"


def bucket(account):
    return int.from_bytes(hashlib.sha256(str(account).encode()).digest()[:8], "big") % 1024


def settings(table, folder):
    return table + SETTINGS.format(folder=folder)


class Receiver:
    """The push service: a process of its own, in the store's network."""

    def __init__(self, world, devices, gone):
        self.folder, self.devices = pathlib.Path(world.folder) / "push", devices
        address, port = world.network.listen_address(), world.network.port(PORT)
        self.origin = f"https://{address}:{port}"
        make_certificate(self.folder, address)
        saved = {device.name: {**device.saved(), "answer": 410 if device.name in gone else 201} for device in devices}
        (self.folder / "devices.json").write_text(json.dumps(saved))
        self.process = subprocess.Popen(
            [*world.network.inside_store(), sys.executable, str(RECEIVER), str(self.folder), address, str(port)],
            stdout=subprocess.PIPE, stderr=open(self.folder / "trouble", "wb"))
        assert self.process.stdout.readline() == b"ready\n", (self.folder / "trouble").read_text()

    def ledger(self):
        lines = (self.folder / "ledger").read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def close(self):
        self.process.terminate()
        self.process.wait()
        lines = (self.folder / "trouble").read_text().splitlines()
        return [line for line in lines if line.startswith(("trouble: ", "Traceback"))]


def copy_people(world, count):
    """Accounts like the first one; many, so not by a command each."""
    world.cluster.run("account", "add", "person1@example.org")
    world.store.sql(
        "INSERT INTO account (id, bucket, address, name, quota_bytes, used_bytes, used_messages, next_email,"
        " next_mailbox, change_seq, change_floor, password, created_at, deleted_at, subscribers)"
        " SELECT g, (get_byte(sha256(g::text::bytea), 6) * 256 + get_byte(sha256(g::text::bytea), 7)) % 1024,"
        " 'person' || g || '@example.org', '', 0, 0, 0, next_email, next_mailbox, change_seq, change_floor, '',"
        f" created_at, 0, 0 FROM account, generate_series(2, {count}) g WHERE id = 1;"
        " INSERT INTO alias SELECT address, id FROM account WHERE id > 1;"
        " INSERT INTO mailbox (account, id, name, parent, role, total, unread) SELECT g, id, name, parent, role, 0, 0"
        f" FROM mailbox, generate_series(2, {count}) g WHERE account = 1;"
        " INSERT INTO change SELECT g, seq, kind, object, action, at"
        f" FROM change, generate_series(2, {count}) g WHERE account = 1;"
        f" UPDATE sequence SET value = {count} WHERE name = 'account'")


def subscribe_all(world, receiver):
    """A verified subscription for each account, as the JMAP door writes it."""
    for first in range(0, len(receiver.devices), 200):
        values = ",".join(
            f"({device.name}, '\\x{device.public.hex()}'::bytea, '\\x{device.auth.hex()}'::bytea)"
            for device in receiver.devices[first:first + 200])
        world.store.sql(
            "INSERT INTO push_subscription (account, id, device, url, origin, p256dh, auth, code, stage, types,"
            " created_at, expires_at, states, seen_seq, pushed_seq, pushed_at, sending_seq, sending_at, failures,"
            " next_at, pushes, repeats, last_status, last_error, last_at) SELECT a.id, 1, 'device',"
            f" '{receiver.origin}/' || a.id, '{receiver.origin}', v.point, v.auth, 'x', 2, '', rota_now(),"
            " rota_now() + 86400000, '', change_seq, change_seq, 0, 0, 0, 0, 0, 0, 0, 0, '', 0"
            f" FROM account a JOIN (VALUES {values}) v (id, point, auth) ON v.id = a.id;")
    world.store.sql("UPDATE account SET subscribers = 1")


class Changes(threading.Thread):
    """Letters to many at once, at whatever node answers. What was not answered may be there or not: the store knows."""

    def __init__(self, world, count, seed, per_second):
        super().__init__(daemon=True)
        self.nodes, self.count = list(world.cluster.nodes.values()), count
        self.chance, self.pause = random.Random(seed), RECIPIENTS / per_second
        self.stopping, self.delivered = threading.Event(), 0

    def run(self):
        number = 0
        while not self.stopping.wait(self.pause):
            number += 1
            people = [f"person{n}@example.org" for n in
                      self.chance.sample(range(1, self.count + 1), min(RECIPIENTS, self.count))]
            text = f"Message-ID: <{number}.push@example.net>\r\nSubject: {number}\r\n\r\nhello\r\n".encode()
            try:
                client = lmtp_client.LmtpClient(self.chance.choice(self.nodes).lmtp)
                self.delivered += sum(code == 250 for code, _ in client.send("x@example.net", people, text))
                client.close()
            except (OSError, ValueError):
                continue


def settled(world):
    """No device waits for a state, and no outbox holds one."""
    return world.store.number(
        "SELECT count(*) FROM push_subscription s JOIN account a ON a.id = s.account"
        " WHERE s.sending_seq <> 0 OR (s.pushed_seq < a.change_seq)") == 0


def latencies(world, receiver, count, verdict):
    """From the 250 to the push service, one letter after the other, on a quiet cluster."""
    client = lmtp_client.LmtpClient(world.cluster.nodes[6].lmtp)
    answered = {}
    for number in range(1, count + 1):
        person = number % len(receiver.devices) + 1
        text = f"Message-ID: <{number}.quiet@example.net>\r\nSubject: q\r\n\r\nhello\r\n".encode()
        assert client.send("x@example.net", [f"person{person}@example.org"], text)[0][0] == 250
        answered.setdefault(str(person), []).append(time.time())
        time.sleep(0.05)
    client.close()
    until(lambda: settled(world), "the pushes of a quiet cluster", 120)
    times = [push["at"] - max(at for at in answered[push["device"]] if at <= push["at"] + 1)
             for push in receiver.ledger() if push["device"] in answered and push["answer"] == 201]
    middle, worst = measure.percentile(times, 50), measure.percentile(times, 99)
    verdict.add("a change is pushed within 2 s on a quiet cluster", worst <= 2 and times,
                f"{len(times)} pushes: median {middle * 1000:.0f} ms, 99 % {worst * 1000:.0f} ms")


class Faults:
    """When which node, or the store, could not write down what it had heard."""

    def __init__(self, made, begin):
        self.times = [(target, begin + at - 1, begin + at + lasts + 5) for at, _, target, lasts in made]

    def explain(self, node, when):
        return any(target in (node, plan.STORE) and first <= when <= last for target, first, last in self.times)


def check(world, receiver, faults, verdict):
    pushes, after_end, foreign, out_of_order = collections.defaultdict(list), [], [], 0
    ended, known, table = {}, 0, world.cluster.table
    for push in receiver.ledger():
        account = int(push["device"])
        sender = int(push["sender"].removeprefix("mailto:node").removesuffix("@example.org"))
        if not table.may("push-notifications", sender, bucket=bucket(account)):
            foreign.append((account, sender))
        if push["answer"] == 410:
            if account in ended and not faults.explain(*ended[account]):
                after_end.append(account)
            known += account in ended
            ended[account] = sender, push["at"]
        elif push["type"] == "StateChange":
            pushes[account].append(push["text"]["changed"]["a" + push["device"]])
    rows = {row["account"]: row for row in world.store.rows(
        "SELECT account, repeats, (SELECT max(seq) FROM change c WHERE c.account = s.account AND kind = 1) AS last"
        " FROM push_subscription s")}
    behind, twice, repeats, seen, all_pushes = [], [], 0, 0, 0
    for account, row in rows.items():
        states = [int(push["Email"]) for push in pushes[account]]
        all_pushes += len(states)
        if row["last"] and (not states or states[-1] != row["last"]):
            behind.append((account, states[-1:], row["last"]))
        again = len(states) - len(set(states))
        repeats += row["repeats"]
        seen += again
        if again > row["repeats"]:
            twice.append((account, again, row["repeats"]))
        out_of_order += sum(a > b for a, b in zip(states, states[1:]))
    verdict.add("each device was told the store's last state", not behind, f"{len(rows)} devices {behind[:3] or ''}")
    verdict.add("at most one push for one state, but for those that are counted", not twice,
                f"{all_pushes} pushes, {repeats} repeats counted, {seen} seen {twice[:3] or ''}")
    verdict.add("no older state came after a newer one", out_of_order == 0, f"{out_of_order}")
    verdict.add("nothing came after a 410, but where its hearer could not write that down", not after_end,
                f"{len(ended)} were gone, {known} were asked once more {after_end[:3] or ''}")
    verdict.add("those that are gone are gone from the store", not set(rows) & set(ended), "")
    verdict.add("nobody but the shard's nodes has pushed", not foreign, f"{foreign[:3] or ''}")
    verdict.add("the push service found nothing wrong", not (trouble := receiver.close()), f"{trouble[:3] or ''}")


def push(world, options, verdict):
    """Pushes while their senders are killed and stopped: each state once, the last one at each device."""
    count = options.accounts or (10000 if options.long else 200)
    folder = pathlib.Path(world.folder) / "push"
    folder.mkdir(exist_ok=True)
    chance = random.Random(options.seed)
    os.environ["ROTA_NODE_ID"] = "1"  # for the operator's commands; each node has its own
    world.start(0, settings(cluster.SEED_TABLE, folder))
    copy_people(world, count)
    # Half of them answer late, so that a push is in flight when its sender dies.
    devices = [Device(str(number), delay=0.4 * (number % 2)) for number in range(1, count + 1)]
    gone = {device.name for device in chance.sample(devices[count // 2:], count // 20)}
    receiver = Receiver(world, devices, gone)
    subscribe_all(world, receiver)
    latencies(world, receiver, 300 if options.long else 60, verdict)
    seconds = options.minutes * 60 if options.long else min(options.minutes * 60, 25)
    made = plan.make(options.seed, seconds, [1, 2, 3, 4], plan.kinds_of("kill,SIGSTOP"), options.longest)
    print(plan.format_plan(made), flush=True)
    changes = [Changes(world, count, options.seed + n, options.rate) for n in range(3)]
    for thread in changes:
        thread.start()
    begin, runner, hit = time.monotonic(), plan.Runner(world, made, options.seed), Faults(made, time.time())
    runner.run()
    world.stopping.wait(max(0, seconds - (time.monotonic() - begin)))
    for thread in changes:
        thread.stopping.set()
        thread.join()
    retried = 0

    def over():
        # A task that three nodes died with is a dead letter; an operator tries it again.
        nonlocal retried
        retried += checks.retry_explained_dead(world.cluster)
        return settled(world)

    try:
        until(over, "the last pushes", 240)
    except TimeoutError:
        print(world.store.rows("SELECT stage, failures, last_error, count(*), min(next_at - rota_now()) AS next,"
                               " count(*) FILTER (WHERE sending_seq <> 0) AS sending FROM push_subscription s JOIN"
                               " account a ON a.id = s.account WHERE sending_seq <> 0 OR pushed_seq < change_seq"
                               " GROUP BY 1, 2, 3 ORDER BY 4 DESC LIMIT 10"))
        print(world.store.rows("SELECT * FROM push_origin"))
        print(world.store.rows("SELECT role, key, deaths, attempts, last_error FROM dead_letter LIMIT 10"))
        raise
    verdict.add("the faults came and went", not runner.trouble, str(runner.trouble or ""))
    dead = world.store.rows("SELECT key, last_error FROM dead_letter")
    verdict.add("no dead letter that is not explained", not dead, f"{retried} explained by kills {dead[:3] or ''}")
    check(world, receiver, hit, verdict)
    print(f"{sum(thread.delivered for thread in changes)} deliveries answered 250; faults: "
          + ", ".join(f"{count} × {name}" for name, count in sorted(runner.done.items())))
