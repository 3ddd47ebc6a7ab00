"""A JMAP client of others does all mail calls: jmap-jam of npm in Node, on both stores. What it sees is what the store
has."""

import json
import os
import subprocess

import pytest

from conftest import ROOT, until
from test_jmap import PARTS, begin

JAM = ROOT / "var" / "packages" / "jam.mjs"


@pytest.mark.skipif(not JAM.exists() and "CI" not in os.environ, reason="jmap-jam could not be had (tests/setup.sh)")
def test_a_client_of_others(rota):
    door, me, _ = begin(rota)
    until(lambda: len(me.call("Email/query", filter={"text": "cherries"})["ids"]) == 4, "the index")
    token = rota.run("account", "token", "grace@example.org", "--json", settings=door.settings)
    run = subprocess.run(["node", ROOT / "tests" / "system" / "jmap_jam.mjs", JAM, f"http://127.0.0.1:{door.port}",
                          json.loads(token)["token"]], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    saw = json.loads(run.stdout)
    assert saw["subjects"] == ["Re: Cherries in May", "Cherries in July", "Cherries in June"] and saw["threads"] == 3
    assert saw["text"] == ["Kirschen sind süß", "<p>Kirschen sind <b>suess</b></p>"]
    assert saw["original"].replace("\r\n", "\n") == PARTS
    have = me.call("Email/get", ids=me.call("Email/query")["ids"],
                   properties=["id", "mailboxIds", "keywords", "subject"])
    assert saw["left"] == have["list"] and {"By hand", "A draft"} <= {one["subject"] for one in have["list"]}
    assert len(have["list"]) == 5
    assert rota.run("store", "check", settings=door.settings)
