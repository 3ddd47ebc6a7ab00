"""Alarms ring when an oracle says that they ring, which was written apart: 10,000 events, six zones, three years.

The ordinary run takes a few hundred of them; ROTA_ALARM_EVENTS says how many, ROTA_ALARM_SEED which.
"""

import os
import pathlib
import subprocess
import zoneinfo

import alarm_oracle as oracle
from conftest import PROGRAM

EVENTS, SEED = int(os.environ.get("ROTA_ALARM_EVENTS", "400")), os.environ.get("ROTA_ALARM_SEED", "1")
RINGS = pathlib.Path(PROGRAM).parent / "tests" / "alarm-rings"
STEPS = 20  # times of each event that are found one after the other too


def ask(events, environment=None):
    """What the program says of each: sorted, as the oracle has it."""
    begin, end = oracle.seconds(oracle.FROM), oracle.seconds(oracle.TO)
    questions = b"".join(
        f"{event['person_zone']} {begin} {end} {STEPS} {len(oracle.text(event))}\n".encode() + oracle.text(event)
        for event in events)
    answer = subprocess.run([RINGS], input=questions, capture_output=True, check=False,
                            env={**os.environ, **(environment or {})})
    assert answer.returncode == 0, answer.stderr.decode()
    found = [[]]
    for line in answer.stdout.decode().splitlines():
        if line == ".":
            found.append([])
            continue
        at, uid, instance, repeat = line.split()
        found[-1].append((int(at), uid, int(instance), int(repeat)))
    return [sorted(each) for each in found[:-1]]


def compare(events, environment=None):
    count = 0
    for event, got in zip(events, ask(events, environment), strict=True):
        want = oracle.rings(event)
        count += len(want)
        wrong = sorted(set(got) ^ set(want))[:5]
        assert got == want, (f"{event['uid']} of seed {SEED}, person in {event['person_zone']}: {len(got)} rings, not "
                             f"{len(want)}; {[(ring in want, ring) for ring in wrong]} (True: is missing)\n"
                             + oracle.text(event).decode())
    return count


def test_alarms_ring_as_the_oracle_says():
    events = [oracle.an_event(SEED, number) for number in range(EVENTS)]
    count = compare(events)
    print(f"{EVENTS} events, {count} rings")
    assert count > 10 * EVENTS  # the oracle is not silent


def test_a_country_changes_its_rules(tmp_path):
    """With a tzdata in which Berlin stays at +3 from 2026 on, and its summer before begins a week early."""
    rules = tmp_path / "rules"
    rules.write_text("Rule E 2020 max - Mar lastSun 1:00u 1:00 S\nRule E 2020 max - Oct lastSun 1:00u 0 -\n"
                     "Rule F 2025 only - Mar Sun>=22 1:00u 1:00 S\nRule F 2025 only - Oct lastSun 1:00u 0 -\n"
                     "Zone Europe/Berlin 1:00 E CE%sT 2025 Jan 1\n 1:00 F CE%sT 2026 Jun 1\n 3:00 - MSK\n")
    folder = tmp_path / "zones"
    subprocess.run(["/usr/sbin/zic", "-d", str(folder), str(rules)], check=True)
    events = [oracle.an_event(f"{SEED}-rules", number) for number in range(400)]
    events = [event for event in events if event["master"]["zone"] == event["person_zone"] == "Europe/Berlin"
              and not any(part["zone"] not in (None, "Europe/Berlin") for part in event["overrides"])]
    assert len(events) > 5
    try:
        zoneinfo.reset_tzpath(to=[str(folder)])
        zoneinfo.ZoneInfo.clear_cache()
        compare(events, {"TZDIR": str(folder)})
    finally:
        zoneinfo.reset_tzpath()
        zoneinfo.ZoneInfo.clear_cache()
