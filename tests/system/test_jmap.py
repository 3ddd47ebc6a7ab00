"""JMAP over HTTP on both stores: a person lists, reads, searches, moves and deletes, and a second client keeps up."""

import json
import smtplib

from conftest import until
from door import Door
from jmap_client import Jmap

SOON = 'lease = "2s"\nheartbeat = "300ms"\n'
PLAIN = """From: "Ada Example" <ada@example.net>
To: grace@example.org
Subject: Cherries in {month}
Message-ID: <{month}@example.net>
Date: Wed, 25 Nov 2026 08:00:00 +0000

The cherries of {month} are ripe.
"""
PARTS = """From: ada@example.net
To: grace@example.org, linus@example.org
Cc: Somebody <some@example.net>
Subject: Re: Cherries in May
Message-ID: <reply@example.net>
In-Reply-To: <May@example.net>
References: <May@example.net>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=one

--one
Content-Type: multipart/alternative; boundary=two

--two
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Kirschen sind s=FC=DF
--two
Content-Type: text/html; charset=utf-8

<p>Kirschen sind <b>suess</b></p>
--two--
--one
Content-Type: image/png; name=cherry.png
Content-Disposition: attachment; filename=cherry.png
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--one--
"""


def begin(rota):
    door = Door(rota, cluster=SOON)
    door.node.ready()
    for person in ("grace", "linus"):
        rota.run("account", "add", f"{person}@example.org", "--password-stdin", settings=door.settings, text="right\n")
    client = smtplib.LMTP(str(rota.folder / "lmtp-node"))
    for month in ("May", "June", "July"):
        client.sendmail("ada@example.net", ["grace@example.org"], PLAIN.format(month=month))
    client.sendmail("ada@example.net", ["grace@example.org"], PARTS)
    client.sendmail("ada@example.net", ["linus@example.org"], PLAIN.format(month="August"))
    client.quit()
    return door, Jmap(door, "grace@example.org:right"), Jmap(door, "linus@example.org:right")


def boxes(me):
    return {box["role"]: box for box in me.call("Mailbox/get", ids=None)["list"]}


def subjects(me, **query):
    (_, found), (_, got) = me.calls(("Email/query", query), ("Email/get", {
        "#ids": {"resultOf": "0", "name": "Email/query", "path": "/ids"}, "properties": ["subject"]}))
    assert [one["id"] for one in got["list"]] == found["ids"]
    return [one["subject"] for one in got["list"]]


class Copy:
    """A second client: what it knows comes by changes alone, from an empty start."""

    def __init__(self, me):
        self.me, self.state, self.emails = me, me.call("Email/get", ids=[])["state"], {}
        for one in me.call("Email/query")["ids"]:
            self.read(one)

    def read(self, one):
        got = self.me.call("Email/get", ids=[one], properties=["mailboxIds", "keywords", "subject"])
        self.emails.update({row["id"]: row for row in got["list"]})

    def sync(self):
        more = True
        while more:
            got = self.me.call("Email/changes", sinceState=self.state, maxChanges=2)
            for gone in got["destroyed"]:
                self.emails.pop(gone, None)
            for one in got["created"] + got["updated"]:
                self.read(one)
            self.state, more = got["newState"], got["hasMoreChanges"]


def test_a_person_and_two_clients(rota):
    door, me, other = begin(rota)
    assert me.session["username"] == "grace@example.org"
    inbox = boxes(me)["inbox"]
    assert (inbox["totalEmails"], inbox["unreadEmails"], inbox["name"]) == (4, 4, "Inbox")
    newest = ["Re: Cherries in May", "Cherries in July", "Cherries in June", "Cherries in May"]
    assert subjects(me, filter={"inMailbox": inbox["id"]}) == newest
    assert subjects(me, sort=[{"property": "subject"}], limit=2, position=1) == ["Cherries in June", "Cherries in May"]
    assert subjects(me, collapseThreads=True, calculateTotal=True) == newest[:3]
    until(lambda: subjects(me, filter={"text": "july ripe"}) == ["Cherries in July"], "the index")
    both = {"operator": "AND", "conditions": [{"inMailbox": inbox["id"]}, {"hasAttachment": True}]}
    assert subjects(me, filter=both) == newest[:1]

    at = me.call("Email/query", limit=2)["ids"][1]
    assert subjects(me, anchor=at, anchorOffset=-1, limit=None) == newest and subjects(me, position=-1) == newest[3:]
    assert subjects(me, anchor=at, anchorOffset=2 ** 53 - 1) == []

    copy = Copy(me)
    first, second, third, _ = me.call("Email/query")["ids"]
    got = me.call("Email/set", update={second: {"keywords/$seen": True, "mailboxIds": {boxes(me)["junk"]["id"]: True}},
                                       third: {"keywords": {"$flagged": True}}, first: {"keywords/$seen": True}},
                  destroy=[first, first])
    assert (got["updated"], got["destroyed"]) == ({second: None, third: None}, [first])
    assert got["oldState"] != got["newState"] and not got["notDestroyed"]
    assert got["notUpdated"] == {first: {"type": "willDestroy"}}
    now = boxes(me)
    assert (now["inbox"]["totalEmails"], now["junk"]["totalEmails"], now["junk"]["unreadEmails"]) == (2, 1, 0)
    assert "bayes-training" in rota.run("tasks", "list", "--json", settings=door.settings) or \
        until(lambda: rota.shard("bayes-training")["done_hour"], "training")
    copy.sync()
    me.call("Email/set", update={second: {f"mailboxIds/{now['junk']['id']}": None,
                                          f"mailboxIds/{now['trash']['id']}": True}})
    assert boxes(me)["trash"]["totalEmails"] == 1
    copy.sync()
    fresh = Copy(me)
    assert copy.emails == fresh.emails and copy.state == fresh.state and len(fresh.emails) == 3
    assert copy.emails[second]["keywords"] == {"$seen": True} and copy.emails[third]["keywords"] == {"$flagged": True}

    assert me.call("Email/get", ids=other.call("Email/query")["ids"] + ["M99", "x"])["notFound"][-2:] == ["M99", "x"]
    for name, one in (("Email", second), ("Thread", "T" + second[1:]), ("Mailbox", now["trash"]["id"])):
        got = me.call(f"{name}/get", ids=[one, "x", one, "x"], properties=["id"])
        assert (got["list"], got["notFound"]) == ([{"id": one}], ["x"])
    assert other.call("Email/set", destroy=["M3"])["notDestroyed"]["M3"]["type"] == "notFound"
    assert rota.run("store", "check", settings=door.settings)


