"""Mailboxes that a person makes, changes and removes by JMAP."""

from test_jmap import Copy, begin, boxes

WRONG = "invalidProperties"


def test_mailboxes_come_and_go(rota):
    door, me, other = begin(rota)
    state = me.call("Mailbox/get", ids=[])["state"]
    got = me.call("Mailbox/set", ifInState=state, create={
        "below": {"name": "Below", "parentId": "#above", "sortOrder": 5},
        "above": {"name": "Cafe\u0301", "isSubscribed": False, "role": "important"}})
    assert not got["notCreated"] and got["oldState"] == state, got
    above, below = got["created"]["above"], got["created"]["below"]
    assert above["name"] == "Caf\u00e9" and above["totalEmails"] == 0 and above["myRights"]["mayDelete"]
    assert {"id", "totalThreads", "unreadEmails", "isSubscribed"} <= set(below) and "sortOrder" not in below
    changes = me.call("Mailbox/changes", sinceState=state)
    assert (set(changes["created"]), changes["updated"], changes["updatedProperties"]) == (
        {above["id"], below["id"]}, [], None)
    one, two = me.call("Mailbox/get", ids=[above["id"], below["id"]])["list"]
    assert (one["isSubscribed"], one["role"], one["parentId"]) == (False, "important", None)
    assert (two["parentId"], two["sortOrder"], two["isSubscribed"]) == (above["id"], 5, True)
    got = me.call("Mailbox/set", update={
        below["id"]: {"parentId": None, "name": "Top", "isSubscribed": False, "sortOrder": 0,
                      "totalEmails": 0, "id": below["id"]},
        above["id"]: {"parentId": below["id"], "role": None}})
    assert got["updated"] == {below["id"]: None, above["id"]: None}, got
    one, two = me.call("Mailbox/get", ids=[above["id"], below["id"]])["list"]
    assert (one["parentId"], one["role"], two["parentId"], two["name"]) == (below["id"], None, None, "Top")
    told = rota.run("mail", "folders", "--account", "grace@example.org", settings=door.settings)
    assert "Top/Caf\u00e9" in told
    assert set(me.call("Mailbox/changes", sinceState=got["oldState"])["updated"]) == {above["id"], below["id"]}

    # One of each lot of mail; and a second client that sees it go.
    ids = me.call("Email/query")["ids"]
    me.call("Email/set", update={one: {"mailboxIds": {above["id"]: True}} for one in ids[:3]})
    copy = Copy(me)
    got = me.call("Mailbox/set", destroy=[above["id"], below["id"]])
    assert {key: one["type"] for key, one in got["notDestroyed"].items()} == {
        above["id"]: "mailboxHasEmail", below["id"]: "mailboxHasChild"} and got["oldState"] == got["newState"]
    got = me.call("Mailbox/set", destroy=[below["id"], above["id"], above["id"]], onDestroyRemoveEmails=True)
    assert not got["notDestroyed"] and set(got["destroyed"]) == {above["id"], below["id"]}
    assert me.call("Email/query")["ids"] == ids[3:]
    copy.sync()
    assert set(copy.emails) == set(ids[3:])
    assert set(me.call("Mailbox/changes", sinceState=got["oldState"])["destroyed"]) == {above["id"], below["id"]}
    # Another's are not there.
    theirs = other.call("Mailbox/set", create={"x": {"name": "Theirs"}})["created"]["x"]["id"]
    got = me.call("Mailbox/set", update={theirs: {"name": "mine"}}, destroy=["B99", "x"])
    assert got["notUpdated"][theirs]["type"] == got["notDestroyed"]["B99"]["type"] == "notFound"
    assert rota.run("store", "check", settings=door.settings)


