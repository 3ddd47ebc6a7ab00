#!/usr/bin/env python3
"""Opens the page ROUNDS times, each in a fresh browser, and prints what ./bench wants.

    page_look.py PORT ROUNDS FOLDER
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "system"))
from browser import Browser  # noqa: E402

LOOK = """const entries = performance.getEntries();
return [entries.filter(e => 'transferSize' in e).reduce((sum, e) => sum + e.transferSize, 0),
        performance.getEntriesByName('grid')[0].startTime]"""


def main():
    port, rounds, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for at in range(rounds):
        browser = Browser(f"{folder}/profile{at}")
        try:
            browser.open(port)
            browser.see("#accounts-list", "admin@example.org")
            wire, grid = browser.js(LOOK)
        finally:
            browser.close()
        print(f"page-wire\t{wire / 1000:.1f}\tkB")
        print(f"page-grid\t{grid:.0f}\tms", flush=True)


main()
