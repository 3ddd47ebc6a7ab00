"""An LMTP client that keeps each recipient's reply, and sends bytes as they are (smtplib does neither)."""

import socket

from conftest import PATIENCE


def crlf(message):
    """As a mail system sends it: each line ends with CRLF."""
    lines = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return (lines if lines.endswith(b"\n") else lines + b"\n").replace(b"\n", b"\r\n")


def stuffed(message):
    """The bytes of DATA, with their end."""
    body = b"." + message if message.startswith(b".") else message
    body = body.replace(b"\r\n.", b"\r\n..")
    return body + (b".\r\n" if body.endswith(b"\r\n") else b"\r\n.\r\n")


class LmtpClient:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")
        self.expect(220)
        self.command("LHLO client.example.org", 250)

    def close(self):
        self.lines.close()
        self.socket.close()

    def reply(self):
        """The code and the text of one reply."""
        while True:
            line = self.lines.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError("the connection ended")
            if line[3:4] != b"-":
                return int(line[:3]), line[4:].strip().decode()

    def expect(self, code):
        got = self.reply()
        if got[0] != code:
            raise ConnectionError(f"got {got}, want {code}")
        return got

    def command(self, line, code):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.expect(code)

    def send(self, sender, recipients, message, chunked=False):
        """The (code, text) for each recipient."""
        self.command(f"MAIL FROM:<{sender}>", 250)
        replies, taken = [], []
        for recipient in recipients:
            self.socket.sendall(f"RCPT TO:<{recipient}>\r\n".encode())
            replies.append(self.reply())
            if replies[-1][0] == 250:
                taken.append(len(replies) - 1)
        if not taken:
            self.command("RSET", 250)
            return replies
        if chunked:
            self.socket.sendall(f"BDAT {len(message)} LAST\r\n".encode() + message)
        else:
            self.command("DATA", 354)
            self.socket.sendall(stuffed(message))
        for at in taken:
            replies[at] = self.reply()
        return replies
