"""Several sessions playing digits at once on one server: python -m benchmarks.sessions [--counts 1,2,4]

A real server, a real Chromium with a page for each session; each plays its own run again and again. Frames shown, clicks answered and the server's
memory are measured from outside.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.memory import resident_mb
from benchmarks.theatre import STATS_OF_PAGE, STOPWATCH

READY = ".theatre[data-ready=true]"
SECONDS = 12


def measure(pages: list[Any]) -> tuple[list[float], list[float]]:
    """Frames a second that each page shows while all play, and seconds until each of several clicks is answered."""
    for page in pages:
        page.evaluate(STOPWATCH)
        page.get_by_role("button", name=re.compile("^Play")).click()
    for page in pages:
        page.get_by_role("button", name=re.compile("^Pause")).wait_for(timeout=60_000)
    for page in pages:  # its VAEs are fitted, and steps are taken
        page.wait_for_function(f"() => ({STATS_OF_PAGE})().framesShown > 3", timeout=120_000)
    shown, start = [page.evaluate(STATS_OF_PAGE)["framesShown"] for page in pages], time.perf_counter()
    waits: list[float] = []
    while time.perf_counter() - start < SECONDS:
        for page in pages:
            pause = page.get_by_role("button", name=re.compile("^Pause"))
            if pause.count():
                pause.click()
                page.get_by_role("button", name=re.compile("^Play")).wait_for(timeout=60_000)
                page.get_by_role("button", name=re.compile("^Play")).click()
            page.wait_for_timeout(400)
    seconds = time.perf_counter() - start
    rates = [
        (page.evaluate(STATS_OF_PAGE)["framesShown"] - before) / seconds
        for page, before in zip(pages, shown, strict=True)
    ]
    for page in pages:
        waits += [w / 1e3 for w in page.evaluate("() => window.waits")]
    return rates, waits


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS, Server, _chromium

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--counts", default="1,2,4")
    counts = [int(n) for n in arguments.parse_args().counts.split(",")]
    # long enough not to end while it is measured
    settings = '{"steps":1400,"lr_ue":1e-6,"lr_ra":2e-6}'
    print(f"Sessions that play digits at once, {machine()}\n")
    print(
        "| sessions | frames a second, least | mean | a click answered, median (worst) | server, MB | for each more |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    first = None
    for count in counts:
        with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
            server = Server(Path(home))
            try:
                server.wait()
                browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
                pages = []
                for number in range(count):
                    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                    page.goto(
                        f"{server.url}/?dataset=digits&task=class&classes={number % 10}&method=laf&seed=0&settings={settings}"
                    )
                    page.wait_for_selector(READY, timeout=240_000)
                    pages.append(page)
                for page in pages:
                    page.wait_for_selector(".theatre[data-references='5']", timeout=600_000)
                rates, waits = measure(pages)
                memory = resident_mb(server.process.pid)
                browser.close()
            finally:
                server.stop()
        waits.sort()
        more = "–" if first is None else f"{(memory - first[1]) / (count - first[0]):.0f}"
        first = first or (count, memory)
        print(
            f"| {count} | {min(rates):.1f} | {sum(rates) / count:.1f} | {waits[len(waits) // 2]:.2f} s ({waits[-1]:.2f} s) "
            f"| {memory:,.0f} | {more} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
