"""What JMAP writes: uploads, imports and drafts."""

import email.header
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
            ({"mailboxIds": {inbox: True, "B2": True}}, "tooManyMailboxes", None),
            ({"mailboxIds": [inbox]}, "invalidProperties", "mailboxIds"),
            ({"keywords": {"a b": True}}, "invalidProperties", "keywords"),
            ({"keywords": {"a": False}}, "invalidProperties", "keywords"),
            ({"keywords": ["a"]}, "invalidProperties", "keywords"),
            ({"keywords": {f"k{n}": True for n in range(65)}}, "tooManyKeywords", None),
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


def raw_lines(me, blob):
    head, _, body = me.download(blob).decode().partition("\r\n\r\n")
    return head.replace("\r\n\t", " ").replace("\r\n ", " ").split("\r\n"), body


def test_a_draft_is_made(rota):
    door, me, other = begin(rota)
    drafts = boxes(me)["drafts"]["id"]
    picture = me.upload(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "image/png")
    address = [{"name": "Ada Exämple", "email": "ada@example.net"}]
    whole = {"mailboxIds": {drafts: True}, "keywords": {"$draft": True, "$seen": True},
             "from": [{"name": None, "email": "grace@example.org"}], "to": address, "cc": address + address,
             "subject": "Kirschen sind süß", "sentAt": "2026-11-25T08:00:00+01:00", "messageId": ["x1@example.org"],
             "inReplyTo": ["May@example.net"], "references": ["May@example.net"],
             "header:X-Colour:asText": "röt", "header:X-Ids:asMessageIds:all": [["a@b"], ["c@d", "e@f"]],
             "header:X-Raw": " as\r\n it is", "header:List-Post:asURLs": ["mailto:l@example.org"],
             "header:Resent-To:asGroupedAddresses": [{"name": "All", "addresses": address}],
             "bodyValues": {"t": {"value": "Hello süß\nFrom me\n"}, "h": {"value": "<p>süß<img src=cid:c1>",
                                                                          "isTruncated": False}},
             "textBody": [{"partId": "t", "type": "text/plain"}], "htmlBody": [{"partId": "h", "type": "text/html"}],
             "attachments": [
                 {"blobId": picture, "type": "image/png", "disposition": "inline", "cid": "c1", "name": "küche.png"},
                 {"blobId": picture, "type": "image/png", "disposition": "attachment", "name": "b.png",
                  "language": ["en", "de"], "location": "http://x/y", "header:X-Part:asText": "part"}]}
    (name, got), (_, read) = me.calls(("Email/set", {"create": {"k": whole}}), ("Email/get", {
        "ids": ["M5"], "fetchAllBodyValues": True,
        "properties": ["from", "to", "cc", "subject", "sentAt", "messageId", "inReplyTo", "references", "keywords",
                       "mailboxIds", "threadId", "bodyValues", "bodyStructure", "hasAttachment", "size", "blobId"]}))
    assert name == "Email/set" and not got["notCreated"], got
    made, = got["created"].values()
    assert made["id"] == "M5" and set(made) == {"id", "blobId", "threadId", "size"}
    one, = read["list"]
    for name in ("to", "subject", "messageId", "inReplyTo", "references", "keywords", "mailboxIds"):
        assert one[name] == whole[name], name
    assert one["size"] == made["size"] and one["hasAttachment"]
    assert one["threadId"] == made["threadId"] == "T5"  # what it answers is about something else
    assert one["sentAt"] == "2026-11-25T07:00:00Z" and len(one["cc"]) == 2
    assert one["bodyStructure"]["type"] == "multipart/mixed"
    alternative, second = one["bodyStructure"]["subParts"]
    text, related = alternative["subParts"]
    assert [part["type"] for part in related["subParts"]] == ["text/html", "image/png"]
    html, first = related["subParts"]
    assert one["bodyValues"][text["partId"]]["value"] == "Hello süß\nFrom me\n"
    assert one["bodyValues"][html["partId"]]["value"] == whole["bodyValues"]["h"]["value"]
    assert (first["name"], first["cid"], first["disposition"]) == ("küche.png", "c1", "inline")
    assert (second["name"], second["disposition"], second["location"]) == ("b.png", "attachment", "http://x/y")
    assert me.download(first["blobId"]) == me.download(picture) == me.download(second["blobId"])
    lines, _ = raw_lines(me, one["blobId"])
    lines = [str(email.header.make_header(email.header.decode_header(line))) for line in lines]
    for line in ("X-Colour: röt", "X-Ids: <a@b>", "X-Ids: <c@d> <e@f>", "X-Raw: as it is",
                 "List-Post: <mailto:l@example.org>", "Date: Wed, 25 Nov 2026 08:00:00 +0100", "MIME-Version: 1.0"):
        assert line in lines, (line, lines)
    assert any(line.startswith("Resent-To: All: ") for line in lines)
    assert rota.run("store", "check", settings=door.settings)

    # What it must have and the client did not say; an upload may go into two; the structure as it is told.
    part = {"partId": "t", "type": "text/plain"}
    got = me.call("Email/set", create={
        "empty": {"mailboxIds": {drafts: True}},
        "tree": {"mailboxIds": {drafts: True}, "bodyValues": {"t": {"value": "x"}}, "bodyStructure": {
            "type": "multipart/parallel", "subParts": [part, {"blobId": "M1", "type": "message/rfc822"}],
            "header:X-Root": " yes"}},
        "html": {"mailboxIds": {drafts: True}, "bodyValues": {"t": {"value": "<b>"}}, "htmlBody": [{"partId": "t"}]}})
    assert not got["notCreated"], got
    lines, body = raw_lines(me, got["created"]["empty"]["blobId"])
    assert [line.partition(":")[0] for line in lines if line.startswith(("Date", "Message-ID"))] == [
        "Date", "Message-ID"] and body == ""
    assert any(line.startswith("Message-ID: <") and line.endswith("@example.org>") for line in lines)
    tree, html = me.call("Email/get", ids=[got["created"][one]["id"] for one in ("tree", "html")],
                         properties=["bodyStructure"])["list"]
    assert tree["bodyStructure"]["type"] == "multipart/parallel" and html["bodyStructure"]["type"] == "text/html"
    assert [part["type"] for part in tree["bodyStructure"]["subParts"]] == ["text/plain", "message/rfc822"]
    assert "X-Root: yes" in raw_lines(me, got["created"]["tree"]["blobId"])[0]
    # A creation id stands for what was made, in one request.
    (_, first), (_, second) = me.calls(
        ("Email/set", {"create": {"a": {"mailboxIds": {drafts: True}}}, "update": {"#a": {"keywords/$seen": True}}}),
        ("Email/set", {"update": {"#a": {"keywords/$draft": True}, "#b": {}}, "destroy": ["#a", "#c"]}))
    assert first["updated"] == {"#a": None} and second["destroyed"] == ["#a"]
    assert second["notUpdated"]["#a"]["type"] == "willDestroy" and second["notUpdated"]["#b"]["type"] == "notFound"
    assert second["notDestroyed"]["#c"]["type"] == "notFound"
    assert rota.run("store", "check", settings=door.settings)


