"""A push service and the devices behind it, for tests: it checks who sends (RFC 8292), decrypts (RFC 8188, 8291),
looks at the request (RFC 8030), and keeps a ledger of every push. Written from the RFCs, on h2 and cryptography.

In a test: `with PushReceiver(folder) as receiver: device = receiver.device("phone")`. As a program, so that it can live
in another network namespace: push_receiver.py FOLDER ADDRESS PORT; FOLDER/devices.json says which devices there are,
FOLDER/ledger has a line of JSON for each push, FOLDER/ca.pem is whom the senders shall trust.

What a device answers is its `answer`, after `delay` seconds: a status; "hang", "die" (the connection is closed), "slow"
(after two seconds), "large" (10 MB), "redirect", "again" (429 with Retry-After: 1, then 201).
"""

import asyncio
import base64
import datetime
import ipaddress
import json
import os
import pathlib
import re
import ssl
import sys
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LARGE = 10_000_000


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    assert re.fullmatch(r"[A-Za-z0-9_-]*", text), f"not base64url without padding: {text!r}"
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def hkdf(salt, key, info, size):
    return HKDF(hashes.SHA256(), size, salt, info).derive(key)


class Device:
    """A program on a person's device: its keys, what it answers, and whether it is gone."""

    def __init__(self, name, private=None, auth=None, answer=201, delay=0):
        self.name, self.answer, self.asked, self.delay = name, answer, 0, delay
        self.key = ec.derive_private_key(private, ec.SECP256R1()) if private else ec.generate_private_key(
            ec.SECP256R1())
        self.auth = auth or os.urandom(16)
        self.public = self.key.public_key().public_bytes(serialization.Encoding.X962,
                                                         serialization.PublicFormat.UncompressedPoint)

    def keys(self):
        """As PushSubscription has them."""
        return {"p256dh": b64(self.public), "auth": b64(self.auth)}

    def saved(self):
        return {"private": str(self.key.private_numbers().private_value), "auth": self.auth.hex(),
                "answer": self.answer, "delay": self.delay}

    def decrypt(self, body):
        assert len(body) >= 21 + 65 + 17, "a body that is too short"
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        assert length == 65 and size >= 18, "the head is not that of one key"
        sender, record = body[21:86], body[86:]
        assert len(record) <= size, "more than one record"
        secret = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        key = hkdf(self.auth, secret, b"WebPush: info\0" + self.public + sender, 32)
        content = hkdf(salt, key, b"Content-Encoding: aes128gcm\0", 16)
        nonce = hkdf(salt, key, b"Content-Encoding: nonce\0", 12)
        text = AESGCM(content).decrypt(nonce, record, None).rstrip(b"\0")
        assert text[-1:] == b"\2", "the last record has no mark"
        return text[:-1]


def check_vapid(value, origin):
    """Who sends: the token's claims and the key."""
    match = re.fullmatch(r"vapid t=([\w-]+\.[\w-]+\.[\w-]+), ?k=([\w-]+)", value)
    assert match, f"no VAPID: {value!r}"
    head, claims, signature = match[1].split(".")
    assert json.loads(unb64(head)) == {"typ": "JWT", "alg": "ES256"}
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(match[2]))
    both = unb64(signature)
    assert len(both) == 64, "a signature has 64 bytes"
    der = encode_dss_signature(int.from_bytes(both[:32], "big"), int.from_bytes(both[32:], "big"))
    key.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    told = json.loads(unb64(claims))
    assert told["aud"] == origin, f"the audience is {told['aud']}, not {origin}"
    assert time.time() < told["exp"] <= time.time() + 86400, "the token's time is wrong"
    return told.get("sub", ""), match[2]


