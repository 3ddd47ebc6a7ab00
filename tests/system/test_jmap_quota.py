"""Quota by JMAP (RFC 9425): its limit is told, and what is kept, and when they change."""

from jmap_client import Jmap
from test_jmap import begin

ALL = Jmap.USING + ["urn:ietf:params:jmap:quota"]


def test_a_quota_is_told(rota):
    door, me, _ = begin(rota)
    me.USING = ALL
    assert "urn:ietf:params:jmap:quota" in me.session["accounts"][me.account]["accountCapabilities"]

    def limit(size):
        rota.run("account", "quota", "grace@example.org", size, settings=door.settings)

    def changes(since):
        got = me.call("Quota/changes", sinceState=since)
        assert got["oldState"] == since and not got["hasMoreChanges"]
        return [got["created"], got["updated"], got["destroyed"]], got["updatedProperties"], got["newState"]
    first = me.call("Quota/get", ids=None)
    assert first["list"] == [] and me.call("Quota/query")["ids"] == []
    limit("10mb")
    lists, _, second = changes(first["state"])
    assert lists == [["Q1"], [], []]
    quota, = me.call("Quota/get", ids=["Q1", "Q2"])["list"]
    mail = me.call("Email/get", ids=me.call("Email/query")["ids"], properties=["size"])["list"]
    used = sum(one["size"] for one in mail)
    assert quota == {"id": "Q1", "resourceType": "octets", "used": used, "hardLimit": 10000000, "scope": "account",
                     "name": "all that is kept", "types": ["Email"], "warnLimit": None, "softLimit": None,
                     "description": None}
    me.call("Email/set", destroy=me.call("Email/query", limit=1)["ids"])
    lists, properties, third = changes(second)
    assert (lists, properties) == ([[], ["Q1"], []], ["used"])
    assert me.call("Quota/get", ids=["Q1"], properties=["used"])["list"][0]["used"] < used
    limit("20mb")
    lists, properties, fourth = changes(third)
    assert (lists, properties) == ([[], ["Q1"], []], None) and changes(fourth)[0] == [[], [], []]
    for filter, found in (({}, True), ({"name": "KEPT"}, True), ({"name": "x"}, False), ({"scope": ["account"]}, True),
                          ({"scope": ["global"]}, False), ({"resourceType": ["count"]}, False),
                          ({"type": ["Email", "Mailbox"]}, True), ({"type": ["Calendar"]}, False),
                          ({"operator": "NOT", "conditions": [{"name": "x"}]}, True)):
        got = me.call("Quota/query", filter=filter, sort=[{"property": "used"}], calculateTotal=True)
        assert (got["ids"], got["total"]) == ((["Q1"], 1) if found else ([], 0)), filter
    me.USING = ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:quota"]
    assert me.call("Quota/get", ids=None)["list"] == []  # of no type that this client uses
    me.USING = Jmap.USING
    assert me.error("Quota/get", ids=None) == "unknownMethod"
    me.USING = ALL
    limit("none")
    state = me.call("Quota/get", ids=None)["state"]
    assert changes(fourth)[0] == [[], [], ["Q1"]] and changes(first["state"])[0] == [[], [], []]
    got = me.call("Quota/queryChanges", sinceQueryState=fourth)
    assert (got["removed"], got["added"], got["newQueryState"]) == (["Q1"], [], state)
    assert rota.run("store", "check", settings=door.settings)
