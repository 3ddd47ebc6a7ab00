"""acme.renew against pebble: challenges, renewal, export, and what an operator sees."""

import json
import re
import ssl
import subprocess

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


def certificate(rota, settings, name="mail"):
    """What `rota cert show` says."""
    return json.loads(rota.run("cert", "show", "--json", name, settings=settings))


def renewed(rota, settings, version, name="mail"):
    """Waits for that version."""
    def look():
        got = certificate(rota, settings, name)
        return got if got["version"] >= version else None
    return until(look, f"version {version} of {name}")


def names_of(der):
    text = subprocess.run(["/usr/bin/openssl", "x509", "-inform", "DER", "-noout", "-ext", "subjectAltName"],
                          input=der, check=True, capture_output=True).stdout.decode()
    return sorted(re.findall(r"DNS:([^\s,]+)", text))


def key_of(der):
    """What `openssl x509` says of its public key."""
    text = subprocess.run(["/usr/bin/openssl", "x509", "-inform", "DER", "-noout", "-text"], input=der, check=True,
                          capture_output=True).stdout.decode()
    return next(line for line in text.splitlines() if "Public-Key" in line)


def test_http_challenge(rota, pebbles):
    """The first certificate, by itself; then one more for a wish, without a failed handshake; then a revocation."""
    http = free_port()
    pebble = pebbles(rota.folder, http_port=http)
    settings, port = node_settings(rota, pebble.settings(domains=["mail.example.org", "imap.example.org"]), http)
    node = rota.serve(settings, "node").ready()
    first = until(lambda: trusted(port, pebble.root(), "imap.example.org"), "the certificate")
    assert pebble.orders() == 1
    assert names_of(first[0]) == ["imap.example.org", "mail.example.org"]
    rota.run("cert", "renew", "mail", settings=settings)
    seen = []
    root = pebble.root()
    until(lambda: seen.append(trusted(port, root, "mail.example.org")[0]) or len(set(seen)) == 2, "the second")
    assert pebble.orders() == 2
    got = certificate(rota, settings)
    assert (got["state"], got["version"], got["problem"], got["step"]) == ("good", 2, None, "")
    rota.run("cert", "revoke", "mail", settings=settings)
    assert renewed(rota, settings, 3)["state"] == "good"
    serial = got["serial"].lower().lstrip("0")
    status = pebble.ask(f"https://127.0.0.1:{pebble.management}/cert-status-by-serial/{serial}")
    assert json.loads(status)["Status"] == "Revoked"
    rota.run("cert", "roll-over", "mail", settings=settings)
    renewed(rota, settings, 4)
    assert "rollover" in pebble.log.read_text().lower() or "key-change" in pebble.log.read_text().lower()
    assert "mail.example.org" in rota.run("cert", "list", settings=settings)
    assert rota.run("cert", "show", "other", settings=settings, status=1) == ""
    node.stop()


def test_tls_alpn_challenge(rota, pebbles):
    """Answered by the other node than the one that asks, from the store."""
    tls = free_port()
    pebble = pebbles(rota.folder, tls_port=tls)
    acme = pebble.settings(more='challenge = "tls-alpn-01"\nkey-type = "rsa2048"\naccount-key = "rsa2048"')
    settings, _ = node_settings(rota, acme, tls_port=tls)
    node = rota.serve(settings, "node").ready()
    got = until(lambda: trusted(tls, pebble.root(), "mail.example.org"), "the certificate")
    assert names_of(got[0]) == ["mail.example.org"]
    assert pebble.orders() == 1
    with pytest.raises(OSError):  # a challenge that is not there
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["acme-tls/1"])
        shake(tls, context, "other.example.org")
    node.stop()


