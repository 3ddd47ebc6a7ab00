"""What must be true when all faults are over and the cluster has settled."""

import collections
import hashlib
import json
import random
import subprocess

import mail
from cluster import PROGRAM
from store import until

SETTLE_SECONDS = 240


def due_tasks(cluster):
    """Work that is due; the roles that this build does not do have none."""
    return cluster.store.number("SELECT count(*) FROM task WHERE due_at <= rota_now() AND key NOT LIKE 'round/%'")


def retry_explained_dead(cluster):
    """Dead letters of tasks that three nodes died with are what the kills explain; an operator tries them again."""
    retried = 0
    for row in cluster.store.rows("SELECT role, key, deaths, last_error FROM dead_letter"):
        if row["deaths"] >= 3 and "nodes died" in row["last_error"]:
            cluster.run("tasks", "retry", f"{row['role']}:{row['key']}")
            retried += 1
    return retried


def settle(cluster):
    """All nodes live, all that was due is done. Returns how many explained dead letters were tried again."""
    until(lambda: len(cluster.living()) == len(cluster.nodes), "six living nodes", SETTLE_SECONDS)
    retried = retry_explained_dead(cluster)
    # The fold of the spam model waits a minute for more clicks; here none come.
    cluster.store.sql("UPDATE task SET due_at = rota_now() WHERE role = 'bayes-training' AND owner = 0")
    until(lambda: due_tasks(cluster) == 0, "an empty queue", SETTLE_SECONDS)
    return retried


class Verdict:
    """Lines of (check, what was seen, good)."""

    def __init__(self):
        self.lines = []

    def add(self, check, good, seen=""):
        self.lines.append((check, seen, bool(good)))

    def good(self):
        return all(good for _, _, good in self.lines)

    def print(self):
        for check, seen, good in self.lines:
            print(f"{'ok    ' if good else 'BROKEN'}  {check}{': ' if seen else ''}{seen}")


def check_stored(cluster, ledger, verdict):
    stored = collections.Counter()
    digests = {}
    for row in cluster.store.rows("SELECT e.message_id, a.address, encode(e.blob, 'hex') AS blob FROM email e"
                                  " JOIN account a ON a.id = e.account"):
        stored[row["message_id"], row["address"]] += 1
        digests[row["message_id"]] = row["blob"]
    missing = [key for key in ledger.accepted if key not in stored]
    twice = [key for key, count in stored.items() if count > 1]
    wrong = [ident for ident, digest in digests.items() if ledger.digests.get(ident) != digest]
    verdict.add("every message answered 250 is stored", not missing,
                f"{len(ledger.accepted)} accepted, {len(missing)} missing {missing[:3] or ''}")
    verdict.add("none is stored twice", not twice, f"{len(stored)} stored, {len(twice)} twice {twice[:3] or ''}")
    verdict.add("the bytes are those that were sent", not wrong, f"{len(digests)} compared, {len(wrong)} differ")
    return stored


def check_found(cluster, ledger, stored, verdict, chance):
    """All in the index by its rows and by `rota search`, and by their own words for a sample."""
    unindexed = cluster.store.rows("SELECT e.account, e.message_id FROM email e WHERE NOT EXISTS"
                                   " (SELECT 1 FROM search_index s WHERE s.account = e.account AND s.email = e.id)")
    verdict.add("all are in the index", not unindexed, f"{len(unindexed)} are not {unindexed[:3] or ''}")
    by_person = collections.Counter(person for _, person in stored)
    wrong = {}
    for person, count in by_person.items():
        found = json.loads(cluster.run("search", "-a", person, "--count", "--json", mail.COMMON_WORD))["count"]
        if found != count:
            wrong[person] = (found, count)
    verdict.add("rota search finds as many as are stored", not wrong, f"{len(by_person)} accounts {wrong or ''}")
    sample = chance.sample(sorted(ledger.accepted), min(40, len(ledger.accepted)))
    lost = [(ident, person) for ident, person in sample if json.loads(
        cluster.run("search", "-a", person, "--count", "--json", ledger.words[ident], status=None))["count"] != 1]
    verdict.add("each is found once by its own word", not lost, f"{len(sample)} asked {lost or ''}")


