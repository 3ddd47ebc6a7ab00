#!/usr/bin/env python3
"""Alarms on time: many pending, a part of them due within one minute, on nodes that share a PostgreSQL, while index
tasks wait (due with the first alarm); one node may be killed half-way.

alarms_run.py PROGRAM STORE_URL WORK --pending N --due N --seconds S --index N --nodes N [--kill]: fills the store past
the program (calendars, objects, tasks), starts the nodes shortly before the first alarm, and smtp-sink of Debian's
postfix (unpacked, not installed) as their relay. Lateness is the ledger's: when the end of a mail was written less when
it was due. Prints lines "NAME VALUE UNIT" for ./bench. Exit status 1: an alarm is lost, or one came twice without being
counted.
"""

import argparse
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "system"))
from postfix import free_port, unpack  # noqa: E402

PATIENCE = 120  # after the last alarm
SETTINGS = """
[cluster]
node-id = {node}
[store.data]
type = "postgresql"
url = "{url}"
[lmtp]
listen = []
[http]
listen = []
[smtp]
relay = "smtp://127.0.0.1:{port}"
tls = "never"
[log]
level = "warning"
"""
# As the program makes them: the bucket is of the account's number, the key of a task is ACCOUNT.OBJECT.
ACCOUNTS = """
INSERT INTO account (id, bucket, address, name, quota_bytes, used_bytes, used_messages, next_email, next_mailbox,
 change_seq, change_floor, password, created_at, deleted_at, subscribers, next_calendar)
SELECT g, (get_byte(sha256(g::text::bytea), 6) * 256 + get_byte(sha256(g::text::bytea), 7)) % 1024,
 'person' || g || '@example.org', '', 0, 0, 0, 1, 1, 1, 0, '', rota_now(), 0, 0, 1000000
FROM generate_series(1, {accounts}) g;
INSERT INTO calendar (account, id, name, title, color, description, position, kinds, transparent, zone, zone_text,
 alarms, day_alarms, changed_seq) SELECT id, 1, 'default', 'Calendar', '', '', 0, 7, 0, '', '', '', '', 1 FROM account;
"""
# The alarm is ten minutes before the event: nothing is over, however late it rings. No line begins with a digit.
OBJECTS = """
CREATE TEMP TABLE ring AS SELECT 1 + g %% {accounts} AS account, 2 + g / {accounts} AS id, {at} AS at
FROM generate_series({first}, {last}) g;
INSERT INTO calendar_object (account, id, calendar, name, uid, etag, kind, size, recurs, first_at, last_at,
 schedule_tag, changed_seq, modified_at, alerted_at, alert_at, data)
SELECT account, id, 1, id || '.ics', 'u' || id, 'x', 1, 300, 0, at + 600000, at + 4200000, 1, 1, rota_now(), rota_now(),
 at, convert_to(E'BEGIN:VCALENDAR\\r\\nVERSION:2.0\\r\\nPRODID:-//example.org//EN\\r\\nBEGIN:VEVENT\\r\\nUID:u' || id ||
 to_char(to_timestamp(at / 1000 + 600) AT TIME ZONE 'UTC',
  E'"\\r\\nDTSTAMP:20260101T000000Z\\r\\nDTSTART:"YYYYMMDD"T"HH24MISS"Z"') ||
 E'\\r\\nDURATION:PT1H\\r\\nSUMMARY:Tea\\r\\nBEGIN:VALARM\\r\\nACTION:EMAIL\\r\\nTRIGGER:-PT10M\\r\\nSUMMARY:x\\r\\n'
 'DESCRIPTION:x\\r\\nEND:VALARM\\r\\nEND:VEVENT\\r\\nEND:VCALENDAR\\r\\n', 'UTF8') FROM ring;
INSERT INTO task (bucket, role, key, due_at, payload, version, owner, generation, claimed_at, attempts, deaths,
 created_at, last_error) SELECT a.bucket, 'calendar-alerts', r.account || '.' || r.id, r.at, '', 1, 0, 0, 0, 0, 0,
 rota_now(), '' FROM ring r JOIN account a ON a.id = r.account;
DROP TABLE ring;
"""
INDEX = """
INSERT INTO task (bucket, role, key, due_at, payload, version, owner, generation, claimed_at, attempts, deaths,
 created_at, last_error) SELECT g %% 1024, 'fts-indexing', (1000000000 + g)::text, {at}, '', 1, 0, 0, 0, 0, 0,
 rota_now(), '' FROM generate_series(1, {count}) g;
"""


def say(name, value, unit):
    print(f"{name}\t{value}\t{unit}", flush=True)


