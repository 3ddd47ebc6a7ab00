"""TLS at the edge: certificates from files and their exchange, STARTTLS of LMTP, what a bad client does."""

import http.client
import socket
import ssl
import subprocess
import threading

from conftest import until
from door import free_port


def make_certificate(folder, name, host="localhost"):
    """A self-signed one in NAME.pem and NAME-key.pem."""
    subprocess.run(["/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", folder / f"{name}-key.pem", "-out", folder / f"{name}.pem", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{host}"],
                   check=True, capture_output=True)


def serve(rota, tls, http="", name="node"):
    port = free_port()
    settings = rota.write_settings(f"{name}.toml", 1, rota.folder / "lmtp",
                                   http=f'listen = []\ntls.listen = ["127.0.0.1:{port}"]\n{http}\n[tls]\n{tls}\n')
    return rota.serve(settings, name), port


def shake(port, context=None, host="localhost"):
    """The certificate that a handshake gets (DER), and what TLS it was."""
    if context is None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
        with context.wrap_socket(plain, server_hostname=host) as secure:
            return secure.getpeercert(True), secure.version(), secure.selected_alpn_protocol()


def der(folder, name):
    return ssl.PEM_cert_to_DER_cert((folder / f"{name}.pem").read_text())


FILES = 'certificate = "now.pem"\nprivate-key = "now-key.pem"'


def put(folder, name):
    for end in (".pem", "-key.pem"):
        (folder / f"now{end}").write_text((folder / f"{name}{end}").read_text())


def test_exchange(rota_sqlite):
    """Clients in a loop across two exchanges see the old or the new certificate, and no failed handshake."""
    folder = rota_sqlite.folder
    make_certificate(folder, "first")
    make_certificate(folder, "second")
    put(folder, "first")
    node, port = serve(rota_sqlite, FILES)
    node.ready()
    context = ssl.create_default_context(cafile=folder / "first.pem")
    client = http.client.HTTPSConnection("localhost", port, timeout=60, context=context)
    client.request("GET", "/readyz")
    assert client.getresponse().read() and f"https at 127.0.0.1:{port}" in node.text()
    seen, ended, failed = [], threading.Event(), []

    def loop():
        while not ended.is_set():
            try:
                seen.append(shake(port)[0])
            except OSError as error:
                failed.append(error)

    threads = [threading.Thread(target=loop) for _ in range(2)]
    for thread in threads:
        thread.start()
    put(folder, "second")
    rota_sqlite.run("reload", settings=folder / "node.toml")
    until(lambda: seen and seen[-1] == der(folder, "second"), "the second certificate")
    (folder / "now-key.pem").write_text("this is no key\n")
    rota_sqlite.run("reload", settings=folder / "node.toml", status=None)
    node.logged("tls.reload-failed")
    assert shake(port)[0] == der(folder, "second")
    ended.set()
    for thread in threads:
        thread.join()
    assert not failed and set(seen) == {der(folder, "first"), der(folder, "second")}
    client.request("GET", "/healthz")  # the connection of before stands
    assert client.getresponse().status == 200
    node.stop()


def test_versions_and_stand_in(rota_sqlite):
    node, port = serve(rota_sqlite, "")
    node.ready()
    assert "tls.stand-in" in node.text()
    assert shake(port)[1] == "TLSv1.3"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_alpn_protocols(["h2", "http/1.1"])
    assert shake(port, old)[1:] == ("TLSv1.2", "http/1.1")
    got = subprocess.run(["/usr/bin/openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_1", "-cipher",
                          "DEFAULT:@SECLEVEL=0"], input=b"", capture_output=True, timeout=60)
    assert b"Cipher is (NONE)" in got.stdout
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    plain.request("GET", "/readyz")
    try:
        plain.getresponse()
        raise AssertionError("plain HTTP was answered")
    except (http.client.HTTPException, OSError):
        pass
    node.stop()


def test_wrong_files_at_start(rota_sqlite):
    make_certificate(rota_sqlite.folder, "first")
    make_certificate(rota_sqlite.folder, "second")
    (rota_sqlite.folder / "now.pem").write_text((rota_sqlite.folder / "first.pem").read_text())
    (rota_sqlite.folder / "now-key.pem").write_text((rota_sqlite.folder / "second-key.pem").read_text())
    node, _ = serve(rota_sqlite, FILES)
    assert node.process.wait(timeout=60) == 2
    assert "the private key is not this certificate's" in node.text()


def test_large_bodies_and_limits(rota_sqlite):
    """Bytes come through whole in both directions, and who is turned away hears why."""
    node, port = serve(rota_sqlite, "", http="max-connections-per-address = 3")
    node.ready()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def connect():
        return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=60),
                                   server_hostname="localhost")

    client = connect()
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    text = b""
    while piece := client.recv(65536):
        text += piece
    head, _, body = text.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                  if line.startswith(b"content-length"))
    assert len(body) == length > 1000
    client.close()
    held = [connect() for _ in range(3)]
    refused = connect()
    assert refused.recv(100).startswith(b"HTTP/1.1 503")
    for one in [*held, refused]:
        one.close()
    node.stop()


