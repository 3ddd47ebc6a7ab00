"""Pebble, Debian's ACME server for tests, started privately: strict, with random refusals of nonces."""

import json
import os
import pathlib
import re
import ssl
import subprocess
import urllib.request

from conftest import until
from door import free_port


def self_signed(folder, name):
    """A certificate for 127.0.0.1 and localhost in NAME.pem, which is its own authority, and its key."""
    subprocess.run(["/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", folder / f"{name}-key.pem", "-out", folder / f"{name}.pem", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, capture_output=True)


class Pebble:
    """`names` are answered with 127.0.0.1 by a name server of its own (all), unless `dns` names another."""

    def __init__(self, folder, http_port=0, tls_port=0, dns="", eab=None, nonce_reject=20, life=0, chains=0, **env):
        self.folder = pathlib.Path(folder)
        self.port, self.management = free_port(), free_port()
        self_signed(self.folder, "pebble")
        self.servers = []
        if not dns:
            dns_port = free_port()
            dns = f"127.0.0.1:{dns_port}"
            self.start(["pebble-challtestsrv", "-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "",
                        "-dns01", dns, "-management", f"127.0.0.1:{free_port()}"], {})
        settings = {"listenAddress": f"127.0.0.1:{self.port}",
                    "managementListenAddress": f"127.0.0.1:{self.management}",
                    "certificate": str(self.folder / "pebble.pem"), "privateKey": str(self.folder / "pebble-key.pem"),
                    "httpPort": http_port or free_port(), "tlsPort": tls_port or free_port(), "ocspResponderURL": ""}
        if eab:
            settings.update(externalAccountBindingRequired=True, externalAccountMACKeys=eab)
        if life:
            settings["certificateValidityPeriod"] = life
        config = self.folder / "pebble.json"
        config.write_text(json.dumps({"pebble": settings}))
        self.log = self.folder / "pebble.log"
        self.start(["pebble", "-config", config, "-strict", "-dnsserver", dns],
                   {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(nonce_reject), "PEBBLE_AUTHZREUSE": "0",
                    "PEBBLE_ALTERNATE_ROOTS": str(chains), **env})
        self.context = ssl.create_default_context(cafile=self.folder / "pebble.pem")
        until(self.is_up, "pebble")

    def start(self, command, env):
        with open(self.folder / "pebble.log", "ab") as log:
            self.servers.append(subprocess.Popen([str(word) for word in command], stdout=log, stderr=log,
                                                 env={**os.environ, **env}))

    def is_up(self):
        try:
            return self.ask(f"https://127.0.0.1:{self.port}/dir")
        except OSError:
            assert self.servers[-1].poll() is None, self.log.read_text()
            return None

    def ask(self, url):
        return urllib.request.urlopen(url, context=self.context, timeout=30).read().decode()

    def root(self, number=0):
        """The file of a root that its certificates lead to."""
        path = self.folder / f"root-{number}.pem"
        path.write_text(self.ask(f"https://127.0.0.1:{self.management}/roots/{number}"))
        return path

    def orders(self):
        """How many orders were made."""
        return len(re.findall(r"Added order \"", self.log.read_text()))

    def requests(self):
        return len(re.findall(r" (GET|HEAD|POST) /", self.log.read_text()))

    def settings(self, name="mail", domains=("mail.example.org",), more=""):
        """[acme.NAME] that asks it."""
        return (f'[acme.{name}]\ndirectory = "https://127.0.0.1:{self.port}/dir"\n'
                f'ca-file = "{self.folder}/pebble.pem"\n'
                f'contact = ["ada@example.org"]\ndomains = {json.dumps(list(domains))}\n{more}\n')

    def stop(self):
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait(timeout=60)
