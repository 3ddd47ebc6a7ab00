"""Each JMAP method with each of the errors that its RFC names for it: a table, and what is not in it has a reason.

RFC 8620 §3.6.2 (all methods), §5.1 to §5.6, §6.3, §7.2; RFC 8621 §2 to §5; RFC 9425 §4."""

import pathlib
import re

from jmap_client import Jmap
from test_jmap import PLAIN, begin, boxes

CORE, MAIL, QUOTA = (f"urn:ietf:params:jmap:{one}" for one in ("core", "mail", "quota"))
SOURCE = pathlib.Path(__file__).parents[2] / "src" / "front"
MANY = ["x"] * 501
NEVER = {"sinceState": "99999"}, {"sinceQueryState": "99999"}

# What any of these methods can say: for each RFC, the errors of its kind of method.
KINDS = {
    "get": {"requestTooLarge"},
    "changes": {"cannotCalculateChanges"},
    "set": {"requestTooLarge", "stateMismatch"},
    "query": {"anchorNotFound", "unsupportedSort", "unsupportedFilter"},
    "queryChanges": {"cannotCalculateChanges", "tooManyChanges", "unsupportedSort", "unsupportedFilter"},
    "copy": {"fromAccountNotFound"},
    "import": {"requestTooLarge", "stateMismatch"},
    "parse": {"requestTooLarge"},
    "echo": set(),
}
FEW = {"Quota/queryChanges": {"tooManyChanges"}}  # an account has one quota
MORE = {"Blob/copy": {"requestTooLarge"}, "SearchSnippet/get": {"unsupportedFilter"}}
# Named by the RFCs, and never said here.
NOT_HERE = {
    "accountNotSupportedByMethod": "an account has all types",
    "accountReadOnly": "no account is",
    "fromAccountNotSupportedByMethod": "an account has all types",
    "singleton": "no type here is one",
    "serverFail": "ours, and a response over 16 MB: test_jmap.py",
    "serverPartialFail": "a commit whose outcome is not known: fault_test.c has the store that says so",
    "serverUnavailable": "the store is away: test_http.py",
}
WRONG_STATE = {"ifInState": "x"}
CALLS = [
    ("Core/echo", "invalidResultReference", {"#x": {"resultOf": "9", "name": "y", "path": "/"}}),
    *((f"{name}/get", "requestTooLarge", {"ids": MANY}) for name in ("Email", "Mailbox", "Thread", "Quota")),
    *((f"{name}/get", "invalidArguments", {"ids": 7}) for name in ("Email", "Mailbox", "Thread", "Quota")),
    *((f"{name}/get", "invalidArguments", {"ids": [], "properties": ["x"]})
      for name in ("Email", "Mailbox", "Thread", "Quota")),
    ("PushSubscription/get", "invalidArguments", {"ids": 7}),
    ("PushSubscription/get", "requestTooLarge", {"ids": MANY}),
    ("PushSubscription/set", "invalidArguments", {"create": 7}),
    ("PushSubscription/set", "requestTooLarge", {"destroy": [f"x{n}" for n in range(501)]}),
    ("SearchSnippet/get", "requestTooLarge", {"emailIds": MANY, "filter": {"text": "x"}}),
    ("SearchSnippet/get", "unsupportedFilter", {"emailIds": ["M1"], "filter": {"colour": "x"}}),
    ("SearchSnippet/get", "invalidArguments", {"emailIds": 7}),
    *((f"{name}/changes", "cannotCalculateChanges", NEVER[0]) for name in ("Email", "Mailbox", "Thread", "Quota")),
    *((f"{name}/changes", "invalidArguments", words) for name in ("Email", "Mailbox", "Thread", "Quota")
      for words in ({}, {"sinceState": 7}, {"sinceState": "1", "maxChanges": 0})),
    *((f"{name}/{kind}", error, {**words, **since}) for name in ("Email", "Mailbox", "Quota")
      for kind, since in (("query", {}), ("queryChanges", {"sinceQueryState": "1"}))
      for error, words in (("unsupportedSort", {"sort": [{"property": "colour"}]}),
                           ("unsupportedFilter", {"filter": {"colour": "x"}}), ("invalidArguments", {"filter": 7}))),
    *((f"{name}/query", "anchorNotFound", {"anchor": "x"}) for name in ("Email", "Mailbox", "Quota")),
    *((f"{name}/queryChanges", "cannotCalculateChanges", NEVER[1]) for name in ("Email", "Mailbox", "Quota")),
    ("Email/queryChanges", "tooManyChanges", {"maxChanges": 1, "sinceQueryState": "$early"}),
    ("Mailbox/queryChanges", "tooManyChanges", {"maxChanges": 1, "sinceQueryState": "$early",
                                                "sort": [{"property": "name"}]}),
    *((f"{name}/set", "stateMismatch", WRONG_STATE) for name in ("Email", "Mailbox")),
    *((f"{name}/set", "requestTooLarge", {"destroy": MANY}) for name in ("Email", "Mailbox")),
    *((f"{name}/set", "invalidArguments", words) for name in ("Email", "Mailbox")
      for words in ({"create": 7}, {"update": []}, {"destroy": [7]}, {"ifInState": 7})),
    ("Email/import", "stateMismatch", {"emails": {}, **WRONG_STATE}),
    ("Email/import", "requestTooLarge", {"emails": {f"k{n}": {} for n in range(501)}}),
    ("Email/import", "invalidArguments", {"emails": 7}), ("Email/parse", "requestTooLarge", {"blobIds": MANY}),
    ("Email/parse", "invalidArguments", {"blobIds": 7}), ("Email/parse", "invalidArguments", {"blobIds": [7]}),
    ("Email/parse", "invalidArguments", {"blobIds": [], "properties": ["x"]}),
    ("Email/copy", "fromAccountNotFound", {"fromAccountId": "a9", "create": {}}),
    ("Email/copy", "invalidArguments", {"fromAccountId": "$own", "create": {}}),
    ("Blob/copy", "fromAccountNotFound", {"fromAccountId": "a9", "blobIds": []}),
    ("Blob/copy", "invalidArguments", {"fromAccountId": "$own", "blobIds": 7}),
    ("Blob/copy", "requestTooLarge", {"fromAccountId": "$own", "blobIds": MANY}),
]