class Bench:
    def __init__(self, options):
        self.options = options
        self.work = pathlib.Path(options.work)
        self.port = free_port()
        self.nodes = {}
        tree = unpack(self.work / "postfix")
        environment = {**os.environ, "LD_LIBRARY_PATH": f"{tree}/usr/lib/postfix"}
        self.counts = open(self.work / "sink", "wb")  # noqa: SIM115 - as long as the sink
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self.sink = subprocess.Popen([tree / "usr/sbin/smtp-sink", *user, "-c", f"127.0.0.1:{self.port}", "1000"],
                                     stdout=self.counts, env=environment)
        while not self.answers():
            if self.sink.poll() is not None:
                raise SystemExit(f"smtp-sink has ended with {self.sink.returncode}")
            time.sleep(0.05)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def sql(self, text):
        got = subprocess.run(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.options.url], input=text, text=True,
                             capture_output=True)
        if got.returncode != 0:
            raise SystemExit(f"psql: {got.stderr}")
        return got.stdout.strip()

    def number(self, text):
        return int(float(self.sql(text) or 0))

    def settings(self, node):
        path = self.work / f"node{node}.toml"
        path.write_text(SETTINGS.format(node=node, url=self.options.url, port=self.port))
        return path

    def fill(self):
        """Accounts with a calendar each, what rings, and what else waits."""
        options = self.options
        accounts = max(1, min(options.pending // 20, 50000))
        subprocess.run([options.program, "-c", self.settings(1), "store", "init"], check=True, capture_output=True)
        self.sql(ACCOUNTS.format(accounts=accounts))
        begin = time.monotonic()
        for first in range(0, options.pending, 200000):
            last = min(first + 200000, options.pending) - 1
            # Those that are due first come first; the others follow in a day.
            at = (f"(CASE WHEN g < {options.due} THEN {self.first_at} + g * {options.seconds} / {options.due} * 1000"
                  f" ELSE {self.first_at} + 86400000 + g * 1000::bigint END)")
            self.sql(OBJECTS.replace("%%", "%").format(accounts=accounts, first=first, last=last, at=at))
        if options.index:
            self.sql(INDEX.replace("%%", "%").format(count=options.index, at=self.first_at))
        self.sql("ANALYZE")
        print(f"filled in {time.monotonic() - begin:.0f} s", file=sys.stderr)

    def start(self, node):
        log = open(self.work / f"node{node}.log", "wb")  # noqa: SIM115 - the process keeps it
        self.nodes[node] = subprocess.Popen([self.options.program, "serve", "-c", self.settings(node)], stdout=log,
                                            stderr=log)

    def ended(self):
        return self.number("SELECT count(*) FROM calendar_alert WHERE state = 2")

    def run(self):
        options = self.options
        # The fill takes some 40 us for each row, at worst 200 on a machine that does other things.
        expected = (options.pending + options.index) * 200e-6
        self.first_at = self.number("SELECT (extract(epoch FROM clock_timestamp()) + "
                                    f"{expected + options.lead})::bigint * 1000")
        self.fill()
        for node in range(1, options.nodes + 1):
            self.start(node)
        waits = self.number(f"SELECT {self.first_at} - (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        print(f"the first alarm is in {waits / 1000:.0f} s", file=sys.stderr)
        if waits < options.lead * 250:
            raise SystemExit("the fill took too long for this machine: nothing is measured")
        time.sleep(waits / 1000)
        killed = False
        end = time.monotonic() + options.seconds + PATIENCE
        while (done := self.ended()) < options.due and time.monotonic() < end:
            if options.kill and not killed and done >= options.due / 2:
                self.nodes.pop(options.nodes).send_signal(signal.SIGKILL)
                killed = True
            time.sleep(0.5)
        time.sleep(2)  # what is sent twice, if anything
        self.report(done, killed)

    def received(self):
        """What the sink has counted: "sess=1 quit=0 mesg=17", anew with each message."""
        text = (self.work / "sink").read_bytes().decode().replace("\r", " ")
        counts = [word[5:] for word in text.split() if word.startswith("mesg=")]
        return max((int(count) for count in counts if count.isdigit()), default=0)

    def report(self, done, killed):
        options = self.options
        row = self.sql("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ended_at - due_at),"
                       " percentile_disc(0.99) WITHIN GROUP (ORDER BY ended_at - due_at), max(ended_at - due_at),"
                       " sum(uncertain), count(*) FROM calendar_alert WHERE state = 2")
        p50, p99, worst, uncertain, count = (int(cell or 0) for cell in row.split("|"))
        word = "alarms-killed" if killed else "alarms"
        for name, value in (("p50", p50), ("p99", p99), ("max", worst)):
            say(f"{word}-{name}", value / 1000, "s")
        received = self.received()
        say(f"{word}-lost", options.due - count, "alarms")
        say(f"{word}-twice", received - count, "mails")
        say(f"{word}-counted", uncertain, "mails")
        waiting = self.number("SELECT count(*) FROM task WHERE role = 'fts-indexing'")
        say(f"{word}-index-waiting", waiting, "tasks")
        if count != options.due or received < count or received - count > uncertain:
            raise SystemExit(f"{options.due} were due, {count} have an end, {received} mails came, {uncertain} are "
                             "counted as perhaps sent twice")

    def close(self):
        for node in self.nodes.values():
            node.kill()
            node.wait()
        self.sink.kill()
        self.sink.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("url")
    parser.add_argument("work")
    for name, default in (("pending", 1000000), ("due", 100000), ("seconds", 60), ("index", 1000000), ("nodes", 3),
                          ("lead", 25)):  # seconds from the fill to the first alarm
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--kill", action="store_true")
    bench = Bench(parser.parse_args())
    try:
        bench.run()
    finally:
        bench.close()


main()
