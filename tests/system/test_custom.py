"""Custom roles: real commands on a real node, what is told of them, and what a kill in the middle leaves."""

import json
import signal

from conftest import until

SOON = 'lease = "3s"\nheartbeat = "200ms"\n'


def custom(rota, script, more="", name="job"):
    """Settings with a custom role that runs a script (a shell's); @F is the test's folder."""
    script = script.replace("@F", str(rota.folder))
    return rota.write_settings("rota.toml", 1, rota.lmtp_path, cluster=SOON, more=(
        f"[cluster.roles.custom.{name}]\ncommand = [\"sh\", \"-c\", '''{script}''']\nevery = \"300d\"\n{more}"))


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_done(rota):
    return not rota.query("SELECT key FROM task WHERE role = 'custom.job'")


def test_a_round_of_a_custom_role(rota):
    """run, roles, explain, status, check: as of any role."""
    custom(rota, "echo begun; env | grep ^ROTA_ > @F/env; echo 'all \u00fc saved'")
    assert "good" in rota.run("check")
    rota.serve().ready()
    assert "all \u00fc saved" in rota.run("run", "custom.job")
    assert "ROTA_TASK=custom.job:round//1" in lines(rota.folder / "env")
    shard = rota.shard("custom.job")
    assert shard["round_result"] == "begun all \u00fc saved" and shard["living"] == [1]
    assert "custom.job" in rota.run("roles")
    assert "every 300d" in rota.run("roles", "--explain", "custom.job")
    assert "custom.job" in rota.run("roles", "--node", "1")
    rota.run("run", "custom.jib", status=2)


def test_fails_once_then_goes_well(rota):
    """75, then 0; the output of the first is kept until then."""
    custom(rota, 'echo "try $ROTA_ATTEMPT" | tee -a @F/tries; [ "$ROTA_ATTEMPT" = 2 ] || exit 75',
           'retry = { min = "1h" }\n')
    rota.serve().ready()
    assert "tried again" in rota.run("run", "custom.job", status=1)
    assert "try 1" in rota.run("tasks", "show", "custom.job:round//1")
    assert "try 1" in rota.run("tasks", "why", "custom.job:round//1")
    rota.run("tasks", "retry", "custom.job:round//1")
    until(lambda: is_done(rota), "the end of the task")
    assert lines(rota.folder / "tries") == ["try 1", "try 2"]


def test_a_dead_letter_says_why(rota):
    """A flood and hostile bytes before the reason."""
    custom(rota, "head -c 5000000 /dev/zero; printf '\\377\\033[31m'; echo the disk is full >&2; exit 3",
           "attempts = 1\n")
    rota.serve().ready()
    assert "buried" in rota.run("run", "custom.job", status=1)
    dead = json.loads(rota.run("tasks", "show", "--json", "custom.job:round//1"))["tasks"][0]
    assert dead["error"].startswith("exit status 3; its output ends: ")
    assert dead["error"].endswith("\ufffd [31mthe disk is full")
    rota.run("tasks", "drop", "custom.job:round//1")


def test_what_is_not_there(rota):
    """check warns, a run says it, and the node lives on."""
    rota.write_settings("rota.toml", 1, rota.lmtp_path, more=(
        '[cluster.roles.custom.job]\ncommand = ["/nowhere/job"]\nevery = "300d"\nattempts = 1\n'
        f'[cluster.roles.custom.other]\ncommand = ["{rota.settings}"]\nevery = "300d"\n'))
    told = json.loads(rota.run("check", "--json"))
    assert told["good"] and [p["level"] for p in told["problems"]] == ["warning", "warning"]
    assert "there is no such file" in told["problems"][0]["text"]
    assert "may not execute" in told["problems"][1]["text"]
    rota.serve().ready()
    assert "No such file" in rota.run("run", "custom.job", status=1)
    assert "done" in rota.run("run", "purge.stores")


def test_a_hanging_one_is_ended(rota):
    custom(rota, "trap '' HUP INT; echo $$ > @F/pid; exec sleep 100", 'timeout = "1s"\nattempts = 1\n')
    rota.serve().ready()
    assert "timeout" in rota.run("run", "custom.job", status=1)
    assert not is_alive(lines(rota.folder / "pid")[0])


