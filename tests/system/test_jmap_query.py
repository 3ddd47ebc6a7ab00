"""What JMAP finds: filters, orders, changes of queries."""

from conftest import until
from test_jmap import begin, boxes

# name: (from, subject, received, body, answers)
MAILS = {
    "old": ("Zoë Old <zoe@example.net>", "Plums of old", "1970-01-01T00:00:01Z", "plums", None),
    "first": ("ada@example.net", "Apples", "2026-01-01T00:00:00Z", "red apples and green pears", None),
    "reply": ("Bob <bob@example.net>", "RE: [fruit] apples", "2026-01-02T00:00:00Z", "green apples", "first"),
    "big": ("ada@example.net", "Zebras", "2026-01-03T00:00:00Z", "stripes " * 500, None),
    "last": ("carl@example.net", "Fwd: zebras", "2026-01-04T12:00:00.500Z", "the end", "big"),
}
SEEN = {"old": "$seen", "first": "$seen", "reply": "$flagged", "big": "$seen", "last": "$seen"}


def fill(me, box, other):
    """Ids by name; "old" is in the other mailbox."""
    ids = {}
    for name, (sender, subject, at, text, answers) in MAILS.items():
        more = f"In-Reply-To: <{answers}@q.example>\r\n" if answers else ""
        blob = me.upload(f"From: {sender}\r\nTo: grace@example.org\r\nSubject: {subject}\r\n{more}"
                         f"Message-ID: <{name}@q.example>\r\n\r\n{text}\r\n".encode())
        got = me.call("Email/import", emails={name: {
            "blobId": blob, "mailboxIds": {other if name == "old" else box: True}, "keywords": {SEEN[name]: True},
            "receivedAt": at}})
        ids[name] = got["created"][name]["id"]
    return ids


def ready(rota):
    door, me, linus = begin(rota)
    box, other = boxes(me)["archive"]["id"], boxes(me)["drafts"]["id"]
    ids = fill(me, box, other)
    until(lambda: ids["last"] in me.call("Email/query", filter={"text": "end"})["ids"], "the index")
    return door, me, linus, box, other, ids


def operator(name, *conditions):
    return {"operator": name, "conditions": list(conditions)}


