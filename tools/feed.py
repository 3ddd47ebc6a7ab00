#!/usr/bin/env python3
"""feed: a steady, gentle stream of mail to the nodes of a cluster, as a mail server in front of them would send it.

    tools/feed.py --rate 2 --count 40 --to ada@example.org --to ben@example.org SETTINGS... -- FILE...

SETTINGS are the nodes' settings files: the first address of each lmtp.listen is a door. Message N goes to door N, and
on to the next one if that does not take it (down, or 4xx), so that a dead node costs the sender a moment and no mail.
Each copy has a Message-ID of its own. Without --count it goes on until SIGTERM or Ctrl-C.

Prints a line when a door begins or ceases to take mail, and at the end how many messages were taken, by door; --told
FILE holds that count while it runs. The exit status is 1 if a message was taken by nobody.
"""
import argparse
import itertools
import pathlib
import re
import signal
import smtplib
import sys
import threading
import time

from lmtp_send import listen_of

TIMEOUT_SECONDS = 20
ROUNDS = 30  # how often all doors are tried for one message, with a pause of a second


class Door:
    """A node's LMTP address, and what it took."""

    def __init__(self, settings):
        self.name = pathlib.Path(settings).stem
        self.host, self.port = listen_of(settings)
        self.taken, self.well = 0, True

    def send(self, to, data):
        """True if the node answered 250: then the message is committed."""
        code = 0
        try:
            with smtplib.LMTP(self.host, self.port) as client:
                client.sock.settimeout(TIMEOUT_SECONDS)
                client.ehlo("feed.example.org")
                client.mail("feed@example.org")
                code, text = client.rcpt(to)
                if code == 250:
                    code, text = client.data(data)
                reason = f"{code} {text.decode(errors='replace')}"
        except (OSError, smtplib.SMTPException) as error:
            reason = str(error)
        if (code == 250) != self.well:
            self.well = code == 250
            print(f"{self.name} " + ("takes mail again" if self.well else f"takes none: {reason}"), flush=True)
        self.taken += code == 250
        return code == 250


def copy_of(path, number):
    """The file as a message of its own."""
    data = path.read_bytes().replace(b"\r\n", b"\n")
    data = re.sub(rb"(?im)\Amessage-id:.*\n|(?<=\n)message-id:.*\n", b"", data, count=1)
    own = f"Message-ID: <{number}.{time.time_ns()}@feed.example.org>\n".encode()
    return (own + data).replace(b"\n", b"\r\n")


def feed(options, enough):
    """Sends until it is enough; the number of messages that nobody took."""
    doors = [Door(settings) for settings in options.settings]
    lost, begin = 0, time.monotonic()
    numbers = range(options.count) if options.count else itertools.count()
    for number in numbers:
        data = copy_of(options.files[number % len(options.files)], number)
        to = options.to[number % len(options.to)]
        for turn in range(ROUNDS * len(doors)):
            if doors[(number + turn) % len(doors)].send(to, data):
                break
            if turn % len(doors) == len(doors) - 1 and enough.wait(1):
                break
        else:
            lost += 1
        if options.told:
            options.told.write_text(f"{sum(door.taken for door in doors)}\n")
        if enough.wait(max(0, begin + (number + 1) / options.rate - time.monotonic())):
            break
    by_door = ", ".join(f"{door.name} {door.taken}" for door in doors)
    print(f"{sum(door.taken for door in doors)} messages taken: {by_door}" +
          (f"; {lost} by nobody" if lost else ""), flush=True)
    return lost


def main():
    parser = argparse.ArgumentParser(description="a steady stream of mail to the nodes of a cluster")
    parser.add_argument("--rate", type=float, default=2, help="messages a second")
    parser.add_argument("--count", type=int, help="so many, then end; default: no end")
    parser.add_argument("--to", action="append", required=True, help="a recipient; they take turns")
    parser.add_argument("--told", type=pathlib.Path, help="a file for the number of messages taken so far")
    parser.add_argument("settings", nargs="+", help="settings files, then --, then mail files")
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:split])
    options.files = [pathlib.Path(name) for name in words[split + 1:]]
    if not options.files:
        parser.error("no mail files: write them after --")
    enough = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: enough.set())
    return 1 if feed(options, enough) else 0


if __name__ == "__main__":
    sys.exit(main())
