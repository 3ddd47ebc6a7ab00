"""cluster.takeover: two shards, one of whose node is killed and comes back, on PostgreSQL."""

import json
import time

from conftest import until

SOON = 'lease = "1s"\nheartbeat = "100ms"\n'


def settings(rota, node, takeover):
    """Two nodes, a shard each of a custom role that writes down who ran for which shard."""
    script = f"echo $ROTA_SHARD {node} >> {rota.folder}/ran"
    return rota.write_settings(f"n{node}.toml", node, rota.folder / f"lmtp{node}", cluster=SOON + takeover, more=(
        f'[cluster.roles.custom.job]\nnodes = ["1", "2"]\ncommand = ["sh", "-c", "{script}"]\nevery = "300d"\n'))


def shard(rota):
    status = rota.status(rota.folder / "n1.toml")
    return next(s for s in status["shards"] if (s["role"], s["shard"]) == ("custom.job", 2)), status


def ran(rota):
    return sorted(set((rota.folder / "ran").read_text().splitlines()))


def test_a_shard_is_taken_over_and_handed_back(rota_postgresql):
    rota = rota_postgresql
    one, two = (rota.serve(settings(rota, n, 'takeover = "2s"\n'), name=f"node{n}") for n in (1, 2))
    one.ready()
    two.ready()
    first = rota.folder / "n1.toml"
    until(lambda: shard(rota)[0]["living"] == [2], "both shards")
    rota.run("run", "custom.job", settings=first)
    assert ran(rota) == ["1 1", "2 2"]
    (rota.folder / "ran").unlink()
    two.kill()
    killed = time.monotonic()
    one.logged("shard.taken-over")
    assert time.monotonic() - killed > 2  # takeover, from when it was seen
    got, status = shard(rota)
    assert (got["taken_over_by"], got["covered"], status["good"]) == ([1], False, False)
    assert "1 (taken over)" in rota.run("status", settings=first, status=1)
    rota.run("run", "custom.job", settings=first)
    assert ran(rota) == ["1 1", "2 1"]
    rota.serve(settings(rota, 2, 'takeover = "2s"\n'), name="node2-again").ready()
    one.logged("shard.handed-back")
    got, _ = shard(rota)
    assert (got["taken_over_by"], got["living"]) == ([], [2])
    (rota.folder / "ran").unlink()
    rota.run("run", "custom.job", settings=first)
    assert ran(rota) == ["1 1", "2 2"]


def test_off_by_default(rota_postgresql):
    rota = rota_postgresql
    one, two = (rota.serve(settings(rota, n, ""), name=f"node{n}") for n in (1, 2))
    one.ready()
    two.ready()
    two.kill()
    one.logged("shard.uncovered")
    told = rota.run("run", "custom.job", "--shard", "2", "--json", settings=rota.folder / "n1.toml", status=1)
    why = json.loads(told)
    assert why["rounds"][0]["state"] == "no node"
    assert shard(rota)[0]["taken_over_by"] == []
