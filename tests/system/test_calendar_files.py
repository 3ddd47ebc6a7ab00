"""Calendars into files and out of them: nothing is lost, and an object comes back byte for byte."""

import os
import pathlib

from dav_client import ADA, HOME, Dav, event

IMPORT, EXPORT = ("import", "-a", ADA), ("export", "-a", ADA)


def objects(dav):
    return sorted((row[0], row[1]) for row in dav.rota.query(
        "SELECT c.name, o.etag FROM calendar_object o JOIN calendar c ON c.account = o.account AND c.id = o.calendar"))


def test_there_and_back(rota, tmp_path):
    dav = Dav(rota)
    dav.dav("PROPFIND", HOME, Depth="1")
    dav.dav("MKCALENDAR", HOME + "of%2Ffic%C3%A9%20.x/")
    for number in range(450):
        text = event(f"u{number}", summary=f"T\u00e9a {number}", more="X-ODD;X-Y=\"z\":1\r\n fold\r\n")
        where = "default" if number % 3 else "of%2Ffic%C3%A9%20.x"
        assert dav.dav("PUT", HOME + f"{where}/{number}.ics", text if number % 2 else text.rstrip())[0] == 201
    before = objects(dav)
    folder = tmp_path / "out"
    assert "450 objects written, 2 calendars," in rota.run(*EXPORT, "--calendars", folder, settings=dav.settings)
    files = sorted(folder.iterdir())
    assert len(files) == 2 and all(file.suffix == ".ics" for file in files)
    again = rota.run(*IMPORT, files[0], "--calendar", "default", settings=dav.settings)
    assert "0 objects of calendars taken in, 300 were there already" in again
    assert dav.dav("PUT", HOME + "default/1.ics", event("u1", summary="changed since"))[0] == 204
    again = rota.run(*IMPORT, files[0], "--calendar", "default", settings=dav.settings, status=1)
    assert "0 objects of calendars taken in, 299 were there already, 1 problems" in again
    assert dav.dav("PUT", HOME + "default/1.ics", dav.dav("GET", HOME + "default/2.ics")[2])[0] == 403
    before = objects(dav)
    rota.run(*EXPORT, "--calendars", folder, settings=dav.settings)
    for name in ("of%2Ffic%C3%A9%20.x", "default"):
        assert dav.dav("DELETE", HOME + name + "/")[0] == 204
    assert objects(dav) == []
    for file in files:
        name = "default" if file.name == "default.ics" else "of/ficé .x"
        done = rota.run(*IMPORT, file, "--calendar", name, settings=dav.settings)
        assert "objects of calendars taken in\n" in done
        assert "0 objects of calendars taken in, " in rota.run(*IMPORT, file, "--calendar", name, settings=dav.settings)
    assert sorted(etag for _, etag in objects(dav)) == sorted(etag for _, etag in before)
    rota.run("store", "check", settings=dav.settings)


def test_files_of_other_programs(rota_sqlite, tmp_path):
    """Many events in one VCALENDAR; what cannot be taken is named and costs nothing else."""
    rota = rota_sqlite
    rota.run("account", "add", ADA)
    body = "".join(event(f"e{n}").split("PRODID:-//test//EN\r\n")[1].replace("END:VCALENDAR\r\n", "") for n in range(3))
    bad = "BEGIN:VEVENT\r\nUID:bad\r\nEND:VEVENT\r\n"
    head = "\ufeffBEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:PUBLISH\r\nX-WR-CALNAME:T\r\n"
    (tmp_path / "Team.ics").write_text(head + body + bad + "END:VCALENDAR\r\n", newline="")
    (tmp_path / "none.ics").write_text("hello")
    (tmp_path / "letter.eml").write_text("Subject: x\r\n\r\n")
    got = rota.run(*IMPORT, tmp_path / "Team.ics", tmp_path / "none.ics", tmp_path / "gone.ics", "--json", status=1)
    assert '"stored": 3' in got and "UID:bad" in got and "no VCALENDAR" in got and "gone.ics" in got
    assert rota.query("SELECT name, title FROM calendar ORDER BY id") == [["Team", "Team"], ["none", "none"]]
    rota.run(*IMPORT, tmp_path / "Team.ics", tmp_path / "letter.eml", "--calendar", "x", status=2)
    rota.run(*EXPORT, "--calendar", "nowhere", tmp_path / "out", status=1)
    done = rota.run(*IMPORT, tmp_path / "Team.ics", "--calendar", "Team", status=1)
    assert "0 objects of calendars taken in, 3 were there already, 1 problems" in done


def test_the_archive_in_files(rota_sqlite, tmp_path):
    folder = pathlib.Path(os.environ.get("ROTA_DATA_UNPACKED", "")) / "ical" / "dev"
    if not folder.is_dir():
        return
    rota = rota_sqlite
    rota.run("account", "add", ADA)
    files = sorted(folder.glob("*.ics"))
    rota.run(*IMPORT, *files, "--calendar", "all", status=1)
    first = objects_of(rota)
    rota.run(*EXPORT, "--calendars", tmp_path / "out")
    rota.run("account", "add", "bob@example.org")
    rota.run("import", "-a", "bob@example.org", *sorted((tmp_path / "out").iterdir()), "--calendar", "all")
    assert len(first) > 100 and objects_of(rota, 2) == first
    rota.run("store", "check")


def objects_of(rota, account=1):
    return sorted(row[0] for row in rota.query(f"SELECT etag FROM calendar_object WHERE account = {account}"))
