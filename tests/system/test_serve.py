"""A node's life: start, hand-over, a second one with the same id, reload."""

import signal
import socket

from conftest import until


def test_stops_at_once_when_idle(rota):
    node = rota.serve().ready()
    client = rota.lmtp()
    assert node.stop() < 1.0
    assert client.sock.recv(100).startswith(b"421 4.3.2")
    assert not rota.lmtp_path.exists()
    rota.serve(name="again").ready().stop()


def test_one_process_serves_a_file(rota_sqlite):
    rota_sqlite.serve().ready()
    second = rota_sqlite.write_settings("second.toml", 2, rota_sqlite.folder / "lmtp2")
    node = rota_sqlite.serve(second, "second")
    assert node.process.wait(timeout=60) == 1
    assert "is already served by process" in node.text()


def test_one_node_has_an_id(rota_postgresql):
    first = rota_postgresql.serve().ready()
    same = rota_postgresql.write_settings("same.toml", 1, rota_postgresql.folder / "lmtp2")
    node = rota_postgresql.serve(same, "same")
    assert node.process.wait(timeout=60) == 1
    assert f"already running on host {socket.gethostname()}, pid {first.process.pid}" in node.text()
    other = rota_postgresql.write_settings("other.toml", 2, rota_postgresql.folder / "lmtp3")
    rota_postgresql.serve(other, "other").ready().stop()


def test_comes_back_after_a_kill(rota):
    rota.serve().ready().kill()
    node = rota.serve(name="again").ready()
    node.stop()


def test_reload(rota):
    node = rota.serve().ready()
    rota.settings.write_text(rota.settings.read_text() + '\n[cluster.roles.purge]\nstores = ["1"]\n')
    node.process.send_signal(signal.SIGHUP)
    node.logged("settings read again")
    until(lambda: node.text().count("table.in-force") == 2, "the new table")
    rota.settings.write_text(rota.settings.read_text().replace('["1"]', '[]'))
    node.process.send_signal(signal.SIGHUP)
    node.logged("nothing changes")
    assert "rota.toml:" in node.text()
    assert node.text().count("table.in-force") == 2
    node.stop()


def test_second_signal_ends_it(rota_sqlite):
    """A client in the middle of a message holds the stop up; a second Ctrl-C does not wait for it."""
    rota_sqlite.run("account", "add", "ada@example.org")
    node = rota_sqlite.serve().ready()
    client = rota_sqlite.lmtp()
    client.ehlo_or_helo_if_needed()
    client.mail("s@example.org")
    client.rcpt("ada@example.org")
    client.putcmd("DATA")
    client.getreply()
    node.process.send_signal(signal.SIGINT)
    node.logged("serve.stopping")
    node.logged("node.stopped")  # the node hands over while the session still has its time
    node.process.send_signal(signal.SIGINT)
    assert node.process.wait(timeout=60) == -signal.SIGINT
