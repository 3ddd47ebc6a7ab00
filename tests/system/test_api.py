"""The admin API: it is what openapi.json says, tells what the commands print, and does what they do."""

import base64
import json
import os
import re

import jsonschema
import pytest
from conftest import ROOT, until
from door import Door
from relay import Relay

# No node does acme.renew: its tasks stay as they are.
SOON = 'lease = "2s"\nheartbeat = "300ms"\nroles.acme.renew = "none"\n'
DOCUMENT = json.loads((ROOT / "src" / "front" / "openapi.json").read_text())
OPERATIONS = [(path, method, operation) for path, item in DOCUMENT["paths"].items()
              for method, operation in item.items() if method in ("get", "post", "put", "patch", "delete")]
FAR = 4102444800000  # due in the year 2100


# What an operation is asked with, where it is not the usual: for its good answer, and for others by their status.
TABLE = '[cluster.roles.purge]\nstores = ["1", "2"]\n'
NEW = {"address": "new@example.org", "name": "New", "password": "secret", "quota_bytes": 5000000,
       "administrator": False, "aliases": ["newer@example.org"]}
NEED_A_TABLE = ("plan", "planTable", "audit", "rounds", "roundNow")
HOW = {
    "roundNow": {"good": {"body": {"shard": 1}}},
    "planTable": {"good": {"body": TABLE, "Content_Type": "application/toml"}},
    "accountAdd": {"good": {"body": NEW}, 409: {"body": {"address": "ada@example.org"}}},
    "accountChange": {"good": {"body": {"quota_bytes": 7, "administrator": True}}},
    "accountUndelete": {"good": {"address": "gone@example.org"}, 409: {"address": "again@example.org"}},
}


def resolve(item):
    while "$ref" in item:
        found = DOCUMENT
        for word in item["$ref"].removeprefix("#/").split("/"):
            found = found[word]
        item = found
    return item


def people(rota):
    rota.run("account", "add", "admin@example.org", "--admin", "--password-stdin", text="right\n")
    rota.run("account", "add", "ada@example.org")
    rota.run("account", "add", "bob@example.org", "--password-stdin", text="right\n")


def nothing_yet(rota, ask, *what):
    """Asks while no table is in force; the node brings it back with its next heartbeat."""
    def asked():
        rota.query("UPDATE cluster SET epoch = 0, role_table = '', digest = ''")
        try:
            return ask(*what) is not None
        except AssertionError as why:
            print(why)
            return False
    until(asked, "409")
    until(lambda: int(rota.query("SELECT epoch FROM cluster")[0][0]) > 0, "a table in force")


def add_task(rota, key, owner=0):
    """A task that nobody runs."""
    rota.query("INSERT INTO task (bucket, role, key, due_at, payload, version, owner, generation, claimed_at, "
               "attempts, deaths, created_at, last_error) "
               f"VALUES (7, 'acme.renew', '{key}', {FAR}, '', 1, {owner}, 1, 0, 0, 0, 1, '')")


class Checker:
    """Validates answers against the document, and knows which of them it has seen."""

    def __init__(self, door):
        self.door, self.seen = door, set()

    def ask(self, path, method, operation, want, query="", **how):
        usual = {"id": "acme.renew:1", "node": "1", "address": "ada@example.org", "role": "purge.stores"}
        filled = path
        for name, value in usual.items():
            filled = filled.replace("{" + name + "}", how.pop(name, value))
        name = operation["operationId"]
        if name == "events" and want == 200:  # it does not end
            return self.hear(filled)
        status, headers, got = self.door.api(filled + query, method=method.upper(), **how)
        assert status == want, f"{name}: {status}, not {want}: {got}"
        answer = resolve(operation["responses"][str(status)])
        kind = headers["Content-Type"]
        schema = {**answer["content"][kind]["schema"], "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(got)
        self.seen.add((name, str(status)))
        return got

    def hear(self, path):
        """The first event of the stream is the status."""
        client = self.door.connect()
        word = base64.b64encode(b"admin@example.org:right").decode()
        client.request("GET", path, headers={"Authorization": f"Basic {word}"})
        answer = client.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        lines = [answer.readline().decode().rstrip() for _ in range(2)]
        client.close()
        assert lines[0] == "event: status" and lines[1].startswith("data: "), lines
        schema = {"$ref": "#/components/schemas/Status", "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(schema).validate(json.loads(lines[1].removeprefix("data: ")))
        self.seen.add(("events", "200"))
        return lines


def test_the_document_is_one():
    assert DOCUMENT["openapi"] == "3.1.0"
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))
    for path, method, operation in OPERATIONS:
        shared = DOCUMENT["paths"][path].get("parameters", [])
        inside = {p["name"] for p in operation.get("parameters", []) + shared if p["in"] == "path"}
        assert inside == {word[1:-1] for word in path.split("/") if word.startswith("{")}
        assert ("requestBody" in operation) == (method in ("post", "put", "patch"))


