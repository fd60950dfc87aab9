"""Several sessions playing digits at once on one server: python -m benchmarks.sessions [--counts 1,2,4] [--bare]

A real server, a real Chromium with a page for each session, all on the same cores. First all play without clicks: frames shown. Then they are
paused and played on in turn: clicks answered, and frames shown meanwhile. The server's memory is measured from outside. With --bare
the runs play in this process, without a page.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.machine import machine
from benchmarks.map_view import STATS_OF_PAGE, STOPWATCH
from benchmarks.memory import resident_mb
from core.config import LAFConfig, replace

READY = ".map-view[data-ready=true]"
SECONDS = 12
SETTINGS = {"steps": 1400, "lr_ue": 1e-6, "lr_ra": 2e-6}  # long enough not to end while it is measured


def shown(pages: list[Any]) -> list[int]:
    return [page.evaluate(STATS_OF_PAGE)["framesShown"] for page in pages]


def rates(pages: list[Any], meanwhile: Callable[[], None]) -> list[float]:
    """Return the frames a second that each page shows while ``meanwhile`` is repeated."""
    before, start = shown(pages), time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        meanwhile()
    seconds = time.perf_counter() - start
    return [(now - then) / seconds for now, then in zip(shown(pages), before, strict=True)]


def clicked(pages: list[Any]) -> None:
    """Pause each page and play on."""
    for page in pages:
        pause = page.get_by_role("button", name=re.compile("^Pause"))
        if pause.count():
            pause.click()
            page.get_by_role("button", name=re.compile("^Play")).wait_for(timeout=60_000)
            page.get_by_role("button", name=re.compile("^Play")).click()
        page.wait_for_timeout(400)


def measure(pages: list[Any]) -> tuple[list[float], list[float], list[float]]:
    """Return each page's frames a second without clicks and with clicks, and the seconds until each click is answered."""
    for page in pages:
        page.get_by_role("button", name=re.compile("^Play")).click()
    for page in pages:
        page.get_by_role("button", name=re.compile("^Pause")).wait_for(timeout=60_000)
    for page in pages:  # its VAEs are fitted, and steps are taken
        while (
            page.evaluate(STATS_OF_PAGE)["framesShown"] <= 3
        ):  # wait_for_function needs eval, which the page forbids
            page.wait_for_timeout(100)
    alone = rates(pages, partial(pages[0].wait_for_timeout, 1000))
    for page in pages:
        page.evaluate(STOPWATCH)
    beside = rates(pages, partial(clicked, pages))
    return alone, beside, sorted(w / 1e3 for page in pages for w in page.evaluate("() => window.waits"))


def bare(count: int) -> list[float]:
    """Return the frames a second of each of ``count`` runs, played as the server plays them."""
    from core.experiments.session.experiment import Experiment
    from core.runs.setup import Setup
    from dashboard.session import resources

    config = replace(LAFConfig.preset("digits", "class"), **SETTINGS)
    made = [
        Experiment(
            Setup(classes=(c,)),
            resources.runner(),
            resources.umap(),
            config,
            map_runner=resources.map_runner(),
            kept=resources.kept(),
        )
        for c in range(count)
    ]

    def until(ready: Callable[[Experiment], bool]) -> None:
        while not all(ready(e) for e in made):
            assert all(e.error is None for e in made)
            time.sleep(0.05)

    for e in made:
        e.start()
    until(lambda e: e.run is not None and not e.work and len(e.references) == 5)
    for e in made:
        e.play()
    until(lambda e: e.run is not None and len(e.run.frames) > 3)
    before, start = [len(e.run.frames) for e in made if e.run is not None], time.perf_counter()
    time.sleep(SECONDS)
    seconds = time.perf_counter() - start
    found = [
        (len(e.run.frames) - n) / seconds for e, n in zip(made, before, strict=True) if e.run is not None
    ]
    for e in made:
        e.close()
    return found


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import FLAGS, chromium
    from tests.browser.server import Server

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--counts", default="1,2,4")
    arguments.add_argument("--bare", action="store_true", help="no server and no browser")
    a = arguments.parse_args()
    counts = [int(n) for n in a.counts.split(",")]
    settings = json.dumps(SETTINGS, separators=(",", ":"))
    print(f"Sessions that play digits at once, {machine()}\n")
    if a.bare:
        print("| runs, no browser | frames a second, least | mean |\n|---|---|---|", flush=True)
        for count in counts:
            with tempfile.TemporaryDirectory() as home, mock.patch.dict(os.environ, LAF_HOME=home):
                each = bare(count)
            print(f"| {count} | {min(each):.1f} | {sum(each) / count:.1f} |", flush=True)
        return
    print(
        "| sessions | frames a second, least | mean | while clicked: least | mean "
        "| a click answered, median (worst) | server, MB | for each more |"
    )
    print("|" + "---|" * 8, flush=True)
    first = None
    for count in counts:
        with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
            server = Server(Path(home))
            try:
                server.wait()
                browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
                pages = []
                for number in range(count):
                    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                    page.goto(
                        f"{server.url}/?dataset=digits&task=class&classes={number % 10}&method=laf&seed=0&settings={settings}"
                    )
                    page.wait_for_selector(READY, timeout=240_000)
                    pages.append(page)
                for page in pages:
                    page.wait_for_selector(".map-view[data-references='5']", timeout=600_000)
                alone, beside, waits = measure(pages)
                memory = resident_mb(server.process.pid)
                browser.close()
            finally:
                server.stop()
        more = "–" if first is None else f"{(memory - first[1]) / (count - first[0]):.0f}"
        first = first or (count, memory)
        print(
            f"| {count} | {min(alone):.1f} | {sum(alone) / count:.1f} | {min(beside):.1f} | {sum(beside) / count:.1f} | {waits[len(waits) // 2]:.2f} s ({waits[-1]:.2f} s) "
            f"| {memory:,.0f} | {more} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
