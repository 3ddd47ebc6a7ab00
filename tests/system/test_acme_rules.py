"""The alert rules about certificates: what each of them rings for, by promtool."""

import json
import pathlib
import subprocess

import pytest

RULES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "prometheus" / "rota.rules.yml"
NOW, DAY = 70 * 3600, 7200  # a day of two hours: the rules know no days, and promtool starts in 1970
# Days from now: its end, its due renewal; orders that failed; which alerts ring.
CASES = [
    ("good", 60, 30, 0, []),
    ("just due", 30, -0.01, 0, []),
    ("overdue", 29, -1, 0, ["RotaCertificateOverdue"]),
    ("overdue, failing", 29, -1, 3, ["RotaCertificateFails"]),
    ("near", 14, -16, 0, ["RotaCertificateEnds", "RotaCertificateOverdue"]),
    ("short", 3, 1, 0, []),
    ("short and near", 0.4, -1.6, 0, ["RotaCertificateEnds", "RotaCertificateOverdue"]),
    ("over", -1, -31, 9, ["RotaCertificateEnds", "RotaCertificateFails"]),
    ("none", None, None, 0, ["RotaCertificateMissing"]),
    ("none, failing", None, None, 5, ["RotaCertificateFails", "RotaCertificateMissing"]),
]


@pytest.mark.parametrize("name, end, renewal, failures, alerts", CASES)
def test_rules(tmp_path, name, end, renewal, failures, alerts):
    values = {"not_after_seconds": 0 if end is None else int(NOW + end * DAY),
              "renewal_seconds": 0 if renewal is None else int(NOW + renewal * DAY), "failures": failures}
    series = [{"series": f'rota_certificate_{kind}{{certificate="mail",instance="node-{node}"}}',
               "values": f"{value}+0x900"} for kind, value in values.items() for node in (1, 2)]
    query = 'count by (alertname) (ALERTS{alertname=~"RotaCertificate.*",alertstate="firing"})'
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in alerts]
    test = {"rule_files": [str(RULES)], "evaluation_interval": "10m", "tests": [
        {"name": name, "interval": "5m", "input_series": series,
         "promql_expr_test": [{"expr": query, "eval_time": f"{NOW // 3600}h", "exp_samples": samples}]}]}
    path = tmp_path / "test.yml"
    path.write_text(json.dumps(test))
    got = subprocess.run(["/usr/bin/promtool", "test", "rules", path], capture_output=True, text=True, timeout=60)
    assert got.returncode == 0, got.stdout + got.stderr