def test_bodies_and_bytes(rota):
    door, me, _ = begin(rota)
    first = me.call("Email/query", limit=1)["ids"]
    email, = me.call("Email/get", ids=first, fetchAllBodyValues=True)["list"]
    assert [(one["name"], one["email"]) for one in email["cc"]] == [("Somebody", "some@example.net")]
    assert email["inReplyTo"] == email["references"] == ["May@example.net"] and email["hasAttachment"]
    text, = email["textBody"]
    html, = email["htmlBody"]
    assert email["bodyValues"][text["partId"]]["value"] == "Kirschen sind süß"
    assert email["bodyValues"][html["partId"]]["value"] == "<p>Kirschen sind <b>suess</b></p>"
    picture, = email["attachments"]
    assert (picture["name"], picture["type"], picture["size"]) == ("cherry.png", "image/png", 8)
    structure = me.call("Email/get", ids=first, properties=["bodyStructure"], bodyProperties=["type"])["list"][0]
    assert [part["type"] for part in structure["bodyStructure"]["subParts"]] == ["multipart/alternative", "image/png"]
    thread, = me.call("Thread/get", ids=[email["threadId"]])["list"]
    assert len(thread["emailIds"]) == 2 and thread["emailIds"][-1] == email["id"]
    whole = me.call("Email/changes", sinceState="0")
    threads = {one["threadId"] for one in me.call("Email/get", ids=whole["created"], properties=["threadId"])["list"]}
    got = me.call("Thread/changes", sinceState="0")
    assert (set(got["created"]), got["updated"], len(threads)) == (threads, [], 3)
    me.call("Email/set", update={email["id"]: {"keywords/$seen": True}})
    got = me.call("Thread/changes", sinceState=whole["newState"])
    assert (got["created"], got["updated"]) == ([], [thread["id"]])

    def load(account, blob, status=200, **headers):
        client = door.connect()
        client.request("GET", f"/jmap/download/{account}/{blob}/x?accept=text/plain", headers={**me.headers, **headers})
        answer = client.getresponse()
        assert answer.status == status
        return answer.read()
    assert load(me.account, picture["blobId"]) == b"\x89PNG\r\n\x1a\n"
    assert load(me.account, picture["blobId"], 206, Range="bytes=1-3") == b"PNG"
    assert load(me.account, email["blobId"]).replace(b"\r\n", b"\n").decode() == PARTS
    load(me.account, "M99", 404)
    load(me.account, email["blobId"] + "-77", 404)
    load("a77", email["blobId"], 404)

    # It loses one, then the other; and one that came and went meanwhile was never there.
    state = got["newState"]
    for lost, want in zip(thread["emailIds"], ([[], [thread["id"]], []], [[], [], [thread["id"]]])):
        came = me.call("Email/set", create={"k": {"mailboxIds": {boxes(me)["drafts"]["id"]: True}}})
        gone = me.call("Email/set", destroy=[lost, came["created"]["k"]["id"]])
        got = me.call("Thread/changes", sinceState=state)
        assert [got["created"], got["updated"], got["destroyed"]] == want
        state = gone["newState"]


