"""JMAP as a client speaks it: calls of one request, and what they gave."""

import base64
import json
import re


class Jmap:
    """One person at one door (door.py)."""

    USING = ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"]

    def __init__(self, door, who):
        self.door = door
        self.headers = {"Authorization": "Basic " + base64.b64encode(who.encode()).decode()}
        # The door is known: its addresses are needed without it.
        self.session = {name: re.sub("^http://[^/]+", "", value) if name.endswith("Url") else value
                        for name, value in self.get("/.well-known/jmap").items()}
        self.account = self.session["primaryAccounts"]["urn:ietf:params:jmap:mail"]

    def get(self, path, status=200):
        got, _, text = self.door.ask(path, headers=self.headers)
        assert got == status, text
        return json.loads(text)

    def post(self, body):
        """Status and JSON; `body` may be anything."""
        text = body if isinstance(body, str) else json.dumps(body)
        status, _, got = self.door.ask(self.session["apiUrl"], "POST", text.encode(),
                                       {**self.headers, "Content-Type": "application/json"})
        return status, json.loads(got)

    def upload(self, bytes, type="message/rfc822", account=None, status=201):
        """The blob's id."""
        path = self.session["uploadUrl"].replace("{accountId}", account or self.account)
        got, _, text = self.door.ask(path, "POST", bytes, {**self.headers, "Content-Type": type})
        assert got == status, text
        return json.loads(text).get("blobId")

    def download(self, blob, status=200, account=None, **headers):
        path = self.session["downloadUrl"].replace("{accountId}", account or self.account).replace("{blobId}", blob)
        client = self.door.connect()
        client.request("GET", path.replace("{name}", "x").replace("{type}", "text/plain"),
                       headers={**self.headers, **headers})
        answer = client.getresponse()
        assert answer.status == status
        return answer.read()

    def calls(self, *calls):
        """Each call is (name, arguments); the responses as (name, arguments)."""
        rows = [[name, {"accountId": self.account, **words} if "/" in name and "Push" not in name else words, str(at)]
                for at, (name, words) in enumerate(calls)]
        status, got = self.post({"using": self.USING, "methodCalls": rows})
        assert status == 200, got
        return [(name, words) for name, words, _ in got["methodResponses"]]

    def call(self, name, **words):
        (got, answer), = self.calls((name, words))
        assert got == name, answer
        return answer

    def error(self, name, **words):
        (got, answer), = self.calls((name, words))
        assert got == "error", answer
        return answer["type"]
