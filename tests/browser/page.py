"""A page of the Lab in a Chromium, as a user sees and uses it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import TimeoutError as NotShown
from playwright.sync_api import expect

# Titles of the groups in the navigation, and the pages in their menus; other pages are links of their own.
GROUPS = {
    "Evidence": ("Attack", "Compare", "Studies", "Judge"),
    "Learn": ("Lessons", "Guide"),
    "Kept": ("Runs", "Audit"),
}


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
        expect(self.button("Play")).to_be_enabled(timeout=120_000)  # type: ignore[arg-type]
        self.tab.wait_for_selector(".map-view[data-ready=true]:not(.waiting)")

    def play_to_end(self) -> None:
        """Play once the page is ready, and wait until the last frame is shown."""
        self.wait_ready()
        self.button("Play").click()  # type: ignore[attr-defined]
        self.tab.wait_for_selector(".map-view[data-phase=done]", timeout=240_000)
        self.tab.wait_for_timeout(500)  # the last packet may come after the phase
        self.until(lambda: self.number("frame") == self.number("frames") - 1)

    def number(self, name: str) -> int:
        """Return a number that the map tells of itself, such as its count of frames."""
        return int(self.tab.locator(".map-view").get_attribute(f"data-{name}"))

    def until(self, is_so: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until ``is_so`` returns True, while the tab's events arrive. The page's policy allows no wait_for_function."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, "waited in vain"
            self.tab.wait_for_timeout(50)

    def wait_for_frames(self, count: int) -> None:
        """Wait until the map has at least ``count`` frames."""
        self.until(lambda: self.number("frames") >= count, 120)

    def settle(self) -> None:
        """Wait until Streamlit runs no script."""
        self.tab.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")

    def click_until(self, target: object, shown: object, state: str = "visible") -> None:
        """Click ``target`` until ``shown`` is there: Streamlit loses a click that comes while it draws anew."""
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
