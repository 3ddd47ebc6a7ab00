"""What `rota plan` says before a table is changed or a node is taken out."""

import json

from conftest import until


def plan(rota, *args, settings=None, status=0):
    return json.loads(rota.run("plan", "--json", *args, settings=settings, status=status))


def role(found, name):
    return next(r for r in found["roles"] if r["role"] == name)


def test_plan_changes_nothing_and_is_exact(rota):
    assert rota.run("plan", status=1) == ""  # there is no store
    rota.run("store", "init")
    assert rota.run("plan", status=1) == ""  # and no table in force
    rota.serve().ready()
    for name in ("ada", "bob", "cy"):
        rota.run("account", "add", f"{name}@example.org")
    before = rota.query("SELECT epoch, role_table FROM cluster")
    assert plan(rota)["buckets"] == 0
    gone = plan(rota, "--without", "1", status=1)
    assert not gone["good"] and gone["accounts"] == gone["all_accounts"] == 3
    settings = rota.write_settings("new.toml", 1, rota.lmtp_path,
                                   '[cluster.roles.fts-indexing]\nfts-indexing = ["1", "2"]\n')
    moved = int(rota.query("SELECT count(*) FROM account WHERE bucket % 2 = 1")[0][0])
    then = plan(rota, "--with", "2", settings=settings)
    fts = role(then, "fts-indexing")
    assert [m["after"] for m in fts["moves"] if m["before"] == "1"] == ["2"]
    assert fts["accounts"] == moved and fts["buckets"] == 512
    assert {s["node"] for s in then["single"]} == {1, 2}
    alone = plan(rota, settings=settings, status=1)
    assert [s["shard"] for s in alone["uncovered"]] == [2]
    said = "UNCOVERED: fts-indexing shard 2 of 2"
    assert said in rota.run("plan", settings=settings, status=1)
    assert rota.query("SELECT epoch, role_table FROM cluster") == before


def test_plan_refuses_what_is_no_list_of_nodes(rota):
    node = rota.serve().ready()
    rota.run("plan", "--without", "x", status=2)
    rota.run("plan", "--with", "1-2000000", status=2)
    node.stop()
    until(lambda: not rota.status()["nodes"], "the node has left")
    rota.run("plan", status=1)
    assert plan(rota, "--with", "1-3")["buckets"] == 0
