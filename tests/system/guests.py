"""Another system, as far as invitations go: a mail server that takes mail for its people, refuses whom it is told to,
and a person there who reads what came and answers.
"""

import email
import email.policy
import re
import socketserver
import threading
from email.message import EmailMessage


class Handler(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.speak()
        except ConnectionError:
            pass  # the node was killed

    def speak(self):
        guests = self.server.guests
        sender, recipients = None, []
        self.say("220 guests")
        while line := self.rfile.readline().decode("utf-8", "replace").strip():
            word = line.split(" ")[0].upper()
            if word in ("EHLO", "HELO"):
                self.say("250-guests")
                self.say("250 8BITMIME")
            elif word == "MAIL":
                sender = re.search("<(.*?)>", line)[1]
                self.say("250 ok")
            elif word == "RCPT":
                recipient = re.search("<(.*?)>", line)[1]
                answer = guests.judge(recipient)
                if answer.startswith("2"):
                    recipients.append(recipient)
                self.say(answer)
            elif word == "DATA":
                self.say("354 go on")
                lines = []
                while (piece := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(piece[1:] if piece.startswith(b".") else piece)
                if piece == b"":
                    return
                guests.take(sender, recipients, b"".join(lines))
                recipients = []
                self.say("250 kept")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class Guests:
    """`refused` and `delayed` are sets of addresses; whoever is delayed is taken at the second try."""

    def __init__(self):
        self.lock = threading.Lock()
        self.mails = []  # (envelope sender, recipient, message)
        self.refused, self.delayed, self.asked = set(), set(), {}
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.guests = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def judge(self, recipient):
        with self.lock:
            self.asked[recipient] = self.asked.get(recipient, 0) + 1
            if recipient in self.refused:
                return "550 5.1.1 no such person"
            if recipient in self.delayed and self.asked[recipient] == 1:
                return "450 4.2.0 come again"
            return "250 ok"

    def take(self, sender, recipients, data):
        message = email.message_from_bytes(data, policy=email.policy.default)
        with self.lock:
            self.mails += [(sender, recipient, message) for recipient in recipients]

    def of(self, recipient):
        with self.lock:
            return [message for _, to, message in self.mails if to == recipient]


def calendar_of(message):
    """The text/calendar part of a mail, unfolded, and the method that its Content-Type says."""
    part = next(part for part in message.walk() if part.get_content_type() == "text/calendar")
    return part.get_content().replace("\r\n", "\n").replace("\n ", ""), part.get_param("method")


def event(uid, organizer, attendees, start="20360301T090000Z", end="20360301T100000Z", sequence=0, stamp=0, more=""):
    people = "".join(f"ATTENDEE;RSVP=TRUE:mailto:{address}\r\n" for address in attendees)
    return (f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T0000{stamp:02d}Z\r\nSEQUENCE:{sequence}\r\n"
            f"ORGANIZER:mailto:{organizer}\r\n{people}DTSTART:{start}\r\nDTEND:{end}\r\nSUMMARY:Plan\r\n{more}"
            "END:VEVENT\r\n")


def calendar(*parts, method=None):
    said = f"METHOD:{method}\r\n" if method else ""
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//guests//EN\r\n{said}{''.join(parts)}END:VCALENDAR\r\n"


def mail(sender, recipient, text, method, number):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, f"{method} {number}"
    message["Message-ID"] = f"<{method}-{number}@guests.example>"
    message.set_content("An invitation.")
    message.add_alternative(text.encode(), maintype="text", subtype="calendar", params={"method": method})
    return message


def answer(message, who, status, number):
    """The mail with which `who` answers an invitation."""
    text, _ = calendar_of(message)
    names = ("UID", "SEQUENCE", "ORGANIZER", "DTSTART", "RECURRENCE-ID")
    kept = [line for line in text.splitlines() if re.split("[:;]", line)[0] in names]
    organizer = re.search(r"ORGANIZER[^\n]*mailto:(\S+)", text)[1]
    body = "\r\n".join(["BEGIN:VEVENT", *kept, f"DTSTAMP:20370101T0000{number:02d}Z",
                        f"ATTENDEE;PARTSTAT={status}:mailto:{who}", "REQUEST-STATUS:2.0;Success", "END:VEVENT", ""])
    return mail(who, organizer, calendar(body, method="REPLY"), "REPLY", f"{who}-{number}")
