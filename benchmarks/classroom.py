"""A class on one machine: python -m benchmarks.classroom [--browsers 20] [--playing 4] [--minutes 10] [--players N]

`laf dashboard --classroom` with a page for each browser; some play digits again and again, the others stay open. Of each that plays: frames a second
while it has a seat, or its place in line whenever it was asked; besides, the server's memory and everything that went wrong.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.map_view import STATS_OF_PAGE
from benchmarks.memory import resident_mb
from benchmarks.sessions import READY

ASK_S = 5.0
# long enough that a seat is left because a turn is over, and not because the run is
SETTINGS = '{"steps":1400,"lr_ue":1e-6,"lr_ra":2e-6}'


@dataclass
class Player:
    """One page that plays, and what was seen of it."""

    page: Any
    rates: list[float] = field(default_factory=list)  # frames a second over each spell that it had a seat
    told: list[str] = field(default_factory=list)  # its places in line
    moved: int = (
        0  # times that no frame came, and the timeline said how far a stage is, which does not move the map
    )
    silent: Counter[str] = field(default_factory=Counter)  # what it showed when it was told nothing
    shown: int = 0
    said: str = ""
    waited: bool = False

    def look(self, seconds: float) -> None:
        """Ask the page what it shows, ``seconds`` after it was asked last."""
        line = self.page.locator("p.in-line").all_inner_texts()
        shown = self.page.evaluate(STATS_OF_PAGE)["framesShown"]
        new, self.shown = shown - self.shown, shown
        before, self.said = self.said, " ".join(self.page.locator(".timeline .line").inner_text().split())
        if line:
            self.told.append(line[0])
        elif not self.waited and new > 0:
            self.rates.append(new / seconds)
        elif not self.waited and self.said != before:
            self.moved += 1
        elif not self.waited:
            self.silent[self.said] += 1
        self.waited = bool(line)
        again(self.page)

    def row(self, number: int) -> str:
        rates, silent = sorted(self.rates), self.silent.total()
        sat = len(rates) + self.moved + silent
        share = sat / max(1, sat + len(self.told))
        least = f"{rates[0]:.1f} | {rates[len(rates) // 2]:.1f}" if rates else "– | –"
        return f"| {number} | {100 * share:.0f} % | {least} | {len(self.told)} | {self.moved} | {silent} | {self.told[-1] if self.told else '–'} |"


def again(page: Any) -> None:
    """Start a run that came to its end anew."""
    play, reset = (page.get_by_role("button", name=re.compile(f"^{name}")) for name in ("Play", "Reset"))
    if play.count() and play.is_disabled() and reset.is_enabled():
        reset.click()
        page.locator(".st-key-transport-play button:enabled").wait_for(timeout=60_000)
    if play.count() and play.is_enabled():
        play.click()


def opened(browser: Any, url: str, number: int, problems: list[str]) -> Any:
    """Open a browser that notes its errors."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.on("pageerror", lambda e: problems.append(f"browser {number}: {e}"))
    page.on(
        "console", lambda m: problems.append(f"browser {number}: {m.text}") if m.type == "error" else None
    )
    page.goto(f"{url}/?dataset=digits&task=class&classes={number % 2}&method=laf&seed=0&settings={SETTINGS}")
    page.wait_for_selector(READY, timeout=300_000)
    return page


def total_mb(pid: int) -> float:
    """Resident memory of a process and of those that it started, one after another."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return resident_mb(pid) + sum(total_mb(int(child)) for child in children)


def measure(players: list[Player], pages: list[Any], pid: int, seconds: float) -> float:
    """Let them play; the most memory of the server and its map process in MB."""
    for player in players:
        player.page.get_by_role("button", name=re.compile("^Play")).click()
        player.page.get_by_role("button", name=re.compile("^Pause")).wait_for(timeout=60_000)
        player.shown = player.page.evaluate(STATS_OF_PAGE)["framesShown"]
    most, end, last = 0.0, time.perf_counter() + seconds, time.perf_counter()
    while last < end:
        pages[0].wait_for_timeout(1e3 * ASK_S)
        now = time.perf_counter()
        for player in players:
            player.look(now - last)
        last, most = now, max(most, total_mb(pid))
    return most


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import FLAGS, chromium
    from tests.browser.server import Server

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--playing", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--players", type=int, default=None, help="seats (default: one for each core)")
    a = parser.parse_args()
    options = ["--classroom", *([] if a.players is None else ["--players", str(a.players)])]
    problems: list[str] = []
    print(
        f"{a.browsers} browsers open, {a.playing} playing digits for {a.minutes:g} min, {machine()}\n",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = Server(Path(home), *options)
        try:
            server.wait()
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            pages = [opened(browser, server.url, n, problems) for n in range(a.browsers)]
            for page in pages[: a.playing]:
                page.wait_for_selector(".map-view[data-references='5']", timeout=600_000)
            players = [Player(page) for page in pages[: a.playing]]
            most = measure(players, pages, server.process.pid, 60 * a.minutes)
            browser.close()
            log = server.log.read_text()
        finally:
            server.stop()
    print(
        "| playing | time in a seat | frames a second in it, least | median | times told its place | told a stage's progress | told nothing | last told |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(player.row(n) for n, player in enumerate(players)))
    for n, player in enumerate(players):
        for said, times in player.silent.most_common(5):
            print(f"{n} showed no frame {times} times beside: {said}")
    problems += [line for line in log.splitlines() if "Traceback" in line or "ERROR" in line]
    print(f"\nServer and its processes at most {most:,.0f} MB; {len(problems)} errors")
    print("\n".join(problems[:10]))


if __name__ == "__main__":
    main()