def test_filters_and_orders(rota):
    _, me, linus, box, other, ids = ready(rota)
    names = {one: name for name, one in ids.items()}
    mine = operator("OR", {"inMailbox": box}, {"inMailbox": other})

    def found(filter, **more):
        got = me.call("Email/query", filter=operator("AND", mine, filter), **more)
        return [names[one] for one in got["ids"]]
    big = int(me.call("Email/get", ids=[ids["big"]], properties=["size"])["list"][0]["size"])
    everything = ["last", "big", "reply", "first", "old"]
    for filter, want in (
            ({}, everything), (operator("AND"), everything), (operator("OR"), []), (operator("NOT"), everything),
            ({"inMailbox": other}, ["old"]), ({"inMailbox": "B99"}, []), ({"inMailbox": "x"}, []),
            ({"inMailboxOtherThan": [box]}, ["old"]), ({"inMailboxOtherThan": []}, everything),
            ({"before": "2026-01-01T00:00:00Z"}, ["old"]), ({"after": "2026-01-04T12:00:00.5Z"}, ["last"]),
            ({"after": "1969-07-20T20:17:40Z", "before": "1970-01-01T00:00:02Z"}, ["old"]),
            ({"before": "1969-07-20T20:17:40Z"}, []), ({"after": "1969-07-20T20:17:40Z"}, everything),
            ({"after": "2026-01-02T00:00:00Z"}, ["last", "big", "reply"]),
            ({"minSize": big}, ["big"]), ({"maxSize": big}, ["last", "reply", "first", "old"]), ({"maxSize": 0}, []),
            ({"minSize": 0}, everything), ({"hasKeyword": "$FLAGGED"}, ["reply"]),
            ({"notKeyword": "$seen"}, ["reply"]), ({"hasAttachment": True}, []),
            ({"allInThreadHaveKeyword": "$seen"}, ["last", "big", "old"]),
            ({"someInThreadHaveKeyword": "$seen"}, everything),
            ({"someInThreadHaveKeyword": "$flagged"}, ["reply", "first"]),
            ({"noneInThreadHaveKeyword": "$flagged"}, ["last", "big", "old"]),
            ({"text": "apples"}, ["reply", "first"]), ({"text": "apples pears"}, ["first"]),
            ({"text": "apples OR -pears"}, []), ({"text": '"green apples"'}, ["reply"]),
            ({"body": "'red apples'"}, ["first"]), ({"text": ""}, everything),
            ({"text": "green ??"}, ["reply", "first"]),
            ({"from": "zoe"}, ["old"]), ({"from": "ada@example.net"}, ["big", "first"]), ({"to": "grace"}, everything),
            ({"cc": "grace"}, []), ({"bcc": "grace"}, []), ({"subject": "fruit"}, ["reply"]),
            ({"subject": "green"}, []), ({"body": "zebras"}, []),
            (operator("NOT", {"text": "apples"}, {"inMailbox": other}), ["last", "big"]),
            (operator("OR", {"text": "plums"}, operator("AND", {"minSize": big, "hasKeyword": "$seen"})),
             ["big", "old"]),
            (operator("OR", {"from": "bob", "hasKeyword": "$flagged"}, {"from": "zoe", "hasKeyword": "$flagged"}),
             ["reply"]),
            (operator("NOT", operator("NOT", {"from": "bob"})), ["reply"])):
        assert found(filter) == want, filter
    for sort, want in (
            ([], everything), (["receivedAt"], everything[::-1]), (["-receivedAt"], everything),
            (["subject"], ["first", "reply", "old", "big", "last"]),
            (["from"], ["first", "big", "reply", "last", "old"]),
            (["-from", "receivedAt"], ["old", "last", "reply", "first", "big"]), (["size"], None),
            (["-hasKeyword:$seen", "receivedAt"], ["old", "first", "big", "last", "reply"]),
            (["allInThreadHaveKeyword:$seen", "receivedAt"], ["first", "reply", "old", "big", "last"]),
            (["-someInThreadHaveKeyword:$flagged", "-receivedAt"], ["reply", "first", "last", "big", "old"])):
        rows = [{"property": one.strip("-").split(":")[0], "isAscending": one[0] != "-"} for one in sort]
        for row, one in zip(rows, sort):
            row.update({"keyword": one.split(":")[1]} if ":" in one else {"collation": "i;unicode-casemap"})
        assert found({}, sort=rows)[-1:] == ["big"] if want is None else found({}, sort=rows) == want, sort
    assert found({}, collapseThreads=True) == ["last", "reply", "old"]
    got = me.call("Email/query", filter=mine, calculateTotal=True, collapseThreads=True, limit=1, position=-1)
    assert (got["ids"], got["total"], got["position"]) == ([ids["old"]], 3, 2)
    got = me.call("Email/query", filter=mine, anchor=ids["reply"], anchorOffset=-1, limit=2)
    assert (got["ids"], got["position"], "total" in got) == ([ids["big"], ids["reply"]], 1, False)
    assert linus.call("Email/query", filter=mine)["ids"] == []  # another's mailboxes are not found


