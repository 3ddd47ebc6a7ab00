"""A relay between nodes and PostgreSQL that can be cut, and that counts what goes through it.

It counts by PostgreSQL's own protocol, on the wire: what a node says of itself is not asked. A cut
connection is what a node sees when the store or the network goes away.
"""

import os
import pathlib
import re
import socket
import threading


class Relay:
    """Listens in `folder` as a PostgreSQL would; `url` is for the nodes."""

    PORT = 54329

    def __init__(self, folder, url):
        given = dict(re.findall(r"(\w+)=(\S+)", url))
        self.server = f'{given["host"]}/.s.PGSQL.{given["port"]}'
        self.path = pathlib.Path(folder) / f".s.PGSQL.{self.PORT}"
        self.url = re.sub(r"port=\S+", f"port={self.PORT}", re.sub(r"host=\S+", f"host={folder}", url))
        self.executes = 0  # statements that clients asked for, BEGIN and COMMIT too
        self.lock = threading.Lock()
        self.pairs = []
        self.listener = None
        self.flowing = threading.Event()  # cleared: connections stand, and nothing goes through them
        self.flowing.set()
        self.open()

    def open(self):
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        os.chmod(self.path, 0o777)
        self.listener.listen(100)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        """As if the server were gone: nothing is reached, and what was open breaks."""
        self.path.unlink(missing_ok=True)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.connect(self.server)
            with self.lock:
                self.pairs.append((client, server))
            threading.Thread(target=self.pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, False), daemon=True).start()

    def pump(self, source, sink, counted):
        """The first message has no type; then each is a type and a length."""
        pending, started = b"", False
        try:
            while data := source.recv(65536):
                self.flowing.wait()
                sink.sendall(data)
                if not counted:
                    continue
                pending += data
                while len(pending) >= 5:
                    head = 1 if started else 0
                    size = head + int.from_bytes(pending[head:head + 4], "big")
                    if len(pending) < size:
                        break
                    if started and pending[:1] in (b"E", b"Q"):
                        with self.lock:
                            self.executes += 1
                    started, pending = True, pending[size:]
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