def test_each_series_is_documented():
    kept = re.findall(r'^    \{"(\w+)", "\w*", "\w*", METRIC_', (ROOT / "src/model/metric.c").read_text(), re.M)
    series = next(p for p in DOCUMENT["paths"]["/api/metrics/history"]["get"]["parameters"] if p["name"] == "series")
    assert len(kept) > 20 and series["schema"]["enum"] == kept
    told = (ROOT / "docs/http.md").read_text()
    assert [name for name in kept if f"`{name}`" not in told] == []


def test_each_documented_answer(rota_postgresql):
    """Every status of every operation, produced and held against its schema."""
    rota = rota_postgresql
    people(rota)
    own = rota.store
    relay = Relay(rota.folder, os.environ["ROTA_TEST_PG"])
    rota.store = rota.store.replace(os.environ["ROTA_TEST_PG"], relay.url)
    door = Door(rota, cluster=SOON)
    rota.store = own
    door.node.ready()
    check = Checker(door)
    assert door.api("/api/openapi.json", who=None)[2] == DOCUMENT
    check.ask("/api/openapi.json", "get", DOCUMENT["paths"]["/api/openapi.json"]["get"], 200, who=None)
    guarded = [(path, method, operation) for path, method, operation in OPERATIONS
               if operation["operationId"] != "document"]
    last = ("accountDelete", "nodeDrain")  # nothing is asked of them after
    guarded.sort(key=lambda one: last.index(one[2]["operationId"]) if one[2]["operationId"] in last else -1)
    for address in ("gone", "again"):
        rota.run("account", "add", f"{address}@example.org")
        rota.run("account", "delete", f"{address}@example.org")
    rota.run("account", "add", "again@example.org")
    incarnation = rota.query("SELECT incarnation FROM member")[0][0]
    for path, method, operation in guarded:
        rota.query("DELETE FROM task WHERE role = 'acme.renew'")
        add_task(rota, 1)
        add_task(rota, 2, incarnation)
        how = HOW.get(operation["operationId"], {})
        good = how.get("good", {})
        check.ask(path, method, operation, 401, who=None)
        check.ask(path, method, operation, 403, who="bob@example.org:right")
        check.ask(path, method, operation, 400, query="?nothing=1", **good)
        if "404" in operation["responses"]:
            check.ask(path, method, operation, 404,
                      **{**good, "id": "acme.renew:9", "node": "9", "address": "nobody@example.org", "role": "no.role"})
        if "409" in operation["responses"] and operation["operationId"] in NEED_A_TABLE:
            nothing_yet(rota, lambda *o, g=good: check.ask(*o, 409, **g), path, method, operation)
        elif "409" in operation["responses"]:
            check.ask(path, method, operation, 409, **how.get(409, {"id": "acme.renew:2"}))
        if method != "get":
            check.ask(path, method, operation, 403, **{**good, "Sec_Fetch_Site": "cross-site"})
            check.ask(path, method, operation, 403, **{**good, "Origin": "https://example.com"})
        if "415" in operation["responses"]:
            check.ask(path, method, operation, 415, **{**good, "Content_Type": "text/plain"})
        check.ask(path, method, operation, next(int(s) for s in operation["responses"] if s.startswith("2")), **good)
    for password in "abcd":
        assert door.api("/api/status", who=f"admin@example.org:{password}")[0] == 401
    rota.query("UPDATE expiring SET value = '20' WHERE kind = 'login-failure'")
    for path, method, operation in guarded:
        check.ask(path, method, operation, 429, **{**HOW.get(operation["operationId"], {}).get("good", {}),
                                                   "who": "admin@example.org:e"})
    # Who was let in before is not shut out by another's guesses.
    assert door.api("/api/status")[0] == 200
    relay.cut()
    for path, method, operation in guarded:
        check.ask(path, method, operation, 503, **HOW.get(operation["operationId"], {}).get("good", {}))
    documented = {(operation["operationId"], status) for _, _, operation in OPERATIONS
                  for status in operation["responses"]}
    assert documented - check.seen == set(), "documented, and never seen"
    relay.open()
    until(lambda: door.ask("/readyz")[0] in (200, 503), "the node")
    assert door.node.text().count("http.changed") == 9


