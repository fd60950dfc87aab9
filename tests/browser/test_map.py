"""A point of the map in a real Chromium: hovered, pinned, let go, found by id; its neighbours against numpy; the flow picture picks."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STORE = "r => window.lafLab.store(r.dataset.run)"
NEAR = """async ([xy, angle]) => {
  const near = await import(new URL("_stcore/bidi-components/laf-lab.map_view/pin/near.js", document.baseURI));
  const found = near.allNeighbours(xy, 7);
  return [Array.from(found.list), Array.from(near.beyondNeighbours(angle, found))];
}"""

CONTOURS = """async (points) => {
  const draw = await import(new URL("_stcore/bidi-components/laf-lab.map_view/draw/contours.js", document.baseURI));
  const found = draw.densityOf(points, 600, 600);
  return [draw.SHARES, draw.levelsOf(found), Array.from(found.values), found.columns];
}"""
PLACE = """async ([pile, width, taken, room]) => {
  const draw = await import(new URL("_stcore/bidi-components/laf-lab.map_view/draw/piles.js", document.baseURI));
  return draw.freePlace(pile, width, taken, room);
}"""


class Map:
    def __init__(self, page) -> None:
        self.tab = page.tab
        self.root = page.tab.locator(".map-view")
        self.pin = self.root.locator(".pin")
        self.canvas = self.root.locator(".stage > canvas")

    def read(self, expression: str):
        return self.root.evaluate(f"r => {{ const s = ({STORE})(r); return {expression}; }}")

    def pinned(self, id_: object) -> None:
        expect(self.root).to_have_attribute("data-pin", "" if id_ is None else str(id_))
        expect(self.pin).to_be_visible() if id_ is not None else expect(self.pin).to_be_hidden()


def nearest(xy: np.ndarray, i: int, count: int) -> list[int]:
    """The nearest points of i, the nearest first; equally near ones in their order."""
    distance = ((xy.astype(np.int64) - xy[i]) ** 2).sum(1)
    distance[i] = np.iinfo(np.int64).max
    return np.argsort(distance, kind="stable")[:count].tolist()


def test_a_point_is_hovered_pinned_found_and_compared_with_its_neighbours(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    shown = Map(page)
    ids, forget = shown.read("[...s.scene.ids]"), shown.read("[...s.scene.forget]")
    _by_keys(page, shown, ids[forget.index(1)])
    _by_mouse(page, shown)
    _neighbours(shown, ids)
    _by_id(shown, ids)
    _flow(page, shown, forget)
    _density(shown)
    _owners(shown, len(ids))
    assert not page.problems


def _by_keys(page, shown: Map, first: int) -> None:
    card = shown.root.locator(".card")
    shown.canvas.focus()
    page.tab.keyboard.press("]")
    expect(card).to_contain_text(re.compile(rf"digit 0 · id {first}"))
    assert card.locator("canvas").count() == 1
    page.tab.keyboard.press("Enter")
    shown.pinned(first)
    expect(shown.pin.locator("tr.before")).to_contain_text("0")
    page.tab.keyboard.press("Escape")
    shown.pinned(None)


def _by_mouse(page, shown: Map) -> None:
    """A scan meets a point soon; a click there pins it, and a second one lets it go."""
    box, card = shown.canvas.bounding_box(), shown.root.locator(".card")
    for row in range(5, 95, 2):
        for column in range(20, 95, 4):
            at = (box["x"] + box["width"] * column / 100, box["y"] + box["height"] * row / 100)
            page.tab.mouse.move(*at)
            if card.is_visible():
                id_ = re.search(r"id (\d+)", card.inner_text()).group(1)
                page.tab.mouse.click(*at)
                shown.pinned(id_)
                page.tab.mouse.click(*at)
                shown.pinned(None)
                return
    raise AssertionError("no point under the mouse on the whole map")


def _neighbours(shown: Map, ids: list[int]) -> None:
    """On the map and in the lists of moved images they are numpy's; those of the model come from the server once."""
    shown.read(f"s.setView({{ pin: {ids[40]} }})")
    told = shown.pin.locator(".told")
    expect(told).to_have_text("by the angle between representations")
    before = shown.read("s.near.stats.asked")
    shown.pin.get_by_role("radio", name="on the map").click()
    expect(told).to_have_text("by the distance on the map shown")
    xy = np.array(shown.read("[...s.scene.position]")).reshape(-1, 2)
    tiles = shown.pin.locator(".row.before button").evaluate_all("all => all.map(e => +e.dataset.near)")
    assert tiles == [ids[k] for k in nearest(xy, 40, 6)]
    shown.pin.get_by_role("radio", name="for the model").click()
    expect(shown.pin.locator(".row.now button")).to_have_count(6)
    assert shown.read("s.near.stats.asked") == before
    draws = np.random.default_rng(0)
    some = draws.integers(-16000, 16000, (90, 2))
    some[:20] = some[0]  # a pile
    angle = draws.integers(0, 180, 90)
    lists, beyond = shown.tab.evaluate(NEAR, [some.ravel().tolist(), angle.tolist()])
    wanted = [nearest(some, i, 7) for i in range(90)]
    assert np.array(lists).reshape(90, 7).tolist() == wanted
    np.testing.assert_allclose(beyond, [angle[i] - np.median(angle[w]) for i, w in enumerate(wanted)])


