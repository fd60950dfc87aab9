"""Take the README's pictures from the real page in a real Chromium: python assets/make_pictures.py"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    from PIL import Image
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import FLAGS, chromium
    from tests.browser.page import Page, Profile
    from tests.browser.server import Server

    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = Server(Path(home))
        server.wait()
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for scheme in ("dark", "light"):
            page = Page(Profile(browser), server.url, scheme)
            page.wait_ready()
            page.tab.locator("[data-key='clock.retrain'][data-value]:not([data-value=''])").wait_for(
                state="attached"
            )
            page.tab.wait_for_timeout(1500)
            page.button("Play").click()
            page.tab.wait_for_selector(".map-view[data-phase=done]", timeout=240_000)
            page.tab.wait_for_selector(".sentence[data-final=true]", timeout=240_000)  # all retrained models
            page.tab.mouse.move(5, 895)
            page.tab.wait_for_timeout(1500)
            page.tab.screenshot(path=ROOT / "assets" / f"lab-{scheme}.png")
            if scheme == "dark":
                slider = page.tab.get_by_role("slider", name="Step")
                slider.focus()
                page.tab.keyboard.press("Home")
                pictures = []
                last = int(page.tab.locator(".map-view").get_attribute("data-frames")) - 1
                for number in range(0, last + 1):
                    page.tab.wait_for_selector(f".map-view[data-frame='{number}']")
                    if number % 2 == 0 or number == last:
                        page.tab.wait_for_timeout(250)
                        shot = Image.open(io.BytesIO(page.tab.screenshot())).convert("RGB")
                        pictures.append(shot.resize((1080, 675), Image.Resampling.LANCZOS))
                    page.tab.keyboard.press("ArrowRight")
                times = [800] + [160] * (len(pictures) - 2) + [2500]
                pictures[0].save(
                    ROOT / "assets" / "lab.webp",
                    save_all=True,
                    append_images=pictures[1:],
                    duration=times,
                    loop=0,
                    quality=62,
                    method=4,
                )
            page.close()
        browser.close()
        server.stop()


if __name__ == "__main__":
    main()
