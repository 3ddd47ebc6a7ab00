"""rota run, and what the purges do in a real node: a dry run says what goes, a round takes it, and kill -9
in the middle of it changes nothing of the end."""

import json
import subprocess
import sqlite3

import pytest

from conftest import PROGRAM, until

SOON = """
[storage.undelete]
retention = "0s"

[account]
delete-retention = "0s"
"""


def call(rota, *words):
    """A command; whatever its exit status, all it said."""
    return subprocess.run([PROGRAM, *words, "-c", str(rota.settings)], capture_output=True, text=True,
                          timeout=120, cwd=rota.folder)


def sql(rota, text):
    """A statement of the test's own, on either store."""
    if rota.kind == "postgresql":
        rota.psql(f"SET search_path = {rota.schema}; {text}")
        return
    with sqlite3.connect(rota.folder / "rota.db", timeout=60) as db:
        db.executescript("BEGIN IMMEDIATE; " + text + "; COMMIT")
    db.close()


def fill_keys(rota, count):
    """So many keys that have expired."""
    series = (f"SELECT n FROM generate_series(1, {count}) n" if rota.kind == "postgresql" else
              f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) "
              "SELECT n FROM s")
    sql(rota, "INSERT INTO expiring (account, kind, key, value, expires_at) "
              f"SELECT n % 7, 'test', 'key' || n, '', 1 FROM ({series}) x")


def would_go(rota, role):
    said = json.loads(rota.run("run", role, "--dry-run", "--json", "-v"))
    kinds = {kind["kind"]: kind["count"] for kind in said["would_go"]}
    counted = {}
    for item in said["items"]:
        counted[item["kind"]] = counted.get(item["kind"], 0) + 1
    assert counted == kinds
    assert len({(item["kind"], item["item"]) for item in said["items"]}) == len(said["items"])
    return kinds


def test_a_deleted_account_goes_with_all_it_owns(rota):
    rota.settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, SOON)
    node = rota.serve().ready()
    rota.run("account", "add", "ada@example.org")
    rota.run("account", "add", "bob@example.org")
    with rota.lmtp() as client:
        for number in range(3):
            text = f"Subject: {number}\r\nMessage-ID: <{number}@example.org>\r\n\r\nhello {number}\r\n"
            client.sendmail("carl@example.org", ["ada@example.org"], text)
        client.sendmail("carl@example.org", ["bob@example.org"], "Subject: mine\r\n\r\nto bob alone\r\n")
    find = ["search", "-a", "ada@example.org", "--count", "hello"]
    until(lambda: rota.run(*find, status=None).strip() == "3", "the index")
    assert would_go(rota, "purge.accounts") == {}
    assert "nothing" in rota.run("run", "purge.accounts", "--dry-run")
    rota.run("account", "delete", "ada@example.org")
    goes = would_go(rota, "purge.accounts")
    assert goes["messages"] == 3 and goes["accounts"] == 1 and goes["mailboxes"] == 6 and goes["index rows"] == 3
    plain = rota.run("run", "purge.accounts", "--dry-run", "-v")
    assert plain.count("  messages  ") == 3 and "would go" in plain
    done = json.loads(rota.run("run", "purge.accounts", "--json"))["rounds"]
    assert [(one["shard"], one["shards"], one["state"]) for one in done] == [(1, 1, "done")]
    for kind, count in goes.items():
        assert f"{count} {kind}" in done[0]["result"]
    assert would_go(rota, "purge.accounts") == {}
    assert would_go(rota, "purge.stores")["blobs"] == 3
    assert "3 blobs" in rota.run("run", "purge.stores")
    assert would_go(rota, "purge.stores") == {}
    rota.run("store", "check")
    assert rota.run("search", "-a", "bob@example.org", "--count", "alone").strip() == "1"
    node.stop()


def test_what_cannot_be_run_says_why(rota_sqlite):
    rota = rota_sqlite
    rota.run("store", "init")
    wrong = call(rota, "run", "purge.store")
    assert wrong.returncode == 2 and 'did you mean "purge.stores"?' in wrong.stderr
    queued = call(rota, "run", "fts-indexing")
    assert queued.returncode == 2 and "no rounds" in queued.stderr
    assert call(rota, "run", "fts-indexing", "--dry-run").returncode == 2
    assert call(rota, "run", "purge.stores", "--shard", "2").returncode == 2
    assert call(rota, "run").returncode == 2


def test_without_a_node_it_waits_for_one(rota):
    rota.run("store", "init")
    alone = call(rota, "run", "purge.stores")
    assert alone.returncode == 1 and "no node" in alone.stdout
    node = rota.serve().ready()
    node.logged("round.done")
    assert call(rota, "run", "purge.stores").returncode == 0
    asked = json.loads(rota.run("run", "purge.stores", "--no-wait", "--json"))
    assert asked["rounds"][0]["state"] in ("waits", "runs", "done")
    until(lambda: node.text().count("round.done") >= 3, "the third round")


def test_a_role_of_no_node_is_not_asked(rota_sqlite):
    rota = rota_sqlite
    roles = '[cluster.roles.purge]\nstores = ["none"]\n'
    rota.settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, roles)
    rota.run("store", "init")
    none = call(rota, "run", "purge.stores")
    assert none.returncode == 1 and "none" in none.stderr


def test_each_shard_is_followed(rota_postgresql):
    rota = rota_postgresql
    roles = '[cluster.roles.purge]\nstores = ["1", "2"]\n'
    first = rota.write_settings("one.toml", 1, rota.lmtp_path, roles)
    second = rota.write_settings("two.toml", 2, rota.folder / "lmtp2", roles)
    rota.settings = first
    rota.serve(first, "one").ready()
    two = rota.serve(second, "two").ready()
    fill_keys(rota, 1000)
    both = json.loads(rota.run("run", "purge.stores", "--json"))["rounds"]
    assert [(one["shard"], one["state"]) for one in both] == [(1, "done"), (2, "done")]
    assert all("expired keys" in one["result"] for one in both)
    two.stop()
    half = call(rota, "run", "purge.stores", "--json")
    assert half.returncode == 1
    ends = [(one["shard"], one["state"]) for one in json.loads(half.stdout)["rounds"]]
    assert ends == [(1, "done"), (2, "no node")]
    assert call(rota, "run", "purge.stores", "--shard", "1").returncode == 0


def test_killed_in_the_middle_it_goes_on(rota):
    rota.settings = rota.write_settings("rota.toml", 1, rota.lmtp_path, "[storage]\npurge-pause = \"30ms\"\n")
    node = rota.serve().ready()
    fill_keys(rota, 20000)
    rota.run("run", "purge.stores", "--no-wait")

    def left():
        return would_go(rota, "purge.stores").get("expired keys", 0)

    until(lambda: left() < 19000, "the purge's begin")
    node.kill()
    some = left()
    assert 0 < some < 20000
    node = rota.serve().ready()
    node.logged("round.done")
    assert left() == 0
    rota.run("store", "check")
    node.stop()
