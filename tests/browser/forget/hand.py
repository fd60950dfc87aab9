"""The map view as a hand uses it, and what lies under an outline, worked out another way than the page does."""

from __future__ import annotations

import base64
import re

import numpy as np

from tests.waiting import until

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
