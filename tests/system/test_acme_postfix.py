"""Postfix beside rota serves the certificate that acme.renew got, and the next one after the hook."""

import os
import smtplib
import ssl

import pytest
from conftest import until
from door import free_port
from pebble import Pebble
from postfix import Postfix
from test_acme import node_settings

TLS = """
smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/certs/combined.pem
"""
HOOK = 'export = "certs"\ndeploy-hook = ["/bin/kill", "-HUP", "{pid}"]'  # what `postfix reload` does


def served(port):
    """The certificate after STARTTLS; None: there is no TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            client.starttls(context=context)
            return client.sock.getpeercert(True)
    except (smtplib.SMTPException, OSError):
        return None


@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="Postfix's master runs as root only")
def test_postfix_serves_the_new_one(rota_sqlite):
    rota, http = rota_sqlite, free_port()
    pebble, postfix = Pebble(rota.folder, http_port=http), Postfix(free_port())
    try:
        (postfix.folder / "master.cf").open("a").write("tlsmgr unix - - n 1000? 1 tlsmgr\n")
        (postfix.folder / "main.cf").open("a").write(TLS.format(folder=rota.folder))
        acme = pebble.settings(more=HOOK.format(pid=postfix.master.pid))
        settings, _ = node_settings(rota, acme, http)
        node = rota.serve(settings, "node").ready()

        def newest():
            path = rota.folder / "certs" / "fullchain.pem"
            first, end, _ = path.read_text().partition("-----END CERTIFICATE-----\n") if path.exists() else ("",) * 3
            return ssl.PEM_cert_to_DER_cert(first + end) if end else None

        until(lambda: newest() and served(postfix.port) == newest(), "the certificate at Postfix")
        before = newest()
        rota.run("cert", "renew", "mail", settings=settings)
        until(lambda: newest() != before and served(postfix.port) == newest(), "the next one at Postfix")
        node.stop()
    finally:
        postfix.close()
        pebble.stop()
