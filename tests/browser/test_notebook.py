"""The widget of a notebook in a real Chromium: its one text, mounted as anywidget mounts it, on a stub of the model."""

from __future__ import annotations

import base64
import json

import pytest

from core.projection.projection import Projection
from core.runs.run import Run, finish
from dashboard.presentation.widget.bundle import script
from dashboard.presentation.widget.run_widget import RunWidget
from tests import toys

pytestmark = [pytest.mark.browser]

# What anywidget does: it imports the text from an address of its own, and calls render with a model and an element.
PAGE = """<!doctype html><html><body style="margin:8px;background:%s;font-family:sans-serif"><div id="cell"></div><script type="module">
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const { script, scene, held, later } = JSON.parse(document.getElementById("data").textContent);
const traits = { scene: bytes(scene), held: bytes(held), height: 480 }, listeners = {};
const model = {
  get: (name) => traits[name], send: (message) => window.said.push(message),
  on: (name, listener) => { listeners[name] = listener; }, off: (name) => { delete listeners[name]; },
};
window.said = [];
window.tell = (k) => listeners["msg:custom"]({ kind: "packet" }, [bytes(later[k])]);
window.listening = () => Object.keys(listeners).length;
const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
const { default: widget } = await import(address);
window.close = widget.render({ model, el: document.getElementById("cell") });
</script><script type="application/json" id="data">%s</script></body></html>"""


@pytest.fixture
def page_of(tmp_path, monkeypatch, toy_split, toy_model):
    """Return a function that writes a page with the widget of a toy run and returns its address."""
    monkeypatch.setattr(
        Projection, "fit", classmethod(lambda cls, e0, **k: cls(e0.numpy(), e0[:, :2].numpy(), toys.Flat()))
    )
    later: list[bytes] = []
    monkeypatch.setattr(RunWidget, "send", lambda self, content, buffers=(): later.extend(buffers))
    run = Run(toys.quick("laf"), toy_model, toy_split)
    widget = RunWidget(run, references=[toy_model, toy_model])
    begun = widget.held
    finish(run)

    def write(background: str) -> str:
        parts = {"scene": widget.scene, "held": begun}
        data = {name: base64.b64encode(part).decode() for name, part in parts.items()}
        data |= {"script": script(), "later": [base64.b64encode(part).decode() for part in later]}
        (tmp_path / "page.html").write_text(PAGE % (background, json.dumps(data).replace("<", "\\u003c")))
        return (tmp_path / "page.html").as_uri()

    return write, len(later)


def test_a_notebook_follows_a_run_plays_it_again_and_asks_nothing_outside(page_of, open_page):
    write, count = page_of
    page = open_page(write("#ffffff"))
    view = page.tab.locator(".map-view")
    page.until(lambda: view.count() and view.get_attribute("data-ready") == "true")
    assert view.get_attribute("data-frames") == "1"
    assert view.get_attribute("data-theme") == "light", "the notebook's background decides, not the system"
    for k in range(count):
        page.tab.evaluate(f"tell({k})")
    page.until(lambda: (page.number("frames"), page.number("frame")) == (11, 10))
    assert page.tab.evaluate("said.filter((message) => message.lack)") == [], "no frame was lost"
    page.tab.get_by_role("button", name="Replay").click()
    page.until(lambda: page.number("frame") == 10 and page.tab.get_by_role("button", name="Replay").count())
    page.tab.get_by_role("slider", name="Step").press("Home")
    page.until(lambda: page.number("frame") == 0)
    for absent in ("Fork here", "Continue here", "by layer"):
        assert not page.tab.get_by_role("button", name=absent).is_visible()
    assert not page.tab.get_by_role("radio", name="follow").is_visible()
    assert page.tab.get_by_role("radio", name="retrained").is_enabled()
    page.tab.evaluate("document.body.style.background = '#0d111c'")
    page.until(lambda: view.get_attribute("data-theme") == "dark")
    assert [r for r in page.requests if not r.startswith(("file:", "data:", "blob:"))] == []
    assert page.problems == []
    page.tab.evaluate("close()")
    assert page.tab.evaluate("[listening(), document.getElementById('cell').children.length]") == [0, 0]