def test_starttls(rota_sqlite):
    """LMTP by TLS; what was sent behind STARTTLS without it is not obeyed (RFC 3207 6)."""
    node, _ = serve(rota_sqlite, "")
    node.ready()
    rota_sqlite.run("account", "add", "ada@example.org", settings=rota_sqlite.folder / "node.toml")
    plain = socket.socket(socket.AF_UNIX)
    plain.settimeout(60)
    plain.connect(str(rota_sqlite.folder / "lmtp"))
    assert plain.recv(1000).startswith(b"220")
    plain.sendall(b"LHLO a\r\n")
    assert b"250-STARTTLS\r\n" in plain.recv(1000)
    plain.sendall(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
    assert plain.recv(1000) == b"220 2.0.0 Begin TLS\r\n"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    secure = context.wrap_socket(plain, server_hostname="localhost")
    secure.sendall(b"MAIL FROM:<a@example.org>\r\n")
    assert secure.recv(1000).startswith(b"503")
    secure.sendall(b"LHLO a\r\n")
    assert b"STARTTLS" not in secure.recv(1000)
    secure.sendall(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<ada@example.org>\r\nDATA\r\n")
    while b"354" not in secure.recv(1000):
        pass
    secure.sendall(b"Subject: by TLS\r\n\r\n" + b"x" * 70 + b"\r\n.\r\nQUIT\r\n")
    assert secure.recv(1000).startswith(b"250")
    node.stop()


def test_stapling(rota_sqlite):
    """What the responder says of the certificate comes with the handshake; without it the handshake is a good one."""
    folder, responder = rota_sqlite.folder, free_port()

    def openssl(*words):
        subprocess.run(["/usr/bin/openssl", *words], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca-key.pem", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=authority")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "now-key.pem", "-out", "request.pem", "-subj", "/CN=a")
    (folder / "extensions").write_text("subjectAltName=DNS:localhost\n"
                                       f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{responder}/\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-set_serial", "0x10",
            "-days", "2", "-extfile", "extensions", "-out", "leaf.pem")
    (folder / "now.pem").write_text((folder / "leaf.pem").read_text() + (folder / "ca.pem").read_text())
    (folder / "index").write_text("V\t400101000000Z\t\t10\tunknown\t/CN=a\n")
    answers = subprocess.Popen(["/usr/bin/openssl", "ocsp", "-index", "index", "-port", str(responder), "-rsigner",
                                "ca.pem", "-rkey", "ca-key.pem", "-CA", "ca.pem", "-ndays", "1"], cwd=folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    node, port = serve(rota_sqlite, FILES)
    node.ready()

    def status():
        return subprocess.run(["/usr/bin/openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-status", "-CAfile",
                               "ca.pem"], input=b"", capture_output=True, timeout=60, cwd=folder).stdout
    try:
        until(lambda: b"Cert Status: good" in status(), "the staple")
        assert b"Verify return code: 0" in status()
    finally:
        answers.terminate()
        answers.wait()
    node.stop()
    node, port = serve(rota_sqlite, FILES, name="again")
    node.ready()
    node.logged("tls.no-staple")
    assert b"OCSP response: no response sent" in status()
    node.stop()