def test_mailboxes_that_are_refused(rota_sqlite):
    door, me, _ = begin(rota_sqlite)
    made = me.call("Mailbox/set", create={"a": {"name": "A"}, "b": {"name": "B", "parentId": "#a"}})["created"]
    a, b = made["a"]["id"], made["b"]["id"]
    box = boxes(me)
    state = me.call("Mailbox/get", ids=[])["state"]
    for change, want, name in (
            ({"name": ""}, WRONG, "name"), ({"name": None}, WRONG, "name"), ({"name": 7}, WRONG, "name"),
            ({"name": "x" * 256}, WRONG, "name"), ({"name": "a/b"}, WRONG, "name"), ({"name": "a\nb"}, WRONG, "name"),
            ({"name": "Trash"}, WRONG, "name"), ({"name": "INBOX"}, WRONG, "name"),
            ({"parentId": "B99"}, WRONG, "parentId"), ({"parentId": "x"}, WRONG, "parentId"),
            ({"parentId": 7}, WRONG, "parentId"), ({"parentId": "#none"}, WRONG, "parentId"),
            ({"role": "sent"}, WRONG, "role"), ({"role": "king"}, WRONG, "role"), ({"role": 7}, WRONG, "role"),
            ({"sortOrder": -1}, WRONG, "sortOrder"), ({"sortOrder": "1"}, WRONG, "sortOrder"),
            ({"sortOrder": 2 ** 31}, WRONG, "sortOrder"), ({"isSubscribed": 1}, WRONG, "isSubscribed"),
            ({"totalEmails": 7}, WRONG, "totalEmails"), ({"colour": "red"}, WRONG, "colour")):
        wrong = me.call("Mailbox/set", create={"k": {"name": "New", **change}})["notCreated"]["k"]
        assert (wrong["type"], wrong["properties"]) == (want, [name]), change
        wrong = me.call("Mailbox/set", update={a: change})["notUpdated"][a]
        assert (wrong["type"], wrong["properties"]) == (want, [name]), change
    for one, patch, want in ((a, {"parentId": a}, WRONG), (a, {"parentId": b}, WRONG), (a, 7, "invalidPatch"),
                             (a, {"name/x": "y"}, "invalidPatch"), (a, {"name": "x", "name/y": 1}, "invalidPatch"),
                             (box["inbox"]["id"], {"role": None}, "forbidden"), (a, {"id": "B99"}, WRONG),
                             (box["junk"]["id"], {"role": "all"}, "forbidden"), ("B99", {}, "notFound"),
                             ("x", {}, "notFound")):
        assert me.call("Mailbox/set", update={one: patch})["notUpdated"][one]["type"] == want, (one, patch)
    got = me.call("Mailbox/set", create={"k": 7, "x": {"name": "X", "parentId": "#y"}, "self": {
        "name": "S", "parentId": "#self"}, "y": {"name": "Y", "parentId": "#x"}},
        update={"B99": {}}, destroy=["B99", "#k", box["inbox"]["id"], box["junk"]["id"], a])
    assert {one["type"] for one in got["notCreated"].values()} == {WRONG} and len(got["notCreated"]) == 4
    assert got["notUpdated"]["B99"]["type"] == "willDestroy"
    assert {key: one["type"] for key, one in got["notDestroyed"].items()} == {
        "B99": "notFound", "#k": "notFound", box["inbox"]["id"]: "forbidden", box["junk"]["id"]: "forbidden",
        a: "mailboxHasChild"}
    assert me.call("Mailbox/get", ids=[])["state"] == state  # and nothing was changed
    for words, want in (({"ifInState": "x"}, "stateMismatch"), ({"create": []}, "invalidArguments"),
                        ({"update": 7}, "invalidArguments"), ({"destroy": [7]}, "invalidArguments"),
                        ({"ifInState": 7}, "invalidArguments"), ({"onDestroyRemoveEmails": 7}, "invalidArguments"),
                        ({"more": 7}, "invalidArguments"), ({"destroy": ["x"] * 501}, "requestTooLarge")):
        assert me.error("Mailbox/set", **words) == want, words