def test_tells_what_the_commands_print(rota):
    people(rota)
    door = Door(rota)
    door.node.ready()
    for key in (1, 2, "a b/c?"):
        add_task(rota, key)

    def command(*words):
        return json.loads(rota.run(*words, "--json", settings=door.settings, status=None))

    def steady(status):
        moving = ("at", "lease_until", "load", "held", "statements", "memory_free_bytes", "beat_gap_ms",
                  "clock_ahead_ms", "cores", "memory_bytes", "lag_ms")
        if isinstance(status, dict):
            return {key: steady(value) for key, value in status.items() if key not in moving}
        return [steady(value) for value in status] if isinstance(status, list) else status

    assert steady(door.api("/api/status")[2]) == steady(command("status"))
    assert door.api("/api/tasks")[2] == command("tasks", "list")
    assert door.api("/api/tasks?limit=1&role=acme.renew&state=waiting")[2] == command(
        "tasks", "list", "--limit", "1", "--role", "acme.renew", "--state", "waiting")
    assert door.api("/api/tasks/acme.renew:a%20b%2Fc%3F")[2] == command("tasks", "show", "acme.renew:a b/c?")
    assert door.api("/api/tasks/acme.renew:1/why")[2]["id"] == command("tasks", "why", "acme.renew:1")["id"]
    assert door.api("/api/plan?without=1")[2] == command("plan", "--without", "1")
    plan = door.api("/api/plan?with=2-3", method="POST", body=TABLE, Content_Type="application/toml")[2]
    assert plan["roles"][0]["after"] == "1 | 2", plan
    assert door.api("/api/audit")[2]["findings"] == command("audit")["findings"]
    assert door.api("/api/accounts")[2] == {**command("account", "list"), "next": None}
    assert door.api("/api/accounts/ada%40example.org")[2] == command("account", "show", "ada@example.org")
    table = door.api("/api/roles")[2]
    printed = command("roles")
    assert table["digest"] == printed["digest"]
    assert table["table"] == [{key: value for key, value in row.items() if key != "set"} for row in printed["table"]]


def test_does_what_the_commands_do(rota):
    people(rota)
    door = Door(rota, cluster=SOON)
    door.node.ready()
    add_task(rota, 1)
    assert door.api("/api/tasks/acme.renew:1/retry", method="POST")[2] == {
        "id": "acme.renew:1", "was": "task", "result": "retried"}
    assert door.api("/api/tasks/acme.renew:1")[2]["tasks"][0]["state"] == "due"
    assert door.api("/api/tasks/acme.renew:1/drop", method="POST")[0] == 200
    assert door.api("/api/tasks/acme.renew:1")[0] == 404
    assert door.api("/api/nodes/1/reload", method="POST")[0:3:2] == (202, {"node": 1, "asked": "reload"})
    door.node.logged("settings read again")
    assert door.api("/api/nodes/1/drain", method="POST")[0] == 202
    until(lambda: door.api("/api/status")[2]["nodes"][0]["state"] == "drained", "drained")


