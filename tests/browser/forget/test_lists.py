"""The gallery, suggestions and lists of the page Forget set, in a real Chromium."""

from __future__ import annotations

import re

import pytest

from tests.browser.forget.hand import picked_by_server
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_thumbnails_are_picked_and_used_in_the_lab(forget_page):
    page = forget_page
    box = page.tab.locator(".gallery canvas").bounding_box()
    tile = page.tab.locator(".gallery canvas").evaluate("e => e.clientWidth / Math.floor(e.clientWidth / 46)")

    def at(index: int) -> tuple[float, float]:
        return box["x"] + (index + 0.5) * tile, box["y"] + tile / 2

    page.tab.get_by_role("button", name="Clear", exact=True).click()  # the page begins with the Lab's images
    until(lambda: picked_by_server(page) == 0)
    page.tab.mouse.click(*at(1))
    until(lambda: picked_by_server(page) == 1)
    page.tab.keyboard.down("Shift")
    page.tab.mouse.click(*at(4))
    page.tab.keyboard.up("Shift")
    until(lambda: picked_by_server(page) == 4)  # tiles 1 to 4
    page.tab.mouse.click(*at(2))
    until(lambda: picked_by_server(page) == 3)
    page.tab.mouse.move(*at(6))
    page.tab.mouse.down()
    page.tab.mouse.move(*at(9))
    page.tab.mouse.up()
    until(lambda: picked_by_server(page) == 7)
    page.tab.keyboard.press("ArrowDown")
    page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("Space")
    until(lambda: picked_by_server(page) in (6, 8))
    count = picked_by_server(page)
    page.tab.get_by_role("button", name="Use in the Lab").click()
    page.tab.get_by_role("button", name=re.compile(rf"{count} chosen images")).wait_for()
    page.wait_ready()
    page.button("Play").click()
    page.tab.wait_for_selector(".map-view[data-phase=done]", timeout=120_000)
    assert not page.problems


def test_suggestions_filter_and_lists(forget_page, tmp_path):
    page, tab = forget_page, forget_page.tab
    tab.get_by_role("button", name="Suggest").click()
    tab.get_by_role("button", name="Pick the most memorised").click()
    until(lambda: picked_by_server(page) == 50)
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Lists").click()
    file = tmp_path / "mine.txt"
    file.write_text("# two\n0\n1-x\n")
    tab.locator("input[type=file]").set_input_files(file)
    tab.get_by_text("line 3 of mine.txt").wait_for()
    assert picked_by_server(page) == 50
    ids = [
        int(i)
        for i in tab.locator(".map-view").evaluate("r => [...window.lafLab.store(r.dataset.run).scene.ids]")
    ]
    file.write_text(f"# two\n{ids[0]}\n{ids[1]}, {ids[2]}\n")
    tab.locator("input[type=file]").set_input_files(file)
    until(lambda: picked_by_server(page) == 3)
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download the ids").click()
    lines = download.value.path().read_text().splitlines()
    assert [int(line) for line in lines if not line.startswith("#")] == sorted(ids[:3])
    assert not page.problems
