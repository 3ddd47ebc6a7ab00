"""The settings as an operator meets them: `rota check`, `rota roles`, exit statuses, --help."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = ROOT / "tests" / "data" / "seed.toml"


@pytest.fixture
def program():
    return os.environ.get("ROTA_PROGRAM", str(ROOT / "build" / "rota"))


def run(program, *args, cwd=None, **env):
    keep = {k: v for k, v in os.environ.items() if not k.startswith("ROTA_") and k != "NO_COLOR"}
    return subprocess.run([program, *map(str, args)], cwd=cwd, env=keep | env, capture_output=True, text=True,
                          timeout=60)


def test_seed_example_is_good(program):
    done = run(program, "check", "-c", SEED)
    assert (done.returncode, done.stderr) == (0, "")
    assert "good" in done.stdout


def test_node_4_of_the_seed_does_exactly_this(program):
    done = run(program, "roles", "--node", 4, "-c", SEED)
    assert done.returncode == 0
    assert done.stdout == (
        "purge.stores shard 1 of 3\n"
        "purge.accounts\n"
        "metrics.calculate\n"
        "metrics.push\n"
        "push-notifications shard 2 of 2\n"
        "imip-processing\n"
    )
    as_json = json.loads(run(program, "roles", "--node", 4, "--json", "-c", SEED).stdout)
    assert [(r["role"], r["shard"], r["shards"]) for r in as_json["roles"]] == [
        ("purge.stores", 1, 3), ("purge.accounts", 1, 1), ("metrics.calculate", 1, 1),
        ("metrics.push", 1, 1), ("push-notifications", 2, 2), ("imip-processing", 1, 1),
    ]


def test_the_table_is_printed_shard_by_shard(program):
    done = run(program, "roles", "-c", SEED)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["role", "shard", "nodes", "set"]
    assert lines[1][:5] == ["purge.stores", "1", "of", "3", "1,4"]
    assert lines[1][5].endswith("seed.toml:4")
    assert lines[2] == ["2", "of", "3", "2,3"]
    assert len(lines) == 1 + 13
    table = json.loads(run(program, "roles", "--json", "-c", SEED).stdout)["table"]
    assert len(table) == 13
    assert table[0]["ranges"] == [[1, 1], [4, 4]]


def test_explain_follows_a_line(program, tmp_path):
    done = run(program, "roles", "--explain", "purge.stores", 1, "-c", SEED)
    assert done.returncode == 0
    for word in ["shard 1 of 3", "seed.toml, line 4", "3: 1,4 | 2,3 | 5,6", "342 of 1024", "0 3 * * *"]:
        assert word in done.stdout
    assert run(program, "roles", "--explain", "purge.stores", 4, "-c", SEED).returncode == 2
    wrong = run(program, "roles", "--explain", "purge.store")
    assert wrong.returncode == 2 and 'did you mean "purge.stores"?' in wrong.stderr


def test_all_problems_at_once(program, tmp_path):
    broken = tmp_path / "rota.toml"
    broken.write_text(
        '[cluster.roles]\nfts-indexing = [1, 4]\npush-notifications = ["1,2"]\n[lmtp]\nlisen = []\nx = 09\n'
    )
    done = run(program, "check", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    places = [line.split(" ", 2)[1] for line in done.stderr.splitlines()]
    assert places == ["rota.toml:2:16:", "rota.toml:3:22:", "rota.toml:5:1:", "rota.toml:6:5:"]
    told = json.loads(run(program, "check", "--json", cwd=tmp_path).stdout)
    places = [(p["line"], p["column"]) for p in told["problems"]]
    assert not told["good"] and places == [(2, 16), (3, 22), (5, 1), (6, 5)]
    for command in (["roles"], ["roles", "--node", "4"]):
        done = run(program, *command, cwd=tmp_path)
        assert done.returncode == 2 and done.stdout == "" and "rota.toml:5:1:" in done.stderr


def test_a_warning_does_not_fail(program, tmp_path):
    (tmp_path / "rota.toml").write_text('cluster.roles.acme.renew = "none"\n')
    done = run(program, "check", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr.startswith("warning: rota.toml:1:28: cluster.roles.acme.renew")


def test_which_file_is_taken(program, tmp_path):
    (tmp_path / "rota.toml").write_text("a = 1\n")
    (tmp_path / "b.toml").write_text("b = 1\n")
    (tmp_path / "c.toml").write_text("c = 1\n")
    assert '"a"' in run(program, "check", cwd=tmp_path).stderr
    assert '"b"' in run(program, "check", cwd=tmp_path, ROTA_CONFIG="b.toml").stderr
    assert '"c"' in run(program, "check", "-c", "c.toml", cwd=tmp_path, ROTA_CONFIG="b.toml").stderr
    assert '"c"' in run(program, "-c", "c.toml", "check", cwd=tmp_path).stderr
    gone = run(program, "check", "-c", "gone.toml", cwd=tmp_path)
    assert gone.returncode == 2 and "could not read the settings" in gone.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(program, "check", cwd=empty).returncode == 0


def test_the_node_id_may_come_from_the_environment(program, tmp_path):
    (tmp_path / "rota.toml").write_text('cluster.roles.acme.renew = "1"\n')
    missing = run(program, "check", cwd=tmp_path)
    assert missing.returncode == 2 and "node-id" in missing.stderr and "$ROTA_NODE_ID" in missing.stderr
    assert run(program, "check", cwd=tmp_path, ROTA_NODE_ID="3").returncode == 0
    assert run(program, "check", cwd=tmp_path, ROTA_NODE_ID="0").returncode == 2


def test_wrong_use(program):
    for args, word in [
        (["chek"], "did you mean `rota check`?"),
        (["check", "x"], "one argument too many"),
        (["check", "--nonsense"], "--nonsense"),
        (["roles", "--node", "0x"], "0x"),
        (["roles", "--node", "2147483648"], "1 to 2147483647"),
        (["roles", "x"], "--explain"),
        ([], "usage: rota"),
    ]:
        done = run(program, *args)
        assert done.returncode == 2 and done.stdout == "" and word in done.stderr, args


def test_help_has_an_example(program):
    overview = run(program, "--help")
    assert overview.returncode == 0
    names = [line.split("  ")[0] for line in overview.stdout.splitlines() if line.startswith("rota ")]
    assert "rota check" in names and "rota roles" in names
    for name in names:
        done = run(program, *name.split()[1:], "--help")
        assert done.returncode == 0 and "Example:\n  rota " in done.stdout, name
    group = run(program, "account", "--help")
    assert group.returncode == 0 and "rota account add" in group.stdout and "rota check" not in group.stdout
    assert run(program, "--version").stdout.startswith("rota ")


def test_a_mail_cannot_drive_the_terminal(program, tmp_path):
    (tmp_path / "rota.toml").write_text('"\\u001b[31mred" = 1\n')
    done = run(program, "check", cwd=tmp_path)
    assert done.returncode == 2 and "\x1b" not in done.stderr and "\\x1b[31mred" in done.stderr


def test_output_that_does_not_arrive_is_an_error(program):
    with open("/dev/full", "w") as full:
        done = subprocess.run([program, "roles", "-c", str(SEED)], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60)
    assert done.returncode == 2 and "could not write to standard output" in done.stderr
    piped = subprocess.Popen([program, "roles", "-c", str(SEED)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    piped.stdout.close()
    assert (piped.wait(timeout=60), piped.stderr.read()) == (0, "")


def step(text, name):
    return next(line for line in text.splitlines() if line.startswith(name + " "))


def test_explain_and_adopt_with_a_running_node(rota):
    before = rota.run("roles", "--explain", "purge.stores")
    assert "`rota store init`" in step(before, "store")
    rota.run("roles", "adopt", status=1)
    node = rota.serve().ready()
    explained = rota.run("roles", "--explain", "purge.stores", "1")
    assert "epoch 1 is in force, the same as this file's" in step(explained, "table")
    assert step(explained, "living").split()[1] == "1"
    assert "03:00:00" in step(explained, "next slot")
    as_json = json.loads(rota.run("roles", "--explain", "purge.stores", "--json"))
    assert as_json["living"] == "1"
    other = rota.write_settings("other.toml", 2, rota.folder / "lmtp2", '[cluster.roles.purge]\nstores = ["1", "2"]\n')
    differing = rota.run("roles", "--explain", "purge.stores", "2", settings=other)
    assert "differs from this file's" in step(differing, "table")
    assert "has no such shard" in step(differing, "living")
    assert "node 1" in rota.run("roles", "adopt")
    rota.run("roles", "adopt", "--node", "9", status=1)
    node.stop()
    assert "uncovered" in step(rota.run("roles", "--explain", "purge.stores"), "living")


def test_a_store_out_of_reach_is_75(program, tmp_path):
    (tmp_path / "rota.toml").write_text(
        '[cluster]\nnode-id = 1\n[store.data]\ntype = "postgresql"\n'
        'url = "host=127.0.0.1 port=1 dbname=none connect_timeout=5"\n'
    )
    done = run(program, "roles", "adopt", cwd=tmp_path)
    assert done.returncode == 75 and done.stderr.startswith("rota: ")
    assert run(program, "roles", "--explain", "purge.stores", cwd=tmp_path).returncode == 0
