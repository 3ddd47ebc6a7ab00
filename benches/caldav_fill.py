"""Fills a calendar for benches/caldav.sh, or changes ten of its events and says a sync token from before that.

    caldav_fill.py PORT BASE COUNT LOGIN fill|file|change      LOGIN: base64 of name:password; "change" prints
                                                       the token; "file" fills by one PUT (Radicale)

Events of three years, each hour of work and half a page; each tenth is a series of ten weeks. All of it is asked for
once and must be there.
"""

import http.client
import re
import sys

PORT, BASE, COUNT, LOGIN = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
SYNC = ('<D:sync-collection xmlns:D="DAV:"><D:sync-token/><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop>'
        "</D:sync-collection>")


def event(n, title):
    more = "RRULE:FREQ=WEEKLY;COUNT=10\r\n" if n % 10 == 0 else ""
    return ("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\n"
            f"UID:e{n}\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20{25 + n % 3}{n % 12 + 1:02d}{n % 28 + 1:02d}"
            f"T{n % 9 + 8:02d}0000Z\r\nDURATION:PT1H\r\n{more}SUMMARY:{title} {n}\r\nLOCATION:Room {n % 40}\r\n"
            f"DESCRIPTION:{'what is to be said ' * 12}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")


class Calendar:
    def __init__(self):
        self.client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=1800)

    def ask(self, method, path, body=None, media="application/xml; charset=utf-8", want=(200, 201, 204, 207)):
        self.client.request(method, path, body, {"Authorization": "Basic " + LOGIN, "Content-Type": media,
                                                 "Depth": "1"})
        answer = self.client.getresponse()
        data = answer.read().decode()
        if answer.status not in want:
            sys.exit(f"{method} {path}: {answer.status} {data[:500]}")
        return data

    def put(self, n, title="Meeting"):
        self.ask("PUT", f"{BASE}e{n}.ics", event(n, title), "text/calendar; charset=utf-8")


def fill(calendar):
    calendar.ask("MKCALENDAR", BASE, want=(201, 405, 409))
    for n in range(COUNT):
        calendar.put(n)


def fill_by_file(calendar):
    """Radicale takes a calendar as one file, and calls each event by its UID; one by one it would take half an hour."""
    events = [event(n, "Meeting") for n in range(COUNT)]
    begin, end = events[0].index("BEGIN:VEVENT"), len("END:VCALENDAR\r\n")
    whole = events[0][:begin] + "".join(one[begin:-end] for one in events) + events[0][-end:]
    calendar.ask("PUT", BASE, whole, "text/calendar; charset=utf-8")


def change(calendar):
    answer = calendar.ask("REPORT", BASE, SYNC)
    there = len(re.findall(r"/e\d+\.ics<", answer))
    if there != COUNT:
        sys.exit(f"{there} of {COUNT} events are there")
    for n in range(10):
        calendar.put(n, "Changed")
    print(re.search(r"sync-token[^>]*>([^<]+)</", answer)[1])


{"fill": fill, "file": fill_by_file, "change": change}[sys.argv[5]](Calendar())
