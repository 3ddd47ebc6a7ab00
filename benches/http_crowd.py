#!/usr/bin/env python3
"""Opens COUNT connections to a node's HTTP door and keeps them: idle ones, heads that stop in the middle, bodies that
drip, streams of bytes that are no HTTP; then asks /readyz SECONDS long on fresh connections, as a load balancer does.
Prints how many were open at one time and the longest wait for an answer: "open N", "longest MS".

    http_crowd.py PORT COUNT SECONDS
"""

import resource
import socket
import sys
import time

HEAD = b"GET /api/status HTTP/1.1\r\nHost: a\r\nX: "
BODY = (b"POST /api/tasks/a:1/retry HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Content-Length: 60000\r\n\r\n")
KINDS = (b"", HEAD, BODY, b"\x16\x03\x01\x02\x00\x01\x00\x01")


def ask(port):
    begin = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := client.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return (time.monotonic() - begin) * 1000


def main():
    port, count, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    crowd, longest = [], 0.0
    for i in range(count):
        # Several addresses of the loopback: one alone is not let in so often.
        client = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(f"127.0.{i // 200}.9", 0))
        client.sendall(KINDS[i % len(KINDS)])
        crowd.append(client)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        longest = max(longest, ask(port))
        for client in crowd[2::len(KINDS)][:100]:
            try:
                client.send(b"a")
            except OSError:
                pass  # hung up on, as it should be
        time.sleep(0.05)
    still = 0
    for client in crowd:
        client.setblocking(False)
        try:
            still += client.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            still += 1
        except OSError:
            pass
    print(f"opened {len(crowd)}\nopen {still}\nlongest {longest:.1f}")


main()
