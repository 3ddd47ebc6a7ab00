#!/usr/bin/env python3
"""lmtp_send: hands mail files to a node by LMTP, as a mail server would.

    tools/lmtp_send.py SETTINGS ADDRESS FILE...

SETTINGS is the node's rota.toml: the first address of lmtp.listen is where the mail goes. Prints a
line for each message with the node's answer; the exit status is 1 if one was not taken, and 75 if
the node cannot be reached.
"""
import email
import email.policy
import email.utils
import pathlib
import smtplib
import sys
import tomllib

DEFAULT_LISTEN = "127.0.0.1:11024"
TIMEOUT_SECONDS = 30


def listen_of(settings):
    """The first address that the node listens at, as smtplib wants it: (host, port) or (path, 0)."""
    with open(settings, "rb") as file:
        addresses = tomllib.load(file).get("lmtp", {}).get("listen", [DEFAULT_LISTEN])
    if not addresses:
        sys.exit(f"{settings}: lmtp.listen is empty: this node takes no mail")
    if addresses[0].startswith("unix:"):
        return addresses[0].removeprefix("unix:"), 0
    host, _, port = addresses[0].rpartition(":")
    return host.strip("[]"), int(port)


def send(client, address, path):
    """Hands one file in; the code and the text of the node's answer."""
    data = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    sender = email.message_from_bytes(data, policy=email.policy.compat32)["From"]
    client.ehlo_or_helo_if_needed()
    client.mail(email.utils.parseaddr(str(sender or ""))[1])
    code, text = client.rcpt(address)
    if code == 250:
        code, text = client.data(data)
    client.rset()
    return code, text.decode(errors="replace")


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    host, port = listen_of(sys.argv[1])
    refused = 0
    try:
        with smtplib.LMTP(host, port) as client:
            client.sock.settimeout(TIMEOUT_SECONDS)
            for path in map(pathlib.Path, sys.argv[3:]):
                code, text = send(client, sys.argv[2], path)
                refused += code != 250
                print(f"  {code} {path.name:<24} {text}", flush=True)
    except (OSError, smtplib.SMTPException) as error:
        print(f"could not hand mail in at {host}{':' + str(port) if port else ''}: {error}", file=sys.stderr)
        return 75
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
