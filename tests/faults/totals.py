"""What metrics.calculate keeps is what a recount by SQL says, after mixed load and the deaths of three nodes.

Mail comes to all nodes, some is filed as spam, some destroyed, some accounts are deleted with their mail; at a quarter,
half and three quarters of the time a node is killed that does metrics.calculate, and comes back after some seconds.
"""

import random
import threading
import time

import checks
from store import until

ROLE_NODES = (3, 4)  # of metrics.calculate in the seed's table
AWAY_SECONDS = 8
PATIENCE = 150  # a round each minute, and the lease of whoever died


class Destroyer(threading.Thread):
    """Destroys messages of anybody, and now and then an account."""

    def __init__(self, world, seed):
        super().__init__(daemon=True)
        self.world, self.chance = world, random.Random(seed)
        self.destroyed, self.deleted, self.stopping = 0, 0, threading.Event()

    def destroy(self):
        rows = self.world.store.try_sql("SELECT a.address, min(e.id), count(*) FROM email e JOIN account a ON a.id ="
                                        " e.account WHERE a.deleted_at = 0 GROUP BY 1 HAVING count(*) > 3 ORDER BY 1")
        if not rows or len(rows[0]) < 3:
            return
        address, first, _ = self.chance.choice(rows)
        self.world.cluster.run("mail", "delete", "-a", address, "--destroy", str(first))
        self.destroyed += 1

    def delete(self):
        address = f"leaver{self.deleted}@away.example.org"
        self.world.cluster.run("account", "add", address)
        if self.deleted:
            self.world.cluster.run("account", "delete", f"leaver{self.deleted - 1}@away.example.org")
        self.deleted += 1

    def run(self):
        turn = 0
        while not self.stopping.wait(0.5):
            turn += 1
            try:
                self.destroy()
                if turn % 20 == 0:
                    self.delete()
            except RuntimeError as error:
                print(f"not done, and tried again: {str(error).splitlines()[-1]}", flush=True)


def deaths(world, seconds):
    """Three of them, spread over the time."""
    begin, done = time.monotonic(), 0
    for number, node in enumerate((ROLE_NODES[0], ROLE_NODES[1], ROLE_NODES[0]), 1):
        world.stopping.wait(max(0, begin + seconds * number / 4 - time.monotonic()))
        world.cluster.nodes[node].kill()
        world.stopping.wait(AWAY_SECONDS)
        world.cluster.nodes[node].start()
        done += 1
    world.stopping.wait(max(0, begin + seconds - time.monotonic()))
    return done


KEPT = ("SELECT series, label, CAST(sum(total) AS BIGINT) AS value FROM metric_sample WHERE step = 60000 AND"
        " at = {at} AND series IN ('accounts', 'messages', 'bytes', 'domain_accounts', 'domain_messages',"
        " 'domain_bytes') GROUP BY 1, 2")
COUNTED = ("WITH own AS (SELECT a.id, split_part(a.address, '@', 2) AS domain, (SELECT count(*) FROM email e WHERE"
           " e.account = a.id) AS messages, (SELECT coalesce(sum(size), 0) FROM email e WHERE e.account = a.id) +"
           " (SELECT coalesce(sum(size), 0) FROM calendar_object c WHERE c.account = a.id) AS bytes FROM account a"
           " WHERE deleted_at = 0), pieces AS (SELECT 'domain_accounts' AS series, domain AS label, 1 AS value FROM own"
           " UNION ALL SELECT 'domain_messages', domain, messages FROM own"
           " UNION ALL SELECT 'domain_bytes', domain, bytes FROM own"
           " UNION ALL SELECT 'accounts', '', 1 FROM own UNION ALL SELECT 'messages', '', messages FROM own"
           " UNION ALL SELECT 'bytes', '', bytes FROM own)"
           " SELECT series, label, CAST(sum(value) AS BIGINT) AS value FROM pieces GROUP BY 1, 2")


def told(store, text):
    return {(row["series"], row["label"]): row["value"] for row in store.rows(text)}


def totals(world, options, make_load, verdict):
    """Mixed load and three deaths; then what is kept beside what is counted."""
    world.start(options.people)
    load, destroyer = make_load(), Destroyer(world, options.seed)
    destroyer.start()
    done = deaths(world, options.minutes * 60)
    destroyer.stopping.set()
    destroyer.join()
    load.end()
    checks.settle(world.cluster)
    store = world.store
    after = store.number("SELECT rota_now() / 60000 * 60000")
    # One kept in a minute that began when all was quiet.
    until(lambda: store.number("SELECT count(DISTINCT shard) FROM metric_sample WHERE step = 60000 AND series ="
                               f" 'accounts' AND at > {after}") >= 1, "a round of metrics.calculate", PATIENCE)
    at = store.number(f"SELECT min(at) FROM metric_sample WHERE step = 60000 AND series = 'accounts' AND at > {after}")
    kept, counted = told(store, KEPT.format(at=at)), told(store, COUNTED)
    verdict.add("three nodes died", done == 3)
    verdict.add("totals are those of a recount", kept == counted,
                "; ".join(f"{key}: kept {kept.get(key)}, counted {counted.get(key)}"
                          for key in sorted({*kept, *counted}) if kept.get(key) != counted.get(key)))
    verdict.add("the recount had nothing to mend",
                store.number("SELECT coalesce(max(corrected), 0) FROM metric_mark") == 0)
    verdict.add("no minute is kept twice", store.number("SELECT count(*) FROM metric_sample WHERE step = 60000 AND"
                                                        " count <> 1") == 0)
    deliveries = store.number("SELECT coalesce(CAST(sum(total) AS BIGINT), 0) FROM metric_sample WHERE step = 60000"
                              " AND series = 'deliveries'")
    most = load.ledger.count() + load.ledger.unknown
    verdict.add("deliveries in the history are no more than there were", 0 < deliveries <= most,
                f"{deliveries} of {most}")
    print(f"{load.ledger.count()} deliveries answered 250, {deliveries} in the history (what a killed node had not"
          f" told is lost), {destroyer.destroyed} messages destroyed, {destroyer.deleted} accounts made and deleted;"
          f" kept: {kept.get(('messages', ''))} messages, {kept.get(('bytes', ''))} bytes,"
          f" {kept.get(('accounts', ''))} accounts", flush=True)
