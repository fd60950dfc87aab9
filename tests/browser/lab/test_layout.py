"""The Lab's picture in a real Chromium: it stands still while the page starts, and fits at each width."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_lab_fits_one_screen_without_scrolling(server, open_page, scheme):
    page = open_page(server.url, scheme)
    page.wait_ready()
    box = page.tab.locator("[data-testid=stMain]")
    assert box.evaluate("e => e.scrollHeight - e.clientHeight") <= 1


def test_the_map_is_seen_before_streamlit_has_started_and_stays_in_its_place(server, open_page):
    page = open_page(server.url)
    early = page.tab.locator("#laf-early")
    box = page.tab.evaluate(
        """() => new Promise((done) => {
          const look = () => {
            const found = document.querySelector("#laf-early[data-drawn=true]");
            if (found) { const { x, y, width, height } = found.getBoundingClientRect(); done({ x, y, width, height }); } else setTimeout(look, 10);
          };
          look();
        })"""
    )
    for _ in range(2):  # the second time with a cookie
        page.wait_ready()
        expect(early).to_have_count(0)
        there = page.tab.locator(".map-view").bounding_box()
        assert all(abs(box[side] - there[side]) < 1 for side in ("x", "y", "width", "height"))
        page.tab.reload()
    assert not page.problems


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_no_label_is_cut_and_retrained_stays_at_any_width(server, open_page, width, height):
    page = open_page(server.url)
    page.wait_ready()
    page.tab.set_viewport_size({"width": width, "height": height})
    page.tab.wait_for_selector(".map-view[data-references='5']", timeout=240_000)
    page.tab.wait_for_timeout(500)
    cut = page.tab.locator(".readouts .name").evaluate_all(
        "all => all.filter(e => e.offsetLeft + e.offsetWidth > e.parentElement.offsetLeft + e.parentElement.clientWidth + 1).map(e => e.textContent)"
    )
    assert cut == []
    assert page.tab.locator("[data-key='remain_train.reference']").is_visible()
    tools = page.tab.locator(".map-view .tools").bounding_box()
    for name in page.tab.locator(".map-view .names button:visible").all():
        box = name.bounding_box()
        beside = box["x"] >= tools["x"] + tools["width"] or box["x"] + box["width"] <= tools["x"]
        assert beside or box["y"] >= tools["y"] + tools["height"], name.inner_text()
    rail = page.tab.locator(".timeline .rail").bounding_box()
    assert rail["width"] >= 180
    assert rail["x"] >= 0
    assert rail["x"] + rail["width"] <= width
    if width < 500:
        assert page.tab.locator(".timeline .thumb").bounding_box()["width"] >= 24
