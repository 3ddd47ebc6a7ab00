"""The page in Debian's Chromium, against six live nodes with the seed's role table on one PostgreSQL.

With $ROTA_SCREENSHOTS the pictures of docs/ are taken into that folder.
"""

import http.server
import json
import os
import pathlib
import smtplib
import tempfile
import threading
import time

import pytest

from browser import Browser
from conftest import ROOT, Rota, until
from door import Door, free_port

SEED = (ROOT / "tests" / "data" / "seed.toml").read_text().split("\n", 1)[1]
LEASE = 2  # seconds
CLUSTER = f'lease = "{LEASE}s"\nheartbeat = "300ms"\n{SEED}'
AXE = ROOT / "var" / "packages" / "axe.min.js"
CERTIFICATE = """
[storage]
secret-key = "a key that is long enough for everything"
[acme.mail]
directory = "https://127.0.0.1:1/directory"
domains = ["mail.example.org"]
"""
WIRE_BYTES_MAX = 150_000
GRID_MS_MAX = 500
# A loaded machine, or a sanitizer, is no reason to fail; the number is printed.
SLOW = float(os.environ.get("ROTA_PAGE_SLOW", "6"))


class Six:
    """Six nodes, an administrator and a browser that looks at node 1."""

    def __init__(self):
        self.rota = Rota("postgresql")
        self.rota.run("account", "add", "admin@example.org", "--admin", "--password-stdin", text="right\n")
        for name, quota in (("ada", "10mb"), ("bob", "1gb"), ("postmaster", "0")):
            self.rota.run("account", "add", f"{name}@example.org", "--quota", quota)
        # No other node knows of the certificate, and node 1 does not do acme.renew: its row stays as a test writes it.
        self.doors = {n: Door(self.rota, more=CERTIFICATE if n == 1 else "", name=f"node{n}", node=n, cluster=CLUSTER)
                      for n in range(1, 7)}
        for door in self.doors.values():
            door.node.ready()
        self.profile = tempfile.TemporaryDirectory(prefix="rota-chromium-", ignore_cleanup_errors=True)
        self.browser = Browser(self.profile.name)

    def ask(self, path):
        return self.doors[1].api(path)[2]

    def bury(self, role, key, why):
        self.rota.query("INSERT INTO dead_letter (bucket, role, key, payload, attempts, deaths, created_at, buried_at,"
                        f" last_error, node) VALUES (5, '{role}', '{key}', '', 5, 0, 1, 1764057600000, '{why}', 2)")

    def open(self):
        self.browser.open(self.doors[1].port)
        self.browser.see("#live-words", "live")
        return self.browser

    def command(self, *words):
        return self.rota.run(*words, settings=self.doors[1].settings, status=None)

    def close(self):
        self.browser.close()
        self.rota.close()
        self.profile.cleanup()


@pytest.fixture(scope="module")
def six():
    made = Six()
    yield made
    made.close()


def shoot(browser, name):
    if os.environ.get("ROTA_SCREENSHOTS"):
        path = pathlib.Path(os.environ["ROTA_SCREENSHOTS"]) / name
        browser.driver.save_screenshot(str(path))


def axe(browser, where):
    """What the checker of accessibility finds: nothing."""
    browser.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text()})
    found = browser.driver.execute_async_script(
        "const done = arguments[0]; axe.run().then(r => done(r.violations.map(v => [v.id, v.nodes.map(n => n.html)])))")
    assert found == [], f"{where}: {json.dumps(found, indent=1)}"


def cell(browser, role, node):
    """The words of a cell, and whether its column is grey."""
    return browser.js("const td = document.querySelector(arguments[0]);"
                      "return td && [td.innerText, td.classList.contains('gone')]",
                      f"tr[data-role='{role}'] td[data-node='{node}']")