def make_certificate(folder, address):
    """An authority and a certificate of it, for an address."""
    now = datetime.datetime.utcnow()
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "push test CA")])

    def signed(subject, public, more, critical):
        made = x509.CertificateBuilder().issuer_name(ca).subject_name(subject).public_key(public)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        made = made.not_valid_after(now + datetime.timedelta(days=2)).add_extension(more, critical)
        return made.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")])
    (folder / "ca.pem").write_bytes(signed(ca, ca_key.public_key(), x509.BasicConstraints(True, 0), True))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "push.test")])
    (folder / "push.pem").write_bytes(signed(name, key.public_key(), names, False) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


class Connection(asyncio.Protocol):
    """One HTTP/2 connection."""

    def __init__(self, receiver):
        self.receiver, self.requests = receiver, {}
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))

    def connection_made(self, transport):
        self.transport = transport
        self.receiver.connections += 1
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

    def data_received(self, data):
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.requests[event.stream_id] = (dict(event.headers), bytearray())
            elif isinstance(event, h2.events.DataReceived):
                self.requests[event.stream_id][1].extend(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.receiver.push(self, event.stream_id, *self.requests.pop(event.stream_id))
            elif isinstance(event, h2.events.StreamReset):
                self.requests.pop(event.stream_id, None)
        self.flush()

    def answer(self, stream, status, headers=(), body=b""):
        try:
            self.h2.send_headers(stream, [(":status", str(status)), *headers], end_stream=not body)
            while body:
                size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
                if size <= 0:
                    break  # it does not want more: that is what is to be seen
                self.h2.send_data(stream, body[:size])
                body = body[size:]
        except Exception:  # the stream, or the connection, is gone
            return
        self.flush()


class PushReceiver:
    def __init__(self, folder, address="127.0.0.1", port=0):
        self.folder = pathlib.Path(folder)
        self.address, self.port = address, port
        self.devices, self.ledger, self.trouble, self.connections = {}, [], [], 0
        self.lock, self.file = threading.Lock(), None
        self.checked = {}  # Authorization → what it says: the same one comes with many pushes
        if not (self.folder / "push.pem").exists():
            make_certificate(self.folder, address)

    # -------------------------------------------------- what a test asks

    def device(self, name, **more):
        self.devices[name] = Device(name, **more)
        return self.devices[name]

    def url(self, device):
        return f"{self.origin}/{device.name}"

    def pushes(self, name=None, kind="StateChange"):
        """What came through: those that were answered by 2xx."""
        with self.lock:
            return [push for push in self.ledger if name in (None, push["device"]) and push["type"] == kind
                    and push["answer"] == 201]

    def asked(self, name):
        """How many requests came for a device, whatever was answered."""
        with self.lock:
            return sum(push["device"] == name for push in self.ledger)

    def code(self, name):
        """The code of the last verification."""
        codes = self.pushes(name, "PushVerification")
        return codes[-1]["text"]["verificationCode"] if codes else None

    # -------------------------------------------------- what comes

    def read(self, headers, body):
        """One push as the ledger has it."""
        name = headers[":path"].removeprefix("/")
        device = self.devices[name]
        assert headers[":method"] == "POST" and headers[":scheme"] == "https"
        value = headers["authorization"]
        if value not in self.checked:
            self.checked[value] = check_vapid(value, self.origin)
        sender, key = self.checked[value]
        assert 0 <= int(headers["ttl"]) <= 31536000
        assert headers["urgency"] in ("very-low", "low", "normal", "high")
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers["topic"])
        assert headers["content-encoding"] == "aes128gcm" and len(body) <= 4096
        text = json.loads(device.decrypt(bytes(body)))
        assert text["@type"] in ("StateChange", "PushVerification")
        return {"at": time.time(), "device": name, "type": text["@type"], "text": text, "topic": headers["topic"],
                "urgency": headers["urgency"], "sender": sender, "key": key, "answer": device.answer}

    def push(self, connection, stream, headers, body):
        try:
            push = self.read(headers, body)
        except Exception as error:  # whatever it is, the test shall hear of it
            self.trouble.append(f"{type(error).__name__}: {error}")
            if self.file:  # as a program: at once, since it is ended by a signal
                print(f"trouble: {self.trouble[-1]}", file=sys.stderr, flush=True)
            connection.answer(stream, 400)
            return
        device = self.devices[push["device"]]
        device.asked += 1
        with self.lock:
            self.ledger.append(push)
        if device.answer == "again":
            push["answer"] = 201 if device.asked > 1 else 429
        if self.file:
            print(json.dumps(push), file=self.file, flush=True)
        asyncio.get_running_loop().call_later(device.delay, self.reply, connection, stream, push["answer"])

    def reply(self, connection, stream, answer):
        if answer == "die":
            connection.transport.abort()
        elif answer == "slow":
            asyncio.get_running_loop().call_later(2, connection.answer, stream, 201)
        elif answer == "large":
            connection.answer(stream, 200, [("content-length", str(LARGE))], b"x" * LARGE)
        elif answer == "redirect":
            connection.answer(stream, 301, [("location", f"{self.origin}/elsewhere")])
        elif answer == 429:
            connection.answer(stream, 429, [("retry-after", "1")])
        elif answer != "hang":
            connection.answer(stream, answer)

    # -------------------------------------------------- its life

    async def serve(self, ready):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "push.pem")
        context.set_alpn_protocols(["h2"])
        loop = asyncio.get_running_loop()
        self.loop, self.ending = loop, asyncio.Event()
        server = await loop.create_server(lambda: Connection(self), self.address, self.port, ssl=context, backlog=500)
        self.port = server.sockets[0].getsockname()[1]
        self.origin = f"https://{self.address}:{self.port}"
        ready()
        await self.ending.wait()
        server.close()

    def __enter__(self):
        ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve(ready.set)), daemon=True)
        self.thread.start()
        assert ready.wait(30)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.ending.set)
        self.thread.join(10)


def main():
    folder, address, port = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    receiver = PushReceiver(folder, address, port)
    for name, saved in json.loads((folder / "devices.json").read_text()).items():
        receiver.device(name, private=int(saved["private"]), auth=bytes.fromhex(saved["auth"]),
                        answer=saved["answer"], delay=saved["delay"])
    receiver.file = open(folder / "ledger", "a", encoding="utf-8")
    asyncio.run(receiver.serve(lambda: print("ready", flush=True)))


if __name__ == "__main__":
    main()
