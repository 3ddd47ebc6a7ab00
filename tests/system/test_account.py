"""`rota account …`: what an operator does with accounts, and what is said when it is wrong."""

import json
import os
import pty
import subprocess
import termios

from conftest import PATIENCE, PROGRAM


def fails(rota, status, *words, **more):
    """The text on standard error of a command that must end with `status`."""
    done = subprocess.run([PROGRAM, *words, "-c", str(rota.settings)], capture_output=True, text=True,
                          timeout=PATIENCE, cwd=rota.folder, **more)
    assert (done.returncode, done.stdout) == (status, ""), f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stderr


def listed(rota, *words):
    return json.loads(rota.run("account", "list", "--json", *words))["accounts"]


def test_a_life(rota):
    rota.run("account", "add", "Ada@Example.org", "--name", "Ada Example", "--quota", "5gb",
             "--alias", "a@example.org", "--alias", "b@example.org")
    rota.run("account", "add", "bob@example.org")
    ada, bob = listed(rota)
    assert (ada["address"], ada["name"], ada["quota_bytes"]) == ("ada@example.org", "Ada Example", 5 * 10**9)
    assert ada["aliases"] == ["a@example.org", "b@example.org"] and not ada["has_password"] and bob["quota_bytes"] == 0
    assert json.loads(rota.run("account", "show", "b@example.org", "--json")) == ada
    assert "Ada Example" in rota.run("account", "show", "ada@example.org")
    rota.run("account", "alias", "ada@example.org", "b@example.org", "--remove")
    rota.run("account", "quota", "ada@example.org", "10mb")
    rota.run("account", "alias", "bob@example.org", "b@example.org")
    ada, bob = listed(rota)
    assert (ada["aliases"], ada["quota_bytes"], bob["aliases"]) == (["a@example.org"], 10**7, ["b@example.org"])
    rota.run("account", "quota", "ada@example.org", "none")
    assert "example.org" in rota.run("account", "list") and listed(rota)[0]["quota_bytes"] == 0
    rota.run("account", "delete", "ada@example.org")
    assert [account["address"] for account in listed(rota)] == ["bob@example.org"]
    assert [account["deleted_at"] > 0 for account in listed(rota, "--deleted")] == [True, False]
    assert "deleted" in rota.run("account", "list", "--deleted")
    rota.run("account", "undelete", "ada@example.org")
    assert [(account["address"], account["aliases"]) for account in listed(rota)] == [
        ("ada@example.org", []), ("bob@example.org", ["b@example.org"])]


def test_wrong_use(rota):
    assert "rota store init" in fails(rota, 1, "account", "list")
    rota.run("account", "add", "ada@example.org", "--alias", "a@example.org")
    rota.run("account", "add", "bob@example.org")
    for words, status, word in [
        (["add", "ada@example.org"], 1, '"ada@example.org" is taken'),
        (["add", "A@EXAMPLE.ORG"], 1, "is taken"),
        (["add", "nobody"], 2, "not an address"),
        (["add", "ada+list@example.org"], 2, "'+'"),
        (["add", "eve@example.org", "--alias", "bob@example.org"], 1, "nothing was made"),
        (["add", "eve@example.org", "--alias", "bob"], 2, "bob"),
        (["add", "eve@example.org", "--quota", "5 miles"], 2, "--quota"),
        (["add", "eve@example.org", "--generate", "--password-stdin"], 2, "not both"),
        (["add"], 2, "usage: rota account add ADDRESS"),
        (["show", "adda@example.org"], 1, 'did you mean "ada@example.org"?'),
        (["show", "somebody.else@elsewhere.example"], 1, "rota account list"),
        (["delete", "bbo@example.org"], 1, 'did you mean "bob@example.org"?'),
        (["undelete", "bob@example.org"], 1, "nothing comes back"),
        (["quota", "ada@example.org", "-5"], 2, "-5"),
        (["quota", "ada@example.org", "5x"], 2, "5x"),
        (["quota", "zed@example.org", "5mb"], 1, "zed@example.org"),
        (["alias", "ada@example.org", "bob@example.org"], 1, "is taken"),
        (["alias", "bob@example.org", "a@example.org", "--remove"], 1, 'an alias of "ada@example.org"'),
        (["alias", "bob@example.org", "bob@example.org", "--remove"], 2, "own address"),
        (["password", "adda@example.org", "--generate"], 1, 'did you mean "ada@example.org"?'),
        (["password", "ada@example.org", "--generate", "--remove"], 2, "one of"),
    ]:
        assert word in fails(rota, status, "account", *words), words
    assert [account["address"] for account in listed(rota)] == ["ada@example.org", "bob@example.org"]
    rota.run("account", "add", "eve@example.org")
    rota.run("account", "delete", "eve@example.org")
    rota.run("account", "add", "eve@example.org")
    assert "is taken" in fails(rota, 1, "account", "undelete", "eve@example.org")


def test_passwords(rota_sqlite):
    rota = rota_sqlite
    rota.run("account", "add", "ada@example.org", "--password-stdin", text="pässword\n")
    assert listed(rota)[0]["has_password"]
    rota.run("account", "password", "ada@example.org", "--remove")
    assert not listed(rota)[0]["has_password"]
    made = {rota.run("account", "password", "ada@example.org", "--generate").splitlines()[-1] for _ in range(2)}
    assert len(made) == 2 and all(len(word) == len("password: ") + 23 for word in made)
    assert json.loads(rota.run("account", "add", "bob@example.org", "--generate", "--json"))["password"]
    for text, word in [("\n", "empty"), ("", "empty"), ("x" * 1025, "1024 bytes")]:
        assert word in fails(rota, 2, "account", "password", "ada@example.org", "--password-stdin", input=text)
    lone = fails(rota, 2, "account", "password", "ada@example.org", start_new_session=True)
    assert "--password-stdin" in lone


def type_password(rota, *lines):
    """What the terminal showed, and the exit status, while `lines` were typed at the prompts."""
    child, terminal = pty.fork()
    if child == 0:
        # Else the terminal itself may throw away what is said to a ^C.
        terms = termios.tcgetattr(0)
        terms[3] |= termios.NOFLSH
        termios.tcsetattr(0, termios.TCSANOW, terms)
        os.execv(PROGRAM, [PROGRAM, "account", "password", "ada@example.org", "-c", str(rota.settings)])
    seen = b""

    def read():
        nonlocal seen
        try:
            seen += os.read(terminal, 1024)
            return True
        except OSError:
            return False

    for number, line in enumerate(lines):
        while seen.count(b"password: ") + seen.count(b"again: ") <= number:
            assert read(), seen
        os.write(terminal, line)
    while read():
        pass
    return seen.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_asks_twice_without_echo(rota_sqlite):
    rota = rota_sqlite
    rota.run("account", "add", "ada@example.org")
    for lines, status, word in [([b"secret\n", b"secres\n"], 2, "differ"), ([b"sec\x03"], 1, "stopped"),
                                ([b"secret\n", b"secret\n"], 0, "password set")]:
        assert not listed(rota)[0]["has_password"]
        shown, got = type_password(rota, *lines)
        assert got == status and word in shown and "sec" not in shown
    assert listed(rota)[0]["has_password"]
