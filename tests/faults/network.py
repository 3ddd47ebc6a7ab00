"""The wires between the nodes and the store, so that they can be cut without a word.

Namespaces: each node has a network namespace of its own, the store has another with a bridge; nothing of it is in the
machine's own network. A cut wire is taken off the bridge: what is sent goes nowhere, and nobody is told (no reset). It
needs root and a kernel with veth and bridge.

Relays: where that is not to be had, each node reaches the store through a relay (tests/system/relay.py's idea, on TCP)
that stops passing bytes on. Packets that are lost are then a relay that waits.
"""

import asyncio
import os
import random
import re
import socket
import subprocess
import sys
import threading

STORE_ADDRESS, PAIR_ADDRESSES = "10.77.0.100", ["10.77.0.101", "10.77.0.102"]


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


class Namespaces:
    kind = "network namespaces"

    def __init__(self, nodes):
        self.prefix = f"rota{os.getpid()}"
        self.hub = f"{self.prefix}-store"
        self.nodes = list(nodes)
        self.wires = {}

    def open(self):
        remove_left_over()
        ip("netns", "add", self.hub)
        ip("-n", self.hub, "link", "add", "store", "type", "bridge")
        for address in (STORE_ADDRESS, *PAIR_ADDRESSES):
            ip("-n", self.hub, "addr", "add", f"{address}/24", "dev", "store")
        for link in ("lo", "store"):
            ip("-n", self.hub, "link", "set", link, "up")
        for node in self.nodes:
            self.add(node)

    @staticmethod
    def possible():
        if os.geteuid() != 0:
            return "not root"
        name = f"rota{os.getpid()}-try"
        try:
            ip("netns", "add", name)
            ip("-n", name, "link", "add", "store", "type", "bridge")
            ip("-n", name, "link", "add", "name", "v1", "type", "veth", "peer", "name", "v2")
        except (OSError, subprocess.CalledProcessError) as error:
            return str(getattr(error, "stderr", None) or error).strip()
        finally:
            ip("netns", "del", name, check=False)
        return None

    def space(self, node):
        return f"{self.prefix}-n{node}"

    def add(self, node):
        space = self.space(node)
        ip("netns", "add", space)
        ip("-n", self.hub, "link", "add", f"n{node}", "type", "veth", "peer", "name", "eth0", "netns", space)
        ip("-n", space, "addr", "add", f"10.77.0.{node}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            ip("-n", space, "link", "set", link, "up")
        ip("-n", self.hub, "link", "set", f"n{node}", "master", "store", "up")

    def inside(self, node):
        return ["nsenter", f"--net=/run/netns/{self.space(node)}"]

    def inside_store(self):
        return ["nsenter", f"--net=/run/netns/{self.hub}"]

    def store_url(self, node, port):
        return f"host={STORE_ADDRESS} port={port}"

    def listen_address(self):
        return STORE_ADDRESS

    def pair_addresses(self):
        return PAIR_ADDRESSES

    def port(self, wish):
        return wish

    def cut(self, node):
        ip("-n", self.hub, "link", "set", f"n{node}", "nomaster")

    def mend(self, node):
        self.stop_wire(node)
        ip("-n", self.hub, "link", "set", f"n{node}", "master", "store", check=False)

    def disturb(self, node, loss, delay_ms, seed):
        """Packets of both directions are lost and come late. The kernel's netem is often not there: a process of ours
        takes the place of the wire."""
        self.cut(node)
        tap, plug = f"t{node}", f"p{node}"
        ip("-n", self.hub, "link", "add", tap, "type", "veth", "peer", "name", plug)
        ip("-n", self.hub, "link", "set", plug, "master", "store", "up")
        ip("-n", self.hub, "link", "set", tap, "up")
        bad_wire = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bad_wire.py")
        self.wires[node] = subprocess.Popen(
            [*self.inside_store(), sys.executable, bad_wire, f"n{node}", tap, str(loss), str(delay_ms), str(seed)])

    def stop_wire(self, node):
        wire = self.wires.pop(node, None)
        if wire:
            wire.kill()
            wire.wait()
            ip("-n", self.hub, "link", "del", f"t{node}", check=False)

    def close(self):
        for node in list(self.wires):
            self.stop_wire(node)
        for name in [*(self.space(node) for node in self.nodes), self.hub]:
            ip("netns", "del", name, check=False)


def remove_left_over():
    """Of runs that were killed themselves."""
    for line in ip("netns", "list", check=False).stdout.splitlines():
        found = re.match(r"rota(\d+)-\w+", line)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            ip("netns", "del", found[0], check=False)


class Relay:
    """One node's way to the store, on a free port of the loopback."""

    def __init__(self, port):
        self.target, self.open, self.loss, self.delay = port, True, 0.0, 0.0
        self.chance = random.Random(port)
        self.loop = asyncio.new_event_loop()
        self.server = None
        started = threading.Event()

        def run():
            asyncio.set_event_loop(self.loop)
            self.server = self.loop.run_until_complete(asyncio.start_server(self.accept, "127.0.0.1", 0))
            started.set()
            self.loop.run_forever()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        started.wait()
        self.port = self.server.sockets[0].getsockname()[1]

    async def accept(self, reader, writer):
        await self.passable()
        try:
            store_reader, store_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.pump(reader, store_writer), self.pump(store_reader, writer))

    async def passable(self):
        while not self.open:
            await asyncio.sleep(0.05)

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                await self.passable()
                if self.delay:
                    # What TCP makes of a lost packet: it comes again after its time-out.
                    await asyncio.sleep(self.delay + (0.2 if self.chance.random() < self.loss else 0))
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)


class Relays:
    kind = "relays"

    def __init__(self, nodes):
        self.nodes, self.relays = list(nodes), {}

    def open(self):
        pass

    def inside(self, node):
        return []

    def inside_store(self):
        return []

    def store_url(self, node, port):
        if node not in self.relays:
            self.relays[node] = Relay(port)
        return f"host=127.0.0.1 port={self.relays[node].port}"

    def listen_address(self):
        return "127.0.0.1"

    def pair_addresses(self):
        return ["127.0.0.1", "127.0.0.1"]

    def port(self, wish):
        """A free one: others use this network too."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            return server.getsockname()[1] or wish

    def cut(self, node):
        self.relays[node].open = False

    def mend(self, node):
        relay = self.relays[node]
        relay.loss, relay.delay, relay.open = 0.0, 0.0, True

    def disturb(self, node, loss, delay_ms, seed):
        relay = self.relays[node]
        relay.loss, relay.delay = loss, delay_ms / 1000

    def close(self):
        for relay in self.relays.values():
            relay.close()


def make(nodes):
    why_not = Namespaces.possible()
    if why_not is None:
        return Namespaces(nodes)
    print(f"no network namespaces here ({why_not}): each node has a relay instead", flush=True)
    return Relays(nodes)
