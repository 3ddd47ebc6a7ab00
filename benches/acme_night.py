"""A night in which many certificates are due at once, against pebble: run by benches/acme.sh.

    acme_night.py ROTA COUNT FOLDER

First they are to be got, then all of them are due for renewal. Prints time, processor time and requests for each, the
most memory and the most connections to the CA; the time for one in the first and in the last tenth of the renewals says
whether it is steady. Checks that each was got once and renewed once.
"""

import os
import pathlib
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "system"))
from door import free_port  # noqa: E402
from pebble import Pebble  # noqa: E402


def say(name, value, unit):
    print(f"{name}\t{value}\t{unit}", flush=True)


def processor_seconds(pid):
    """Of all its threads, to the nanosecond; those of a node live as long as it does."""
    threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def resident_mb(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def connections(port):
    text = pathlib.Path("/proc/net/tcp").read_text()
    return sum(1 for line in text.splitlines()[1:]
               if line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "01")


def settings_of(folder, pebble, http, names, more=""):
    """The file of one node on SQLite that looks each five seconds whether something is due."""
    acme = "".join(pebble.settings(name=name, domains=[f"{name}.example.org"]) for name in names)
    path = folder / "rota.toml"
    path.write_text(f'[store.data]\npath = "rota.db"\n[lmtp]\nlisten = []\n[http]\nlisten = []\n{more}'
                    f'[storage]\nsecret-key = "{"k" * 32}"\n[acme]\nfrequency = "every 5s"\n'
                    f'http-listen = ["127.0.0.1:{http}"]\n{acme}[log]\nlevel = "error"\n')
    return path


class Night:
    def __init__(self, rota, count, folder):
        self.count, self.folder, http = count, folder, free_port()
        self.pebble = Pebble(folder, http_port=http, nonce_reject=5)
        settings = settings_of(folder, self.pebble, http, [f"host{n}" for n in range(count)])
        subprocess.run([rota, "store", "init", "-c", settings], check=True, capture_output=True)
        self.node = subprocess.Popen([rota, "serve", "-c", settings])

    def issued(self):
        return self.pebble.log.read_text().count("Issued certificate serial")

    def phase(self, name, orders):
        """Until there are so many orders' certificates; the moments at which a tenth of them was there."""
        begin, requests, used = time.monotonic(), self.pebble.requests(), processor_seconds(self.node.pid)
        start, tenth = orders - self.count, max(1, self.count // 10)
        memory = most = 0
        at = {}
        while (got := self.issued()) < orders:
            assert time.monotonic() < begin + 60 + 5 * self.count, f"{got} of {orders} certificates"
            memory, most = max(memory, resident_mb(self.node.pid)), max(most, connections(self.pebble.port))
            at.setdefault((got - start) // tenth, time.monotonic())
            time.sleep(0.2)
        end = time.monotonic()
        taken, used = end - begin, processor_seconds(self.node.pid) - used
        assert self.pebble.orders() == orders, f"{self.pebble.orders()} orders, {orders} wanted"
        say(f"acme-{name}-time", f"{taken / self.count * 1000:.0f}", "ms/certificate")
        say(f"acme-{name}-processor", f"{used / self.count * 1000:.1f}", "ms/certificate")
        say(f"acme-{name}-requests", f"{(self.pebble.requests() - requests) / self.count:.1f}", "requests/certificate")
        say(f"acme-{name}-memory", f"{memory:.0f}", "MB")
        say(f"acme-{name}-connections", most, "connections")
        if {0, 1, 9} <= at.keys():
            say(f"acme-{name}-first", f"{(at[1] - at[0]) / tenth * 1000:.0f}", "ms/certificate")
            say(f"acme-{name}-last", f"{(end - at[9]) / tenth * 1000:.0f}", "ms/certificate")

    def make_due(self):
        with sqlite3.connect(self.folder / "rota.db", timeout=60) as store:
            store.execute("UPDATE certificate SET renew_at = 1, info_at = info_at + 864000000")

    def check(self):
        """Each was got once and renewed once."""
        deadline = time.monotonic() + 60
        while True:
            with sqlite3.connect(self.folder / "rota.db", timeout=60) as store:
                versions = store.execute("SELECT version, count(*) FROM certificate GROUP BY version").fetchall()
            if versions == [(2, self.count)]:
                return
            assert time.monotonic() < deadline, versions
            time.sleep(0.2)


def main():
    rota, count, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3]) / "night"
    folder.mkdir()
    night = Night(rota, count, folder)
    try:
        night.phase("night", count)
        time.sleep(3)
        night.make_due()
        night.phase("due", 2 * count)
        night.check()
    finally:
        night.node.terminate()
        night.node.wait()
        night.pebble.stop()


if __name__ == "__main__":
    main()