def test_changes_of_queries(rota):
    _, me, linus, box, other, ids = ready(rota)
    queries = [{"filter": {"inMailbox": box}}, {"filter": operator("NOT", {"hasKeyword": "$seen"})}, {},
               {"filter": {"inMailbox": box}, "collapseThreads": True},
               {"filter": {"someInThreadHaveKeyword": "$flagged"}, "sort": [{"property": "subject"}]}]

    def run(query):
        got = me.call("Email/query", calculateTotal=True, **query)
        assert got["canCalculateChanges"]
        return got
    before = [run(query) for query in queries]

    def follow():
        """What each client has, by changes alone; all must be as a new query says."""
        for at, query in enumerate(queries):
            got = me.call("Email/queryChanges", sinceQueryState=before[at]["queryState"], calculateTotal=True, **query)
            now = run(query)
            have = [one for one in before[at]["ids"] if one not in got["removed"]]
            for row in got["added"]:
                have.insert(row["index"], row["id"])
            assert (have, got["total"], got["newQueryState"]) == (now["ids"], now["total"], now["queryState"]), query
            before[at] = now
    follow()
    me.call("Email/set", update={ids["reply"]: {"keywords": {}}, ids["last"]: {"keywords/$flagged": True}})
    follow()
    me.call("Email/set", update={ids["old"]: {"mailboxIds": {box: True}}, ids["big"]: {"mailboxIds": {other: True}}})
    follow()
    blob = me.upload(b"From: a@example.net\r\nIn-Reply-To: <first@q.example>\r\nSubject: Re: Apples\r\n\r\nx\r\n")
    made = me.call("Email/import", emails={"n": {"blobId": blob, "mailboxIds": {box: True}}})["created"]["n"]["id"]
    follow()
    state = before[0]["queryState"]
    queries, before = queries[:3], before[:3]  # whose threads are not asked for
    me.call("Email/set", destroy=[made], update={ids["first"]: {"keywords/$seen": None}})
    follow()
    for more, want in (
            ({"collapseThreads": True}, "cannotCalculateChanges"), ({"maxChanges": 1}, "tooManyChanges"),
            ({"filter": {"text": "x"}}, "cannotCalculateChanges"), ({"sinceQueryState": "x"}, "cannotCalculateChanges"),
            ({"sinceQueryState": "99999"}, "cannotCalculateChanges"), ({"sinceQueryState": 7}, "invalidArguments"),
            ({"maxChanges": 0}, "invalidArguments"), ({"upToId": 7}, "invalidArguments"),
            ({"position": 0}, "invalidArguments"), ({"accountId": linus.account}, "accountNotFound")):
        assert me.error("Email/queryChanges", **{"sinceQueryState": state, **more}) == want, more


def test_queries_that_are_refused(rota_sqlite):
    _, me, _ = begin(rota_sqlite)
    deep = {"minSize": 0}
    for _ in range(10):
        deep = operator("NOT", deep)
    assert len(me.call("Email/query", filter=deep)["ids"]) == 4
    for name, value in (("before", "2026-01-01"), ("before", "2026-01-01T00:00:00+01:00"), ("after", 7),
                        ("minSize", "1"),
                        ("minSize", -1), ("maxSize", 1.5), ("hasAttachment", 1), ("hasKeyword", None), ("text", 7),
                        ("inMailbox", None), ("inMailbox", ["B1"]), ("inMailboxOtherThan", "B1"),
                        ("inMailboxOtherThan", [1]), ("allInThreadHaveKeyword", {})):
        assert me.error("Email/query", filter={name: value}) == "invalidArguments", (name, value)
    for filter, want in (
            ({"colour": "red"}, "unsupportedFilter"), (operator("OR", {"colour": "red"}), "unsupportedFilter"),
            ({"text": "??"}, "unsupportedFilter"), ({"text": "a " * 300}, "unsupportedFilter"),
            (operator("OR", *[{"minSize": 0}] * 100), "unsupportedFilter"), (operator("XOR"), "invalidArguments"),
            ({"operator": "AND"}, "invalidArguments"), ({"operator": "AND", "conditions": [7]}, "invalidArguments"),
            ({"operator": "AND", "conditions": [], "minSize": 0}, "invalidArguments"), ([], "invalidArguments"),
            ("text", "invalidArguments"), (7, "invalidArguments")):
        assert me.error("Email/query", filter=filter) == want, filter
    for sort, want in (
            ([{"property": "colour"}], "unsupportedSort"), ([{"property": "size"}] * 17, "unsupportedSort"),
            ([{"property": "subject", "collation": "i;x"}], "unsupportedSort"), ([{}], "invalidArguments"),
            ([{"property": "hasKeyword"}], "invalidArguments"), ([7], "invalidArguments"), ("size", "invalidArguments"),
            ([{"property": "size", "isAscending": 1}], "invalidArguments"),
            ([{"property": "hasKeyword", "keyword": 7}], "invalidArguments")):
        assert me.error("Email/query", sort=sort) == want, sort
    for name in ("calculateTotal", "collapseThreads"):
        assert me.error("Email/query", **{name: "yes"}) == "invalidArguments"


