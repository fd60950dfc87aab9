"""A real server and a real Chromium; both on this machine only."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = [os.environ.get("LAF_CHROMIUM"), *(shutil.which(n) for n in names)]
    return next((f for f in found if f), None)


class Server:
    """`laf dashboard` on a free port."""

    def __init__(self, home: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "server.log"
        environment = {**os.environ, "LAF_HOME": str(home)}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dashboard.cli", "dashboard", "--port", str(self.port), *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def wait(self, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1).read()
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.1)
        raise AssertionError(f"no answer from the server: {self.log.read_text()}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("lab"))
    made.wait()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    path = _chromium()
    if path is None:
        message = "no Chromium on this machine; `make browser` installs one, or set LAF_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(
        timeout=30_000
    )  # what is expected comes in time or not at all; a busy machine is neither
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


class Page:
    """One tab, with everything that went wrong in it."""

    def __init__(self, browser: object, url: str, scheme: str = "dark", *, motion: bool = True) -> None:
        self.context = browser.new_context(  # type: ignore[attr-defined]
            viewport={"width": 1440, "height": 900},
            color_scheme=scheme,
            reduced_motion="no-preference" if motion else "reduce",
        )
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(60_000)
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        self.tab.on("pageerror", lambda e: self.problems.append(str(e)))
        self.tab.on("request", lambda r: self.requests.append(r.url))
        self.tab.goto(url)

    def button(self, prefix: str) -> object:
        """A button by the beginning of its accessible name."""
        import re

        return self.tab.get_by_role("button", name=re.compile(f"^{re.escape(prefix)}(?! ×| only)"))

    def wait_ready(self) -> None:
        """Until Play can be pressed."""
        from playwright.sync_api import expect

        expect(self.button("Play")).to_be_enabled(timeout=120_000)  # type: ignore[arg-type]
        self.tab.wait_for_selector(".map-view[data-ready=true]")

    def value(self, key: str) -> float:
        """A read-out as a number, from the page."""
        return float(self.tab.locator(f"[data-key='{key}'][data-value]").first.get_attribute("data-value"))

    def stats(self) -> dict[str, int]:
        """What the browser counted of this run: frames received, shown, lost; draws."""
        run = self.tab.locator(".map-view").get_attribute("data-run")
        return self.tab.evaluate("run => ({...window.lafLab.store(run).stats})", run)

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def open_page(browser: object) -> Iterator[object]:
    opened: list[Page] = []

    def make(url: str, scheme: str = "dark", *, motion: bool = True) -> Page:
        opened.append(Page(browser, url, scheme, motion=motion))
        return opened[-1]

    yield make
    for page in opened:
        page.close()
