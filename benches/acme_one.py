"""One renewal by rota, and by uacme, against pebble: requests at the CA and processor time: run by benches/acme.sh.

    acme_one.py ROTA FOLDER [uacme]

uacme trusts the system's authorities only, so it runs in a mount namespace in which pebble's certificate is one.
"""

import http.server
import os
import pathlib
import resource
import subprocess
import sys
import threading
import time

from acme_night import Pebble, free_port, processor_seconds, say, settings_of

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def count_of(pebble, issued):
    """Waits for so many certificates, and for the last requests about the newest."""
    deadline = time.monotonic() + 60
    while pebble.log.read_text().count("Issued certificate serial") < issued:
        assert time.monotonic() < deadline, f"no certificate {issued}"
        time.sleep(0.05)
    time.sleep(1)
    return pebble.requests()


def by_rota(rota, folder):
    port = free_port()
    pebble = Pebble(folder, http_port=port, nonce_reject=5)
    settings = settings_of(folder, pebble, port, ["mail"])
    subprocess.run([rota, "store", "init", "-c", settings], check=True, capture_output=True)
    node = subprocess.Popen([rota, "serve", "-c", settings])
    try:
        requests, used = count_of(pebble, 1), processor_seconds(node.pid)
        begin, children = time.monotonic(), children_seconds()
        subprocess.run([rota, "cert", "renew", "mail", "-c", settings], check=True, capture_output=True)
        asked = children_seconds() - children  # the command itself
        requests = count_of(pebble, 2) - requests
        after, taken = processor_seconds(node.pid), time.monotonic() - begin
        time.sleep(taken)  # what the node does without a renewal, for as long
        idle = processor_seconds(node.pid) - after
        say("acme-one-requests-rota", requests, "requests")
        say("acme-one-cpu-rota", f"{asked + max(0.0, after - used - idle) * 1000:.0f}", "ms")
    finally:
        node.terminate()
        node.wait()
        pebble.stop()


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


HOOK = """#!/bin/sh
case "$1 $2" in
"begin http-01") printf %s "$5" >"{folder}/.well-known/acme-challenge/$4" ;;
"begin "*) exit 1 ;;
*) rm -f "{folder}/.well-known/acme-challenge/$4" ;;
esac
"""


def serve_folder(folder, port):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def by_uacme(folder):
    port = free_port()
    pebble = Pebble(folder, http_port=port, nonce_reject=5)
    (folder / ".well-known/acme-challenge").mkdir(parents=True)
    server = serve_folder(folder, port)
    hook = folder / "hook"
    hook.write_text(HOOK.format(folder=folder))
    hook.chmod(0o755)
    words = ["uacme", "-c", str(folder / "conf"), "-a", f"https://127.0.0.1:{pebble.port}/dir", "-y", "-t", "EC"]

    def run(*more):
        command = " ".join([*words, *more])
        script = f"mount --bind '{folder}/pebble.pem' {BUNDLE} && exec {command}"
        unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        subprocess.run([*unshare, "sh", "-c", script], check=True, capture_output=True)

    try:
        run("new", "ada@example.org")
        run("-h", str(hook), "issue", "mail.example.org")
        requests, before = count_of(pebble, 1), children_seconds()
        run("-f", "-h", str(hook), "issue", "mail.example.org")
        after = children_seconds()
        say("acme-one-requests-uacme", count_of(pebble, 2) - requests, "requests")
        say("acme-one-cpu-uacme", f"{(after - before) * 1000:.0f}", "ms")
    finally:
        server.shutdown()
        pebble.stop()


def main():
    rota, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    for name in ("rota", "uacme")[:1 + (sys.argv[3:] == ["uacme"])]:
        (folder / name).mkdir()
    by_rota(rota, folder / "rota")
    if sys.argv[3:] == ["uacme"]:
        by_uacme(folder / "uacme")


if __name__ == "__main__":
    main()
