"""Mail as it goes through the whole: in by LMTP, kept byte for byte, found by a search."""

import collections
import hashlib
import time

import pytest

from conftest import exported_digests, mail_files, until
from lmtp_client import LmtpClient, crlf

# A node polls at each heartbeat or two, a lane every two minutes: what is there sooner came by a wake-up.
SLEEPY = 'lease = "5m"\nheartbeat = "100s"\n'
SOONER_THAN_A_POLL = 20


@pytest.mark.parametrize("chunked", [False, True], ids=["data", "bdat"])
def test_a_mail_archive_is_kept_byte_for_byte(rota, chunked):
    """By DATA with the lines' ends of a mail system, by BDAT as the bytes are: bare LF, no last newline, NULs."""
    rota.run("account", "add", "ada@example.org")
    rota.serve().ready()
    client = LmtpClient(rota.lmtp_path)
    want = collections.Counter()
    for file in mail_files("mime"):
        message = file.read_bytes() if chunked else crlf(file.read_bytes())
        # Some share a Message-ID and are not the same; only what is the same to the byte is there once.
        replies = client.send("bob@example.net", ["ada@example.org"], message, chunked)
        assert replies[0][0] == 250, (file.name, replies)
        want[hashlib.sha256(message).hexdigest()] = 1
    assert exported_digests(rota, "ada@example.org") == want
    until(lambda: rota.query("SELECT count(*) FROM task") == [["0"]], "the index")
    assert rota.query("SELECT count(*) FROM dead_letter") == [["0"]]
    assert "whole" in rota.run("store", "check", "--deep")
    print(f"{want.total()} messages")


def found(rota, word):
    return rota.run("search", "-a", "ada@example.org", "--count", word, status=None).strip() == "1"


def test_a_message_is_found_at_once(rota):
    """Promised within 2 s; what took longer than a poll would have come by no wake-up."""
    rota.run("account", "add", "ada@example.org")
    rota.serve(rota.write_settings("rota.toml", 1, rota.lmtp_path, "", SLEEPY)).ready()
    client = LmtpClient(rota.lmtp_path)
    for number in range(3):
        begin = time.monotonic()
        message = f"Subject: news\r\nMessage-ID: <{number}@x>\r\n\r\nThe quokka{number} sings.\r\n".encode()
        assert client.send("bob@example.net", ["ada@example.org"], message)[0][0] == 250
        until(lambda: found(rota, f"quokka{number}"), "the message")
        took = time.monotonic() - begin
        print(f"found after {took:.2f} s")
        assert took < SOONER_THAN_A_POLL


def test_a_message_is_found_at_once_when_another_node_indexes(rota_postgresql):
    rota = rota_postgresql
    table = '[cluster.roles.fts-indexing]\nfts-indexing = ["2"]\n'
    rota.run("account", "add", "ada@example.org")
    rota.serve(rota.write_settings("rota.toml", 1, rota.lmtp_path, table, SLEEPY)).ready()
    rota.serve(rota.write_settings("2.toml", 2, rota.folder / "lmtp2", table, SLEEPY), "second").ready()
    begin = time.monotonic()
    client = LmtpClient(rota.lmtp_path)
    message = b"Subject: news\r\n\r\nThe quokka sings.\r\n"
    assert client.send("bob@example.net", ["ada@example.org"], message)[0][0] == 250
    until(lambda: found(rota, "quokka"), "the message")
    took = time.monotonic() - begin
    print(f"found after {took:.2f} s")
    assert took < SOONER_THAN_A_POLL
