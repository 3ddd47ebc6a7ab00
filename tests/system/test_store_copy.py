"""`rota store copy`: a back-up of a store in use, its restore on the other kind of store, and what is refused."""

import json
import sqlite3
import threading

import pytest

from conftest import Rota, exported_digests, mail_files, until

PEOPLE = ("ada@example.org", "bob@example.org")


@pytest.fixture
def other(rota):
    """An empty store of the other kind."""
    made = Rota("postgresql" if rota.kind == "sqlite" else "sqlite")
    yield made
    made.close()


def deliver(client, message, to):
    client.sendmail("carol@example.org", [to], message)


def find(rota, word):
    return rota.run("search", "-a", PEOPLE[0], word, status=None).count(word)


def test_a_store_in_use_is_copied_and_restored_on_the_other_kind(rota, other):
    node = rota.serve().ready()
    for address in PEOPLE:
        rota.run("account", "add", address, "--generate")
    client = rota.lmtp()
    for path in mail_files("mail")[:60]:
        deliver(client, path.read_bytes(), PEOPLE[0])
    deliver(client, b"Subject: zilverreiger\r\n\r\nzilverreiger\r\n", PEOPLE[0])

    # Mail goes on coming in while the copy is made: it has one moment of the store, whole.
    stop = threading.Event()
    sent = []

    def load():
        more = rota.lmtp()
        while not stop.is_set():
            deliver(more, f"Subject: load {len(sent)}\r\n\r\nload\r\n".encode(), PEOPLE[1])
            sent.append(len(sent))

    loader = threading.Thread(target=load)
    loader.start()
    try:
        until(lambda: len(sent) > 20, "mail under way")
        told = json.loads(rota.run("store", "copy", "--to", str(other.settings), "--json"))
        at_least = len(sent)
    finally:
        stop.set()
        loader.join()
    assert told["rows"] > 0 and 20 < at_least
    node.stop()

    other.run("store", "check", "--deep")
    assert exported_digests(other, PEOPLE[0]) == exported_digests(rota, PEOPLE[0])
    copied, kept = exported_digests(other, PEOPLE[1]), exported_digests(rota, PEOPLE[1])
    assert copied <= kept and kept.total() == len(sent)
    assert 20 <= copied.total() <= at_least + 1

    # A node takes it up as one that has died before: the index is made, mail comes in.
    node = other.serve().ready()
    until(lambda: find(other, "zilverreiger"), "the index of the copy")
    deliver(other.lmtp(), b"Subject: after\r\n\r\nafter\r\n", PEOPLE[1])
    node.stop()
    other.run("store", "check", "--deep")

    # And back, by a file: the same again.
    back = Rota(rota.kind)
    try:
        other.run("store", "copy", "--to", str(back.settings))
        back.run("store", "check", "--deep")
        for address in PEOPLE:
            assert exported_digests(back, address) == exported_digests(other, address)
    finally:
        back.close()


def test_a_store_in_use_is_not_copied_into(rota, other):
    rota.run("store", "init")
    rota.run("account", "add", PEOPLE[0], "--generate")
    other.run("store", "init")
    other.run("account", "add", PEOPLE[1], "--generate")
    rota.run("store", "copy", "--to", str(other.settings), status=1)
    assert PEOPLE[1] in other.run("account", "list")
    assert PEOPLE[0] not in other.run("account", "list")


def test_a_copy_that_broke_off_begins_again(rota_sqlite):
    """All but the accounts is there: the next copy starts over, and doubles nothing."""
    rota_sqlite.run("store", "init")
    rota_sqlite.run("account", "add", PEOPLE[0], "--generate")
    target = rota_sqlite.folder / "copy.db"
    rota_sqlite.run("store", "copy", "--to", str(target))
    settings = rota_sqlite.folder / "copy.toml"
    settings.write_text(f'[cluster]\nnode-id = 1\n[store.data]\ntype = "sqlite"\npath = "{target}"\n')
    rota_sqlite.run("store", "copy", "--to", str(target), status=1)
    with sqlite3.connect(target) as store:
        store.execute("DELETE FROM account")
    rota_sqlite.run("store", "copy", "--to", str(target))
    rota_sqlite.run("store", "check", "--deep", settings=settings)
    assert PEOPLE[0] in rota_sqlite.run("account", "list", settings=settings)


def test_wrong_use_and_wrong_places(rota_sqlite):
    rota_sqlite.run("store", "copy", status=2)
    rota_sqlite.run("store", "copy", "--to", "a.db", "--from", "b.db", status=2)
    rota_sqlite.run("store", "copy", "--from", "not-there.db", status=1)
    rota_sqlite.run("store", "copy", "--to", "not-there.toml", status=2)
    rota_sqlite.run("store", "copy", "--to", "copy.db", status=1)  # nothing to copy yet