# Errors of single objects (RFC 8620 §5.3, RFC 8621 §2.5, §4.6, §4.8): method, what is done, to what.
OBJECTS = {
    "Email/set": {"create": {"invalidProperties", "overQuota", "tooLarge", "rateLimit", "blobNotFound",
                             "tooManyKeywords", "tooManyMailboxes"},
                  "update": {"notFound", "invalidPatch", "willDestroy", "invalidProperties", "tooManyKeywords",
                             "tooManyMailboxes"},
                  "destroy": {"notFound"}},
    "Mailbox/set": {"create": {"invalidProperties", "overQuota"},
                    "update": {"notFound", "invalidPatch", "willDestroy", "invalidProperties", "forbidden"},
                    "destroy": {"notFound", "forbidden", "mailboxHasChild", "mailboxHasEmail"}},
    "Email/import": {"emails": {"alreadyExists", "invalidProperties", "overQuota", "invalidEmail", "rateLimit"}},
    "Blob/copy": {"blobIds": {"notFound"}},
}
# Those that are slow to bring about, and where they are tried.
ELSEWHERE = {("Email/set", "create", one): "test_jmap_write.py" for one in ("overQuota", "tooLarge", "rateLimit")} | {
    ("Email/import", "emails", "overQuota"): "test_jmap_write.py",
    ("Email/import", "emails", "rateLimit"): "as Email/set, by the same function",
    ("Mailbox/set", "create", "overQuota"): "mailbox_change_test.c"}
KEYWORDS = {f"k{n}": True for n in range(65)}


def methods():
    """All that the sources have."""
    text = "".join(path.read_text() for path in SOURCE.glob("jmap*.c"))
    return dict(re.findall(r'\{"(\w+/\w+)", JMAP_(\w+), \w+\}', text))


