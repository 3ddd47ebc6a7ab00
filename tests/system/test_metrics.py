"""Metrics over time, and what Debian's Prometheus makes of /metrics and of the examples."""

import json
import shutil
import smtplib
import time

from conftest import ROOT, until
from door import Door
from prometheus import Prometheus, promtool

EXAMPLES = ROOT / "examples"
SOON = 'lease = "2s"\nheartbeat = "300ms"\n'


def test_examples_are_good():
    for what, name in (("rules", "rota.rules.yml"), ("config", "prometheus.yml")):
        done = promtool("check", what, EXAMPLES / "prometheus" / name)
        assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_has_nothing_to_say(rota_sqlite):
    door = Door(rota_sqlite, cluster=SOON)
    door.node.ready()
    done = promtool("check", "metrics", text=door.ask("/metrics")[2])
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def names_of(expression, known):
    """The metrics that an expression names and that we do not have."""
    words = "".join(sign if sign.isalnum() or sign == "_" else " " for sign in expression).split()
    return [word for word in words if word.startswith(("rota_", "process_")) and word not in known]


def test_prometheus_scrapes_and_judges(rota_sqlite, tmp_path):
    doors = [Door(rota_sqlite, cluster=SOON)]
    doors[0].node.ready()
    targets = json.dumps([f"127.0.0.1:{door.port}" for door in doors])
    shutil.copy(EXAMPLES / "prometheus" / "rota.rules.yml", tmp_path)
    with Prometheus(tmp_path, "global: {scrape_interval: 300ms, evaluation_interval: 300ms}\n"
                    "rule_files: [rota.rules.yml]\n"
                    f"scrape_configs: [{{job_name: rota, static_configs: [{{targets: {targets}}}]}}]\n") as prometheus:
        ask = prometheus.ask
        until(lambda: ask('up{job="rota"} == 1'), "a scrape")
        until(lambda: ask("rota_cluster_shard_covered == 1"), "the cluster's state")
        # What the examples ask for is there, but for what this node has no reason to tell.
        known = set(prometheus.api("label/__name__/values"))
        rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
        assert {rule["health"] for rule in rules} <= {"ok", "unknown"} and len(rules) >= 9
        dashboard = json.loads((EXAMPLES / "grafana" / "rota.json").read_text())
        asked = [rule["query"] for rule in rules] + [
            target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        missing = {name for expression in asked for name in names_of(expression, known)}
        assert missing <= {"rota_certificate_not_after_seconds", "rota_certificate_failures",
                           "rota_certificate_renewal_seconds",
                           "rota_run_duration_seconds_bucket", "rota_tasks_total", "rota_cluster_push_failures",
                           "rota_cluster_push_waiting_snapshots", "rota_cluster_push_dropped_snapshots_total",
                           "rota_cluster_push_refused_snapshots_total"}


def test_history_is_kept(rota):
    """What a round has kept is what the store has, and the API tells it."""
    rota.run("account", "add", "admin@example.org", "--admin", "--password-stdin", text="right\n")
    rota.run("account", "add", "ada@example.com")
    door = Door(rota, cluster=SOON)
    door.node.ready()
    until(lambda: door.api("/api/status")[2]["nodes"][0]["cores"] > 0, "a heartbeat that tells how the node is")
    rota.run("run", "metrics.calculate", settings=door.settings)

    def history(what):
        status, _, answer = door.api(f"/api/metrics/history?{what}")
        assert status == 200, answer
        return {(one["name"], one["value"]): one["points"] for one in answer["series"]}
    until(lambda: ("accounts", "") in history(f"to={int(time.time() * 1000) + 60000}"), "a round of metrics.calculate")
    to = int(time.time() * 1000) + 60000
    assert history(f"to={to}")["accounts", ""][-1][1] == 2
    with smtplib.LMTP(str(rota.folder / "lmtp-node")) as client:
        client.sendmail("carol@example.org", "ada@example.com", "Subject: minutes\r\n\r\nwords\r\n")
    far = int(time.time() * 1000) + 600000
    until(lambda: history(f"to={far}&series=deliveries").get(("deliveries", ""), [[0, 0]])[-1][1] == 1,
          "the heartbeat that tells of a delivery")
    assert ("spam", "") not in history(f"to={far}&series=spam")
    assert history(f"to={to}")["nodes", ""][-1][1] == 1
    until(lambda: history(f"to={far}&series=node_cores").get(("node_cores", "1"), [[0, 0]])[-1][1] >= 1, "its cores")
    domains = {domain: points[-1][1] for (_, domain), points in history(f"to={to}&series=domain_accounts").items()}
    assert domains == {"example.org": 1, "example.com": 1}
