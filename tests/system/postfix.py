"""A Postfix of a test's own: its package is unpacked, not installed, so that no machine's mail system changes.

Configuration, queue and log lie in a folder of its own; it listens on a free port of the loopback. Its master runs as
root only; its parts run as "mail", which Debian has.
"""

import os
import pathlib
import pwd
import shutil
import smtplib
import socket
import subprocess
import tempfile

from conftest import PATIENCE, ROOT, until

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
config_directory = {folder}
daemon_directory = {tree}/usr/lib/postfix/sbin
command_directory = {tree}/usr/sbin
shlib_directory = {tree}/usr/lib/postfix
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
export_environment = MAIL_CONFIG LD_LIBRARY_PATH
mail_owner = mail
setgid_group = games
default_privs = nobody
myhostname = mta.example.org
mydestination = example.org
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_transport = lmtp:inet:127.0.0.1:{lmtp_port}
local_recipient_maps =
alias_maps =
relayhost =
default_transport = error:only example.org is delivered to
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
recipient_delimiter = +
lmtp_destination_concurrency_failed_cohort_limit = 100
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unpack(folder):
    """The package's files in `folder`; the download is kept in var/."""
    kept = ROOT / "var" / "postfix"
    kept.mkdir(parents=True, exist_ok=True)
    download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "postfix"]
    if not list(kept.glob("postfix_*.deb")) and subprocess.run(download, cwd=kept).returncode != 0:
        subprocess.run(["apt-get", "-qq", "update"], check=True)  # a machine without lists of packages
        subprocess.run(download, cwd=kept, check=True)
    package = next(kept.glob("postfix_*.deb"))
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    return folder


class Postfix:
    """Takes mail on `port` and hands what is for example.org to the LMTP server on `lmtp_port`, what is for
    example.com to the mail server on `other_port`. `refusals`: {address: what it says to RCPT}."""

    def __init__(self, lmtp_port, other_port=None, refusals=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rota-postfix-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        tree = unpack(self.folder / "tree")
        names = {"folder": self.folder, "tree": tree, "port": self.port, "lmtp_port": lmtp_port}
        other = f"transport_maps = inline:{{example.com=smtp:[127.0.0.1]:{other_port}}}\n" if other_port else ""
        self.main = MAIN.format(**names) + other
        self.configure(refusals or {})
        (self.folder / "master.cf").write_text(MASTER.format(**names))
        self.environment = {**os.environ, "MAIL_CONFIG": str(self.folder), "LD_LIBRARY_PATH": f"{tree}/usr/lib/postfix"}
        self.environment.pop("LD_PRELOAD", None)
        owner = pwd.getpwnam("mail")
        parts = "active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace"
        for name in ["data", "queue"] + ["queue/" + part for part in parts.split()]:
            (self.folder / name).mkdir()
            if name not in ("queue", "queue/pid"):
                os.chown(self.folder / name, owner.pw_uid, -1)
        self.start()

    def configure(self, refusals):
        """For sessions that begin from now on."""
        table = ", ".join(f"{{{address} = {words}}}" for address, words in refusals.items())
        said = f"smtpd_recipient_restrictions = check_recipient_access inline:{{{table}}}\n" if refusals else ""
        (self.folder / "main.cf").write_text(self.main + said)

    def start(self):
        tree = self.folder / "tree"
        with open(self.folder / "master.log", "ab") as log:
            self.master = subprocess.Popen([tree / "usr/lib/postfix/sbin/master", "-d", "-c", self.folder],
                                           env=self.environment, stdout=log, stderr=log)
        until(self.answers, "Postfix")

    def answers(self):
        assert self.master.poll() is None, self.text()
        try:
            self.client().quit()
            return True
        except OSError:
            return False

    def client(self):
        return smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE)

    def text(self):
        return "".join(path.read_text(errors="replace") for path in (self.folder / "master.log", self.folder / "log")
                       if path.exists())

    def queued(self):
        """How many messages it has not got rid of."""
        return sum(1 for part in ("active", "deferred", "incoming", "maildrop")
                   for path in (self.folder / "queue" / part).rglob("*") if path.is_file())

    def stop(self):
        self.master.terminate()
        self.master.wait(timeout=PATIENCE)

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
