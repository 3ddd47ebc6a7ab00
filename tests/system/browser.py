"""Debian's Chromium, driven by Selenium: a browser without a window."""

import json
import os

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from conftest import until


class Browser:
    """`user` and `password` are what a person types into the browser's own dialogue."""

    def __init__(self, folder, width=1440, height=1000, dark=False):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        words = ["--headless=new", f"--window-size={width},{height}", f"--user-data-dir={folder}", "--disable-gpu",
                 "--disable-dev-shm-usage", "--no-first-run", "--lang=en"]
        for word in words + (["--no-sandbox"] if os.getuid() == 0 else []):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        if dark:
            self.media("dark")

    def media(self, scheme):
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                    {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def size(self, width, height, mobile=False):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile})

    def open(self, port, path="/admin/", who="admin@example.org:right"):
        self.driver.get(f"http://{who.replace('@', '%40', 1)}@127.0.0.1:{port}{path}")

    def js(self, script, *words):
        return self.driver.execute_script(script, *words)

    def text(self, selector):
        """Of all that it finds, as a person sees it."""
        return self.js("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector)

    def see(self, selector, words):
        """Waits until one of them has these words."""
        return until(lambda: any(words in text for text in self.text(selector)), f"{words!r} in {selector}")

    def click(self, selector):
        self.js("document.querySelector(arguments[0]).click()", selector)

    def complaints(self):
        """Of the browser's own log: what the policy refused, and scripts that failed."""
        return [json.dumps(line) for line in self.driver.get_log("browser")
                if line["level"] == "SEVERE" and "favicon" not in line["message"]]

    def close(self):
        self.driver.quit()
