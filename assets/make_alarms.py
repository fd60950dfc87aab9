"""Take the pictures of docs/alarms.md from the real page: each alarm raised by its own settings.

python assets/make_alarms.py [NAME …]"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

CHOICES = {"Step only", "Schedule"}
WHAT: dict[str, tuple[str, dict[str, str], str]] = {  # file -> task, knobs by label, the alarm
    "collapse-ue-alone": ("Class removal", {"Step only": "L_UE"}, "Collapse"),
    "collapse-joint": ("Class removal", {"Schedule": "joint"}, "Collapse"),
    "collapse-low-temperature": ("Class removal", {"τ": "0.3"}, "Collapse"),
    "cancellation": ("Class removal", {"τ": "100"}, "Cancellation"),
    "conflict": ("Class removal", {"lr_RA": "0.001"}, "Conflict"),
    "stalled": ("Class removal", {"lr_UE": "0.0000001", "lr_RA": "0.0000001"}, "Stalled"),
    "vae-never-improves": ("Class removal", {"VAE's lr": "0.000001"}, "VAE never improves"),
    "vae-diverges": ("Class removal", {"VAE's lr": "0.1"}, "VAE diverges"),
    "nan": ("Class removal", {"VAE's lr": "1"}, "NaN"),
    "one-answer": ("Class removal", {"VAE's lr": "0.0001"}, "One answer"),
    "over-forgetting": ("Data removal", {"τ": "1"}, "Over-forgetting"),
}


def turn(page: Any, knobs: dict[str, str]) -> None:
    page.button("Knobs").click()
    for label, value in knobs.items():
        if label in CHOICES:
            page.tab.get_by_role("combobox", name=re.compile(label)).click()
            page.tab.get_by_role("option", name=value, exact=True).click()
        else:
            box = page.tab.get_by_label(re.compile(f"^{label} "))
            box.fill(value)
            box.press("Tab")
    run = page.tab.get_by_role("button", name="Apply from the next step")
    run.click()
    page.tab.wait_for_timeout(1200)
    page.tab.keyboard.press("Escape")


def main() -> None:
    from PIL import Image
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import FLAGS, chromium
    from tests.browser.page import Page, Profile
    from tests.browser.server import Server

    target = ROOT / "assets" / "alarms"
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = Server(Path(home))
        server.wait()
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        wanted = sys.argv[1:] or WHAT
        for name in wanted:
            task, knobs, alarm = WHAT[name]
            page = Page(Profile(browser), server.url, "light")
            page.wait_ready()
            if task != "Class removal":
                page.button("Forget").click()
                page.tab.get_by_text(task, exact=True).last.click()
                run = page.tab.locator(".map-view").get_attribute("data-run")
                page.tab.wait_for_timeout(800)
                page.tab.get_by_role("button", name="Forget these").first.click()
                page.tab.wait_for_selector(
                    f".map-view[data-ready=true]:not([data-run='{run}'])", timeout=240_000
                )
            page.tab.wait_for_selector(".map-view[data-references='5']", timeout=240_000)
            turn(page, knobs)
            page.button("Play").click()
            page.tab.wait_for_selector(
                ".map-view[data-phase=done], .map-view[data-phase=failed]", timeout=240_000
            )
            page.tab.wait_for_timeout(1500)
            run = page.tab.locator(".map-view").get_attribute("data-run")
            step = page.tab.evaluate(
                "([run, name]) => { const s = window.lafLab.store(run); const a = s.alarms.find((a) => a.name === name);"
                " if (!a) return null; const last = a.until === null ? s.stepOf(s.newest) : a.until - 1;"
                " const middle = Math.round((a.step + last) / 2); const steps = [];"
                " for (let k = a.step; k <= last; k++) if (s.alarmsAt(k)[0]?.name === name) steps.push(k);"  # the first is told
                " steps.sort((p, q) => Math.abs(p - middle) - Math.abs(q - middle));"
                " s.setCursor(s.seqAtStep(steps[0] ?? middle)); return a.step; }",
                [run, alarm],
            )
            print(f"{name}: {alarm} since step {step}")
            page.tab.mouse.move(5, 895)
            page.tab.wait_for_timeout(900)
            shot = Image.open(io.BytesIO(page.tab.screenshot())).convert("RGB")
            shot.resize((1080, 675), Image.Resampling.LANCZOS).save(
                target / f"{name}.webp", quality=58, method=6
            )
            page.close()
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
