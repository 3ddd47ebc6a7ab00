"""metrics.push with those it sends to: Debian's Prometheus and Pushgateway, and OTLP read by Google's protobuf."""

import os
import re
import shutil
import time

from conftest import ROOT, until
from door import Door
from prometheus import OtlpReceiver, Prometheus, Pushgateway, promtool

OUTAGE = float(os.environ.get("ROTA_PUSH_OUTAGE", "2"))  # seconds that a receiver is away; 600 for the long form
SECOND = 'open-telemetry.interval = "every 1s"\n'


def metrics(**endpoints):
    return "[metrics]\n" + SECOND + "".join(f'{name.replace("_", "-")}.endpoint = "{url}"\n'
                                            for name, url in endpoints.items() if url)


def cluster(role):
    return f'lease = "2s"\nheartbeat = "300ms"\nroles.metrics.push = {role}\n'


def scraped(door):
    """The names of a node's series, as /metrics has them."""
    text = door.ask("/metrics")[2]
    return {re.match(r"[a-zA-Z_]+", line)[0] for line in text.splitlines() if line and not line.startswith("#")}


def target(rota, column, name):
    rows = rota.query(f"SELECT coalesce(sum({column}), 0) FROM metric_target WHERE target = '{name}'")
    return int(rows[0][0])


def waiting(rota, name):
    return int(rota.query(f"SELECT count(*) FROM metric_outbox WHERE target = '{name}'")[0][0])


def folder_of(path, name):
    made = path / name
    made.mkdir()
    return made


def check_otlp(points, nodes):
    """Node identity in each, cumulative sums and histograms, the conventions' names; no point twice, nor another one
    at the same time."""
    seen = {}
    for point in points:
        whose = dict(point.resource)
        assert whose["service.name"] == "rota" and whose["service.instance.id"] in nodes and whose["service.version"]
        assert re.fullmatch(r"(rota|process)(\.[a-z]+)+", point.metric), point.metric
        assert point.unit in ("", "s", "By") and not point.metric.endswith((".seconds", ".bytes", ".total"))
        assert point.metric.startswith(("rota.cluster.", "rota.certificate.")) == (
            whose["service.instance.id"] == "cluster")
        if point.kind != "gauge":
            assert point.temporality == 2 and 0 < point.start <= point.at
        if point.kind == "sum":
            assert point.monotonic
        if point.kind == "histogram":
            count, _, counts, ends = point.value
            assert sum(counts) == count and len(counts) == len(ends) + 1 and list(ends) == sorted(ends)
        key = point.resource, point.metric, point.labels, point.at
        assert seen.setdefault(key, point.value) == point.value
    return seen


def test_all_that_is_scraped_is_pushed(rota, tmp_path):
    """Two nodes, of which the second alone talks to the outside; of SQLite one."""
    several = rota.kind == "postgresql"
    with Prometheus(folder_of(tmp_path, "p")) as prometheus, Pushgateway(folder_of(tmp_path, "g")) as gateway, \
            OtlpReceiver() as otlp:
        more = metrics(remote_write=f"{prometheus.url}/api/v1/write", pushgateway=gateway.url,
                       open_telemetry=otlp.url) + 'remote-write.labels = ["site=north"]\n'
        role = cluster('["2"]' if several else '["1"]')
        doors = [Door(rota, more, f"node{n}", n, role) for n in ((1, 2) if several else (1,))]
        for door in doors:
            door.node.ready()
        nodes = {str(n + 1) for n in range(len(doors))}
        names = set.union(*map(scraped, doors))
        for node in nodes:
            until(lambda: prometheus.ask(f'rota_node_ready{{instance="{node}", job="rota", site="north"}} == 1'),
                  f"node {node} in Prometheus")
        until(lambda: prometheus.ask('rota_tasks_total{role="metrics.push", result="done"} >= 1'), "work")
        until(lambda: prometheus.ask('rota_run_duration_seconds_bucket{le="+Inf", role="metrics.push"} >= 1'),
              "a bucket")
        # All of it, the cluster's once, and each node's with its number.
        pushed = set(prometheus.api("label/__name__/values"))
        assert names - pushed <= {"rota_cluster_report_success", "rota_cluster_report_age_seconds"}
        listed = set(re.findall(r"`((?:rota|process)_[a-z_]+)`", (ROOT / "docs" / "metrics.md").read_text()))
        assert {re.sub("_(bucket|sum|count)$", "", name) for name in names} <= listed, "in no list of docs/metrics.md"
        instances = {one["metric"]["instance"] for one in prometheus.ask("rota_cluster_shard_covered")}
        assert instances == {"cluster"}
        assert {one["metric"]["instance"] for one in prometheus.ask("rota_node_info")} == nodes
        until(lambda: set(gateway.groups()) == nodes | {"cluster"}, "the groups of the Pushgateway")
        for instance, (labels, has) in gateway.groups().items():
            assert labels["job"] == "rota" and ("rota_node_ready" in has) == (instance != "cluster")
        assert promtool("check", "metrics", text=gateway.get("/metrics").split("# HELP go_")[0]).returncode == 0
        until(lambda: len(otlp.bodies) >= 3 and len({p.resource for p in otlp.points}) == len(nodes) + 1, "OTLP")
        check_otlp(list(otlp.points), nodes | {"cluster"})
        assert {p.kind for p in otlp.points} == {"gauge", "sum", "histogram"}
        assert rota.shard("metrics.push")["dead"] == 0
        otlp.answer = "partial"
        until(lambda: target(rota, "refused", "open-telemetry") > 0, "a partial success")
        problem = rota.query("SELECT problem FROM metric_target WHERE target = 'open-telemetry' AND shard = 1")
        assert problem == [["it rejected 3 data points: three are bad"]]
        refused = 'rota_cluster_push_refused_snapshots_total{target="open-telemetry"}'
        until(lambda: refused in doors[0].ask("/metrics")[2], "what was refused, in /metrics")
        assert target(rota, "refused + dropped", "remote-write") == 0


