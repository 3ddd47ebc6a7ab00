"""acme.renew against pebble: challenges, renewal, export, and what an operator sees."""

import ssl

import pytest
from conftest import until
from door import free_port
from pebble import Pebble
from test_tls import shake

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def pebbles():
    """Started ones, stopped at the end."""
    started = []

    def start(*args, **options):
        started.append(Pebble(*args, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def node_settings(rota, acme, http_port=0, name="node", node=1, tls_port=0, cluster=""):
    tls_port = tls_port or free_port()
    challenges = f'[acme]\nhttp-listen = ["127.0.0.1:{http_port}"]\n' if http_port else ""
    path = rota.write_settings(f"{name}.toml", node, rota.folder / f"lmtp-{name}", cluster=cluster,
                               http=f'listen = []\ntls.listen = ["127.0.0.1:{tls_port}"]\n[storage]\n'
                                    f'secret-key = "{SECRET}"\n{challenges}{acme}')
    return path, tls_port


def trusted(port, root, host):
    """The handshake by a client that trusts the CA alone; None: it does not trust what it gets."""
    try:
        return shake(port, ssl.create_default_context(cafile=root), host)
    except ssl.SSLError:
        return None


def test_http_challenge(rota, pebbles):
    http = free_port()
    pebble = pebbles(rota.folder, http_port=http)
    settings, port = node_settings(rota, pebble.settings(), http)
    node = rota.serve(settings, "node").ready()
    until(lambda: trusted(port, pebble.root(), "mail.example.org"), "the certificate")
    assert pebble.orders() == 1
    assert "tls.exchanged" in node.text()
    node.stop()
