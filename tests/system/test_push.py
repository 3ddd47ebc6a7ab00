"""Push notifications to a push service that checks, decrypts and counts; good devices and bad ones."""

import json
import os
import signal
import socket

from conftest import until
from push_receiver import PushReceiver

ADA = "ada@example.org"
SETTINGS = """[jmap]
push.allow-private = true
push.ca-file = "{ca}"
push.contact = "mailto:node{node}@example.org"
push.throttle = "{throttle}"
push.attempts.interval = "{interval}"
"""


def settings(rota, receiver, node=1, throttle="100ms", interval="200ms", private="true", cluster="", name="rota.toml"):
    more = SETTINGS.format(ca=receiver.folder / "ca.pem", node=node, throttle=throttle, interval=interval)
    more = more.replace("private = true", f"private = {private}")
    return rota.write_settings(name, node, rota.folder / f"lmtp{node}", more, cluster)


def subscribe(rota, receiver, device, account=1, stage=2, types="", ident=None):
    """A subscription as the JMAP door writes it; verified, unless told otherwise."""
    ident = ident or len(rota.query("SELECT id FROM push_subscription")) + 1
    blob = (lambda data: f"X'{data.hex()}'") if rota.kind == "sqlite" else lambda data: f"'\\x{data.hex()}'::bytea"
    now = "(SELECT created_at + 86400000 FROM account WHERE id = %d)" % account
    rota.query(
        "INSERT INTO push_subscription (account, id, device, url, origin, p256dh, auth, code, stage, types, created_at,"
        " expires_at, states, seen_seq, pushed_seq, pushed_at, sending_seq, sending_at, failures, next_at, pushes,"
        f" repeats, last_status, last_error, last_at) SELECT id, {ident}, '{device.name}', '{receiver.url(device)}',"
        f" '{receiver.origin}', {blob(device.public)}, {blob(device.auth)}, 'code{ident}', {stage}, '{types}',"
        f" created_at, {now}, '', change_seq, change_seq, 0, 0, 0, 0, 0, 0, 0, 0, '', 0 FROM account"
        f" WHERE id = {account}")
    rota.query(f"UPDATE account SET subscribers = subscribers + 1 WHERE id = {account}")