def test_the_table_is_whole():
    named = {name: set() for name in methods()}
    for name, error, _ in CALLS:
        named[name].add(error)
    for name, errors in named.items():
        kind = name.split("/")[1]
        want = KINDS[kind] | MORE.get(name, set()) | ({"invalidArguments"} if kind != "echo" else set())
        if name.startswith("PushSubscription"):
            want = want - {"stateMismatch"}  # RFC 8620 §7.2.2: it has no ifInState
        assert want - FEW.get(name, set()) <= errors, (name, want - errors)
    assert not NOT_HERE.keys() & {error for _, error, _ in CALLS}


def test_each_method_with_each_error(rota_sqlite):
    door, me, other = begin(rota_sqlite)
    me.USING = [CORE, MAIL, QUOTA]
    early = me.call("Email/get", ids=[])["state"]
    rota_sqlite.run("account", "quota", "grace@example.org", "10mb", settings=door.settings)
    me.call("Email/set", destroy=["M1", "M2"])
    me.call("Mailbox/set", create={"a": {"name": "A"}, "b": {"name": "B"}})

    def meant(value):
        return {"$early": early, "$own": me.account}.get(value, value) if isinstance(value, str) else value
    for name, error, words in CALLS:
        assert me.error(name, **{key: meant(value) for key, value in words.items()}) == error, (name, error, words)
    for name, capability in methods().items():
        if name == "Core/echo":
            continue
        assert me.error(name, nonsense=1) == "invalidArguments", name
        if not name.startswith("PushSubscription"):
            assert me.error(name, accountId="a9") == "accountNotFound", name
            assert me.error(name, accountId=other.account) == "accountNotFound", name
            assert me.error(name, accountId=None) == "invalidArguments", name
        if capability != "CORE":
            me.USING = [CORE]
            assert me.error(name) == "unknownMethod", name
            me.USING = [CORE, MAIL, QUOTA]
    assert me.error("Email/burn") == "unknownMethod"
    assert me.call("Email/get", ids=["M1"])["notFound"] == ["M1"]  # and nothing else was done


