"""Lassos and boxes on the map, in a real Chromium: what lies under an outline is worked out again, another way."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.browser.forget.hand import LAST, PLACES, Map, blob, on_screen, picked_by_server, star, wanted
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("shape", [star, blob])
def test_a_lasso_returns_exactly_the_ids_under_it(forget_page, shape):
    the_map = Map(forget_page)
    rng = np.random.default_rng(5)
    for _ in range(2):
        found = the_map.draw(shape(rng))
        places = on_screen(the_map.root.evaluate(PLACES))
        np.testing.assert_allclose(np.stack([found["x"], found["y"]], 1), places, atol=0.02)
        assert set(found["ids"]) == wanted(found)
        assert set(found["picked"]) == set(found["ids"])
        until(lambda: picked_by_server(forget_page) == len(found["ids"]))  # noqa: B023 - called at once
        labels = dict(zip(found["all"], found["label"], strict=True))
        bars = forget_page.tab.locator(".counts li b").all_inner_texts()
        assert [int(b) for b in bars] == np.bincount([labels[i] for i in found["ids"]], minlength=10).tolist()
    assert not forget_page.problems


def test_a_lasso_returns_exactly_the_ids_under_it_while_zoomed_and_moved(forget_page):
    the_map = Map(forget_page)
    box = the_map.box
    forget_page.tab.locator(".map-view .names button:visible").first.hover()
    forget_page.tab.mouse.wheel(0, -240)  # a class's name over the canvas does not keep the wheel from it
    until(lambda: the_map.root.evaluate(PLACES)["view"]["zoom"] > 1.2)
    forget_page.tab.mouse.move(*on_screen(the_map.root.evaluate(PLACES))[40] + [box["x"], box["y"]])
    for _ in range(3):
        forget_page.tab.mouse.wheel(0, -240)
    the_map.tab.locator(".map-view .stage > canvas").focus()
    forget_page.tab.keyboard.press("p")
    forget_page.tab.mouse.down()
    forget_page.tab.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    forget_page.tab.mouse.up()
    found = the_map.draw(blob(np.random.default_rng(2)), "Shift")  # a lasso although panning is chosen
    places = the_map.root.evaluate(PLACES)
    assert places["view"]["zoom"] > 2
    np.testing.assert_allclose(np.stack([found["x"], found["y"]], 1), on_screen(places), atol=0.1)
    assert set(found["ids"]) == wanted(found)
    assert 0 < len(found["ids"]) < len(found["all"])
    assert found["operation"] == "replace"


def test_keys_change_the_operation_and_undo_takes_it_back(forget_page):
    the_map, rng = Map(forget_page), np.random.default_rng(8)
    first = wanted(the_map.draw(blob(rng)))
    held = first
    for keys, combine in (
        (["Shift"], set.union),
        (["Alt"], set.difference),
        (["Shift", "Alt"], set.intersection),
    ):
        found = the_map.draw(star(rng), *keys)
        held = combine(held, wanted(found))
        assert set(found["picked"]) == held
    forget_page.tab.get_by_role("button", name="Undo").click()
    forget_page.tab.get_by_role("button", name="Undo").click()
    forget_page.tab.get_by_role("button", name="Undo").click()
    until(lambda: picked_by_server(forget_page) == len(first))
    until(lambda: set(the_map.root.evaluate(LAST)["picked"]) == first)


def test_a_box_and_a_click_without_a_drag(forget_page):
    the_map = Map(forget_page)
    forget_page.tab.keyboard.press("Escape")
    the_map.tab.locator(".map-view").get_by_role("radio", name="box").click()
    found = the_map.draw(np.array([[0.3, 0.2], [0.6, 0.7]]))
    low, high = np.sort(np.array(found["outline"])[[0, 2]], 0)
    size = np.array([the_map.box["width"], the_map.box["height"]])
    np.testing.assert_allclose([low, high], np.array([[0.3, 0.2], [0.6, 0.7]]) * size, atol=1)
    xy = np.stack([found["x"], found["y"]], 1)
    assert set(found["ids"]) == set(np.array(found["all"])[((xy > low) & (xy < high)).all(1)].tolist())
    point = xy[17]
    found = the_map.draw(np.array([(point + np.array([1, -1])) / size]))
    nearest = np.hypot(*(xy - found["outline"][0]).T).argmin()
    assert found["ids"] == [found["all"][nearest]]


def test_a_lasso_on_the_lab_while_it_plays_then_into_the_forget_set(server, open_page):
    page = open_page(f"{server.url}/?dataset=digits&task=class&classes=0&settings=preset", motion=True)
    page.wait_ready()  # the preset takes more steps than automatic settings do, and so leaves time to draw
    the_map = Map(page)
    still = on_screen(the_map.root.evaluate(PLACES))
    page.button("Play").click()
    until(lambda: int(the_map.root.get_attribute("data-frames")) > 5)
    found = the_map.draw(blob(np.random.default_rng(1), 12), "Shift")
    assert found["seen"]["phase"] == "running"
    assert found["seen"]["position"] > 1
    assert np.abs(np.stack([found["x"], found["y"]], 1) - still).max() > 20, "points had moved"
    assert set(found["ids"]) == wanted(found)
    bar = page.tab.locator(".map-view .picked")
    assert bar.inner_text().startswith(f"{len(found['ids']):,} points picked")
    legend = page.tab.locator(".map-view .entries")
    counts = [int(n.replace(",", "")) for n in re.findall(r"· ([\d,]+) of [\d,]+", legend.inner_text())]
    assert len(counts) == 2  # forgotten and remaining
    assert sum(counts) == len(found["ids"])
    page.tab.locator(".map-view").get_by_role("button", name="Add to forget set").click()
    page.tab.wait_for_selector(".gallery[data-ready=true]")
    until(lambda: picked_by_server(page) == len(found["ids"]))
    page.visit("Lab")
    page.tab.wait_for_selector(".map-view[data-phase=done]", timeout=120_000)  # another page stopped nothing
    assert not page.problems


def test_escape_on_the_lab_clears_and_forget_these_opens_the_lab_on_them(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    the_map = Map(page)
    run = the_map.root.get_attribute("data-run")
    the_map.draw(blob(np.random.default_rng(3)), "Shift")
    page.tab.keyboard.press("Escape")
    page.tab.locator(".map-view .picked").wait_for(state="hidden")
    found = the_map.draw(blob(np.random.default_rng(3)), "Shift")
    page.tab.locator(".map-view").get_by_role("button", name="Forget these").click()
    until(lambda: the_map.root.get_attribute("data-run") != run)
    page.wait_ready()
    page.tab.get_by_role("button", name=re.compile(rf"{len(found['ids']):,} chosen images")).wait_for()
    page.tab.get_by_role("button", name=re.compile("^Step(?! ×)")).click()
    until(lambda: int(the_map.root.get_attribute("data-frames")) == 2)
    assert not page.problems