def test_windows_of_a_mailbox(rota):
    """The window of a plain mailbox is read by itself: it is as if all had been."""
    _, me, _, box, _, ids = ready(rota)
    me.call("Email/set", update={one: {"mailboxIds": {box: True}} for one in me.call("Email/query", filter={
        "inMailbox": boxes(me)["inbox"]["id"]})["ids"]})
    plain, same = {"inMailbox": box}, operator("AND", {"inMailbox": box}, {"minSize": 0})
    for window in ({}, {"limit": 0}, {"limit": 2}, {"limit": 2, "position": 3}, {"position": -2}, {"position": 99},
                   {"limit": 1, "position": -99}, {"anchor": ids["reply"]}, {"anchor": ids["reply"], "limit": 1},
                   {"anchor": ids["last"], "anchorOffset": 2, "limit": 2}, {"anchor": ids["last"], "anchorOffset": -9},
                   {"anchor": ids["last"], "anchorOffset": 99}):
        for more in ({}, {"calculateTotal": True}, {"collapseThreads": True},
                     {"collapseThreads": True, "calculateTotal": True}):
            got, want = (me.call("Email/query", filter=filter, **window, **more) for filter in (plain, same))
            assert got == want, (window, more)
    assert me.error("Email/query", filter=plain, anchor=ids["old"]) == "anchorNotFound"
    got = me.call("Email/query", filter={"inMailbox": "B99"}, calculateTotal=True)
    assert (got["ids"], got["total"]) == ([], 0)


def test_more_addresses_than_a_row_holds(rota_sqlite):
    _, me, _ = begin(rota_sqlite)
    many = [f"person{n}@example.net" for n in range(300)]
    text = "From: ada@example.net\r\nSender: <s@example.net>\r\nTo: " + ",\r\n ".join(many) + "\r\n\r\nx\r\n"
    box = boxes(me)["archive"]["id"]
    made = me.call("Email/import", emails={"n": {"blobId": me.upload(text.encode()), "mailboxIds": {box: True}}})
    got, = me.call("Email/get", ids=[made["created"]["n"]["id"]], properties=["to", "sender", "cc"])["list"]
    assert [one["email"] for one in got["to"]] == many and got["cc"] is None
    assert got["sender"] == [{"name": None, "email": "s@example.net"}]


def test_snippets(rota):
    _, me, linus, _, _, ids = ready(rota)

    def marked(filter, *names):
        got = me.call("SearchSnippet/get", filter=filter, emailIds=[ids[name] for name in names])
        assert [one["emailId"] for one in got["list"]] == [ids[name] for name in names] and got["notFound"] is None
        return [(one["subject"], one["preview"]) for one in got["list"]]
    assert marked({"text": "apples"}, "first", "big") == [
        ("<mark>Apples</mark>", "red <mark>apples</mark> and green pears"), (None, None)]
    assert marked({"body": '"green apples"'}, "reply") == [(None, "<mark>green</mark> <mark>apples</mark>")]
    for filter in (operator("NOT", {"text": "apples"}), {"inMailbox": "B1"}, {"text": "??"}):
        assert marked(filter, "reply") == [(None, None)]
    assert marked(operator("OR", {"subject": "fruit"}, {"body": "green"}), "reply") == [
        ("RE: [<mark>fruit</mark>] apples", "<mark>green</mark> apples")]
    assert marked(None, "old") == [(None, None)]
    got = linus.call("SearchSnippet/get", filter={"text": "apples"}, emailIds=[ids["first"], "x"])
    assert (got["list"], got["notFound"]) == ([], [ids["first"], "x"])
    for words, want in (({"emailIds": "M1"}, "invalidArguments"), ({}, "invalidArguments"), ({"emailIds": [7]},
                        "invalidArguments"), ({"emailIds": ["M1"] * 101}, "requestTooLarge"),
                        ({"emailIds": [], "filter": {"colour": 7}}, "unsupportedFilter"),
                        ({"emailIds": [], "filter": {"text": 7}}, "invalidArguments"),
                        ({"emailIds": [], "accountId": linus.account}, "accountNotFound")):
        assert me.error("SearchSnippet/get", **words) == want, words