def test_a_receiver_comes_back(rota, tmp_path):
    """Nothing within the limit is lost and no point comes twice: over an outage, a node's death in it, and answers
    that never came."""
    with Prometheus(folder_of(tmp_path, "p")) as prometheus, OtlpReceiver() as otlp:
        door = Door(rota, metrics(remote_write=f"{prometheus.url}/api/v1/write", open_telemetry=otlp.url), "node1", 1,
                    cluster('["1"]'))
        door.node.ready()
        until(lambda: len(prometheus.samples('rota_node_ready{instance="1"}')) >= 2, "samples")
        prometheus.kill()
        otlp.answer = "die"
        away = time.monotonic() + OUTAGE
        until(lambda: target(rota, "failures", "remote-write") > 0 and waiting(rota, "remote-write") >= 2, "an outage")
        door.node.kill()
        again = rota.serve(door.settings, "node1-again").ready()
        while time.monotonic() < away:
            time.sleep(0.1)
        until(lambda: waiting(rota, "remote-write") >= 3 and target(rota, "failures", "open-telemetry") > 0,
              "what waits")
        otlp.answer = 200
        prometheus.start()
        until(lambda: target(rota, "failures", "remote-write") == target(rota, "failures", "open-telemetry") == 0,
              "its return")
        assert again.stop() < 60
        for name in ("remote-write", "open-telemetry"):
            assert target(rota, "refused", name) == target(rota, "dropped", name) == 0
        # What was sent is there, once; what was taken down last may still wait.
        of_node = prometheus.samples('rota_node_ready{instance="1"}')
        of_cluster = prometheus.samples('rota_cluster_uncovered_shards{instance="cluster"}')
        assert len(of_node) + len(of_cluster) == target(rota, "sent", "remote-write")
        assert len({at for at, _ in of_node}) == len(of_node)
        points = check_otlp(list(otlp.points), {"1", "cluster"})
        taken = {key[3] for key in points if key[1] == "rota.node.ready"}
        assert len(points) < len(otlp.points), "nothing was sent twice: the test has not tried it"
        assert {round(at * 1000) for at, _ in of_node} <= {at // 1000000 for at in taken} | {
            int(at) for at, in rota.query("SELECT at FROM metric_outbox WHERE target = 'open-telemetry'")}


def test_the_examples_alert(tmp_path):
    """Each alert of the examples fires for what it is about, and not without."""
    cases = [
        ("RotaShardUncovered", 'rota_cluster_shard_covered{role="acme.renew", shard="1"}', "1 1 1 0 0 0 0 0", 3, 6),
        ("RotaLag", 'rota_cluster_shard_lag_seconds{role="fts-indexing", shard="2"}', "0 0 1000+60x20", 3, 15),
        ("RotaDeadLetters", 'rota_cluster_shard_dead_letters{role="imip-processing", shard="1"}', "0 0 1x20", 3, 10),
        ("RotaTablesDiffer", "rota_cluster_differing_tables", "0 0 1x30", 5, 15),
        ("RotaCertificateEnds", 'rota_certificate_not_after_seconds{certificate="mail"}', "6000x200", 60, 140),
        ("RotaMetricsWait", 'rota_cluster_push_waiting_snapshots{target="remote-write"}', "0 0 50x40", 5, 25),
        ("RotaMetricsLost", 'rota_cluster_push_dropped_snapshots_total{target="remote-write"}', "0 0 0 5 5 5", 2, 5),
        ("RotaNodeLost", 'rota_cluster_nodes{state="lost"}', "0 0 1x10", 2, 6),
    ]
    shutil.copy(ROOT / "examples" / "prometheus" / "rota.rules.yml", tmp_path)
    beside = {"RotaCertificateEnds": [('rota_certificate_renewal_seconds{certificate="mail"}', "2000x200")],
              "RotaMetricsWait": [('rota_cluster_push_failures{target="remote-write"}', "0 0 1x40")]}
    text = "rule_files: [rota.rules.yml]\nevaluation_interval: 1m\ntests:\n"
    for alert, series, values, before, after in cases:
        text += "- interval: 1m\n  input_series:\n"
        for name, numbers in [(series, values)] + beside.get(alert, []):
            text += f"  - series: '{name}'\n    values: '{numbers}'\n"
        text += f"  promql_expr_test:\n  - expr: 'count(ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}})'\n"
        text += f"    eval_time: {after}m\n    exp_samples: [{{labels: '{{}}', value: 1}}]\n"
        text += f"  - expr: 'count(ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}})'\n"
        text += f"    eval_time: {before}m\n    exp_samples: []\n"
    (tmp_path / "test.yml").write_text(text)
    done = promtool("test", "rules", "test.yml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
