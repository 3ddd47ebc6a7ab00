"""Renewals of a certificate by six nodes, each with the death of the one that works at it: the system test, as long as
is wished. Not part of a run of all parts: its short form is among the system tests."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def renewals(options, verdict):
    """50 renewals (--renewals): one order for each, whoever dies at whatever step; all six nodes serve the result."""
    count = options.renewals
    got = subprocess.run([sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "tests/system",
                          "-k", "test_six_nodes_one_order"], cwd=ROOT, capture_output=True, text=True, check=False,
                         env={"ROTA_PROGRAM": str(ROOT / "build" / "rota"), **os.environ,
                              "ROTA_ACME_RENEWALS": str(count)})
    seen = [line for line in got.stdout.splitlines() if " renewals and as many workers killed" in line]
    verdict.add(f"{count} renewals, one order each", got.returncode == 0, seen[0].lstrip(".") if seen else "")
    if got.returncode != 0:
        print(got.stdout[-6000:], got.stderr[-2000:], flush=True)