def test_queries_of_mailboxes(rota):
    _, me, linus = begin(rota)
    own = {box["name"]: box["id"] for box in me.call("Mailbox/get", ids=None)["list"]}
    for name, parent, order in (("Zoo", None, 99), ("bear", "Zoo", 3), ("Ape", "Zoo", 3), ("Den", "bear", 1)):
        got = me.call("Mailbox/set", create={"n": {"name": name, "parentId": parent and own[parent], "sortOrder": order,
                                                   "isSubscribed": name != "Ape"}})
        own[name] = got["created"]["n"]["id"]
    names = {one: name for name, one in own.items()}

    def found(**words):
        return [names[one] for one in me.call("Mailbox/query", **words)["ids"]]
    order = [{"property": "sortOrder"}, {"property": "name"}]
    zoo = operator("OR", {"parentId": own["Zoo"]}, {"parentId": own["bear"]}, {"name": "zoo"})
    assert found(filter=zoo, sort=order) == ["Den", "Ape", "bear", "Zoo"]
    assert found(filter=zoo, sort=order, sortAsTree=True) == ["Zoo", "Ape", "bear", "Den"]
    assert found(filter=zoo, sort=[{"property": "name", "isAscending": False}], sortAsTree=True) == [
        "Zoo", "bear", "Den", "Ape"]
    assert found(filter={"parentId": own["Zoo"]}, filterAsTree=True) == []
    assert found(filter=operator("NOT", {"name": "BEAR"}, {"hasAnyRole": True}), filterAsTree=True) == ["Zoo", "Ape"]
    assert found(filter={"isSubscribed": False}) == ["Ape"] and found(filter={"role": "junk"}) == found(
        filter=operator("AND", {"hasAnyRole": True, "name": "junk"}))
    assert "Zoo" in found(filter={"parentId": None, "role": None}) and found(filter={"parentId": "B99"}) == []
    got = me.call("Mailbox/query", filter=zoo, sort=order, anchor=own["bear"], anchorOffset=-1, limit=1,
                  calculateTotal=True)
    assert (got["ids"], got["position"], got["total"]) == ([own["Ape"]], 1, 4)
    first, query = me.call("Mailbox/query", sort=order), {"sort": order}
    me.call("Mailbox/set", update={own["Ape"]: {"name": "Zebra"}}, destroy=[own["Den"]])
    got = me.call("Mailbox/queryChanges", sinceQueryState=first["queryState"], calculateTotal=True, **query)
    have = [one for one in first["ids"] if one not in got["removed"]]
    for row in got["added"]:
        have.insert(row["index"], row["id"])
    now = me.call("Mailbox/query", **query)
    assert have == now["ids"] and got["newQueryState"] == now["queryState"] and got["total"] == len(have)
    state = first["queryState"]
    for words, want in (({}, "cannotCalculateChanges"), ({"sort": order, "sortAsTree": True}, "cannotCalculateChanges"),
                        ({"sort": order, "maxChanges": 1}, "tooManyChanges"),
                        ({"sinceQueryState": "99999"}, "cannotCalculateChanges"), ({"upToId": 7}, "invalidArguments"),
                        ({"accountId": linus.account}, "accountNotFound")):
        assert me.error("Mailbox/queryChanges", **{"sinceQueryState": state, **words}) == want, words
    for words, want in (({"filter": {"colour": 7}}, "unsupportedFilter"), ({"filter": {"role": 7}}, "invalidArguments"),
                        ({"filter": {"name": None}}, "invalidArguments"),
                        ({"filter": operator("X")}, "invalidArguments"),
                        ({"filter": {"hasAnyRole": "yes"}}, "invalidArguments"),
                        ({"sortAsTree": 1}, "invalidArguments"),
                        ({"filter": {"isSubscribed": None}}, "invalidArguments"), ({"sort": 7}, "invalidArguments"),
                        ({"sort": [{"property": "role"}]}, "unsupportedSort"), ({"anchor": "B99"}, "anchorNotFound"),
                        ({"limit": -1}, "invalidArguments"), ({"accountId": linus.account}, "accountNotFound")):
        assert me.error("Mailbox/query", **words) == want, words


