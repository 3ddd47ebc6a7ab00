"""A node with an HTTP door, and requests to it."""

import base64
import http.client
import json
import socket


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Door:
    """A node with HTTP on a port of the loopback."""

    def __init__(self, rota, more="", name="node", node=1, cluster="", context=None):
        self.rota, self.context, self.port = rota, context, free_port()
        self.settings = rota.write_settings(f"{name}.toml", node, rota.folder / f"lmtp-{name}", cluster=cluster,
                                            http=f'listen = ["127.0.0.1:{self.port}"]\n{more}')
        self.node = rota.serve(self.settings, name)

    def connect(self):
        if self.context:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, path, method="GET", body=None, headers=None):
        """Status, header fields and body."""
        client = self.connect()
        client.request(method, path, body, headers or {})
        answer = client.getresponse()
        text = answer.read().decode()
        client.close()
        return answer.status, answer.headers, text

    def api(self, path, who="admin@example.org:right", method="GET", body=None, **fields):
        """Status, header fields and JSON; `fields` are header fields with "_" for "-". A body that is no text is
        JSON."""
        headers = {name.replace("_", "-"): value for name, value in fields.items() if value is not None}
        if who:
            headers["Authorization"] = "Basic " + base64.b64encode(who.encode()).decode()
        if method in ("POST", "PATCH", "PUT"):
            headers.setdefault("Content-Type", "application/json")
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        status, got, text = self.ask(path, method, body, headers)
        return status, got, json.loads(text)

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)