def works_on_page(browser, role):
    """The nodes in whose column the role is at work."""
    return browser.js("return [...document.querySelectorAll(`tr[data-role='${arguments[0]}'] td`)]"
                      ".filter(td => td.querySelector('.chip:not(.off):not(.nobody)')).map(td => td.dataset.node)",
                      role)


def same_story(six, browser):
    """Who works on which role, and who is dead: the page, and `rota status` in a terminal."""
    def same():
        said = six.command("status")
        rows = [line.split() for line in said.splitlines()]
        for role in ("purge.accounts", "metrics.calculate", "fts-indexing", "calendar-alerts", "imip-processing"):
            row = next(row for row in rows if row and row[0] == role)
            page = works_on_page(browser, role)
            if (",".join(page) or "NOBODY") not in row:
                return False
        gone = {row[0] for row in rows if "has run out" in " ".join(row)}
        shown = set(browser.js("return [...document.querySelectorAll('th.node.gone')].map(th => th.dataset.node)"))
        return gone <= shown
    until(same, "one story on the page and on a terminal")


def test_the_first_look(six):
    """All is there soon, in few bytes, by nothing but the API, and every node says the same."""
    begin = time.monotonic()
    browser = six.open()
    print(f"opened in {time.monotonic() - begin:.2f} s")
    seen = browser.js("return performance.getEntries().filter(e => 'transferSize' in e)"
                      ".map(e => [e.name, e.transferSize])")
    wire = sum(size for _, size in seen)
    grid = browser.js("return performance.getEntriesByName('grid')[0].startTime")
    print(f"{len(seen)} requests, {wire} bytes over the wire, the first complete grid after {grid:.0f} ms")
    assert wire < WIRE_BYTES_MAX and grid < GRID_MS_MAX * SLOW
    assert all(name.startswith("http://127.0.0.1:") or "@127.0.0.1:" in name for name, _ in seen), seen
    assert [cell(browser, "fts-indexing", n)[0] != "" for n in range(1, 7)] == [False, True, True, False, False, False]
    heads = browser.js("return [...document.querySelectorAll('.grid th[scope=col] .state')].map(e => e.innerText)")
    assert heads == ["up"] * 6
    said = six.command("status")
    for role in {shard["role"] for shard in six.ask("/api/status")["shards"]}:
        assert role in said and cell(browser, role, 1) is not None
    assert browser.complaints() == []


def test_nothing_for_the_checker_of_accessibility(six):
    six.bury("imip-processing", "17", "the calendar of this invitation could not be read")
    browser = six.open()
    browser.see("#tasks-list", "imip-processing:17")
    browser.js("document.querySelector('#what-if-nodes input[value=\"4\"]').click()")
    browser.click("#what-if-form button")
    browser.see("#what-if-answer", "Without node 4")
    for scheme in ("light", "dark"):
        browser.media(scheme)
        axe(browser, scheme)
    browser.size(320, 640, mobile=True)
    assert browser.js("return document.documentElement.scrollWidth") <= 320
    axe(browser, "phone")
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.media("light")
    browser.click(".node button")
    axe(browser, "dialogue")
    assert browser.complaints() == []


def test_by_keyboard(six):
    """From the address line to a node's dialogue and back, with the focus in sight."""
    browser = six.open()
    keys = browser.driver.switch_to.active_element
    keys.send_keys("\t")
    assert browser.js("return document.activeElement.className") == "skip"
    for _ in range(20):
        browser.driver.switch_to.active_element.send_keys("\t")
        assert browser.js("return getComputedStyle(document.activeElement).outlineStyle") != "none"
        if browser.js("return document.activeElement.dataset.key") == "node-2":
            break
    browser.driver.switch_to.active_element.send_keys("\n")
    browser.see("#node h2", "node 2: up")
    time.sleep(2.5)  # news come meanwhile, and take nothing away
    browser.driver.switch_to.active_element.send_keys("\ue00c")  # Escape
    assert not browser.js("return document.getElementById('node').open")
    assert browser.js("return document.activeElement.dataset.key") == "node-2"


