"""Memory of a long kept run: python -m benchmarks.memory [--steps N] [--page]

Without --page the run alone, in this process. With it a real server that plays the run to a real Chromium, which keeps the page open.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import torch

from benchmarks.machine import machine
from core import LAF, LAFConfig, Run, forget_classes, load, train
from core.config import EvalConfig, VAEConfig, replace
from core.projection.projection import Projection
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.setup import Setup
from core.runs.storage import record

PARTS = 20
WARM = 0.25  # of the run
RATES = {"lr_ue": 1e-6, "lr_ra": 2e-6}  # so low that nothing diverges however long it is
STATE_OF_PAGE = """run => {
  const s = window.lafLab.store(run);
  return {step: s.stepOf(s.newest), held: s.held, heap: (performance.memory?.usedJSHeapSize ?? 0) / 1e6};
}"""


def resident_mb(process: int | str = "self") -> float:
    """Resident memory of a process now."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def alone(steps: int, home: str) -> Iterator[tuple[int, list[float]]]:
    """Return steps and megabytes of a run in this process, with a page's packets made."""
    os.environ["LAF_HOME"] = home
    split = forget_classes(load("digits"), [0])
    model = train(split)
    config = replace(LAFConfig.preset("digits", "class"), steps=steps, vae=VAEConfig(epochs=1), **RATES)
    observer = Observer(split, model, EvalConfig.preset("digits"))
    observer.projection = Projection.fit(observer.original.train.representations, seed=0)
    run = Run(LAF(config), model, split, observer=observer, checkpoints=Checkpoints())
    record(run, Setup())
    for _ in range(PARTS):
        run.play(steps // PARTS)
        while run.tick():
            pass
        sum(len(f.positions) for f in run.frames[-70:])
        yield len(run.steps), [resident_mb(), on_disk_mb(home)]


def beside_a_page(steps: int, home: str) -> Iterator[tuple[int, list[float]]]:
    """Return steps and megabytes of the server, of the page's script and on disk, while the page plays the run."""
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import FLAGS, chromium
    from tests.browser.page import Page, Profile
    from tests.browser.server import Server

    asked = {"dataset": "digits", "task": "class", "classes": "0", "method": "laf", "seed": "0"}
    settings = json.dumps({"steps": steps, **RATES})
    server = Server(Path(home))
    try:
        server.wait()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium(), args=[*FLAGS, "--enable-precise-memory-info"]
            )
            page = Page(Profile(browser), f"{server.url}/?{urlencode({**asked, 'settings': settings})}")
            page.wait_ready()
            page.tab.wait_for_selector(".map-view[data-references='5']", timeout=240_000)
            page.button("Play").click()  # type: ignore[attr-defined]
            run = page.tab.locator(".map-view").get_attribute("data-run")
            for part in range(1, PARTS + 1):
                while (state := page.tab.evaluate(STATE_OF_PAGE, run))["step"] < part * steps // PARTS:
                    time.sleep(0.2)
                    failed = page.tab.locator(".map-view").get_attribute("data-phase") == "failed"
                    if failed or server.process.poll() is not None:
                        raise SystemExit(f"it stopped at step {state['step']}: {server.log.read_text()}")
                yield state["step"], [resident_mb(server.process.pid), state["heap"], on_disk_mb(home)]
            browser.close()
    finally:
        server.stop()


def on_disk_mb(home: str) -> float:
    """Return the megabytes of all kept runs."""
    return sum(p.stat().st_size for p in Path(home, "runs").rglob("*") if p.is_file()) / 1e6


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", type=int, default=10_000)
    arguments.add_argument("--page", action="store_true", help="with a server and an open page")
    a = arguments.parse_args()
    torch.set_num_threads(1)
    what = "a real page open" if a.page else "no page"
    print(f"Memory over a kept run of {a.steps:,} steps on digits, {what}, {machine()}\n")
    names = ["server", "page's script", "on disk"] if a.page else ["process", "on disk"]
    print("| step | " + " | ".join(f"{n}, MB" for n in names) + " |\n" + "|---" * (len(names) + 1) + "|")
    seen: list[float] = []
    with tempfile.TemporaryDirectory() as home:
        for step, values in (beside_a_page if a.page else alone)(a.steps, home):
            seen.append(values[0])
            print(f"| {step:,} | " + " | ".join(f"{v:,.0f}" for v in values) + " |", flush=True)
    warm = seen[int(WARM * PARTS) - 1 :]
    low, high = min(warm), max(warm)
    print(
        f"\nthe {names[0]} after the first quarter: {low:,.0f} to {high:,.0f} MB, ±{50 * (high - low) / (high + low) * 2:.1f} %"
    )


if __name__ == "__main__":
    main()
