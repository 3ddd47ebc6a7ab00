"""The mail that comes in, and the ledger of what was answered 250.

Several sessions send to whatever node answers. A message is sent until each of its recipients has a 250; a node that
does not answer in time leaves the outcome unknown, and the same message goes to another one. In the end each accepted
message must be in the store once, in the index, and found.
"""

import hashlib
import os
import pathlib
import random
import re
import string
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import lmtp_client  # noqa: E402

lmtp_client.PATIENCE = 8  # seconds until a node that says nothing is left
ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMON_WORD = "faultsuiteword"
BYTES_MAX = 100000


def real_mail(chance, limit=400):
    """Messages of $ROTA_DATA where it is, and the project's own."""
    folder = pathlib.Path(os.environ.get("ROTA_DATA_UNPACKED", ROOT / "var" / "data")) / "mail"
    files = sorted(folder.rglob("*.eml"))
    own = sorted((ROOT / "tests" / "data" / "mail").glob("*.eml"))
    if not files:
        print("no mail in $ROTA_DATA: the project's own stands for it")
    picked = chance.sample(files, min(limit, len(files))) + own
    return [data for data in (path.read_bytes() for path in picked) if len(data) <= BYTES_MAX]


def word_of(number):
    """Letters only, so that it is one word in every language."""
    letters = ""
    while number:
        number, rest = divmod(number, 26)
        letters = string.ascii_lowercase[rest] + letters
    return f"zq{letters}qz"


def dressed(message, ident, word):
    """The message with a Message-ID and a Subject of our own."""
    message = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    message = re.sub(rb"\A(>?From [^\n]*\n)+", b"", message)
    head, gap, body = message.partition(b"\n\n")
    if not re.match(rb"[!-9;-~]+:", head):  # it has no header at all
        head, gap, body = b"From: nobody@example.org", b"\n\n", message
    head = re.sub(rb"(?im)^(message-id|subject):[^\n]*(\n[ \t][^\n]*)*\n?", b"", head + b"\n")
    top = f"Message-ID: <{ident}>\nSubject: {COMMON_WORD} {word}\n".encode()
    return lmtp_client.crlf(top + head.rstrip(b"\n") + gap + body)


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.digests = {}   # Message-ID → of the bytes that were sent
        self.words = {}     # Message-ID → its own word
        self.accepted = {}  # (Message-ID, recipient) → (node, when 250 came)
        self.filed = set()  # (Message-ID, recipient) filed as spam
        self.unsure = set()  # the same, but the command was not heard of
        self.unknown = 0    # tries that ended without an answer
        self.refused = 0    # 4xx: not now
        self.trouble = []   # what no node may answer

    def sent(self, ident, word, message):
        with self.lock:
            self.digests[ident], self.words[ident] = hashlib.sha256(message).hexdigest(), word

    def accept(self, ident, recipient, node):
        with self.lock:
            self.accepted[ident, recipient] = node, time.time()

    def count(self):
        with self.lock:
            return len(self.accepted)


class Sender(threading.Thread):
    """One session after the other, each at a node of its choice."""

    counter = 0
    counter_lock = threading.Lock()

    def __init__(self, doors, people, ledger, mails, seed, per_second):
        super().__init__(daemon=True)
        self.doors, self.people, self.ledger, self.mails = doors, people, ledger, mails
        self.chance, self.pause = random.Random(seed), 1 / per_second
        self.stopping, self.client, self.node = threading.Event(), None, None
        self.left_over = None  # (ident, recipients) that never had an answer

    @classmethod
    def next_number(cls):
        with cls.counter_lock:
            cls.counter += 1
            return cls.counter

    def leave(self):
        if self.client:
            self.client.close()
        self.client = None

    def attempt(self, ident, message, left):
        try:
            if not self.client:
                self.node = self.chance.choice(list(self.doors))
                self.client = lmtp_client.LmtpClient(self.doors[self.node])
            replies = self.client.send("sender@example.net", list(left), message)
        except (OSError, ValueError):
            self.ledger.unknown += 1
            self.leave()
            self.stopping.wait(0.05)
            return
        for recipient, (code, text) in zip(list(left), replies):
            if code == 250:
                self.ledger.accept(ident, recipient, self.node)
                left.remove(recipient)
            elif 400 <= code < 500:
                self.ledger.refused += 1
            else:
                self.ledger.trouble.append(f"{ident} to {recipient} at node {self.node}: {code} {text}")
                left.remove(recipient)
        if left or self.chance.random() < 0.1:  # another node, now and then without a reason
            self.leave()
            self.stopping.wait(0.2 if left else 0)

    def send_one(self):
        number = self.next_number()
        ident, word = f"{number}.fault@example.net", word_of(number)
        message = dressed(self.chance.choice(self.mails), ident, word)
        self.ledger.sent(ident, word, message)
        left = self.chance.sample(self.people, min(len(self.people), self.chance.choice([1, 1, 1, 2, 3])))
        # After the stop it is tried on until it is known, as a mail server's queue would.
        give_up = None
        while left:
            self.attempt(ident, message, left)
            if self.stopping.is_set():
                give_up = give_up or time.monotonic() + 60
                if time.monotonic() > give_up:
                    self.left_over = ident, left
                    return

    def run(self):
        try:
            while not self.stopping.is_set():
                begin = time.monotonic()
                self.send_one()
                self.stopping.wait(max(0, self.pause - (time.monotonic() - begin)))
        except Exception as error:  # a session of ours that died would be load that is missing
            self.ledger.trouble.append(f"{type(error).__name__}: {error}")
        self.leave()


def make_people(cluster, count):
    people = [f"person{number}@example.org" for number in range(1, count + 1)]
    for person in people:
        cluster.run("account", "add", person)
    return people


class Filer(threading.Thread):
    """A person who files accepted mail as spam, now and then, with `rota mail mark`, until the command succeeds."""

    def __init__(self, cluster, ledger, seed, pause=1.0):
        super().__init__(daemon=True)
        self.cluster, self.ledger, self.chance, self.pause = cluster, ledger, random.Random(seed), pause
        self.stopping = threading.Event()

    def file_one(self):
        with self.ledger.lock:
            ident, person = self.chance.choice(sorted(self.ledger.accepted))
        row = self.cluster.store.try_sql("SELECT e.id FROM email e JOIN account a ON a.id = e.account WHERE"
                                         f" e.message_id = '{ident}' AND a.address = '{person}'")
        if not row or not row[0]:
            return
        while True:
            try:
                self.cluster.run("mail", "mark", "-a", person, "--set", "$junk", row[0][0])
                self.ledger.filed.add((ident, person))
                return
            except RuntimeError:  # the store is away
                if self.stopping.wait(0.5):
                    self.ledger.unsure.add((ident, person))
                    return

    def run(self):
        while not self.stopping.wait(self.pause):
            if self.ledger.accepted:
                self.file_one()