def test_accounts(rota):
    people(rota)
    door = Door(rota)
    door.node.ready()
    made = door.api("/api/accounts", method="POST", body=NEW)
    assert (made[0], made[2]["address"], made[2]["aliases"]) == (201, "new@example.org", ["newer@example.org"])
    assert door.api("/api/accounts/newer@example.org", method="PATCH", body={"quota_bytes": 0})[2]["quota_bytes"] == 0
    pages, after = [], ""
    while after is not None:
        page = door.api(f"/api/accounts?limit=2&after={after}")[2]
        pages.append([account["address"] for account in page["accounts"]])
        after = page["next"]
    assert [len(page) for page in pages] == [2, 2]
    assert sum(pages, []) == ["ada@example.org", "admin@example.org", "bob@example.org", "new@example.org"]
    rota.query("UPDATE account SET quota_bytes = 100, used_bytes = 80 WHERE address = 'bob@example.org'")
    rota.query("UPDATE account SET quota_bytes = 100, used_bytes = 79 WHERE address = 'ada@example.org'")
    for query, found in (("match=ADA@", ["ada"]), ("match=%25", []), ("match=b@&limit=1", ["bob"]),
                         ("over=80", ["bob"]), ("over=79&match=a", ["ada", "bob"]), ("over=100", []),
                         ("match=example.org&after=b", ["bob", "new"])):
        told = door.api(f"/api/accounts?{query}")[2]["accounts"]
        assert [account["address"].split("@")[0] for account in told] == found, query
    for query in ("over=0", "over=101", "over=x", "match=a&deleted=true"):
        assert door.api(f"/api/accounts?{query}")[0] == 400, query
    for body in ({}, {"address": 7}, {"address": "no address"}, {"address": "a@example.org", "more": 1}, "[]", "{",
                 {"address": "a@example.org", "quota_bytes": -1}, {"address": "a@example.org", "aliases": [1]}):
        assert door.api("/api/accounts", method="POST", body=body)[0] == 400, body
    for body in ({}, {"quota_bytes": "5"}, {"quota_bytes": -1}, {"administrator": 1}, {"address": "b@example.org"}):
        assert door.api("/api/accounts/ada@example.org", method="PATCH", body=body)[0] == 400, body
    assert door.api("/api/accounts/new@example.org", method="DELETE")[2]["result"] == "deleted"
    assert door.api("/api/accounts/new@example.org")[0] == 404
    gone = door.api("/api/accounts?deleted=true")[2]["accounts"]
    assert [account["address"] for account in gone] == ["new@example.org"]
    assert door.api("/api/accounts/new@example.org/undelete", method="POST")[2]["quota_bytes"] == 0
    assert door.api("/api/accounts/bob@example.org", method="DELETE", who="bob@example.org:right")[0] == 403


def test_invitations(rota):
    """Page by page what the command prints at once, in both ways, each once."""
    people(rota)
    door = Door(rota)
    door.node.ready()
    account = rota.query("SELECT id FROM account WHERE address = 'ada@example.org'")[0][0]
    for number in range(1, 6):
        rota.query("INSERT INTO imip_in (account, email, at, outcome, method, uid, recurrence, sequence, stamp, sender,"
                   f" why) VALUES ({account}, {number}, {number}000, 'refused', 'CANCEL', 'u{number}', '', 0, 1,"
                   " 'eve@example.net', 'no')")
    for letter in (1, 2):
        rota.query("INSERT INTO imip_letter (account, id, method, uid, recurrence, sequence, stamp, sender,"
                   f" recipients, calendar, at) VALUES ({account}, {letter}, 'REQUEST', 'o{letter}', '', 0, 1,"
                   f" 'ada@example.org', 2, '', {letter}500)")
        for to in ("bob@example.com", "cleo@example.com"):
            rota.query("INSERT INTO imip_out (account, letter, recipient, state, due_at, attempts, uncertain, error,"
                       f" at) VALUES ({account}, {letter}, '{to}', 2, 0, 1, 0, '250 fine', {letter}500)")
    path = "/api/accounts/ada%40example.org/imip"
    whole = door.api(path)[2]
    jsonschema.validate(whole, {**DOCUMENT, "$ref": "#/components/schemas/Invitations"})
    assert whole == json.loads(rota.run("imip", "log", "-a", "ada@example.org", "--json", settings=door.settings))
    order = [entry.get("email") or f"{entry['letter']} {entry['recipient'][:3]}" for entry in whole["invitations"]]
    assert order == [5, 4, 3, "2 bob", "2 cle", 2, "1 bob", "1 cle", 1] and whole["next"] is None
    for limit in (1, 2, 3, 8):
        shown, after = [], ""
        while after is not None:
            page = door.api(f"{path}?limit={limit}&after={after}")[2]
            assert len(page["invitations"]) == limit or page["next"] is None
            shown += page["invitations"]
            after = page["next"]
        assert shown == whole["invitations"], limit
    assert [entry["email"] for entry in door.api(f"{path}?email=3")[2]["invitations"]] == [3]
    for wrong in ("email=0", "email=x", "limit=0", "after=1", "after=1.2", "after=x.1.y"):
        assert door.api(f"{path}?{wrong}")[0] == 400, wrong