def deliver(rota, number, node=1, to=ADA):
    path, rota.lmtp_path = rota.lmtp_path, rota.folder / f"lmtp{node}"
    with rota.lmtp() as client:
        client.sendmail("x@example.org", [to], f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nhello\r\n")
    rota.lmtp_path = path


def newest(rota, account=1):
    return rota.query(f"SELECT change_seq FROM account WHERE id = {account}")[0][0]


def last_state(receiver, name, account="a1"):
    pushes = receiver.pushes(name)
    return pushes[-1]["text"]["changed"][account]["Email"] if pushes else None


def column(rota, name, device):
    return rota.query(f"SELECT {name} FROM push_subscription WHERE device = '{device}'")[0][0]


def test_a_letter_is_pushed_once(rota):
    with PushReceiver(rota.folder) as receiver:
        where = settings(rota, receiver)
        rota.run("account", "add", ADA)
        phone, watch = receiver.device("phone"), receiver.device("watch")
        subscribe(rota, receiver, phone)
        subscribe(rota, receiver, watch, types=" Mailbox ")
        node = rota.serve(where).ready()
        for number in range(3):
            deliver(rota, number)
            until(lambda: last_state(receiver, "phone") == newest(rota), "the push")
        until(lambda: column(rota, "sending_seq", "phone") == "0", "the end in the store")
        pushes = receiver.pushes("phone")
        states = [push["text"]["changed"]["a1"]["Email"] for push in pushes]
        assert len(states) == len(set(states)) and not receiver.trouble
        assert {push["sender"] for push in pushes} == {"mailto:node1@example.org"}
        assert {push["topic"] for push in pushes} == {"state"} and len({push["key"] for push in pushes}) == 1
        assert set(pushes[0]["text"]["changed"]["a1"]) == {"Email", "EmailDelivery", "Mailbox", "Thread"}
        assert set(receiver.pushes("watch")[0]["text"]["changed"]["a1"]) == {"Mailbox"}
        shown = json.loads(rota.run("account", "devices", ADA, "--json"))["devices"]
        assert [(one["device"], one["verified"], one["pushes"], one["last_status"], one["failures"]) for one in shown
                if one["device"] == "phone"] == [("phone", True, len(states), 201, 0)]
        assert "well" in rota.run("account", "devices", ADA)
        assert receiver.connections <= 8, "a push shall not need a connection of its own"
        assert column(rota, "pushes", "phone") == str(len(states)) and column(rota, "repeats", "phone") == "0"
        node.stop()


def test_a_code_goes_out_first(rota_sqlite):
    rota = rota_sqlite
    with PushReceiver(rota.folder) as receiver:
        where = settings(rota, receiver)
        rota.run("account", "add", ADA)
        subscribe(rota, receiver, receiver.device("phone"), stage=0)
        rota.serve(where).ready()
        deliver(rota, 1)
        assert until(lambda: receiver.code("phone"), "the code") == "code1"
        verification = receiver.pushes("phone", "PushVerification")[0]
        assert verification["text"]["pushSubscriptionId"] == "P1" and verification["topic"] == "verify"
        until(lambda: column(rota, "stage", "phone") == "1", "the stage")
        deliver(rota, 2)
        until(lambda: not rota.query("SELECT key FROM task WHERE role = 'push-notifications'"), "the task's end")
        assert receiver.asked("phone") == 1, "nothing but the code before it was said back"


def test_bad_push_services_keep_nobody_waiting(rota_sqlite):
    """Slow, hanging, redirecting, endless, dying ones beside a good one, which has all within a second or two."""
    rota = rota_sqlite
    with PushReceiver(rota.folder) as receiver:
        where = settings(rota, receiver)
        rota.run("account", "add", ADA)
        answers = {"good": 201, "slow": "slow", "large": "large", "redirect": "redirect", "again": "again",
                   "gone": 410, "lost": 404, "broken": 500, "refused": 403}
        for name, answer in answers.items():
            subscribe(rota, receiver, receiver.device(name, answer=answer))
        rota.serve(where).ready()
        deliver(rota, 1)
        until(lambda: last_state(receiver, "good") == newest(rota), "the good one's push")
        until(lambda: last_state(receiver, "again"), "the push after Retry-After")
        until(lambda: not rota.query("SELECT id FROM push_subscription WHERE device IN ('gone', 'lost')"), "their end")
        until(lambda: receiver.asked("broken") == 3 and receiver.asked("redirect") == 3, "three attempts each")
        until(lambda: column(rota, "last_status", "large") == "200", "the large answer's status")
        deliver(rota, 2)
        until(lambda: last_state(receiver, "good") == newest(rota), "the good one's second push")
        until(lambda: column(rota, "last_status", "slow") == "201", "the slow one's answer")
        assert receiver.asked("gone") == receiver.asked("lost") == 1 and receiver.asked("elsewhere") == 0
        assert column(rota, "last_error", "broken") == "the push service said 500"
        assert rota.query("SELECT subscribers FROM account WHERE id = 1") == [["7"]]
        assert not receiver.trouble


def test_hanging_and_dying_ones_are_of_unknown_fate(rota_sqlite):
    rota = rota_sqlite
    with PushReceiver(rota.folder) as receiver:
        where = settings(rota, receiver)
        rota.run("account", "add", ADA)
        subscribe(rota, receiver, receiver.device("dies", answer="die"))
        subscribe(rota, receiver, receiver.device("good"))
        rota.serve(where).ready()
        deliver(rota, 1)
        until(lambda: last_state(receiver, "good"), "the good one's push")
        until(lambda: column(rota, "failures", "dies") >= "1", "the failure")
        receiver.devices["dies"].answer = 201
        until(lambda: last_state(receiver, "dies") == newest(rota), "the push, again")
        until(lambda: column(rota, "sending_seq", "dies") == "0", "its end")
        assert int(column(rota, "repeats", "dies")) == receiver.asked("dies") - 1


def test_private_addresses_are_left_alone(rota_sqlite):
    rota = rota_sqlite
    with PushReceiver(rota.folder) as receiver, socket.create_server(("127.0.0.1", 0)) as door:
        where = settings(rota, receiver, private="false")
        rota.run("account", "add", ADA)
        for name, host in ("number", "127.0.0.1"), ("name", "localhost"), ("mapped", "[::ffff:127.0.0.1]"):
            subscribe(rota, receiver, receiver.device(name))
            rota.query(f"UPDATE push_subscription SET url = 'https://{host}:{door.getsockname()[1]}/x'"
                       f" WHERE device = '{name}'")
        rota.serve(where).ready()
        deliver(rota, 1)
        for name in "number", "name", "mapped":
            until(lambda: "not a public one" in column(rota, "last_error", name), "the refusal")
        door.settimeout(0)
        try:
            door.accept()
            raise AssertionError("somebody came to the private door")
        except BlockingIOError:
            pass


def test_killed_and_stopped_senders(rota_postgresql):
    """Two nodes of one shard, one of another, one of none: senders are killed and stopped while mail comes."""
    rota = rota_postgresql
    cluster = ('lease = "2s"\nheartbeat = "500ms"\n[cluster.roles.push-notifications]\n'
               'push-notifications = ["1,2", "3"]')
    with PushReceiver(rota.folder) as receiver:
        where = {n: settings(rota, receiver, n, cluster=cluster, name=f"node{n}.toml") for n in (1, 2, 3, 4)}
        rota.settings = where[4]
        people = [f"p{n}@example.org" for n in range(12)]
        for number, person in enumerate(people, 1):
            rota.run("account", "add", person)
            subscribe(rota, receiver, receiver.device(f"d{number}"), account=number, ident=1)
        nodes = {n: rota.serve(path, f"node{n}").ready() for n, path in where.items()}
        sent = 0
        for turn in range(6):
            victim = (1, 2)[turn % 2]
            for person in people:
                deliver(rota, sent := sent + 1, node=4, to=person)
            if turn % 3 == 2:
                os.kill(nodes[victim].process.pid, signal.SIGSTOP)
                until(lambda: rota.query(f"SELECT 1 FROM member WHERE node = {victim}") == [], "the end of its lease")
                os.kill(nodes[victim].process.pid, signal.SIGCONT)
            else:
                nodes[victim].kill()
                nodes[victim] = rota.serve(where[victim], f"node{victim}-{turn}").ready()
            for person in people[::2]:
                deliver(rota, sent := sent + 1, node=4, to=person)

        def settled():
            return all(last_state(receiver, f"d{n}", f"a{n}") == newest(rota, n) for n in range(1, len(people) + 1))

        until(settled, "the last state at each device")
        until(lambda: rota.query("SELECT id FROM push_subscription WHERE sending_seq <> 0") == [], "empty outboxes")
        repeats = {int(account): int(count)
                   for account, count in rota.query("SELECT account, repeats FROM push_subscription")}
        for number in repeats:
            states = [json.dumps(push["text"]) for push in receiver.pushes(f"d{number}")]
            assert len(states) - len(set(states)) <= repeats[number], f"d{number}: {states}, {repeats[number]} counted"
            senders = {push["sender"] for push in receiver.pushes(f"d{number}")}
            assert not senders & {"mailto:node4@example.org"}, "a node of no shard has sent"
            assert len({frozenset("12") & frozenset(sender[11]) != frozenset() for sender in senders}) == 1, \
                "nodes of two shards have sent for one account"
        print(f"{sent} letters, {len(receiver.pushes())} pushes, {sum(repeats.values())} counted repeats")
        assert not receiver.trouble
