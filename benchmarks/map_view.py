"""Frames a second shown, answers to clicks, and what a replay costs the server: python -m benchmarks.map_view [--points 2000,10000]

A real server plays a recorded run of so many points at ten frames a second, in a real Chromium; then the browser replays it.
Then it zooms in until the points are images, pins one, and plays and replays the run again.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.machine import machine
from tests.browser.chromium import FLAGS, chromium

# the first element that a selector matches, also inside shadow roots
FIND = """
  const find = (root, what) => {
    for (const e of root.querySelectorAll('*')) {
      if (e.matches(what)) return e;
      const inside = e.shadowRoot && find(e.shadowRoot, what);
      if (inside) return inside;
    }
    return null;
  };
"""
STATS_OF_PAGE = (
    "() => {" + FIND + "return {...window.lafLab.store(find(document, '.map-view').dataset.run).stats};}"
)


STOPWATCH = """() => {
  window.waits = [];
  let begun = null;
  const label = () => document.querySelector('.st-key-transport-play button, .st-key-transport-pause button')?.innerText;
  let shown = label();
  document.addEventListener('click', () => { begun = performance.now(); shown = label(); }, true);
  new MutationObserver(() => {
    if (begun !== null && label() !== shown) { window.waits.push(performance.now() - begun); begun = null; }
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


# Looks at a remaining image with some hundred others around it, so near that the points are images and as many as may be in view.
ZOOM_IN = (
    "async () => {"
    + FIND
    + """
  const root = find(document, '.map-view');
  const store = window.lafLab.store(root.dataset.run);
  const {position, forget, n} = store.scene;
  const [xs, ys] = [0, 1].map((axis) => Array.from({length: n}, (_, i) => position[2 * i + axis] / 32767));
  const around = (i) => xs.filter((x, k) => Math.abs(x - xs[i]) < 0.02 && Math.abs(ys[k] - ys[i]) < 0.02).length;
  const first = forget.indexOf(0);
  let i = first;
  while (i < n - 1 && (forget[i] || around(i) < 50 || around(i) > 150)) i++; // in a tight pile no zoom is near enough
  if (i === n - 1) i = first;
  const middle = (list) => (Math.min(...list) + Math.max(...list)) / 2;
  for (let zoom = 1.5; zoom < 40 && root.dataset.thumbs !== 'true'; zoom *= 1.05) {
    store.setView({zoom, x: xs[i] - middle(xs), y: ys[i] - middle(ys)});
    await new Promise((done) => setTimeout(done, 100));
  }
  return {zoom: store.view.zoom, images: root.dataset.thumbs, id: store.scene.ids[i]};
}"""
)
# Clicks the shown point nearest to the middle of the map, and returns the milliseconds until the pinned card is drawn.
PIN = (
    "() => new Promise((done) => {"
    + FIND
    + """
  const [canvas, card, root] = ['.stage > canvas', '.pin', '.map-view'].map((what) => find(document, what));
  const store = window.lafLab.store(root.dataset.run);
  const box = canvas.getBoundingClientRect();
  const {position, n} = store.scene;
  const at0 = Math.floor(store.clock.position);
  const [low, high] = [at0, at0 + 1].map((seq) => store.frameAt(seq).position);
  const now = Array.from(low, (value, k) => value + (high[k] - value) * (store.clock.position - at0)); // as drawn between two frames
  const axis = (list, k) => Array.from({length: n}, (_, i) => list[2 * i + k] / 32767);
  const ends = [0, 1].map((k) => { const all = axis(position, k); return [Math.min(...all), Math.max(...all)]; });
  const scale = store.view.zoom * Math.min((box.width - 90) / (ends[0][1] - ends[0][0]), (box.height - 84) / (ends[1][1] - ends[1][0]));
  const [x, y] = [axis(now, 0), axis(now, 1)];
  const middle = [(ends[0][0] + ends[0][1]) / 2 + store.view.x, (ends[1][0] + ends[1][1]) / 2 + store.view.y];
  const away = (i) => Math.hypot(x[i] - middle[0], y[i] - middle[1]);
  const order = Array.from({length: n}, (_, i) => i).sort((i, k) => away(i) - away(k)).slice(0, 20);
  canvas.setPointerCapture = () => {};
  const draws = store.stats.draws;
  let begun = 0;
  for (const i of order) { // the points move, and so near a picture's time is many pixels: the first that is hit
    begun = performance.now();
    const at = {
      clientX: box.left + box.width / 2 + (x[i] - middle[0]) * scale, clientY: box.top + box.height / 2 + 8 - (y[i] - middle[1]) * scale,
      pointerId: 1, bubbles: true, pointerType: 'mouse',
    };
    for (const type of ['pointerdown', 'pointerup']) canvas.dispatchEvent(new PointerEvent(type, at));
    if (store.view.pin !== null) break;
  }
  const look = () => {
    if (!card.hidden && store.stats.draws > draws) done(performance.now() - begun);
    else if (performance.now() - begun > 5000) done(null);
    else requestAnimationFrame(look);
  };
  look();
})"""
)
RELEASE = """() => {
  for (const store of window.lafLab.stores.values()) store.setView({pin: null});
}"""


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(home: str, points: int) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.map_view_server", str(port)]
    server = subprocess.Popen(
        command,
        env={**os.environ, "LAF_HOME": home, "PYTHONPATH": os.getcwd(), "POINTS": str(points)},
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).read()
            return server, url
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer")


def measure(page, pid: int) -> list[tuple[str, str]]:
    stats = lambda: page.evaluate(STATS_OF_PAGE)  # noqa: E731
    play = page.get_by_role("button", name=re.compile("^Play"))
    play.click()
    page.wait_for_timeout(1500)
    before, cpu, start = stats(), cpu_seconds(pid), time.perf_counter()
    page.wait_for_timeout(4000)
    after, seconds = stats(), time.perf_counter() - start
    rows = [
        (
            "new frames a second shown, playing",
            f"{(after['framesShown'] - before['framesShown']) / seconds:.1f} (made: 10)",
        ),
        ("drawn a second", f"{(after['draws'] - before['draws']) / seconds:.0f}"),
        ("server CPU, playing", f"{100 * (cpu_seconds(pid) - cpu) / seconds:.0f} %"),
    ]
    page.evaluate(STOPWATCH)
    for name in ("Pause", "Play", "Pause", "Play", "Pause", "Play"):
        page.get_by_role("button", name=re.compile(f"^{name}")).click()
        page.get_by_role("button", name=re.compile("^Play" if name == "Pause" else "^Pause")).wait_for()
        page.wait_for_timeout(400)
    waits = sorted(page.evaluate("() => window.waits"))
    rows.append(
        (
            "a click answered, median (worst)",
            f"{waits[len(waits) // 2] / 1e3:.2f} s ({waits[-1] / 1e3:.2f} s)",
        )
    )
    page.wait_for_selector(".map-view[data-phase=done]", timeout=120_000)
    page.wait_for_timeout(1500)
    rows.append(("frames lost", str(stats()["lost"])))
    page.get_by_role("button", name=re.compile("^Replay")).click()
    page.wait_for_timeout(500)
    before, cpu, start = stats(), cpu_seconds(pid), time.perf_counter()
    page.wait_for_timeout(4000)
    after, seconds = stats(), time.perf_counter() - start
    rows += [
        ("drawn a second, replaying", f"{(after['draws'] - before['draws']) / seconds:.0f}"),
        ("server CPU, replaying with no worker", f"{100 * (cpu_seconds(pid) - cpu) / seconds:.1f} %"),
    ]
    return rows


def measure_pinned(page) -> list[tuple[str, str]]:
    """Measure the same with the points as images and one of them pinned."""
    stats = lambda: page.evaluate(STATS_OF_PAGE)  # noqa: E731
    page.get_by_role("button", name=re.compile("^Reset")).click()
    play = page.get_by_role("button", name=re.compile("^Play(?! on)"))
    play.click()
    page.wait_for_timeout(1500)
    seen = page.evaluate(ZOOM_IN)
    if seen["images"] != "true":
        raise SystemExit(f"the map shows no images: {seen}")
    waits = []
    for _ in range(5):
        waits.append(page.evaluate(PIN))
        if waits[-1] is None:
            raise SystemExit("a click pins nothing")
        page.wait_for_timeout(300)
        page.evaluate(RELEASE)
        page.wait_for_timeout(300)
    page.evaluate(PIN)
    rows = [
        ("a click pins a point, median (worst), playing", f"{sorted(waits)[2]:.0f} ms ({max(waits):.0f} ms)")
    ]
    for name in ("playing", "replaying"):
        if name == "replaying":
            page.wait_for_selector(".map-view[data-phase=done]", timeout=120_000)
            page.wait_for_timeout(1500)
            page.get_by_role("button", name=re.compile("^Replay")).click()
            page.wait_for_timeout(500)
        before, start = stats(), time.perf_counter()
        page.wait_for_timeout(4000)
        after, seconds = stats(), time.perf_counter() - start
        rows.append(
            (
                f"drawn a second, {name}, points as images and one pinned",
                f"{(after['draws'] - before['draws']) / seconds:.0f}",
            )
        )
    return rows


def main() -> None:
    from playwright.sync_api import expect, sync_playwright

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--points", default="2000", help="one map for each: 2000,10000")
    path = chromium()
    if path is None:
        raise SystemExit("this benchmark needs a Chromium; `make browser` installs one")
    for points in map(int, arguments.parse_args().points.split(",")):
        with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
            server, url = serve(home, points)
            try:
                browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(url, timeout=600_000)
                expect(page.get_by_role("button", name=re.compile("^Play"))).to_be_enabled(timeout=600_000)
                page.wait_for_timeout(1000)
                rows = [*measure(page, server.pid), *measure_pinned(page)]
                browser.close()
            finally:
                server.terminate()
        print(f"The map view, {points:,} points, {machine()}\n\n| what | value |\n|---|---|")
        for name, value in rows:
            print(f"| {name} | {value} |", flush=True)
        print()


if __name__ == "__main__":
    main()