def test_a_daemon_ends_with_its_task(rota):
    custom(rota, "setsid sh -c 'echo $$ > @F/pid; exec sleep 100' & while ! [ -s @F/pid ]; do sleep 0.01; done")
    rota.serve().ready()
    assert "which were ended" in rota.run("run", "custom.job")
    assert not is_alive(lines(rota.folder / "pid")[0])


def test_a_stop_gives_it_back(rota):
    """SIGTERM: the command is ended, the task waits for the next life, which hears of it."""
    custom(rota, "echo $$ $ROTA_AGAIN >> @F/pids; [ $ROTA_AGAIN = 1 ] || exec sleep 100")
    node = rota.serve().ready()
    rota.run("run", "custom.job", "--no-wait")
    first = until(lambda: lines(rota.folder / "pids"), "the command")[0].split()[0]
    node.stop()
    assert not is_alive(first)
    rota.serve(name="second").ready()
    until(lambda: is_done(rota), "the end of the task")
    assert [line.split()[1] for line in lines(rota.folder / "pids")] == ["0", "1"]


def test_kill_9_ends_the_command_too(rota):
    """The guard sees it; the task is run again by the next life, once, and told so."""
    custom(rota, "echo $$ $ROTA_AGAIN >> @F/pids; trap '' TERM; [ $ROTA_AGAIN = 1 ] || sleep 100 & wait")
    node = rota.serve().ready()
    rota.run("run", "custom.job", "--no-wait")
    first = until(lambda: lines(rota.folder / "pids"), "the command")[0].split()[0]
    node.kill()
    until(lambda: not is_alive(first), "the end of the command")
    rota.serve(name="second").ready()
    until(lambda: is_done(rota), "the end of the task")
    assert [line.split()[1] for line in lines(rota.folder / "pids")] == ["0", "1"]


def test_sigstop_of_the_node_ends_the_command_with_its_lease(rota):
    custom(rota, "echo $$ >> @F/pids; exec sleep 100")
    node = rota.serve().ready()
    rota.run("run", "custom.job", "--no-wait")
    first = until(lambda: lines(rota.folder / "pids"), "the command")[0]
    node.process.send_signal(signal.SIGSTOP)
    until(lambda: not is_alive(first), "the end of the command")  # which its guard alone can bring
    node.process.send_signal(signal.SIGCONT)


def test_each_account(rota):
    custom(rota, "echo $ROTA_ADDRESS $ROTA_ACCOUNT >> @F/all", 'for-each = "account"\nconcurrency = 3\n')
    rota.serve().ready()
    for name in ("ada", "bob", "cem"):
        rota.run("account", "add", f"{name}@example.org")
    rota.run("account", "delete", "cem@example.org")
    assert "2 accounts" in rota.run("run", "custom.job")
    until(lambda: len(lines(rota.folder / "all")) == 2, "both accounts")
    assert sorted(line.split()[0] for line in lines(rota.folder / "all")) == ["ada@example.org", "bob@example.org"]


def test_a_role_that_is_taken_away(rota):
    """Its tasks wait for nobody, which status says; nothing is lost until a person drops it."""
    custom(rota, "exit 75", 'retry = { min = "1h" }\n')
    node = rota.serve().ready()
    rota.run("run", "custom.job", status=1)
    node.stop()
    rota.write_settings("rota.toml", 1, rota.lmtp_path, cluster=SOON)
    rota.serve(name="second").ready()
    unknown, = rota.status()["unknown"]
    assert "they wait until it comes back" in unknown.pop("words")
    assert unknown == {"role": "custom.job", "tasks": 1, "tasks_at_least": False, "dead": 0}
    assert "custom.job" in rota.run("status")
    assert "does not know" in rota.run("tasks", "why", "custom.job:round//1")
    rota.run("tasks", "drop", "custom.job:round//1")
    assert rota.status()["unknown"] == []


def test_a_reload_with_a_new_role_is_refused(rota):
    rota.write_settings("rota.toml", 1, rota.lmtp_path, cluster=SOON)
    node = rota.serve().ready()
    custom(rota, "exit 0", name="late")
    rota.run("reload", status=None)
    node.logged("custom.late is new")
    node.stop()
    rota.serve(name="second").ready()
    until(lambda: rota.shard("custom.late")["living"] == [1], "the new role")
    rota.run("run", "custom.late")
