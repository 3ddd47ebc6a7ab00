"""A gate before a CA: it counts requests by what they are for, and can kill who asks, with SIGKILL, before the CA hears
a request or when it has answered and the asker has not heard it."""

import http.client
import http.server
import ssl
import threading

from door import free_port

NOT_PASSED_ON = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Gate:
    """Speaks for the pebble behind it, with its certificate; pebble makes its URLs of the name that it is asked by."""

    def __init__(self, pebble, kill):
        """`kill` kills the node that asks now; False: it could not tell which one does."""
        self.pebble, self.kill, self.lock = pebble, kill, threading.Lock()
        self.counts, self.armed, self.killed = {}, None, threading.Event()
        self.port = free_port()
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):  # pylint: disable=invalid-name
                gate.pass_on(self)

            do_HEAD = do_POST = do_GET  # pylint: disable=invalid-name

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                """Who asked is dead."""

        self.server = Server(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pebble.folder / "pebble.pem", pebble.folder / "pebble-key.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def arm(self, kind, before):
        """The next request of this kind ("finalize-order") is its asker's last."""
        with self.lock:
            self.armed = (kind, before)
            self.killed.clear()

    def take(self, kind):
        """True, False: the asker dies before the CA hears it, or after; None: neither."""
        with self.lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if not self.armed or self.armed[0] != kind:
                return None
            before, self.armed = self.armed[1], None
            return before

    def die(self, handler):
        """The node is killed, and its connection hung up on."""
        if self.kill():
            self.killed.set()
        handler.close_connection = True

    def pass_on(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        before = self.take(handler.path.split("/")[1])
        if before is True:
            self.die(handler)
            return
        client = http.client.HTTPSConnection("127.0.0.1", self.pebble.port, timeout=60, context=self.pebble.context)
        client.request(handler.command, handler.path, body or None, dict(handler.headers.items()))
        answer = client.getresponse()
        text = answer.read()
        client.close()
        if before is False:
            self.die(handler)
            return
        handler.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in NOT_PASSED_ON:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(text)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