def test_each_error_of_an_object(rota_sqlite):
    door, me, other = begin(rota_sqlite)
    inbox, junk = (boxes(me)[role]["id"] for role in ("inbox", "junk"))
    made = me.call("Mailbox/set", create={"a": {"name": "A"}, "b": {"name": "B", "parentId": "#a"}})["created"]
    a, b = made["a"]["id"], made["b"]["id"]
    me.call("Email/set", update={"M4": {"mailboxIds": {b: True}}, "M3": {"keywords": {
        f"k{n}": True for n in range(64)}}})
    there, bad = me.upload(PLAIN.format(month="May").encode()), me.upload(b"x")
    me.call("Email/import", emails={"k": {"blobId": there, "mailboxIds": {inbox: True}}})
    into = {"mailboxIds": {inbox: True}}
    tried = [
        ("Email/set", "create", {}, "invalidProperties"), ("Email/set", "create", 7, "invalidProperties"),
        ("Email/set", "create", {**into, "attachments": [{"blobId": "U7"}]}, "blobNotFound"),
        ("Email/set", "create", {**into, "keywords": KEYWORDS}, "tooManyKeywords"),
        ("Email/set", "create", {"mailboxIds": {inbox: True, junk: True}}, "tooManyMailboxes"),
        ("Email/set", "update", ("M99", {}), "notFound"), ("Email/set", "update", ("x", {}), "notFound"),
        ("Email/set", "update", ("M3", 7), "invalidPatch"),
        ("Email/set", "update", ("M3", {"keywords": {}, "keywords/a": True}), "invalidPatch"),
        ("Email/set", "update", ("M3", {"keywords/a/b": True}), "invalidPatch"),
        ("Email/set", "update", ("M3", {"subject/x": True}), "invalidPatch"),
        ("Email/set", "update", ("M3", {"subject": "x"}), "invalidProperties"),
        ("Email/set", "update", ("M3", {"keywords": []}), "invalidProperties"),
        ("Email/set", "update", ("M3", {"keywords/a~0b(": True}), "invalidProperties"),
        ("Email/set", "update", ("M3", {"mailboxIds": {inbox: 1}}), "invalidProperties"),
        ("Email/set", "update", ("M3", {"keywords/one~1more": True}), "tooManyKeywords"),
        ("Email/set", "update", ("M3", {f"mailboxIds/{junk}": True}), "tooManyMailboxes"),
        ("Email/set", "update+destroy", ("M3", {}), "willDestroy"), ("Email/set", "destroy", "M99", "notFound"),
        ("Mailbox/set", "create", {}, "invalidProperties"), ("Mailbox/set", "update", ("B99", {}), "notFound"),
        ("Mailbox/set", "update", (a, 7), "invalidPatch"), ("Mailbox/set", "update", (a, {"x/y": 1}), "invalidPatch"),
        ("Mailbox/set", "update", (a, {"parentId": b}), "invalidProperties"),
        ("Mailbox/set", "update", (inbox, {"role": None}), "forbidden"),
        ("Mailbox/set", "update+destroy", (a, {}), "willDestroy"), ("Mailbox/set", "destroy", "B99", "notFound"),
        ("Mailbox/set", "destroy", inbox, "forbidden"), ("Mailbox/set", "destroy", a, "mailboxHasChild"),
        ("Mailbox/set", "destroy", b, "mailboxHasEmail"),
        ("Email/import", "emails", {**into, "blobId": there}, "alreadyExists"),
        ("Email/import", "emails", {**into, "blobId": "U7"}, "invalidProperties"),
        ("Email/import", "emails", {**into, "blobId": bad}, "invalidEmail"),
        ("Blob/copy", "blobIds", "U7", "notFound"), ("Blob/copy", "blobIds", other.upload(b"x y"), "notFound"),
    ]
    for name, what, object, want in tried:
        words, key = {}, "k"
        if what in ("create", "emails"):
            words[what] = {key: object}
        elif what == "blobIds":
            words, key = {"fromAccountId": me.account, what: [object]}, object
        elif what == "destroy":
            words, key = {what: [object]}, object
        else:
            words, key = {"update": dict([object])}, object[0]
            if "destroy" in what:  # with one that stays: it is in "update" that it is refused
                key = "M99" if name == "Email/set" else "B99"
                words = {"update": {key: {}}, "destroy": [key]}
        got = me.call(name, **words)
        field = {"create": "notCreated", "emails": "notCreated", "blobIds": "notCopied",
                 "destroy": "notDestroyed"}.get(what, "notUpdated")
        assert got[field][key]["type"] == want, (name, what, object, got)
    tried = {(name, what.split("+")[0], want) for name, what, _, want in tried}
    for name, parts in OBJECTS.items():
        for what, errors in parts.items():
            missing = {one for one in errors if (name, what, one) not in tried and (name, what, one) not in ELSEWHERE}
            assert not missing, (name, what, missing)
    # A keyword with a slash is one word of a path.
    assert not me.call("Email/set", update={"M2": {"keywords/a~1b": True}})["notUpdated"]
    assert me.call("Email/get", ids=["M2"], properties=["keywords"])["list"][0]["keywords"] == {"a/b": True}


def test_other_people_are_not_there(rota_sqlite):
    """Whatever id one names, of another's it is as if it were not there."""
    door, me, other = begin(rota_sqlite)
    blob = other.upload(PLAIN.format(month="May").encode())
    box = other.call("Mailbox/set", create={f"k{n}": {"name": f"X{n}"} for n in range(9)})["created"]["k8"]["id"]
    inbox = boxes(me)["inbox"]["id"]
    assert me.call("Email/parse", blobIds=[blob])["notFound"] == [blob]
    for name, words in (("Email/import", {"emails": {"k": {"blobId": blob, "mailboxIds": {inbox: True}}}}),
                        ("Email/import", {"emails": {"k": {"blobId": "M1", "mailboxIds": {box: True}}}}),
                        ("Email/set", {"create": {"k": {"mailboxIds": {box: True}}}}),
                        ("Email/set", {"create": {"k": {"mailboxIds": {inbox: True},
                                                        "attachments": [{"blobId": blob}]}}}),
                        ("Mailbox/set", {"create": {"k": {"name": "x", "parentId": box}}})):
        assert me.call(name, **words)["notCreated"]["k"]["type"] in ("invalidProperties", "blobNotFound"), (name, words)
    assert isinstance(me, Jmap) and me.call("Mailbox/get", ids=[box])["notFound"] == [box]
