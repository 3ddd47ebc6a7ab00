"""The manual pages and the completion say what the program says."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("ROTA_PROGRAM", str(ROOT / "build" / "rota"))


def commands():
    text = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^rota ([a-z-]+(?: [a-z-]+)?)  ", text, re.M)


def items(page):
    """The bold names that stand after .TP in a manual page, in order."""
    text = (ROOT / "man" / page).read_text().replace("\\-", "-")
    return re.findall(r"^\.TP\n\.B (.+)$", text, re.M)


def settings():
    """The rows of docs/settings.md, which a unit test compares with the program."""
    text = (ROOT / "docs" / "settings.md").read_text().partition("## All settings")[2]
    return re.findall(r"^\| `([^`]+)` \| (?:`(.+?)`)? ?\|", text, re.M)


def test_every_command_is_in_the_manual():
    got = [name.removeprefix("rota ") for name in items("rota.1") if name.startswith("rota ")]
    missing = set(commands()) - set(got)
    assert not missing, f"man/rota.1 should have a .TP for {sorted(missing)}"
    assert sorted(got) == sorted(commands())


def test_every_setting_is_in_the_manual():
    want = [name for name, _ in settings()]
    got = [name for name in items("rota.toml.5") if "." in name]
    missing = set(want) - set(got)
    assert not missing, f"man/rota.toml.5 should have a .TP for {sorted(missing)}"
    assert sorted(got) == sorted(want)


def test_defaults_are_the_manuals():
    text = (ROOT / "man" / "rota.toml.5").read_text().replace("\\-", "-")
    told = dict(re.findall(r"^\.TP\n\.B (\S+\.\S+)\n((?:[^.].*\n)+)", text, re.M))
    for name, default in settings():
        if default:
            assert f"Default: {default}." in told[name].replace("\n", " "), f"man/rota.toml.5: {name}"


@pytest.mark.parametrize("words, want", [
    ("''", "account check"),
    ("account ''", "add alias delete"),
    ("-c x store c", "check"),
    ("tasks list --st", "--state"),
    ("search --re", "--rebuild"),
])
def test_bash_completes(words, want):
    got = subprocess.run(["bash", "-c", f". examples/completion/rota.bash; COMP_WORDS=({PROGRAM} {words}); "
                          'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _rota; echo "${COMPREPLY[*]}"'],
                         cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(want.split()) <= set(got.split()), got


def test_the_version_is_written_once():
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text()).group(1)
    package = re.match(r"rota \(([^)]+)\)", (ROOT / "debian" / "changelog").read_text()).group(1)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M).group(1)
    assert (package, newest) == (version, version)


def test_the_changelog_names_the_schema():
    schema = max(int(path.name[:4]) for path in (ROOT / "src" / "db" / "schema").glob("[0-9]*.sql"))
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    assert f"Schema {schema}" in newest, f"CHANGELOG.md should say that this version has Schema {schema}"


def test_a_package_is_built_with_what_run_installs():
    setup = (ROOT / "tests" / "setup.sh").read_text()
    run = set(re.search(r"PACKAGES_RUN=\(([^)]*)\)", setup).group(1).split())
    control = (ROOT / "debian" / "control").read_text()
    depends = re.search(r"^Build-Depends: ((?:.*\n)(?: .*\n)*)", control, re.M).group(1)
    control = {name.split("(")[0].strip() for name in depends.split(",")}
    # build-essential is there in any build; the tests' library is not needed with -Dtests=false.
    essential = {"gcc", "libc6-dev", "make"}
    assert run - essential - {"libcmocka-dev", "pkg-config"} <= control
    assert control - run <= {"debhelper-compat", "dh-sequence-installsysusers"}