def test_external_account_binding(rota_sqlite, pebbles):
    """With half of all nonces refused, and challenges that are looked at after random times, in any order."""
    http, names = free_port(), ["mail.example.org", "imap.example.org", "smtp.example.org"]
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    pebble = pebbles(rota_sqlite.folder, http_port=http, eab={"kid-1": key}, nonce_reject=50, PEBBLE_VA_NOSLEEP="0",
                     PEBBLE_VA_SLEEPTIME="2")
    settings, port = node_settings(rota_sqlite, pebble.settings(domains=names), http)
    node = rota_sqlite.serve(settings, "node").ready()
    until(lambda: certificate(rota_sqlite, settings)["failures"], "the refusal")
    assert "wants external account binding" in json.dumps(certificate(rota_sqlite, settings)["problem"])
    node.stop()
    binding = f'eab.kid = "kid-1"\neab.hmac-key = "{key}"'
    settings, port = node_settings(rota_sqlite, pebble.settings(domains=names, more=binding), http)
    node = rota_sqlite.serve(settings, "again").ready()
    rota_sqlite.run("cert", "renew", "mail", settings=settings)
    got = until(lambda: trusted(port, pebble.root(), "mail.example.org"), "the certificate")
    assert names_of(got[0]) == sorted(names) and pebble.orders() == 1
    node.stop()


def test_refusal_is_shown_whole(rota_sqlite, pebbles):
    """A challenge that the CA cannot reach: its document is kept, the CA is left alone, the stand-in is served."""
    pebble = pebbles(rota_sqlite.folder)  # nobody listens where it looks
    settings, port = node_settings(rota_sqlite, pebble.settings())
    node = rota_sqlite.serve(settings, "node").ready()
    got = until(lambda: (lambda c: c if c["failures"] else None)(certificate(rota_sqlite, settings)), "the failure")
    assert "connection" in got["problem"]["type"] and got["problem"]["detail"]
    assert got["state"] == "none" and got["next_at"] > got["failed_at"] + 30000
    assert "none, failing" in rota_sqlite.run("cert", "list", settings=settings)
    assert "certificate mail: there is none yet, 1 orders failed: " in rota_sqlite.run("status", settings=settings)
    found = [one["name"] for one in json.loads(rota_sqlite.run("audit", "--json", settings=settings))["findings"]]
    assert {"certificate-missing", "stand-in-certificate"} <= set(found)
    asked = pebble.requests()
    node.stop()
    node = rota_sqlite.serve(settings, "again").ready()  # a restart does not shorten the wait
    rota_sqlite.run("run", "acme.renew", settings=settings, status=None)
    assert pebble.requests() == asked
    assert shake(port)[0]
    node.stop()


def test_export_and_hook(rota_sqlite, pebbles):
    http = free_port()
    pebble = pebbles(rota_sqlite.folder, http_port=http, chains=1)
    folder = rota_sqlite.folder
    hook = f'deploy-hook = ["/bin/sh", "-c", "cat $ROTA_CERTIFICATE_FOLDER/fullchain.pem >> {folder}/hooked"]'
    acme = pebble.settings(more=f'export = "certs"\nreuse-key = true\n{hook}')
    settings, _ = node_settings(rota_sqlite, acme, http)
    node = rota_sqlite.serve(settings, "node").ready()
    node.logged("tls.exported")
    key, chain = folder / "certs" / "privkey.pem", folder / "certs" / "fullchain.pem"
    assert (key.stat().st_mode & 0o777, chain.stat().st_mode & 0o777) == (0o600, 0o644)
    assert (folder / "certs" / "combined.pem").read_text() == key.read_text() + chain.read_text()
    subprocess.run(["/usr/bin/openssl", "verify", "-CAfile", pebble.root(), "-untrusted", chain, chain], check=True)
    before = key.read_text()
    node.kill()
    node = rota_sqlite.serve(settings, "again").ready()
    rota_sqlite.run("cert", "renew", "mail", settings=settings)
    until(lambda: (folder / "hooked").read_text().count("BEGIN") == 2 * chain.read_text().count("BEGIN"), "the hook")
    assert key.read_text() == before  # reuse-key
    rota_sqlite.run("cert", "export", "mail", str(folder / "by-hand"), settings=settings)
    assert (folder / "by-hand" / "privkey.pem").read_text() == before
    store = (folder / "rota.db").read_bytes()
    assert b"BEGIN PRIVATE KEY" not in store  # sealed
    node.stop()


