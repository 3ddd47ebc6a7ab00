"""What `rota plan` says before a table is changed or a node is taken out, and `rota audit` at any time."""

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


def test_audit_of_a_fresh_node_is_one_line(rota):
    rota.run("store", "init")
    assert rota.run("audit", status=1) == ""  # no node has ever started
    rota.serve().ready()
    found = json.loads(rota.run("audit", "--json"))
    # what the machine that runs the tests is doing beside is its own affair
    busy = {"overloaded-node", "slow-node"} & {f["name"] for f in found["findings"]}
    assert [f["name"] for f in found["findings"] if f["name"] not in busy] == ["one-node"] and found["good"]
    assert "note one-node: " in rota.run("audit") and "a second node" in rota.run("audit")


def test_audit_names_a_lost_shard_and_a_table_that_check_accepts(rota):
    rota.settings = rota.write_settings("rota.toml", 1, rota.lmtp_path,
                                        '[cluster.roles.purge]\nstores = ["1", "2"]\n')
    rota.serve().ready()
    found = json.loads(rota.run("audit", "--json", status=1))
    first = found["findings"][0]
    assert (first["name"], first["role"], first["shard"]) == ("uncovered-shard", "purge.stores", 2)
    pasted = rota.write_settings("pasted.toml", 1, rota.lmtp_path, first["toml"])
    rota.run("check", settings=pasted)
    rota.run("plan", settings=pasted)
    assert "error uncovered-shard: purge.stores: shard 2 of 2" in rota.run("audit", status=1)


def test_heartbeats_tell_which_account_has_most(rota):
    rota.serve().ready()
    for name in ("ada", "bob"):
        rota.run("account", "add", f"{name}@example.org")
    with rota.lmtp() as client:
        for number in range(20):
            client.sendmail("x@example.net", ["bob@example.org"], f"Subject: {number}\r\n\r\nHello {number}\r\n")
    told = "SELECT top_key FROM load_sample WHERE role = 'fts-indexing' AND top_us > 0 AND top_us <= busy_us"
    until(lambda: rota.query(told), "the account in load_sample")
    assert {row[0] for row in rota.query(told)} == {"2"}
    until(lambda: rota.status()["nodes"][0]["beat_gap_ms"] > 0, "the gap between heartbeats")