def test_rounds(rota):
    people(rota)
    door = Door(rota, cluster=SOON)
    door.node.ready()
    assert [node["node"] for node in door.api("/api/nodes")[2]["nodes"]] == [1]
    coverage = door.api("/api/coverage")[2]
    assert coverage["good"] and [1] in [shard["living"] for shard in coverage["shards"]]

    def done():
        rounds = door.api("/api/rounds")[2]["rounds"]
        return [one["done_at"] for one in rounds if (one["role"], one["shard"]) == ("purge.accounts", 1)][0]
    before = done()
    assert door.api("/api/rounds/purge.accounts", method="POST")[0:3:2] == (
        202, {"role": "purge.accounts", "shard": 0})
    until(lambda: done() > before, "the round")
    for role, body, status in (("purge.accounts", {"shard": 2}, 404), ("purge.stores", {"unit": "no"}, 404),
                               ("fts-indexing", {}, 404), ("no.role", {}, 404), ("purge.accounts", {"shard": 0}, 400),
                               ("purge.accounts", {"shard": "1"}, 400), ("purge.accounts", {"unit": 1}, 400)):
        assert door.api(f"/api/rounds/{role}", method="POST", body=body)[0] == status, (role, body)


@pytest.mark.parametrize("text", ['[cluster.roles.purge]\nstores = ["%{file:/etc/passwd}%"]\n', 'x = "\\u0025{"', "",
                                  '[cluster.roles.purge]\nstores = ["x"]\n', "[["])
def test_a_table_that_is_none(rota_sqlite, text):
    people(rota_sqlite)
    door = Door(rota_sqlite)
    door.node.ready()
    status, _, got = door.api("/api/plan", method="POST", body=text, Content_Type="application/toml")
    assert (status, "root:" in got["detail"]) == (400, False)


def test_failures_count_on_all_nodes(rota_postgresql):
    """Guesses at one node shut the address at the other; the mark of an administrator can be taken away."""
    rota = rota_postgresql
    people(rota)
    one, two = Door(rota, name="one"), Door(rota, name="two", node=2)
    one.node.ready()
    two.node.ready()
    for door in (one, two, one, two):
        assert door.api("/api/status", who="admin@example.org:wrong")[0] == 401
    rota.query("UPDATE expiring SET value = '20' WHERE kind = 'login-failure'")
    for door in (one, two):
        status, headers, _ = door.api("/api/status")
        assert status == 429
        assert 0 < int(headers["Retry-After"]) <= 60
    rota.query("DELETE FROM expiring WHERE kind = 'login-failure'")
    assert one.api("/api/status")[0] == 200
    rota.run("account", "admin", "admin@example.org", "off")
    assert two.api("/api/status")[0] == 403


def test_tokens(rota):
    people(rota)
    door = Door(rota)
    door.node.ready()

    def make(*words):
        return json.loads(rota.run("account", "token", *words, "--json"))["token"]

    def status(token, basic=None):
        value = "Bearer " + token if basic is None else "Basic " + base64.b64encode(
            f"{basic}:{token}".encode()).decode()
        return door.api("/api/status", who=None, Authorization=value)[0]

    weak, strong, ada = make("admin@example.org"), make("admin@example.org", "--admin"), make(
        "bob@example.org", "--admin", "--name", "telephone", "--expires", "1h")
    assert [status(token) for token in (weak, strong, ada, "rota_1_x", strong + "x")] == [403, 200, 403, 401, 401]
    assert (status(strong, "admin@example.org"), status(strong, "bob@example.org")) == (200, 401)
    tokens = json.loads(rota.run("account", "tokens", "bob@example.org", "--json"))["tokens"]
    assert [(one["name"], one["admin"], one["used_at"] > 0) for one in tokens] == [("telephone", True, True)]
    rota.run("account", "revoke", "bob@example.org", tokens[0]["id"])
    rota.run("account", "revoke", "bob@example.org", tokens[0]["id"], status=1)
    assert rota.run("account", "tokens", "bob@example.org").count("telephone") == 0
    rota.run("account", "token", "nobody@example.org", status=1)
    for never in ("soon", "0"):
        rota.run("account", "token", "bob@example.org", "--expires", never, status=2)


@pytest.mark.parametrize("words", [("admin", "nobody@example.org", "on"), ("admin", "ada@example.org", "off")])
def test_account_admin(rota_sqlite, words):
    people(rota_sqlite)
    rota_sqlite.run("account", *words, status=1 if words[1].startswith("nobody") else 0)
    rota_sqlite.run("account", "admin", "ada@example.org", "perhaps", status=2)
    shown = json.loads(rota_sqlite.run("account", "show", "admin@example.org", "--json"))
    assert shown["administrator"] is True