def test_over_time_is_what_the_cluster_keeps(six):
    """The plots are of the history that metrics.calculate keeps: from before the page was opened."""
    minute = int(six.rota.query("SELECT rota_now() / 60000")[0][0])
    rows = [(60000, "lag_ms", (minute - back) * 60000, "imip-processing", 1000 * back) for back in range(2, 40)]
    rows += [(60000, "tasks_done", (minute - back) * 60000, "purge.stores", 7) for back in range(2, 40)]
    rows += [(60000, "bytes", (minute - back) * 60000, "", 5000000) for back in range(2, 40)]
    rows += [(3600000, "bytes", (minute // 60 - back) * 3600000, "", 4000000) for back in range(2, 30)]
    six.rota.query("INSERT INTO metric_sample (step, series, at, label, shard, count, total, greatest) VALUES "
                   + ", ".join(f"({step}, '{series}', {at}, '{label}', 9, 1, {value}, {value})"
                               for step, series, at, label, value in rows))
    browser = six.open()
    plots = "return [...document.querySelectorAll('.plot svg')].map(svg => svg.getAttribute('aria-label')).join('\\n')"
    until(lambda: "5.0 MB" in browser.js(plots), "the plot of storage")
    seen = browser.js(plots)
    assert "imip-processing is" in seen and "at most 39.0s" in seen, seen
    assert "Tasks done in a minute: purge.stores is 7 now" in seen, seen
    browser.js("const span = document.getElementById('history-span'); span.value = '2 days';"
               " span.dispatchEvent(new Event('change'))")
    until(lambda: "4.0 MB" in browser.js(plots), "the storage of two days")
    axe(browser, "over time")
    assert browser.complaints() == []


def test_accounts_are_found_and_get_quotas(six):
    """Those near their quota, one by its name; a quota by a click."""
    browser = six.open()
    six.rota.query("UPDATE account SET used_bytes = 8200000 WHERE address = 'ada@example.org'")
    six.rota.query("UPDATE account SET used_bytes = 100000000 WHERE address = 'bob@example.org'")
    browser.see("#accounts-list", "postmaster@example.org")

    def shown():
        return browser.text("#accounts-list tbody th")
    browser.js("const over = document.querySelector('#accounts-form [name=over]'); over.value = '80';"
               " over.dispatchEvent(new Event('change'))")
    until(lambda: shown() == ["ada@example.org"], "the account over 80 %")
    assert "82 %" in browser.text("#accounts-list")[0]
    browser.js("document.querySelector('#accounts-form [name=over]').value = '';"
               "document.querySelector('#accounts-form [name=match]').value = 'BOB'")
    browser.click("#accounts-form button")
    until(lambda: shown() == ["bob@example.org"], "the account that was searched")
    browser.click("[aria-label='Quota of bob@example.org']")
    browser.see("#account h2", "Quota of bob@example.org")
    axe(browser, "quota")
    browser.js("document.querySelector('#account input').value = '2500'")
    browser.click("#account button[type=submit]")
    browser.see("#accounts-said", "bob@example.org: quota 2.5 GB")
    assert six.rota.query("SELECT quota_bytes FROM account WHERE address = 'bob@example.org'") == [["2500000000"]]
    browser.see("#accounts-list", "4 %")
    assert browser.js("return document.activeElement.getAttribute('aria-label')") == "Quota of bob@example.org"
    assert browser.complaints() == []


def test_a_certificate_near_its_end_cannot_be_overlooked(six):
    browser = six.open()
    browser.see("#certificates-list", "none yet")
    assert browser.js("return document.getElementById('certificates-alarm').hidden")
    now = int(six.rota.query("SELECT rota_now()")[0][0])
    day = 86400000
    problem = json.dumps({"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many, come on Friday"})
    six.rota.query("INSERT INTO certificate (name, version, chain, sealed_key, not_before, not_after, exchanged_at,"
                   " renew_at, info_at, step, order_url, order_key, order_detail, order_at, next_at, failures,"
                   f" failed_at, problem, wish) VALUES ('mail', 1, '', '', {now - 80 * day}, {now + 3 * day}, 0,"
                   f" {now - 27 * day}, 0, '', '', '', '', 0, {now + day}, 7, {now}, '{problem}', '')")
    browser = six.open()
    browser.see("#certificates-alarm", "certificate ends soon, or is over: mail (in 3.0 days)")
    assert "too many, come on Friday" in browser.text("#certificates-list")[0]
    assert "due for renewal" in browser.text("#certificates-list")[0]
    top = browser.js("return document.getElementById('certificates-alarm').getBoundingClientRect().top")
    assert 0 <= top < 300
    axe(browser, "certificates")
    said = six.command("audit")
    assert "certificate ends soon, or is over: mail (in 3.0 days)" in " ".join(said.split())
    six.rota.query("DELETE FROM certificate")
    assert browser.complaints() == []


def test_what_if_says_what_the_command_says(six):
    browser = six.open()
    for nodes in ([4], [5], [2, 3]):
        browser.js("for (const box of document.querySelectorAll('#what-if-nodes input'))"
                   " box.checked = arguments[0].includes(Number(box.value))", nodes)
        browser.click("#what-if-form button")
        browser.see("#what-if-answer h3", ", ".join(f"node {n}" for n in nodes))
        shown = " ".join(browser.text("#what-if-answer")[0].split())
        words = ["plan", "--without", ",".join(map(str, nodes))]
        plan, text = json.loads(six.command(*words, "--json")), " ".join(six.command(*words).split())
        assert plan["uncovered"] or nodes != [5]
        lines = [f"UNCOVERED: {s['role']} shard {s['shard']} of {s['shards']}: of its nodes ({s['nodes']}) none would"
                 for s in plan["uncovered"]]
        lines += [f"{s['role']} shard {s['shard']} of {s['shards']} would hang on node {s['node']}"
                  for s in plan["single"]]
        lines += [f"{move['before']} -> {move['after']}:" for role in plan["roles"] for move in role["moves"]
                  if role["buckets"]]
        assert lines
        for line in lines:
            assert line in shown, f"{line!r} is not on the page: {shown}"
            assert line in text, f"{line!r} is not what the command says: {text}"


def test_a_dead_letter_is_tried_again_by_a_click(six):
    browser = six.open()
    for key in ("81", "82"):
        six.bury("imip-processing", key, "no such device")
    browser.see("#tasks-list", "imip-processing:82")  # without a reload
    assert "no such device" in browser.text("#tasks-list")[0]
    browser.click("[aria-label='Why imip-processing:81']")
    browser.see(".why", "no such device")
    browser.click("[aria-label='Retry imip-processing:81']")
    browser.see("#tasks-said", "imip-processing:81 is tried again")
    until(lambda: "imip-processing:81" not in browser.text("#tasks-list")[0], "the list without it")
    assert six.rota.query("SELECT count(*) FROM dead_letter WHERE key = '81'") == [["0"]]
    browser.click("[aria-label='Drop imip-processing:82']")
    browser.driver.switch_to.alert.dismiss()
    assert six.rota.query("SELECT count(*) FROM dead_letter WHERE key = '82'") == [["1"]]
    browser.click("[aria-label='Drop imip-processing:82']")
    browser.driver.switch_to.alert.accept()
    browser.see("#tasks-said", "imip-processing:82 is dropped")
    assert six.rota.query("SELECT count(*) FROM dead_letter WHERE key = '82'") == [["0"]]


def test_what_was_done_with_invitations(six):
    browser = six.open()
    address, account = six.rota.query("SELECT address, id FROM account ORDER BY id LIMIT 1")[0]
    for number in range(1, 61):
        six.rota.query("INSERT INTO imip_in (account, email, at, outcome, method, uid, recurrence, sequence, stamp,"
                       f" sender, why) VALUES ({account}, {number}, {number}000, 'refused', 'CANCEL', '<b>u{number}',"
                       " '', 0, 1, 'eve@example.net', 'the organizer is <i>bob')")
    browser.see("#imip", "Invitations")
    browser.js("document.querySelector('#imip-form input').value = arguments[0]", address)
    browser.click("#imip-form button")
    browser.see("#imip-list", "<b>u60")
    shown = browser.text("#imip-list")[0]
    assert "the organizer is <i>bob" in shown and "<b>u11" in shown and "<b>u10" not in shown
    browser.click("[data-key='imip-more']")
    browser.see("#imip-list caption", "60 of")
    assert browser.complaints() == []
    six.rota.query("DELETE FROM imip_in")


EVIL = """<!doctype html><title>another</title><iframe name=hole></iframe><script>
const to = %r, tries = [];
const paths = ["/api/tasks/imip-processing:91/drop", "/api/nodes/6/drain"];
for (const path of paths) {
  for (const enctype of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    const form = document.createElement("form");
    Object.assign(form, {method: "POST", action: to + path, enctype, target: "hole"});
    form.innerHTML = '<input name="{}" value="">';
    document.body.append(form);
    tries.push(new Promise(done => setTimeout(() => { form.submit(); done("form"); }, 100 * tries.length)));
  }
  for (const [mode, type] of [["no-cors", "text/plain"], ["cors", "application/json"]])
    tries.push(fetch(to + path, {method: "POST", mode, credentials: "include", headers: {"content-type": type},
      body: "{}"})
      .then(r => r.type + " " + r.status, e => "refused"));
}
const image = new Image(); image.src = to + "/api/tasks/imip-processing:91/drop";
Promise.all(tries).then(all => setTimeout(() => { document.title = "tried " + all.join(","); }, 500));
</script>"""


def test_no_other_site_changes_anything(six):
    """A page of another origin in the same browser, which has the administrator's password by heart."""
    browser = six.open()
    six.bury("imip-processing", "91", "stays")
    target = f"http://127.0.0.1:{six.doors[1].port}"

    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((EVIL % target).encode())

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Another site; and another port of the same host, to which the browser sends the password that it knows.
    for host in ("localhost", "127.0.0.1"):
        browser.driver.get(f"http://{host}:{server.server_port}/")
        until(lambda: browser.driver.title.startswith("tried"), "its tries")
        print(host, browser.driver.title)
    server.shutdown()
    assert six.rota.query("SELECT count(*) FROM dead_letter WHERE key = '91'") == [["1"]]
    assert {n["node"]: n["state"] for n in six.ask("/api/status")["nodes"]}[6] == "up"
    assert "http.changed" not in six.doors[1].node.text().split("imip-processing:82")[-1]
    browser.complaints()  # the browser says there what it refused
    six.rota.query("DELETE FROM dead_letter")


def test_what_is_not_as_it_should_be_is_told(six):
    """A node whose file has another table, and work of a role that nobody knows: in the words of the command."""
    browser = six.open()
    six.rota.query("INSERT INTO dead_letter (bucket, role, key, payload, attempts, deaths, created_at, buried_at,"
                   " last_error, node) VALUES (5, 'gone.role', '1', '', 5, 0, 1, 1, '', 2)")
    path = six.doors[6].settings
    before = path.read_text()
    path.write_text(before.replace('"2,3", "5,6"', '"2,3", "5"'))
    six.command("reload")
    browser.see("#differing", "node 6 proposes purge.stores")
    browser.see("#differing", "dead letters of a role that these settings do not know")
    said = six.command("status")
    for line in browser.text("#differing p"):
        assert line in said
    path.write_text(before)
    six.command("reload")
    six.rota.query("DELETE FROM dead_letter")
    until(lambda: browser.text("#differing p") == [], "no warning")
    assert browser.complaints() == []


def test_a_node_is_drained_by_a_click(six):
    browser = six.open()
    browser.click("[data-key='node-6']")
    browser.see("#node h2", "node 6")
    browser.js("[...document.querySelectorAll('#node button')].find(b => b.innerText.startsWith('Drain')).click()")
    browser.see("#node [role=status]", "It hands over")
    browser.see("th[data-node='6']", "drained")
    until(lambda: {n["node"]: n["state"] for n in six.ask("/api/status")["nodes"]}[6] == "drained", "node 6 drained")
    assert "off" in cell(browser, "purge.stores", 6)[0]


@pytest.mark.skipif("ROTA_SCREENSHOTS" not in os.environ, reason="takes the pictures of docs/")
def test_pictures(six):
    """Some mail, a dead letter, a drained node: on a desk and on a phone. The next test's is in the dark."""
    browser = six.open()
    six.browser.size(1440, 1000)
    for at in range(40):
        with smtplib.LMTP(str(six.rota.folder / "lmtp-node1")) as client:
            client.sendmail("carol@example.com", "ada@example.org" if at % 2 else "bob@example.org",
                            f"Message-ID: <{at}@example.com>\r\nSubject: minutes {at}\r\n\r\n" + "words " * 9000)
        time.sleep(1)
    six.bury("imip-processing", "17", "the calendar of this invitation could not be read")
    browser.js("for (const box of document.querySelectorAll('#what-if-nodes input')) box.checked = box.value === '4'")
    browser.click("#what-if-form button")
    browser.see("#what-if-answer", "Without node 4")
    for name, width, height in (("page.png", 1440, 1000), ("page-phone.png", 320, 640)):
        browser.size(width, height, mobile=width < 400)
        time.sleep(1)
        browser.js("scrollTo({top: 0, behavior: 'instant'})")
        shoot(browser, name)
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_dead_node_and_an_uncovered_shard_cannot_be_overlooked(six):
    """Last: nodes die, and the page that was open all the time tells it."""
    browser = six.open()
    browser.js("window.opened = true")
    began = time.monotonic()
    six.doors[3].node.kill()
    until(lambda: cell(browser, "fts-indexing", 3)[1], "the grey column")
    grey = time.monotonic() - began
    # The work of its shards is the others' on the page too, in the same time.
    until(lambda: [works_on_page(browser, role) for role in ("fts-indexing", "metrics.calculate")] == [["2"], ["4"]],
          "the cover on the page")
    moved = time.monotonic() - began
    print(f"the cover has moved on the page {moved:.2f} s after kill -9")
    assert moved < LEASE + 3
    same_story(six, browser)
    assert any(w in browser.text("th[data-node='3']")[0] for w in ("lease has run out", "not running"))
    assert "off" in cell(browser, "fts-indexing", 3)[0] and "lag" in cell(browser, "fts-indexing", 2)[0]
    print(f"node 3's column is grey {grey:.2f} s after kill -9 (lease {LEASE} s)")
    assert grey < LEASE + 3
    assert browser.js("return document.getElementById('alarm').hidden")
    six.doors[5].node.kill()
    browser.see("#alarm", "UNCOVERED")
    alarm = six.ask("/api/status")["alarm"]
    assert browser.text("#alarm") == [alarm] and alarm in six.command("status")
    same_story(six, browser)
    assert browser.driver.title.startswith("(!)")
    assert "NOBODY" in browser.text("tr[data-role='calendar-alerts'] th")[0]
    assert browser.js("return document.querySelector('#alarm').getBoundingClientRect().top") < 200
    assert browser.js("return document.getElementById('alarm').getAttribute('role')") == "alert"
    axe(browser, "alarm")
    browser.media("dark")
    axe(browser, "alarm in the dark")
    shoot(browser, "page-dark.png")
    assert browser.js("return window.opened")  # without a reload
    assert browser.complaints() == []
