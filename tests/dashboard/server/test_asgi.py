"""The page that holds the default's map before Streamlit has started: what is added to which answers, and that the map is the Lab's."""

from __future__ import annotations

import asyncio
import base64
import json

import numpy as np
import pytest

from dashboard.components.assets import modules
from dashboard.server.asgi import STATIC, PageShell, fonts, picture
from tests.waiting import until_prepared

PAGE = b'<html><head></head><body><div id="root"></div></body></html>'


def answer(path: str, *, query: bytes = b"", accept: bytes = b"text/html", body: bytes = PAGE):
    """What comes back of an app that answers ``body`` in two pieces, and the headers that app was asked with."""
    asked = []

    async def app(scope, receive, send):
        asked.append(dict(scope.get("headers", [])))
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % len(body)), (b"etag", b"x")],
            }
        )
        await send({"type": "http.response.body", "body": body[:10], "more_body": True})
        await send({"type": "http.response.body", "body": body[10:]})

    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query,
        "headers": [(b"accept", accept), (b"accept-encoding", b"gzip")],
    }
    asyncio.run(PageShell(app)(scope, receive, send))
    made = b"".join(m.get("body", b"") for m in sent[1:])
    return dict(sent[0]["headers"]), made, asked[0]


def test_the_first_page_names_every_module_and_holds_the_map():
    headers, made, asked = answer("/")
    for path in modules():
        assert f'href="./{path}"'.encode() in made
    assert made.count(b'id="laf-early"') == 1
    assert made.index(b"laf-early") < made.index(b'<div id="root">')
    assert int(headers[b"content-length"]) == len(made)
    assert b"etag" not in headers  # it was of another text
    assert b"accept-encoding" not in asked


def test_each_page_asks_early_for_the_fonts_that_would_wrap_its_text_anew():
    _, made, _ = answer("/judge")
    names = fonts()
    assert [name.split(".")[0] for name in names] == ["SourceSansVF-Italic", "SourceCodeVF-Upright"]
    for name in names:
        assert f'crossorigin href="./static/media/{name}"'.encode() in made


def test_the_pages_style_in_the_head_is_stronger_than_streamlits_which_comes_later():
    _, made, _ = answer("/lessons")
    head = made[: made.index(b"</head>")].decode()
    rules = (STATIC / "lab.css").read_text()
    assert f":root {{\n{rules}\n}}" in head
    assert rules.count("{") == rules.count("}")  # else the rest of the head would be inside


@pytest.mark.parametrize(
    ("path", "query"), [("/lessons", b""), ("/", b"dataset=mnist"), ("/", b"run=20261121")]
)
def test_other_pages_and_addresses_get_the_modules_but_not_the_default_s_map(path, query):
    _, made, _ = answer(path, query=query)
    assert b"modulepreload" in made
    assert b"laf-early" not in made


@pytest.mark.parametrize(
    ("path", "accept", "body"),
    [
        ("/static/js/index.js", b"*/*", PAGE),
        ("/media/run.html", b"text/html", PAGE),
        ("/_stcore/health", b"text/html", b"ok"),
        ("/", b"text/html", b"<html><head></head>something else</html>"),
    ],
)
def test_other_answers_stay_as_they_are(path, accept, body):
    assert answer(path, accept=accept, body=body)[1] == body


@pytest.mark.parametrize(
    ("path", "base", "place"),
    [
        ("/runs/20261128-000000-aaaaaa", "", b"/runs"),
        ("/a/b/c/d", "", b"/a"),
        ("/lab/runs/x", "lab", b"/lab/runs"),
        ("//evil/x", "", b"/evil"),
        ("/r\u00fcns\r\nSet-Cookie: a/x", "", b"/r%C3%BCns%0D%0ASet-Cookie%3A%20a"),
    ],
)
def test_an_address_below_a_page_leads_to_the_page(path, base, place, monkeypatch):
    """Its scripts would not be found there, and the page would stay empty."""
    monkeypatch.setattr("streamlit.get_option", lambda name: base if name == "server.baseUrlPath" else None)
    headers, made, _ = answer(path)
    assert headers == {b"location": place, b"content-length": b"0"}
    assert made == b""


@pytest.mark.parametrize(
    ("path", "base"), [("/runs", ""), ("/lab/runs", "lab"), ("/", ""), ("/other/x", "lab")]
)
def test_a_page_and_what_lies_outside_the_lab_are_led_nowhere(path, base, monkeypatch):
    monkeypatch.setattr("streamlit.get_option", lambda name: base if name == "server.baseUrlPath" else None)
    headers, made, _ = answer(path)
    assert b"location" not in headers
    assert b'<div id="root">' in made


def test_its_map_is_the_default_s():

    from core.experiments.session.experiment import Experiment
    from core.runs.setup import Setup
    from core.runtime.scheduler import Scheduler
    from dashboard.presentation.wire.packet import unpack
    from dashboard.presentation.wire.scene import scene

    experiment = Experiment(Setup(device="cpu"), Scheduler(1))
    experiment.start()
    until_prepared(experiment)
    _, arrays = unpack(scene(experiment, ""))
    experiment.close()
    known = json.loads((STATIC / "early.json").read_text())
    position = np.frombuffer(base64.b64decode(known["position"]), "<i2").reshape(-1, 2)
    forgotten = arrays["forget"] == 1
    first, last = known["forget"]
    assert np.array_equal(position[:first], arrays["position"][~forgotten])
    assert np.array_equal(position[first:last], arrays["position"][forgotten])


def test_what_draws_it_needs_no_request():
    text = picture()
    assert "import " not in text.replace("important", "")
    assert "export " not in text
    assert "</script" not in text.split("<script>", 1)[1].rsplit("</script>", 1)[0]
