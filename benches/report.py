#!/usr/bin/env python3
"""Prints what ./bench measured as a table: ours, the peer's, the ratio, what is wanted, whether it is reached.

report.py [--markdown] RESULTS: RESULTS has lines "part name value unit"; benches/targets.tsv says what is compared. A
name that is in no row of it is shown below the table, and so are the settings. --markdown is for docs/performance.md.
"""

import pathlib
import statistics
import sys


def read_results(path):
    """Name: (median, unit, how many), and the settings: name: text."""
    values, units, settings = {}, {}, {}
    for line in pathlib.Path(path).read_text().splitlines():
        _, name, value, unit = line.split("\t")
        if unit == "setting":
            settings[name] = value
        else:
            values.setdefault(name, []).append(float(value))
            units[name] = unit
    return {name: (statistics.median(of), units[name], len(of)) for name, of in values.items()}, settings


def read_targets(path):
    """Rows: title, ours, peer (a name, or a number), which is better ("more", "less"), the least ratio or None."""
    rows = []
    for line in pathlib.Path(path).read_text().splitlines():
        if line and not line.startswith("#"):
            title, ours, peer, better, least = line.split("\t")
            rows.append((title, ours, peer, better, float(least) if least != "-" else None))
    return rows


def number(value):
    """Three digits that say something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def compare(row, medians):
    """The cells of one row, or None where it was not measured."""
    title, ours, peer, better, least = row
    if ours not in medians:
        return None
    value, unit, count = medians[ours]
    try:
        beside = float(peer)
        name = "limit"
    except ValueError:
        if peer not in medians:
            return None
        beside = medians[peer][0]
        name = peer
    high, low = (value, beside) if better == "more" else (beside, value)
    ratio = high / low if low else float("inf")
    reached = "" if least is None else "reached" if ratio >= least else "NOT reached"
    wanted = "" if least is None else f"{least:g}x"
    return [title, f"{number(value)} {unit}", f"{number(beside)} {unit} ({name})", f"{ratio:.2f}x", wanted, reached,
            f"{count}"]


def print_markdown(rows, head=True):
    head, *rest = rows if head else [["name", ""]] + rows
    for row in [head, ["---"] * len(head)] + rest:
        print("| " + " | ".join(row) + " |")


def print_text(rows, head=True):
    del head
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    markdown = sys.argv[1] == "--markdown"
    print_table = print_markdown if markdown else print_text
    medians, settings = read_results(sys.argv[-1])
    targets = read_targets(pathlib.Path(__file__).resolve().parent / "targets.tsv")
    compared = [cells for cells in (compare(row, medians) for row in targets) if cells]
    print_table([["what", "ours", "beside", "ratio", "wanted", "", "rounds"]] + compared)
    used = {name for row in targets for name in row[1:3]}
    others = [[name, f"{number(value)} {unit}"] for name, (value, unit, _) in medians.items() if name not in used]
    if others:
        print("\nAlso measured (medians):\n")
        print_table(others, head=False)
    if settings:
        print("\nSettings:\n")
        print_table([[name, text] for name, text in settings.items()], head=False)


if __name__ == "__main__":
    main()