def test_drafts_that_are_refused(rota_sqlite):
    door, me, other = begin(rota_sqlite)
    drafts = boxes(me)["drafts"]["id"]
    before = me.call("Email/get", ids=[])["state"]
    blob, theirs = me.upload(b"x"), other.upload(b"theirs")
    value = {"t": {"value": "x"}, "u": {"value": "x", "isTruncated": True}, "v": {"value": 7},
             "w": {"value": "x", "isEncodingProblem": True}}
    text = {"partId": "t", "type": "text/plain"}
    deep = text
    for _ in range(26):
        deep = {"type": "multipart/mixed", "subParts": [deep]}
    wrong = "invalidProperties"
    for change, want, name in (
            ({"mailboxIds": None}, wrong, "mailboxIds"), ({"mailboxIds": {"B99": True}}, wrong, "mailboxIds"),
            ({"mailboxIds": {drafts: True, "B1": True}}, "tooManyMailboxes", None),
            ({"keywords": {f"k{n}": True for n in range(65)}}, "tooManyKeywords", None),
            ({"keywords": {"(": True}}, wrong, "keywords"), ({"receivedAt": "x"}, wrong, "receivedAt"),
            *(({one: "x"}, wrong, one) for one in ("id", "blobId", "threadId", "size", "hasAttachment", "preview",
                                                   "headers", "colour", "header:", "header:X Y", "header:X:asNothing",
                                                   "header:Subject:asDate", "header:From:asText",
                                                   "header:Date:asRaw:all:all", "header:Content-Type",
                                                   "header:MIME-Version", "from", "sentAt", "messageId")),
            ({"header:X-A:asText": "a\r\nBcc: b@example.org"}, wrong, "header:X-A:asText"),
            ({"header:X-A": "a\r\nBcc: b@example.org"}, wrong, "header:X-A"),
            ({"header:X-A:all": "x"}, wrong, "header:X-A:all"), ({"subject": 7}, wrong, "subject"),
            ({"from": [{"name": "a\nb", "email": "a@b"}]}, wrong, "from"), ({"from": [{"name": "a"}]}, wrong, "from"),
            ({"from": [{"email": "a@b, c@d"}]}, wrong, "from"), ({"messageId": ["<a@b>"]}, wrong, "messageId"),
            ({"sentAt": "2026-13-01T00:00:00Z"}, wrong, "sentAt"),
            ({"subject": "a", "header:subject:asText": "b"}, wrong, "header:subject:asText"),
            ({"bodyStructure": text, "textBody": [text]}, wrong, "bodyStructure"),
            ({"bodyValues": 7}, wrong, "bodyValues"), ({"bodyStructure": 7}, wrong, "bodyStructure"),
            ({"textBody": [text, text]}, wrong, "textBody"), ({"textBody": []}, wrong, "textBody"),
            ({"textBody": [{"partId": "t", "type": "text/html"}]}, wrong, "textBody"),
            ({"htmlBody": [text]}, wrong, "htmlBody"), ({"attachments": 7}, wrong, "attachments"),
            *(({"textBody": [{**text, **more}]}, wrong, named) for more, named in (
                ({"charset": "utf-8"}, "partId"), ({"size": 1}, "partId"), ({"blobId": blob}, "partId"),
                ({"partId": "none"}, "bodyValues"), ({"partId": "u"}, "bodyValues"), ({"partId": "v"}, "bodyValues"),
                ({"partId": "w"}, "bodyValues"), ({"partId": None}, "partId"), ({"partId": 7}, "partId"),
                ({"headers": []}, "headers"), ({"type": "text"}, "type"), ({"type": 7}, "type"),
                ({"name": "a\nb"}, "name"), ({"cid": "<a>"}, "cid"), ({"disposition": "in line"}, "disposition"),
                ({"language": "en"}, "language"), ({"language": ["a b"]}, "language"), ({"location": ""}, "location"),
                ({"subParts": []}, "subParts"), ({"subParts": 7}, "subParts"), ({"subject": "x"}, "subject"),
                ({"header:Content-Transfer-Encoding": " 8bit"}, "header:Content-Transfer-Encoding"),
                ({"cid": "a", "header:Content-ID": " <b>"}, "header:Content-ID"),
                ({"header:X-A": 7}, "header:X-A"))),
            ({"subject": "a", "bodyStructure": {**text, "header:Subject:asText": "b"}}, wrong, "header:Subject:asText"),
            ({"bodyStructure": {"type": "multipart/mixed", "blobId": blob}}, wrong, "type"),
            ({"bodyStructure": {"type": "text/plain", "subParts": [text]}}, wrong, "subParts"),
            ({"bodyStructure": {"partId": "t", "type": "image/png"}}, wrong, "type"),
            ({"bodyStructure": {"type": "multipart/mixed", "subParts": [text] * 200}}, wrong, "bodyStructure"),
            ({"attachments": [{"blobId": theirs}, {"blobId": "U77"}, {"blobId": blob}]}, "blobNotFound", None),
            ({f"header:X-{n}": "x" for n in range(201)}, wrong, "header:X-200"), (None, wrong, None)):
        draft = 7 if change is None else {"mailboxIds": {drafts: True}, "bodyValues": value, **change}
        got = me.call("Email/set", create={"k": draft})
        assert not got["created"], change
        error = got["notCreated"]["k"]
        assert (error["type"], error.get("properties", [None])) == (want, [name]), (change, error)
        if want == "blobNotFound":
            assert error["notFound"] == [theirs, "U77"]
    status, got = me.post({"using": me.USING, "methodCalls": [["Email/set", {"accountId": me.account, "create": {
        "k": {"mailboxIds": {drafts: True}, "bodyStructure": deep}}}, "0"]]})
    assert (status, got["type"]) == (400, "urn:ietf:params:jmap:error:notJSON")  # too deep
    large = me.upload(b"x" * 20000000)
    got = me.call("Email/set", create={"k": {"mailboxIds": {drafts: True}, "attachments": [{"blobId": large}] * 2}})
    assert got["notCreated"]["k"]["type"] == "tooLarge"
    assert me.call("Email/get", ids=[])["state"] == before  # and nothing was made
    many = me.call("Email/set", create={f"k{n}": {"mailboxIds": {drafts: True}, "attachments": [{"blobId": large}]}
                                        for n in range(8)})
    assert {one["type"] for one in many["notCreated"].values()} == {"rateLimit"} and len(many["created"]) == 7
    door.rota.run("account", "quota", "grace@example.org", "2kb", settings=door.settings)
    got = me.call("Email/set", create={"k": {"mailboxIds": {drafts: True}}})
    assert got["notCreated"]["k"]["type"] == "overQuota"