def test_issuer(rota_sqlite, pebbles):
    """Of the chains that the CA offers, the one that is asked for."""
    http = free_port()
    pebble = pebbles(rota_sqlite.folder, http_port=http, chains=2)
    subject = subprocess.run(["/usr/bin/openssl", "x509", "-in", pebble.root(2), "-noout", "-subject", "-nameopt",
                              "multiline"], check=True, capture_output=True, text=True).stdout
    name = subject.split("commonName")[1].split("=")[1].strip()
    settings, port = node_settings(rota_sqlite, pebble.settings(more=f'issuer = "{name}"'), http)
    node = rota_sqlite.serve(settings, "node").ready()
    first = until(lambda: trusted(port, pebble.root(2), "mail.example.org"), "the certificate")[0]
    assert not trusted(port, pebble.root(0), "mail.example.org")
    assert "256 bit" in key_of(first)
    node.stop()
    # Other kinds of keys: the account's is rolled over to. An issuer that no chain has: the CA's own choice.
    acme = pebble.settings(more='issuer = "no such"\naccount-key = "p384"\nkey-type = "p384"')
    settings, port = node_settings(rota_sqlite, acme, http)
    node = rota_sqlite.serve(settings, "again").ready()
    rota_sqlite.run("cert", "renew", "mail", settings=settings)
    renewed(rota_sqlite, settings, 2)
    second = until(lambda: (lambda got: got if got and got[0] != first else None)(
        trusted(port, pebble.root(0), "mail.example.org")), "the second")[0]
    assert "384 bit" in key_of(second)
    assert "POST /rollover-account-key" in pebble.log.read_text()
    node.stop()


class Knot:
    """Debian's name server, with example.org, which a TSIG key may change."""

    SECRET = "c2VjcmV0LWZvci10aGUtdGVzdC1vZi1kbnMtMDE="

    def __init__(self, folder):
        self.folder, self.port = folder / "knot", free_port()
        self.folder.mkdir()
        (self.folder / "example.org.zone").write_text(
            "$ORIGIN example.org.\n$TTL 60\n@ SOA ns root 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n")
        (self.folder / "knot.conf").write_text(
            f"server:\n  listen: 127.0.0.1@{self.port}\n  rundir: {self.folder}\n"
            f"database:\n  storage: {self.folder}\n"
            f"key:\n  - id: rota\n    algorithm: hmac-sha256\n    secret: {self.SECRET}\n"
            "acl:\n  - id: update\n    key: rota\n    action: update\n"
            f"zone:\n  - domain: example.org\n    storage: {self.folder}\n    file: example.org.zone\n"
            "    acl: update\n")
        self.log = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(["/usr/sbin/knotd", "-c", self.folder / "knot.conf"], stdout=self.log,
                                        stderr=self.log)
        until(lambda: self.dig("example.org", "SOA"), "the name server")

    def dig(self, name, kind):
        got = subprocess.run(["/usr/bin/kdig", "+short", "+time=1", "+retry=0", "-p", str(self.port), "@127.0.0.1",
                              name, kind], capture_output=True, text=True, timeout=60)
        return got.stdout.strip()

    def settings(self, more=""):
        return (f'challenge = "dns-01"\nhost = "127.0.0.1"\nport = {self.port}\nkey = "rota"\n'
                f'secret = "{self.SECRET}"\n{more}')

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.log.close()


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_dns_challenge(rota_sqlite, pebbles, protocol):
    """A wildcard and its own name: two records of one name; both are taken back after."""
    knot = Knot(rota_sqlite.folder)
    pebble = pebbles(rota_sqlite.folder, dns=f"127.0.0.1:{knot.port}")
    acme = pebble.settings(domains=["*.example.org", "example.org"], more=knot.settings(f'protocol = "{protocol}"'))
    settings, port = node_settings(rota_sqlite, acme)
    node = rota_sqlite.serve(settings, "node").ready()
    got = until(lambda: trusted(port, pebble.root(), "any.example.org"), "the certificate")
    assert names_of(got[0]) == ["*.example.org", "example.org"]
    assert knot.dig("_acme-challenge.example.org", "TXT") == ""
    node.stop()
    knot.stop()


def test_dns_key_is_refused(rota_sqlite, pebbles):
    knot = Knot(rota_sqlite.folder)
    pebble = pebbles(rota_sqlite.folder, dns=f"127.0.0.1:{knot.port}")
    acme = pebble.settings(domains=["example.org"], more=knot.settings().replace("c2VjcmV0", "d3Jvbmch"))
    settings, _ = node_settings(rota_sqlite, acme)
    node = rota_sqlite.serve(settings, "node").ready()
    got = until(lambda: (lambda c: c if c["failures"] else None)(certificate(rota_sqlite, settings)), "the failure")
    assert "refuses the TSIG key" in got["problem"]["detail"]
    node.stop()
    knot.stop()
