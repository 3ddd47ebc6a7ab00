#!/usr/bin/env python3
"""Sends mail by eight LMTP sessions for some seconds: memory_load.py SOCKET SECONDS FOLDER; prints how much."""

import multiprocessing
import pathlib
import socket
import sys
import time

SESSIONS = 8


def read_mail(folder):
    for path in sorted(pathlib.Path(folder).rglob("*.eml")):
        text = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        body = text if text.endswith(b"\r\n") else text + b"\r\n"
        yield (b"." if body.startswith(b".") else b"") + body.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def session(path, until, folder, number, counts):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    lines = client.makefile("rb")

    def reply(code):
        while True:
            line = lines.readline()
            if line[3:4] != b"-":
                assert line.startswith(code), line
                return

    reply(b"220")
    client.sendall(b"LHLO bench.example.org\r\n")
    reply(b"250")
    sent = size = 0
    while True:
        for at, message in enumerate(read_mail(folder)):
            if at % SESSIONS != number:
                continue
            if time.monotonic() > until:
                counts.put((sent, size))
                return
            # Another sender each time: the same message is not taken for a second try.
            client.sendall(b"MAIL FROM:<s%d.%d@example.net>\r\nRCPT TO:<user%d@example.org>\r\nDATA\r\n"
                           % (number, sent, sent % SESSIONS + 1))
            reply(b"250")
            reply(b"250")
            reply(b"354")
            client.sendall(message)
            reply(b"250")
            sent, size = sent + 1, size + len(message)


def main():
    path, seconds, folder = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    until = time.monotonic() + seconds
    counts = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=session, args=(path, until, folder, n, counts)) for n in range(SESSIONS)]
    for worker in workers:
        worker.start()
    told = [counts.get(timeout=seconds + 120) for _ in workers]
    for worker in workers:
        worker.join()
    print(f"{sum(t[0] for t in told)} messages, {sum(t[1] for t in told) / 1e6:.0f} MB sent")


main()
