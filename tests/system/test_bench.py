"""The programs of ./bench still work: each part once on a little mail, without the peers. How fast says nothing
here."""

import os
import pathlib
import subprocess

import pytest

from conftest import PROGRAM, ROOT

PARTS = sorted(path.stem for path in (ROOT / "benches").glob("*.sh") if path.stem != "lib")
PATIENCE = 300


@pytest.mark.parametrize("part", PARTS)
def test_smoke(part):
    env = {**os.environ, "BENCH_SMOKE": "1", "BENCH_ROUNDS": "1",
           "BENCH_BUILD": str(pathlib.Path(PROGRAM).resolve().parent)}
    run = subprocess.run([ROOT / "benches" / f"{part}.sh"], env=env, capture_output=True, text=True,
                         timeout=PATIENCE, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    lines = [line.split("\t") for line in run.stdout.splitlines()]
    measured = [line for line in lines if line[2] != "setting"]
    assert measured, run.stdout
    for name, value, unit in measured:
        assert name.startswith(part) and float(value) >= 0 and unit, name


def test_rows_are_measured():
    """A row of the table that compares a name which no part prints would be left out without a word."""
    text = "".join(path.read_text() for path in (ROOT / "benches").iterdir() if path.suffix in (".sh", ".py"))
    for line in (ROOT / "benches" / "targets.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            fields = line.split("\t")
            assert len(fields) == 5, line
            assert fields[3] in ("more", "less"), line
            assert fields[1].split("-")[0] in PARTS and fields[1].split("-")[0] + "-" in text, line
