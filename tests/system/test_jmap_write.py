"""What JMAP writes: uploads and imports."""

import hashlib

from jmap_client import Jmap
from test_jmap import PARTS, PLAIN, begin, boxes

MESSAGE = PLAIN.format(month="March").replace("\n", "\r\n").encode()
RECEIVED = b"Received: from a by b with LMTP; Wed, 25 Nov 2026 09:00:00 +0100\r\n"


def test_up_down_and_in(rota):
    door, me, other = begin(rota)
    core = me.session["capabilities"]["urn:ietf:params:jmap:core"]
    assert core["maxSizeUpload"] >= 1000000 and core["maxConcurrentUpload"] >= 1
    blob = me.upload(MESSAGE)
    assert blob == me.upload(MESSAGE) == "U" + hashlib.sha256(MESSAGE).hexdigest()
    assert me.download(blob) == MESSAGE and me.download(blob, 206, Range="bytes=0-3") == MESSAGE[:4]
    other.download(blob, 404)  # it is not theirs, whatever they know of it
    other.download(blob, 404, account=me.account)
    other.upload(MESSAGE, account=me.account, status=404)
    me.download(blob[:-1], 404)
    me.download(blob + "-9", 404)
    assert me.download(blob + "-1").strip() == b"The cherries of March are ripe."
    large = bytes(range(256)) * 4096
    assert me.download(me.upload(large, "image/png")) == large

    inbox, drafts = (boxes(me)[role]["id"] for role in ("inbox", "drafts"))
    state = me.call("Email/get", ids=[])["state"]
    got = me.call("Email/import", ifInState=state, emails={
        "a": {"blobId": blob, "mailboxIds": {drafts: True}, "keywords": {"$Draft": True},
              "receivedAt": "2026-01-02T03:04:05Z"},
        "b": {"blobId": me.upload(RECEIVED + MESSAGE), "mailboxIds": {inbox: True}},
        "same": {"blobId": blob, "mailboxIds": {inbox: True}}})
    assert got["oldState"] == state != got["newState"] and set(got["created"]) == {"a", "b"}
    made = got["created"]["a"]
    assert got["notCreated"] == {"same": {"type": "alreadyExists", "existingId": made["id"]}}
    assert set(made) == {"id", "blobId", "threadId", "size"} and made["size"] == len(MESSAGE)
    one, two = me.call("Email/get", ids=[made["id"], got["created"]["b"]["id"]])["list"]
    assert (one["mailboxIds"], one["keywords"], one["receivedAt"], one["subject"]) == (
        {drafts: True}, {"$draft": True}, "2026-01-02T03:04:05Z", "Cherries in March")
    assert two["receivedAt"] == "2026-11-25T08:00:00Z" and one["threadId"] == made["threadId"] == two["threadId"]
    assert me.download(one["blobId"]) == MESSAGE
    assert boxes(me)["drafts"]["totalEmails"] == 1
    again = me.call("Email/import", emails={"c": {"blobId": one["blobId"], "mailboxIds": {inbox: True}}})
    assert again["notCreated"]["c"]["existingId"] == one["id"] and again["oldState"] == again["newState"]
    assert other.call("Email/import", emails={"c": {"blobId": me.upload(MESSAGE), "mailboxIds": {inbox: True}}})[
        "notCreated"]["c"]["type"] == "invalidProperties"
    # A part that is a message is a blob as well as any.
    whole = me.upload(PARTS.encode())
    assert me.call("Email/import", emails={"d": {"blobId": whole, "mailboxIds": {inbox: True}}})["created"]
    assert me.call("Blob/copy", fromAccountId=me.account, blobIds=[whole, "U77"])["copied"] == {whole: whole}
    assert rota.run("store", "check", settings=door.settings)


def test_imports_that_are_refused(rota):
    door, me, _ = begin(rota)
    inbox = boxes(me)["inbox"]["id"]
    blob = me.upload(MESSAGE)
    good = {"blobId": blob, "mailboxIds": {inbox: True}}
    for change, want, name in (
            ({"blobId": None}, "invalidProperties", "blobId"), ({"blobId": 7}, "invalidProperties", "blobId"),
            ({"blobId": "U" + "0" * 64}, "invalidProperties", "blobId"),
            ({"blobId": me.upload(b"no header\r\n")}, "invalidEmail", None),
            ({"blobId": me.upload(b"")}, "invalidEmail", None),
            ({"mailboxIds": {}}, "invalidProperties", "mailboxIds"),
            ({"mailboxIds": {"B99": True}}, "invalidProperties", "mailboxIds"),
            ({"mailboxIds": {"#b": True}}, "invalidProperties", "mailboxIds"),
            ({"mailboxIds": {inbox: False}}, "invalidProperties", "mailboxIds"),
            ({"mailboxIds": {inbox: True, "B2": True}}, "invalidProperties", "mailboxIds"),
            ({"mailboxIds": [inbox]}, "invalidProperties", "mailboxIds"),
            ({"keywords": {"a b": True}}, "invalidProperties", "keywords"),
            ({"keywords": {"a": False}}, "invalidProperties", "keywords"),
            ({"keywords": ["a"]}, "invalidProperties", "keywords"),
            ({"keywords": {f"k{n}": True for n in range(65)}}, "invalidProperties", "keywords"),
            ({"receivedAt": "yesterday"}, "invalidProperties", "receivedAt"),
            ({"receivedAt": "2026-01-02T03:04:05+01:00"}, "invalidProperties", "receivedAt"),
            ({"receivedAt": 7}, "invalidProperties", "receivedAt"),
            ({"subject": "x"}, "invalidProperties", "subject")):
        wrong = me.call("Email/import", emails={"a": {**good, **change}})["notCreated"]["a"]
        assert (wrong["type"], wrong.get("properties", [None])) == (want, [name]), change
    assert me.call("Email/import", emails={"a": 7})["notCreated"]["a"]["type"] == "invalidProperties"
    rota.run("account", "quota", "grace@example.org", "2kb", settings=door.settings)
    full = me.call("Email/import", emails={"a": {**good, "blobId": me.upload(MESSAGE + b"x" * 3000)}})
    assert full["notCreated"]["a"]["type"] == "overQuota"
    assert rota.run("store", "check", settings=door.settings)


def test_an_upload_that_is_too_large(rota_sqlite):
    door, me, _ = begin(rota_sqlite)
    large = me.session["capabilities"]["urn:ietf:params:jmap:core"]["maxSizeUpload"]
    client = door.connect()
    client.putrequest("POST", f"/jmap/upload/{me.account}")
    for name, value in {**me.headers, "Content-Type": "text/plain", "Content-Length": str(large + 1)}.items():
        client.putheader(name, value)
    client.endheaders()
    assert client.getresponse().status == 413
    nobody = Jmap.__new__(Jmap)
    nobody.door, nobody.headers, nobody.session, nobody.account = door, {}, me.session, me.account
    nobody.upload(MESSAGE, status=401)
