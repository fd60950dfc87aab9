"""Fixtures for tests in a real Chromium: the server, the browser, a page. Both run on this machine only."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from core.data import load
from core.methods import LAF
from core.runs.original_models import original
from core.runs.reference_models import references
from core.runs.setup import Setup
from core.runtime.progress import run_to_end

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",  # one renderer compiles the page's scripts once for all tabs of one context
    "--renderer-process-limit=1",
]


def _chromium() -> str | None:
    # The headless shell is the same engine without a window's parts: a page takes half of the computing time.
    names = (
        "chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    )
    found = [os.environ.get("LAF_CHROMIUM"), *(shutil.which(n) for n in names)]
    return next((f for f in found if f), None)


# Titles of the groups in the navigation, and the pages in their menus; other pages are links of their own.
GROUPS = {
    "Evidence": ("Attack", "Compare", "Studies", "Judge"),
    "Learn": ("Lessons", "Guide"),
    "Kept": ("Runs", "Audit"),
}


# As for a slow machine: a run records fewer frames and retrains two models fewer.
QUICK = {"LAF_FRAMES": "20", "LAF_REFERENCES": "3"}


class Server:
    """`laf dashboard` on a free port."""

    def __init__(self, home: Path, *options: str, **variables: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "server.log"
        environment = {**os.environ, "LAF_HOME": str(home), **variables}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dashboard.cli", "dashboard", "--port", str(self.port), *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def wait(self, seconds: float = 120) -> None:
        """Wait until the server answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=10).read()
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.1)
        raise AssertionError(f"no answer from the server: {self.log.read_text()}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def prepared_home(shared_folder: Path) -> Path:
    """Return a folder to copy as LAF_HOME: the default setup's retrained models, trained once for all pytest workers."""
    prepared = shared_folder / "prepared-home"
    with FileLock(shared_folder / "prepared-home.lock"):
        if not prepared.exists():
            making = shared_folder / "prepared-home-in-work"
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("LAF_HOME", str(making))
                split = Setup(device="cpu").split(load("digits"))
                references(split, run_to_end(original(split, LAF())))
            shutil.copytree(making / "models", shared_folder / "models", dirs_exist_ok=True)
            making.rename(prepared)
    return prepared


@pytest.fixture
def home(prepared_home: Path, tmp_path: Path) -> Path:
    """Return a LAF_HOME for a server of the test's own."""
    return Path(shutil.copytree(prepared_home, tmp_path / "home"))


@pytest.fixture(scope="session")
def server(
    prepared_home: Path, shared_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Start the server that the tests of one pytest worker share, as for a slow machine: few frames, two retrained models fewer.

    It has models and maps in common with those of the other workers.
    """
    home = _shared_home(prepared_home, shared_folder, tmp_path_factory)
    made = Server(home, **QUICK)
    made.wait()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def full_server(
    prepared_home: Path, shared_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Start a server as a user does, for tests of a run's frames and of all five retrained models."""
    made = Server(_shared_home(prepared_home, shared_folder, tmp_path_factory))
    made.wait()
    yield made
    made.stop()


def _shared_home(prepared: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a LAF_HOME with the models and maps that all servers share."""
    home = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("lab") / "home"))
    for kind in ("models", "maps"):
        if (home / kind).exists():
            shutil.rmtree(home / kind)
        (home / kind).symlink_to(shared / kind)
    return home


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    path = _chromium()
    if path is None:
        message = "no Chromium on this machine; `make browser` installs one, or set LAF_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)  # a busy machine is slow, not wrong
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


class Profile:
    """What a browser keeps beside its tabs: cookies, storage, and its cache. Each is a browser of its own to the server."""

    def __init__(self, browser: object, *, is_usual: bool = False) -> None:
        self.context = browser.new_context(viewport={"width": 1440, "height": 900})  # type: ignore[attr-defined]
        self.is_usual = is_usual
        self.in_use = False

    def forget(self, tab: object, url: str) -> None:
        """Drop what a server could know this browser by; the cache stays, so that the next page is there in half the time."""
        scheme, _, rest = url.partition("://")
        origin = f"{scheme}://{rest.partition('/')[0]}"
        asked = {"origin": origin, "storageTypes": "local_storage,indexeddb"}
        self.context.new_cdp_session(tab).send("Storage.clearDataForOrigin", asked)
        self.context.clear_cookies()


class Page:
    """A browser tab that collects its errors and its requests.

    With ``motion`` points glide from frame to frame, which takes half of Chromium's computing time.
    """

    def __init__(self, profile: Profile, url: str, scheme: str = "dark", *, motion: bool = False) -> None:
        self.url, self.profile, self.context = url, profile, profile.context
        self.tab = self.context.new_page()
        self.tab.emulate_media(color_scheme=scheme, reduced_motion="no-preference" if motion else "reduce")
        self.tab.set_default_timeout(90_000)
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        self.tab.on("pageerror", lambda e: self.problems.append(str(e)))
        self.tab.on("request", lambda r: self.requests.append(r.url))
        self.tab.goto(url)

    def button(self, prefix: str) -> object:
        """Return the button whose accessible name begins with ``prefix``."""
        import re

        return self.tab.get_by_role("button", name=re.compile(f"^{re.escape(prefix)}(?! ×| only| on )"))

    def visit(self, name: str) -> None:
        """Open the page ``name`` by the navigation."""
        group = next((g for g, names in GROUPS.items() if name in names), None)
        if group is None:
            self.tab.get_by_role("link", name=name, exact=True).first.click()
            return
        item = self.tab.get_by_role("menuitem", name=name, exact=True)
        self.click_until(self.tab.get_by_test_id("stTopNavSection").filter(has_text=group), item)
        item.click()

    def wait_ready(self) -> None:
        """Wait until Play can be pressed."""
        from playwright.sync_api import expect

        expect(self.button("Play")).to_be_enabled(timeout=120_000)  # type: ignore[arg-type]
        self.tab.wait_for_selector(".map-view[data-ready=true]:not(.waiting)")

    def play_to_end(self) -> None:
        """Play, and wait until the last frame is shown."""
        self.button("Play").click()  # type: ignore[attr-defined]
        self.tab.wait_for_selector(".map-view[data-phase=done]", timeout=240_000)
        self.tab.wait_for_timeout(500)  # the last packet may come after the phase
        self.until(lambda: self.number("frame") == self.number("frames") - 1)

    def number(self, name: str) -> int:
        """Return a number that the map tells of itself, such as its count of frames."""
        return int(self.tab.locator(".map-view").get_attribute(f"data-{name}"))

    def until(self, is_so: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until ``is_so`` returns True. The page's policy allows no wait_for_function."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, "waited in vain"
            self.tab.wait_for_timeout(50)

    def settle(self) -> None:
        """Wait until Streamlit runs no script."""
        self.tab.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")

    def click_until(self, target: object, shown: object, state: str = "visible") -> None:
        """Click ``target`` until ``shown`` is there: Streamlit loses a click that comes while it draws anew."""
        from playwright.sync_api import TimeoutError as NotShown

        for _ in range(4):
            self.settle()
            target.click()  # type: ignore[attr-defined]
            try:
                shown.wait_for(state=state, timeout=25_000)  # type: ignore[attr-defined]
            except NotShown:
                continue
            return
        raise AssertionError(f"{shown} does not appear after clicks on {target}")

    def value(self, key: str) -> float:
        """Return the number that the read-out ``key`` shows."""
        return float(self.tab.locator(f"[data-key='{key}'][data-value]").first.get_attribute("data-value"))

    def layout_shift(self) -> float:
        """Return how far the page's parts have moved while it filled: Chromium's own measure, largest sum of a session of shifts."""
        shifts = self.tab.evaluate(
            """() => new Promise((done) => {
              const told = (entries) => done(entries.filter((e) => !e.hadRecentInput).map((e) => [e.startTime, e.value]));
              new PerformanceObserver((list) => told(list.getEntries())).observe({ type: "layout-shift", buffered: true });
              setTimeout(told, 500, []);
            })"""
        )
        worst, total, began, before = 0.0, 0.0, -1e9, -1e9
        for at, value in shifts:  # a session ends after a second without a shift, or after five
            if at - before > 1000 or at - began > 5000:
                total, began = 0.0, at
            total, before = total + value, at
            worst = max(worst, total)
        return worst

    def stats(self) -> dict[str, int]:
        """Return the browser's counts of this run: frames received, shown, lost; draws."""
        run = self.tab.locator(".map-view").get_attribute("data-run")
        return self.tab.evaluate("run => ({...window.lafLab.store(run).stats})", run)

    def close(self) -> None:
        """Close the tab, and its browser if it is not the one that tests use one after the other."""
        if not self.profile.is_usual:
            self.context.close()
        elif not self.tab.is_closed():
            self.profile.forget(self.tab, self.url)
            self.tab.close()
            self.profile.in_use = False


@pytest.fixture(scope="session")
def usual_profile(browser: object) -> Profile:
    """Return the profile that the first page of each test has."""
    return Profile(browser, is_usual=True)


@pytest.fixture
def open_page(browser: object, usual_profile: Profile) -> Iterator[object]:
    """Return a function that opens a page; pages that are open at once are those of different browsers."""
    opened: list[Page] = []

    def make(url: str, scheme: str = "dark", *, motion: bool = False) -> Page:
        usual = url.startswith("http") and not usual_profile.in_use
        usual_profile.in_use |= usual
        opened.append(Page(usual_profile if usual else Profile(browser), url, scheme, motion=motion))
        return opened[-1]

    yield make
    for page in opened:
        page.close()