def check_exported(cluster, ledger, stored, verdict, chance):
    """`rota export` writes what was sent, for a few accounts."""
    people = sorted({person for _, person in stored})
    wrong = []
    for person in chance.sample(people, min(4, len(people))):
        folder = cluster.folder / f"export-{person}"
        cluster.run("export", "-a", person, str(folder))
        got = collections.Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*")
                                  if path.is_file() and path.parent.name in ("cur", "new"))
        want = collections.Counter(ledger.digests[ident] for ident, owner in stored if owner == person)
        if got != want:
            wrong.append(person)
    verdict.add("rota export writes what was sent", not wrong, str(wrong or ""))


def check_trained(cluster, ledger, verdict):
    """What was filed as spam is in the ledger of the filter, and its features were made."""
    rows = cluster.store.rows("SELECT (SELECT count(*) FROM spam_verdict v) AS verdicts, (SELECT count(*) FROM"
                              " spam_verdict v WHERE NOT EXISTS (SELECT 1 FROM spam_features f"
                              " WHERE f.digest = v.digest)) AS waiting")[0]
    least, most = len(ledger.filed), len(ledger.filed | ledger.unsure)
    verdict.add("what was filed as spam is learnt", least <= rows["verdicts"] <= most and rows["waiting"] == 0,
                f"{least} filed, {rows['verdicts']} noted, {rows['waiting']} not learnt")


def check_roster(world, retried, verdict):
    cluster = world.cluster
    for promise, rows in world.audit.violations().items():
        verdict.add(f"promise {promise}: never", not rows, f"{len(rows)}: {rows[:3]}" if rows else "")
    dead = cluster.store.rows("SELECT role, key, last_error FROM dead_letter")
    verdict.add("no dead letter that is not explained", not dead,
                f"{retried} explained by kills and tried again {dead[:3] or ''}")
    status = cluster.status()
    verdict.add("all shards are covered, all nodes agree", status["good"] and not status["differing"],
                f"{len(status['nodes'])} nodes, epoch {status['epoch']}, {status['uncovered']} uncovered")


def check_nodes(cluster, verdict):
    """What the nodes say of themselves: work in the log by a node that the table does not name; bugs."""
    foreign, bugs, done = [], [], 0
    one_table = cluster.status()["epoch"] == 1
    for number, node in cluster.nodes.items():
        for event in node.events():
            if event["event"] in ("task.done", "round.done"):
                done += 1
                shards = cluster.table.shards.get(event["role"])
                if one_table and shards and not any(number in shard for shard in shards):
                    foreign.append((number, event))
        if "bug:" in node.text():
            bugs.append(number)
    verdict.add("the logs tell of work by right nodes only", not foreign, f"{done} ends {foreign[:2] or ''}")
    verdict.add("no node met a bug of its own", not bugs, str(bugs or ""))
    # 75: the store cannot be reached at the start; its service manager tries again.
    ends = [(number, end) for number, node in cluster.nodes.items() for end in node.ends]
    wrong = [end for end in ends if end[1] != 75]
    verdict.add("no node ended by itself but for want of a store", not wrong, f"{len(ends)} ends {wrong or ''}")


def check_store(cluster, verdict):
    got = subprocess.run([PROGRAM, "store", "check", "--deep", "-c", str(cluster.settings)], capture_output=True,
                         text=True, cwd=cluster.folder)
    told = (got.stdout + got.stderr).strip().splitlines()
    verdict.add("rota store check --deep", got.returncode == 0 and "whole" in got.stdout, told[-1] if told else "")


def check_all(world, ledger, retried, seed, verdict):
    chance, cluster = random.Random(seed), world.cluster
    stored = check_stored(cluster, ledger, verdict)
    verdict.add("no node answered what it may not", not ledger.trouble, str(ledger.trouble[:3] or ""))
    check_found(cluster, ledger, stored, verdict, chance)
    check_exported(cluster, ledger, stored, verdict, chance)
    check_trained(cluster, ledger, verdict)
    check_roster(world, retried, verdict)
    check_nodes(cluster, verdict)
    check_store(cluster, verdict)
