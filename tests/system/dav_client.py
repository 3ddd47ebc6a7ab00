"""A node with CalDAV, a person, and requests of theirs."""

import base64

import caldav
from door import Door

ADA = "ada@example.org"
HOME = f"/dav/calendars/{ADA}/"
EVENT = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//test//EN\r
BEGIN:VEVENT\r
UID:{uid}\r
DTSTAMP:20260101T000000Z\r
DTSTART:{start}\r
DURATION:PT1H\r
SUMMARY:{summary}\r
{more}END:VEVENT\r
END:VCALENDAR\r
"""


def event(uid, start="20260301T090000Z", summary="Tea", more=""):
    return EVENT.format(uid=uid, start=start, summary=summary, more=more)


class Dav(Door):
    def __init__(self, rota, name="node", more=""):
        super().__init__(rota, more, name=name)
        rota.run("account", "add", ADA, "--password-stdin", text="right\n", settings=self.settings)
        self.node.ready()
        self.url = f"http://127.0.0.1:{self.port}"

    def dav(self, method, path, body=None, who=f"{ADA}:right", **fields):
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        headers["Authorization"] = "Basic " + base64.b64encode(who.encode()).decode()
        if body is not None and method not in ("PUT",):
            headers.setdefault("Content-Type", "application/xml")
        client = self.connect()
        client.request(method, path, body.encode() if isinstance(body, str) else body, headers)
        answer = client.getresponse()
        status, got, data = answer.status, answer.headers, answer.read()
        client.close()
        return status, got, data

    def principal(self):
        return caldav.DAVClient(self.url + "/.well-known/caldav", username=ADA, password="right").principal()