def test_many_to_a_commit(rota):
    """One that is refused takes none of its batch with it, and leaves nothing of what it has written itself."""
    _, me, _, box, other, ids = ready(rota)
    order = ["first", "big", "reply", "last", "old"]
    got = me.call("Email/set", update={
        ids["first"]: {"keywords/one": True}, "M999": {"keywords/one": True},
        ids["big"]: {"keywords/one": True, "mailboxIds": {"B99": True}}, ids["reply"]: {"mailboxIds": {other: True}},
        ids["last"]: {"mailboxIds": {}}, ids["old"]: {"keywords": {"one": True}}}, destroy=["M998", "x"])
    assert set(got["updated"]) == {ids["first"], ids["reply"], ids["old"]}
    assert set(got["notUpdated"]) == {"M999", ids["big"], ids["last"]} and set(got["notDestroyed"]) == {"M998", "x"}
    emails = me.call("Email/get", ids=[ids[name] for name in order], properties=["keywords", "mailboxIds"])["list"]
    assert ["one" in one["keywords"] for one in emails] == [True, False, False, False, True]
    assert [list(one["mailboxIds"]) for one in emails] == [[box], [box], [other], [box], [other]]
    got = me.call("Email/set", destroy=[ids["first"], "M997", ids["big"], ids["big"]])
    assert got["destroyed"] == [ids["first"], ids["big"]] and list(got["notDestroyed"]) == ["M997"]


def test_single_header_fields(rota_sqlite):
    _, me, _ = begin(rota_sqlite)
    text = ("From: Ada <ada@example.net>\r\nX-Colour: red\r\nX-Colour:  =?utf-8?q?gr=C3=BCn?=\r\n and more\r\n"
            "List-Post: <mailto:list@example.net>, <https://example.net/list>\r\nX-Ids: <a@b> <c@d>\r\n"
            "Date: Wed, 25 Nov 2026 09:00:00 +0100\r\nX-When: Wed, 25 Nov 2026 09:00:00 +0100\r\n\r\nx\r\n")
    made = me.call("Email/import", emails={"n": {"blobId": me.upload(text.encode()),
                                                 "mailboxIds": {boxes(me)["archive"]["id"]: True}}})
    one = made["created"]["n"]["id"]
    ada = {"name": "Ada", "email": "ada@example.net"}
    want = {
        "header:X-Colour": "  =?utf-8?q?gr=C3=BCn?=\r\n and more", "header:x-colour:asText": "grün and more",
        "header:X-Colour:all": [" red", "  =?utf-8?q?gr=C3=BCn?=\r\n and more"],
        "header:X-Colour:asText:all": ["red", "grün and more"], "header:X-None": None, "header:X-None:all": [],
        "header:From:asAddresses": [ada], "header:From:asGroupedAddresses": [{"name": None, "addresses": [ada]}],
        "header:X-Ids:asMessageIds": ["a@b", "c@d"], "header:X-When:asDate": "2026-11-25T08:00:00Z",
        "header:List-Post:asURLs": ["mailto:list@example.net", "https://example.net/list"]}
    got, = me.call("Email/get", ids=[one], properties=[*want, "headers"])["list"]
    assert {name: got[name] for name in want} == want
    assert [(field["name"], field["value"]) for field in got["headers"]][:2] == [
        ("From", " Ada <ada@example.net>"), ("X-Colour", " red")]
    got = me.call("Email/parse", blobIds=[me.upload(text.encode())], properties=list(want))
    assert list(got["parsed"].values()) == [want]
    for name in ("header:", "header:From:asDate", "header:X:asNothing", "header:X:all:asText", "header:X Y"):
        assert me.error("Email/get", ids=[one], properties=[name]) == "invalidArguments", name