def _by_id(shown: Map, ids: list[int]) -> None:
    field, said = shown.root.get_by_label("Find a point by its id"), shown.root.locator(".said")
    missing = max(ids) + 1_000_000
    for text, sentence in (
        ("zero", r"An id is a whole number, such as \d+"),
        (str(missing), f"Point {missing} is not on this map"),
    ):
        field.fill(text)
        field.press("Enter")
        expect(said).to_have_text(re.compile(sentence))
    shown.pinned(ids[40])  # nothing is lost
    field.fill(str(ids[7]))
    field.press("Enter")
    shown.pinned(ids[7])
    expect(said).to_be_hidden()
    field.press("Escape")
    shown.pinned(None)


def _owners(shown: Map, count: int) -> None:
    """Only where clients share the images does the map show who has which."""
    choice = shown.root.get_by_role("radio", name="client", exact=True)
    expect(choice).to_be_hidden()
    owner = f"Uint8Array.from({{ length: {count} }}, (_, i) => i % 3)"
    shown.read(f"[Object.assign(s.scene, {{ clients: 3, client: {owner} }}), s.emit('scene')].length")
    choice.click()
    names = shown.root.locator("[data-isolate^='client:']")
    expect(names).to_have_text(["client 0", "client 1", "client 2"])
    names.nth(1).click()
    expect(names.nth(1)).to_have_attribute("aria-pressed", "true")
    shown.root.get_by_role("radio", name="class", exact=True).click()
    assert shown.read("s.view.isolate") is None  # no name on the map would take it back


def _density(shown: Map) -> None:
    """The lines hold their shares of a normal distribution, whose radii are known; no number covers a name."""
    draws = np.random.default_rng(0).normal(300, 45, (20_000, 2))
    shares, levels, values, columns = shown.tab.evaluate(CONTOURS, draws.tolist())
    area = [25 * sum(v >= level for v in values) for level in levels]  # px²
    blur = 3 * (5**2 - 1) / 12 * 25  # px²: the variance that three box blurs of five cells add
    wanted = [2 * np.pi * (45**2 + blur) * -np.log(1 - share) for share in shares]
    np.testing.assert_allclose(area, wanted, rtol=0.06)
    assert len(values) // columns == columns
    name = {"left": 110, "right": 130, "y": 101}
    free = shown.tab.evaluate(PLACE, [{"x": 100, "y": 100}, 80, [name], 400])
    assert free["right"] < name["left"]
    low = shown.tab.evaluate(PLACE, [{"x": 60, "y": 100}, 80, [{**name, "left": 70}], 160])
    assert abs(low["y"] - name["y"]) >= 18
    switch = shown.root.get_by_role("button", name="density", exact=True)
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    expect(shown.root.locator("[data-key=density]")).to_have_text("densest 25, 50, 75 %")


def _flow(page, shown: Map, forget: list[int]) -> None:
    shown.root.get_by_role("button", name="flow", exact=True).click()
    label = np.array(shown.read("[...s.scene.label]"))
    answer = np.array(shown.read("[...s.scene.prediction]"))
    pairs = {
        (int(a), int(b)): int(((label == a) & (answer == b)).sum())
        for a, b in zip(label, answer, strict=True)
    }
    forgotten, whole = shown.root.locator(".flows figure").all()
    for figure, mask in ((forgotten, np.array(forget) == 1), (whole, np.ones(len(label), bool))):
        count = len({(a, b) for a, b in zip(label[mask].tolist(), answer[mask].tolist(), strict=True)})
        assert figure.locator("path").count() == count
    whole.locator('[data-flow="3-3"]').press("Enter")
    expect(shown.root.locator(".picked")).to_contain_text(f"{pairs[3, 3]} points picked")
    page.until(lambda: shown.read("s.picks.total") == pairs[3, 3])  # the server has the same selection
