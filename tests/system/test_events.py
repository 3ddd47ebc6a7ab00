"""docs/events.md lists every event of the log, and no other."""

import re

from conftest import ROOT


def test_events_are_documented():
    used = set()
    for path in (ROOT / "src").rglob("*.c"):
        if path.name.endswith("_test.c"):
            continue
        for call in re.findall(r"\blog_event\((.*?)\);", path.read_text(), re.S):
            used.update(re.findall(r'"([a-z]+\.[a-z][a-z-]*)"', call))
    listed = set(re.findall(r"^\| `([a-z.-]+)` \|", (ROOT / "docs" / "events.md").read_text(), re.M))
    assert used - listed == set(), "in the code, not in docs/events.md"
    assert listed - used == set(), "in docs/events.md, not in the code"
