"""A night in which many certificates are due at once, against pebble: run by benches/tls.sh.

    tls_night.py ROTA COUNT FOLDER

Prints time, processor time and requests for each certificate, the most memory and the most connections to the CA, and
checks that each was got once.
"""

import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "system"))
from door import free_port  # noqa: E402
from pebble import Pebble  # noqa: E402


def say(name, value, unit):
    print(f"{name}\t{value}\t{unit}", flush=True)


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def connections(port):
    text = pathlib.Path("/proc/net/tcp").read_text()
    return sum(1 for line in text.splitlines()[1:]
               if line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01")


def main():
    rota, count, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3]) / "night"
    folder.mkdir()
    http = free_port()
    pebble = Pebble(folder, http_port=http, nonce_reject=5)
    acme = "".join(pebble.settings(name=f"c{n}", domains=[f"host{n}.example.org"]) for n in range(count))
    settings = folder / "rota.toml"
    settings.write_text(f'[store.data]\npath = "rota.db"\n[lmtp]\nlisten = []\n[http]\nlisten = []\n'
                        f'[storage]\nsecret-key = "{"k" * 32}"\n[acme]\nhttp-listen = ["127.0.0.1:{http}"]\n{acme}'
                        f'[log]\nlevel = "error"\n')
    subprocess.run([rota, "store", "init", "-c", settings], check=True, capture_output=True)
    begin = time.monotonic()
    node = subprocess.Popen([rota, "serve", "-c", settings])
    most_memory = most_connections = got = 0
    try:
        while got < count and time.monotonic() < begin + 60 + 5 * count:
            time.sleep(0.2)
            most_memory = max(most_memory, resident_mb(node.pid))
            most_connections = max(most_connections, connections(pebble.port))
            got = pebble.log.read_text().count("Issued certificate serial")
        taken, used = time.monotonic() - begin, processor_seconds(node.pid)
    finally:
        node.terminate()
        node.wait()
        pebble.stop()
    assert got == count == pebble.orders(), f"{got} issued, {pebble.orders()} orders, {count} wanted"
    say("tls-night-time", f"{taken / count * 1000:.0f}", "ms/certificate")
    say("tls-night-processor", f"{used / count * 1000:.1f}", "ms/certificate")
    say("tls-night-requests", f"{pebble.requests() / count:.1f}", "requests/certificate")
    say("tls-night-memory", f"{most_memory:.0f}", "MB")
    say("tls-night-connections", most_connections, "connections")


if __name__ == "__main__":
    main()