def test_what_is_refused(rota_sqlite):
    door, me, _ = begin(rota_sqlite)
    whole = {"using": me.USING, "methodCalls": []}
    for body, problem in (("{", "notJSON"), ("[" * 1000, "notJSON"), ({}, "notRequest"),
                          ({**whole, "methodCalls": [[]]}, "notRequest"),
                          ({**whole, "using": ["urn:x"]}, "unknownCapability"),
                          ({**whole, "methodCalls": [["Core/echo", {}, "0"]] * 33}, "limit")):
        status, got = me.post(body)
        assert (status, got["type"]) == (400, "urn:ietf:params:jmap:error:" + problem), body
    link = {"resultOf": "0", "name": "Core/echo", "path": "/text"}
    (_, text), (error, got) = me.calls(("Core/echo", {"text": "a" * 200000}),
                                       ("Core/echo", {f"#{one}": link for one in range(100)}))
    assert (len(text["text"]), error, got["type"]) == (200000, "error", "serverFail")
    state = me.call("Email/get", ids=[])["state"]
    for name, words, want in (
            ("Email/burn", {}, "unknownMethod"), ("Email/get", {"accountId": "a9", "ids": []}, "accountNotFound"),
            ("Email/get", {"ids": [], "properties": ["nonsense"]}, "invalidArguments"),
            ("Email/get", {"ids": [7]}, "invalidArguments"),
            ("Email/get", {"ids": ["M1"] * 501}, "requestTooLarge"), ("Email/get", {"more": 1}, "invalidArguments"),
            ("Email/query", {"filter": {"colour": "red"}}, "unsupportedFilter"),
            ("Email/query", {"sort": [{"property": "colour"}]}, "unsupportedSort"),
            ("Email/query", {"anchor": "M99"}, "anchorNotFound"), ("Email/query", {"anchor": 7}, "invalidArguments"),
            *(("Email/query", {name: wrong}, "invalidArguments") for name in ("position", "anchorOffset", "limit")
              for wrong in ("1", 1.5, True, 2 ** 53, [])),
            ("Email/query", {"limit": -1}, "invalidArguments"), ("Mailbox/query", {"limit": "1"}, "invalidArguments"),
            ("Email/changes", {"sinceState": "never"}, "cannotCalculateChanges"),
            ("Email/changes", {"sinceState": str(int(state) + 1)}, "cannotCalculateChanges"),
            ("Email/changes", {"sinceState": state, "maxChanges": 0}, "invalidArguments"),
            ("Email/changes", {}, "invalidArguments"),
            ("Mailbox/changes", {"sinceState": str(int(state) - 1), "maxChanges": 2}, "cannotCalculateChanges"),
            ("Email/set", {"ifInState": "x"}, "stateMismatch"), ("Email/set", {"update": 7}, "invalidArguments"),
            ("Email/set", {"destroy": ["M1"] * 501}, "requestTooLarge"),
            ("Email/get", {"#ids": {"resultOf": "0", "name": "Email/query", "path": "/ids"}}, "invalidResultReference"),
            ("Email/get", {"ids": [], "#ids": {"resultOf": "0", "name": "x", "path": ""}}, "invalidArguments")):
        assert me.error(name, **words) == want, (name, words)
    junk, inbox = boxes(me)["junk"]["id"], boxes(me)["inbox"]["id"]
    for patch, want in (({"subject": "x"}, "invalidProperties"), ({"keywords/$seen": 7}, "invalidProperties"),
                        ({"keywords": {"a b": True}}, "invalidProperties"), ({"mailboxIds": {}}, "invalidProperties"),
                        ({f"mailboxIds/{inbox}": None}, "invalidProperties"), (7, "invalidPatch"),
                        ({f"mailboxIds/{junk}": True}, "tooManyMailboxes"),  # and it stays in the inbox
                        ({"mailboxIds": {junk: True, inbox: True}}, "tooManyMailboxes"),
                        ({"mailboxIds": {"B99": True}}, "invalidProperties"),
                        ({"mailboxIds": {"x": True}}, "invalidProperties")):
        assert me.call("Email/set", update={"M1": patch})["notUpdated"]["M1"]["type"] == want, patch
    assert me.call("Email/set", update={"M99": {}})["notUpdated"]["M99"]["type"] == "notFound"
    assert me.call("Email/set", update={"M1": {f"mailboxIds/{junk}": None}})["updated"] == {"M1": None}
    got = me.call("Email/set", update={"M99": {}, "x": {}}, destroy=["M99", "x", "M99"])
    assert {one["type"] for one in got["notUpdated"].values()} == {"willDestroy"} and len(got["notDestroyed"]) == 2
    assert me.call("Email/get", ids=[])["state"] == state  # and nothing was changed


def test_events_are_told(rota):
    door, me, other = begin(rota)
    client = door.connect()
    client.request("GET", "/jmap/eventsource?types=Email&closeafter=state&ping=0", headers=me.headers)
    answer = client.getresponse()
    assert answer.getheader("Content-Type").startswith("text/event-stream")
    other.call("Email/set", update={"M1": {"keywords/$seen": True}})  # another's mail is nothing to me
    until(lambda: rota.status(door.settings)["nodes"], "the node")
    state = me.call("Email/set", update={"M1": {"keywords/$seen": True}})["newState"]
    text = answer.read().decode()  # to its end
    data = json.loads(next(line for line in text.splitlines() if line.startswith("data: "))[6:])
    assert data == {"@type": "StateChange", "changed": {me.account: {"Email": state}}}