def test_a_mail_is_parsed(rota_sqlite):
    door, me, other = begin(rota_sqlite)
    inner = me.upload(PARTS.encode())
    drafts = boxes(me)["drafts"]["id"]
    made = me.call("Email/set", create={"k": {"mailboxIds": {drafts: True}, "attachments": [
        {"blobId": inner, "type": "message/rfc822", "name": "forwarded"}]}})["created"]["k"]
    attached, = me.call("Email/get", ids=[made["id"]], properties=["attachments"])["list"][0]["attachments"]
    theirs, text = other.upload(b"Subject: x\r\n\r\n"), me.upload(b"no mail\r\n")
    got = me.call("Email/parse", blobIds=[inner, attached["blobId"], "M1", text, theirs, "U7", inner],
                  fetchTextBodyValues=True)
    assert (got["notParsable"], set(got["notFound"])) == ([text], {theirs, "U7"})
    assert set(got["parsed"]) == {inner, attached["blobId"], "M1"}
    for one in (got["parsed"][inner], got["parsed"][attached["blobId"]]):
        assert one["subject"] == "Re: Cherries in May" and one["inReplyTo"] == ["May@example.net"]
        assert one["hasAttachment"] and [part["email"] for part in one["cc"]] == ["some@example.net"]
        assert "id" not in one and "keywords" not in one and "bodyStructure" not in one
        assert [value["value"] for value in one["bodyValues"].values()] == ["Kirschen sind s\u00fc\u00df"]
        picture, = one["attachments"]
        assert me.download(picture["blobId"]) == b"\x89PNG\r\n\x1a\n"
    one = me.call("Email/parse", blobIds=[inner], properties=["id", "blobId", "threadId", "mailboxIds", "keywords",
                                                              "receivedAt", "size", "bodyStructure"],
                  bodyProperties=["type", "subParts"])["parsed"][inner]
    assert one.pop("bodyStructure")["type"] == "multipart/mixed"
    assert one == {"id": None, "blobId": inner, "threadId": None, "mailboxIds": None, "keywords": None,
                   "receivedAt": None, "size": len(PARTS)}
