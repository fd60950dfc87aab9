"""Seconds to the first picture, cold and warm: python -m benchmarks.first_picture [--data-dir DIR]

With a folder that holds MNIST also the seconds from *Use this data* to the map of MNIST, on the server's first and on a second page.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import machine
from tests.browser.chromium import FLAGS, chromium
from tests.browser.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

DRAWN = "#laf-early[data-drawn=true]"  # the map from the page itself
READY = ".map-view[data-ready=true]"  # the map that lives


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", metavar="DIR", help="folder that holds MNIST")
    folder = parser.parse_args().data_dir
    path = chromium()
    if path is None:
        raise SystemExit("this benchmark needs a Chromium; `make browser` installs one")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        start = time.perf_counter()
        server = Server(Path(home))
        server.wait()
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(server.url, wait_until="commit")
        page.wait_for_selector(DRAWN, timeout=120_000)
        cold_drawn = time.perf_counter() - start
        page.wait_for_selector(READY, timeout=120_000)
        cold = time.perf_counter() - start
        page.wait_for_timeout(25_000)  # retraining and compiling behind the first page end
        page.close()
        drawn, own, warm = [], [], []
        for _ in range(5):
            page = context.new_page()
            page.wait_for_timeout(
                2000
            )  # a new window first loads the browser's own pages: 0.3 s that are not the Lab's
            start = time.perf_counter()
            page.goto(server.url, wait_until="commit")
            page.wait_for_selector(DRAWN)
            drawn.append(time.perf_counter() - start)
            page.wait_for_selector("[data-testid=stApp]")
            own.append(time.perf_counter() - start)
            page.wait_for_selector(READY, timeout=60_000)
            warm.append(time.perf_counter() - start)
            page.close()
            time.sleep(1)
        mnist = [] if folder is None else [seconds_to_mnist(context, server.url, folder) for _ in range(2)]
        browser.close()
        server.stop()
    print(f"The first picture, {machine()}\n\n| what | seconds |\n|---|---|")
    print(f"| cold, from the start of the process: the map is seen | {cold_drawn:.1f} |")
    print(f"| and can be played | {cold:.1f} |")
    print(f"| warm, from the navigation, median of 5 (best): the map is seen | {middle(drawn)} |")
    print(f"| Streamlit's own start is over | {middle(own)} |")
    print(f"| the map can be played | {middle(warm)} |")
    for title, seconds in zip(("", ", again"), mnist, strict=False):
        print(f"| MNIST, from *Use this data* to its map{title} | {seconds:.1f} |")


def seconds_to_mnist(context: BrowserContext, url: str, folder: str) -> float:
    """Return the seconds from the click on Use this data until the map of MNIST can be played, on a page of digits."""
    page = context.new_page()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(READY, timeout=120_000)
    before = page.locator(READY).get_attribute("data-run")
    page.get_by_role("button", name="Data Digits").click()
    page.get_by_text("MNIST", exact=True).click()
    page.get_by_role("textbox", name="Folder with its files").fill(folder)
    page.keyboard.press("Tab")
    page.wait_for_timeout(1000)
    start = time.perf_counter()
    page.get_by_role("button", name="Use this data").click()
    page.wait_for_selector(f'{READY}:not([data-run="{before}"])', timeout=120_000)
    spent = time.perf_counter() - start
    page.close()
    return spent


def middle(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f})"


if __name__ == "__main__":
    main()
