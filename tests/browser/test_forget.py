"""Picking what to forget, in a real Chromium: what lies under a lasso is worked out again here, another way."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# At the release, before the map view hears of it: the picture's pixels, and whether the run was playing.
WITNESS = """root => {
  const canvas = root.querySelector('.stage > canvas');
  root.addEventListener('pointerup', () => {
    const context = canvas.getContext('2d');
    const store = window.lafLab.store(root.dataset.run);
    root.seenAtRelease = {
      pixels: context.getImageData(0, 0, canvas.width, canvas.height).data,
      width: canvas.width, phase: store.status?.phase ?? null, position: store.clock.position,
    };
  }, true);
}"""
LAST = """root => {
  const store = window.lafLab.store(root.dataset.run);
  const { picks, scene } = store;
  const { outline, x, y, ids, operation } = picks.last;
  let text = "";
  for (let i = 0; i < root.seenAtRelease.pixels.length; i += 8192) {
    text += String.fromCharCode(...root.seenAtRelease.pixels.subarray(i, i + 8192));
  }
  return {
    outline, operation, x: [...x], y: [...y], ids, all: [...scene.ids], label: [...scene.label], picked: [...picks.ids],
    boxed: root.querySelector('.stage > canvas').dataset.tool === 'box', answer: picks.stats.answer, seen: { ...root.seenAtRelease, pixels: btoa(text) },
  };
}"""
PLACES = """root => {
  const { scene, view } = window.lafLab.store(root.dataset.run);
  const { clientWidth, clientHeight } = root.querySelector('.stage');
  return { position: [...scene.position], view: { ...view }, width: clientWidth, height: clientHeight };
}"""
CONFIRMED = """root => {
  const { picks } = window.lafLab.store(root.dataset.run);
  return picks.pending.length === 0 && picks.total !== null;
}"""


def under(outline: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Even-odd: whether a ray to the right meets the closed outline (k, 2) an odd number of times, for all points at once."""
    a, b = outline, np.roll(outline, -1, axis=0)
    crosses = (a[:, 1] <= y[:, None]) != (b[:, 1] <= y[:, None])  # (n, k)
    with np.errstate(divide="ignore", invalid="ignore"):
        meets = a[:, 0] + (y[:, None] - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return (crosses & (meets > x[:, None])).sum(1) % 2 == 1


def on_screen(places: dict) -> np.ndarray:
    """(n, 2) where a still map's points lie, from what was sent and how far it is zoomed."""
    xy = np.array(places["position"]).reshape(-1, 2) / 32767
    low, high = np.minimum(xy.min(0), 1), np.maximum(xy.max(0), -1)
    view, size = places["view"], np.array([places["width"], places["height"]])
    scale = view["zoom"] * ((size - [90, 84]) / (high - low)).min()
    middle = (low + high) / 2 + [view["x"], view["y"]]
    return size / 2 + [0, 8] + (xy - middle) * scale * [1, -1]


class Map:
    """The map view as a hand sees it."""

    def __init__(self, page) -> None:
        self.page, self.tab = page, page.tab
        self.root = page.tab.locator(".map-view")
        self.root.evaluate(WITNESS)
        self.box = self.tab.locator(".map-view .stage > canvas").bounding_box()

    def draw(self, path: np.ndarray, *keys: str) -> dict:
        """Drag along ``path`` (k, 2), in shares of the map; what was found at the release."""
        path = np.array([self.box["x"], self.box["y"]]) + path * [self.box["width"], self.box["height"]]
        for key in keys:
            self.tab.keyboard.down(key)
        self.tab.mouse.move(*path[0])
        self.tab.mouse.down()
        for place in path[1:]:
            self.tab.mouse.move(*place)
        self.tab.mouse.up()
        for key in keys:
            self.tab.keyboard.up(key)
        until(lambda: self.root.evaluate(CONFIRMED))
        found = self.root.evaluate(LAST)
        print(f"answered in {found['answer']:.0f} ms, {len(found['ids'])} of {len(found['all'])} points")
        if found["boxed"]:
            return found
        drawn = np.array(found["outline"]) + np.array([self.box["x"], self.box["y"]])
        apart = np.abs(drawn[:, None] - path[None]).max(2).min(1)
        assert apart.max() < 1.01, "the outline is the way that the hand went"
        return found


def wanted(found: dict) -> set[int]:
    """The ids under the outline, by this file's own rule, and a look at whether the points were drawn where they are said to be."""
    x, y, outline = np.array(found["x"]), np.array(found["y"]), np.array(found["outline"])
    seen = found["seen"]
    pixels = np.frombuffer(base64.b64decode(seen["pixels"]), np.uint32).reshape(-1, seen["width"])
    background = np.bincount(np.unique(pixels, return_inverse=True)[1].ravel()).argmax()
    plain = np.unique(pixels)[background]
    inside = (x > 1) & (y > 1) & (x < pixels.shape[1] - 2) & (y < pixels.shape[0] - 2)
    here = pixels[np.rint(y[inside]).astype(int), np.rint(x[inside]).astype(int)]
    assert (here != plain).mean() > 0.99, "where a point is said to be, something is drawn"
    assert (pixels != plain).mean() < 0.4
    return set(np.array(found["all"])[under(outline, x, y)].tolist())


def star(rng: np.random.Generator, corners: int = 25) -> np.ndarray:
    """A random outline that crosses itself, (k, 2) in shares of the map."""
    return rng.uniform(0.12, 0.95, (corners, 2))


def blob(rng: np.random.Generator, corners: int = 40) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    radius = rng.uniform(0.15, 0.4, corners)
    return np.stack([0.5 + radius * np.cos(angle), 0.5 + radius * np.sin(angle)], 1)


def picked_by_server(page) -> int:
    """The number in "n of m images"."""
    text = page.tab.locator(".counts p").inner_text()
    return int(re.match(r"([\d,]+) of", text)[1].replace(",", ""))


@pytest.fixture
def forget_page(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    page.visit("Forget set")
    page.tab.wait_for_selector(".gallery[data-ready=true]")
    page.tab.wait_for_selector(".map-view[data-ready=true]")
    page.tab.get_by_text("training images are on the map").wait_for()
    page.tab.wait_for_timeout(500)
    return page


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
    forget_page.tab.mouse.move(*on_screen(the_map.root.evaluate(PLACES))[40] + [box["x"], box["y"]])
    for _ in range(4):
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
    page = open_page(server.url, motion=True)
    page.wait_ready()
    the_map = Map(page)
    still = on_screen(the_map.root.evaluate(PLACES))
    page.button("Play").click()
    until(lambda: int(the_map.root.get_attribute("data-frames")) > 8)
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
