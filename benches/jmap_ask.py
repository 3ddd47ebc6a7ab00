#!/usr/bin/env python3
"""A JMAP client that asks the same of any server, over one connection.

    jmap_ask.py fill SOCKET COUNT < FILES     that many mails by LMTP, the files over and over, each with its own number
    jmap_ask.py ask PORT USER PASSWORD SECONDS
        list     Email/query of the inbox, newest first, with its total, and Email/get of 50 as clients show them
        changes  Email/changes of the 50 last
        set      Email/set of 50: a keyword to and fro
    Prints "NAME RATE" for each, in requests a second; an answer that is not as it should be ends it.
    jmap_ask.py streams PORT PASSWORD COUNT PID
        Opens that many EventSource connections, 20 for each of p0@example.org, p1@…; prints "bytes N", what the process
        PID has grown by for each, and "wake MS", the 99th percentile of 50 changes from the request to its event.
"""

import base64
import http.client
import json
import pathlib
import re
import resource
import smtplib
import socket
import sys
import time

SHOWN = ["threadId", "mailboxIds", "keywords", "size", "receivedAt", "from", "to", "subject", "hasAttachment",
         "preview"]
SCREEN = 50
OF_PERSON = 20  # HTTP_STREAMS_PERSON_MAX


def fill(path, count):
    files = [line.strip() for line in sys.stdin]
    client = smtplib.LMTP(path)
    for n in range(count):
        raw = pathlib.Path(files[n % len(files)]).read_bytes().replace(b"\r\n", b"\n").replace(b"\0", b"")
        while raw.startswith(b"From "):
            raw = raw.split(b"\n", 1)[1]
        head = f"Message-ID: <{n}@bench.example>\r\n".encode() if n >= len(files) else b""
        client.sendmail("b@example.net", ["ada@example.org"], head + raw.replace(b"\n", b"\r\n"))
    client.quit()


class Client:
    def __init__(self, port, user, password):
        self.door = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(),
                        "Content-Type": "application/json"}
        session = json.loads(self.ask("GET", "/.well-known/jmap"))
        self.url = re.sub("^http://[^/]+", "", session["apiUrl"])
        self.account = session["primaryAccounts"]["urn:ietf:params:jmap:mail"]
        self.events = re.sub("^http://[^/]+", "", session.get("eventSourceUrl", ""))

    def ask(self, method, path, body=None):
        for _ in range(3):
            self.door.request(method, path, body, self.headers)
            answer = self.door.getresponse()
            text = answer.read()
            if answer.status not in (301, 302, 307, 308):
                break
            path = answer.getheader("Location")
        assert answer.status == 200, text
        return text

    def prepare(self, *calls):
        """The bytes of a request, made once: what is measured is the server."""
        rows = [[name, {"accountId": self.account, **words}, str(at)] for at, (name, words) in enumerate(calls)]
        return json.dumps({"using": ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"], "methodCalls": rows})

    def send(self, request):
        return self.ask("POST", self.url, request)

    def calls(self, *calls):
        rows = json.loads(self.send(self.prepare(*calls)))["methodResponses"]
        assert all(row[0] != "error" for row in rows), rows
        return [row[1] for row in rows]


def listing(client, box):
    return (("Email/query", {"filter": {"inMailbox": box}, "sort": [{"property": "receivedAt", "isAscending": False}],
                             "limit": SCREEN, "calculateTotal": True}),
            ("Email/get", {"#ids": {"resultOf": "0", "name": "Email/query", "path": "/ids"}, "properties": SHOWN}))


def setting(ids, on):
    return "Email/set", {"update": {one: {"keywords/$flagged": True if on else None} for one in ids}}


def rate(seconds, client, requests, check):
    """The requests in turn; the last answer is looked at."""
    for request in requests:
        check(json.loads(client.send(request))["methodResponses"])
    done, begin = 0, time.monotonic()
    while (now := time.monotonic()) < begin + seconds:
        answer = client.send(requests[done % len(requests)])
        done += 1
    check(json.loads(answer)["methodResponses"])
    return done / (now - begin)


def ask(port, user, password, seconds):
    client = Client(port, user, password)
    boxes, = client.calls(("Mailbox/get", {"ids": None}))
    box, = [one["id"] for one in boxes["list"] if one["role"] == "inbox"]
    found, got = client.calls(*listing(client, box))
    assert len(got["list"]) == min(SCREEN, found["total"]) and got["list"][0]["subject"] is not None
    ids, state = found["ids"], got["state"]
    print("total", found["total"])

    def listed(rows):
        assert rows[0][1]["ids"] == ids and len(rows[1][1]["list"]) == len(ids), rows
    print("list", rate(seconds, client, [client.prepare(*listing(client, box))], listed))

    def was_set(rows):
        assert len(rows[0][1]["updated"]) == len(ids), rows
    print("set", rate(seconds, client, [client.prepare(setting(ids, on)) for on in (True, False)], was_set))
    client.calls(setting(ids, False))  # as the last request may have been: what is set already is no change
    state = client.calls(setting(ids, True))[0]["oldState"]

    def changed(rows):
        assert len(rows[0][1]["updated"]) == len(ids), rows
    print("changes", rate(seconds, client, [client.prepare(("Email/changes", {"sinceState": state}))], changed))


def memory(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.split("Pss:")[1].split()[0]) * 1024


def open_stream(client, port, number):
    path = client.events.replace("{types}", "*").replace("{closeafter}", "no").replace("{ping}", "0")
    path = path[path.index("/", 8):] if path.startswith("http") else path
    own = f"127.0.{number // 200 + 1}.9"  # an address of the loopback is not let in so often
    login = client.headers["Authorization"]
    stream = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(own, 0))
    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {login}\r\n\r\n".encode())
    return stream


def streams(port, password, count, pid):
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 500, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    clients = [Client(port, f"p{n}@example.org", password) for n in range((count + OF_PERSON - 1) // OF_PERSON)]
    before = memory(pid)
    crowd = []
    for n in range(count):  # one after the other: a node lets only so many wait for its store
        crowd.append(open_stream(clients[n // OF_PERSON], port, n))
        answer = crowd[n].recv(4096)
        assert answer.startswith(b"HTTP/1.1 200"), f"stream {n} is refused: {answer[:500]}"
    time.sleep(1)
    # Of a few streams it may be less than what the process gives back meanwhile.
    print("bytes", max(0, (memory(pid) - before) / count))
    waits = []
    for n in range(0, count, max(count // 50, 1)):
        begin = time.monotonic()
        clients[n // OF_PERSON].calls(("Mailbox/set", {"create": {"n": {"name": f"told {n}"}}}))
        while b"StateChange" not in crowd[n].recv(4096):
            pass
        waits.append((time.monotonic() - begin) * 1000)
    print("wake", sorted(waits)[int(len(waits) * 0.99)])


def main():
    if sys.argv[1] == "fill":
        fill(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "ask":
        ask(int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5]))
    else:
        streams(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))


main()
