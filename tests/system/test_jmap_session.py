"""A person with two clients: they list, read, search, move, delete and keep up by changes, through two nodes of which
one dies in the middle (on PostgreSQL), or through one that is killed and starts again (on SQLite). At the end both
clients are equal to the store."""

import http.client
import random
import smtplib
import threading
import time

from conftest import until
from door import Door
from jmap_client import Jmap
from test_jmap import PLAIN, SOON

MAILS = 60
STEPS = 120
PROPERTIES = ["mailboxIds", "keywords", "subject", "threadId", "size"]


class Client:
    """What it knows came by its own first look, and then by changes alone. It goes to the other door when one is dead,
    and does there what it may have done here: all that it does may be done twice."""

    def __init__(self, doors):
        self.doors, self.moves = doors, 0
        self.me = Jmap(doors[0], "grace@example.org:right")
        self.state = {name: self.call(f"{name}/get", ids=[])["state"] for name in ("Email", "Mailbox", "Thread")}
        self.emails = {one: self.read(one) for one in self.call("Email/query")["ids"]}
        self.boxes = {box["id"]: box for box in self.call("Mailbox/get", ids=None)["list"]}
        self.threads = set(one["threadId"] for one in self.emails.values())

    def call(self, name, **words):
        def tried():
            try:
                return self.me.call(name, **words)
            except (OSError, http.client.HTTPException, AssertionError):
                self.doors.append(self.doors.pop(0))
                self.me.door = self.doors[0]
                self.moves += 1
                return None
        return until(tried, f"an answer to {name}")

    def read(self, one):
        got = self.call("Email/get", ids=[one], properties=PROPERTIES)["list"]
        return got[0] if got else None

    def changes(self, name):
        more = True
        while more:
            got = self.call(f"{name}/changes", sinceState=self.state[name], maxChanges=50)
            yield got
            self.state[name], more = got["newState"], got["hasMoreChanges"]

    def sync(self):
        for got in self.changes("Email"):
            for one in got["destroyed"]:
                self.emails.pop(one, None)
            for one in got["created"] + got["updated"]:
                row = self.read(one)
                if row:
                    self.emails[one] = row
        for got in self.changes("Thread"):
            self.threads = (self.threads | set(got["created"] + got["updated"])) - set(got["destroyed"])
        for got in self.changes("Mailbox"):
            for one in got["destroyed"]:
                self.boxes.pop(one, None)
            for box in self.call("Mailbox/get", ids=got["created"] + got["updated"])["list"]:
                self.boxes[box["id"]] = box

    def role(self, role):
        return next(box["id"] for box in self.boxes.values() if box["role"] == role)


def one_step(client, chance):
    """Something that a person does; what another client did meanwhile is no failure of it."""
    what = chance.randrange(6)
    one = chance.choice(sorted(client.emails)) if client.emails else None
    if what == 0:
        client.sync()
    elif what == 1 and one:
        client.call("Email/set", update={one: {"keywords/$seen": True if chance.random() < 0.7 else None}})
    elif what == 2 and one:
        where = client.role(chance.choice(["archive", "junk", "trash", "inbox"]))
        client.call("Email/set", update={one: {"mailboxIds": {where: True}}})
    elif what == 3 and one and chance.random() < 0.5:
        client.call("Email/set", destroy=[one])
    elif what == 4:
        client.call("Email/query", filter={"inMailbox": client.role("inbox")}, limit=20, collapseThreads=True)
    elif one:
        client.call("Email/get", ids=[one], fetchTextBodyValues=True)


def deliver(rota, node, first, last):
    client = smtplib.LMTP(str(rota.folder / f"lmtp-{node}"))
    for number in range(first, last):
        text = PLAIN.format(month=f"Month{number}")
        if number % 3:
            text = text.replace("Date:", f"References: <Month{number - number % 3}@example.net>\nDate:")
        client.sendmail("ada@example.net", ["grace@example.org"], text)
    client.quit()


def begin(rota, names):
    doors = [Door(rota, name=name, node=number, cluster=SOON) for number, name in enumerate(names, 1)]
    for door in doors:
        door.node.ready()
    rota.run("account", "add", "grace@example.org", "--password-stdin", settings=doors[0].settings, text="right\n")
    deliver(rota, names[0], 0, MAILS)
    return doors


def run_steps(clients, chance, steps):
    for _ in range(steps):
        one_step(chance.choice(clients), chance)


def dies_soon(door, chance, then=lambda: None):
    """Killed at some moment of the next steps; and `then`."""
    def kill():
        time.sleep(chance.random() / 3)
        door.node.kill()
        door.node = then() or door.node
    killer = threading.Thread(target=kill)
    killer.start()
    return killer


def finish(rota, doors, clients):
    """Both clients know what the store has, and what they found by search is there."""
    for client in clients:
        client.sync()
    fresh = Client([doors[0]])
    assert fresh.emails and fresh.moves == 0
    for client in clients:
        assert client.emails == fresh.emails
        assert client.boxes == fresh.boxes
        assert client.threads == fresh.threads
        assert client.state == fresh.state
    subject = next(iter(fresh.emails.values()))["subject"]
    text = subject.rsplit(" ", 1)[1]
    wanted = {one for one, row in fresh.emails.items() if row["subject"] == subject}
    until(lambda: set(fresh.call("Email/query", filter={"subject": text})["ids"]) == wanted, "the index")
    assert sum(box["totalEmails"] for box in fresh.boxes.values()) == len(fresh.emails)
    assert rota.run("store", "check", settings=doors[0].settings)


def test_two_clients_and_a_node_that_dies(rota_postgresql):
    rota = rota_postgresql
    chance = random.Random(5)
    first, second = begin(rota, ["one", "two"])
    clients = [Client([first, second]), Client([second, first])]
    run_steps(clients, chance, STEPS // 2)
    killer = dies_soon(second, random.Random(7))
    run_steps(clients, chance, STEPS // 2)
    killer.join()
    deliver(rota, "one", MAILS, MAILS + 10)  # mail comes in while it is away
    run_steps(clients, chance, 20)
    assert clients[1].moves > 0
    finish(rota, [first], clients)


def test_two_clients_and_a_node_that_starts_again(rota_sqlite):
    rota = rota_sqlite
    chance = random.Random(6)
    door, = begin(rota, ["node"])
    clients = [Client([door]), Client([door])]
    run_steps(clients, chance, STEPS // 2)
    killer = dies_soon(door, random.Random(8), then=lambda: rota.serve(door.settings, "node"))
    run_steps(clients, chance, STEPS // 2)
    killer.join()
    finish(rota, [door], clients)
    assert sum(client.moves for client in clients) > 0
