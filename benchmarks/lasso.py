"""Measure the time until a lasso over 2,000 points is answered: python -m benchmarks.lasso

On the Lab's own page, in a real Chromium: from the release of the button to the server's word that it holds the ids, while the map
is still, zoomed, and while a run plays at ten frames a second.
"""

from __future__ import annotations

import math
import re
import tempfile

from benchmarks.machine import machine
from benchmarks.map_view import serve
from tests.browser.chromium import FLAGS, chromium

TIMES = 15
ANSWER = """root => {
  const { picks } = window.lafLab.store(root.dataset.run);
  return picks.pending.length ? null : [picks.stats.answer, picks.last.ids.length];
}"""


def lasso(page, share: float) -> None:
    """Draw a wavy outline around the middle of the map, with shift held."""
    box = page.locator(".map-view .stage > canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.keyboard.down("Shift")
    for k in range(81):
        angle = 2 * math.pi * k / 80
        radius = share * box["height"] * (0.4 + 0.1 * math.sin(9 * angle))
        page.mouse.move(x + radius * math.cos(angle), y + radius * math.sin(angle))
        if k == 0:
            page.mouse.down()
    page.mouse.up()
    page.keyboard.up("Shift")


def measure(page) -> tuple[float, float, int]:
    """Median and worst answer in ms, and the most points that a lasso held."""
    root, waits, most = page.locator(".map-view"), [], 0
    for k in range(TIMES):
        lasso(page, 0.7 + 0.02 * k)
        while (found := root.evaluate(ANSWER)) is None:
            page.wait_for_timeout(20)
        waits.append(found[0])
        most = max(most, found[1])
        page.wait_for_timeout(100)
    return sorted(waits)[TIMES // 2], max(waits), most


def main() -> None:
    from playwright.sync_api import expect, sync_playwright

    path = chromium()
    if path is None:
        raise SystemExit("this benchmark needs a Chromium; `make browser` installs one")
    rows = []
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server, url = serve(home, 2000)
        try:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(url)
            play = page.get_by_role("button", name=re.compile("^Play"))
            expect(play).to_be_enabled(timeout=180_000)
            page.wait_for_selector(".map-view[data-ready=true]")
            page.wait_for_timeout(1000)
            rows.append(("still", measure(page)))
            page.locator(".map-view .stage > canvas").focus()
            for _ in range(3):
                page.keyboard.press("+")
            rows.append(("zoomed", measure(page)))
            for _ in range(3):
                page.keyboard.press("-")
            play.click()
            page.wait_for_timeout(1000)
            rows.append(("playing", measure(page)))
            browser.close()
        finally:
            server.terminate()
    print(
        f"A lasso on 2,000 points, {TIMES} each, {machine()}\n\n| map | answered, median (worst) | points held, at most |\n|---|---|---|"
    )
    for name, (median, worst, most) in rows:
        print(f"| {name} | {median / 1e3:.2f} s ({worst / 1e3:.2f} s) | {most:,} |")


if __name__ == "__main__":
    main()
