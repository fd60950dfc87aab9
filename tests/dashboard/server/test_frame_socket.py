"""The line from a run to its page: all frames once and in order, what the page depends on, holes asked for again, and its end."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from starlette.applications import Starlette

from core.experiments.session import reference_pool
from core.experiments.session.preparation_cache import PreparationCache
from core.runs.records import Phase
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.presentation.wire.outbox import Outbox
from dashboard.presentation.wire.packet import unpack
from dashboard.server import frame_socket
from dashboard.server.frame_socket import (
    MALFORMED,
    MESSAGE_BYTES,
    NO_SUCH_RUN,
    SPARE,
    TAKEN_OVER,
    TOO_BIG,
    TOO_MANY,
    UNSUPPORTED,
    lack_in,
    near_in,
    route,
    words,
)
from dashboard.session.lab import Lab
from tests.toys import Flat
from tests.waiting import until_prepared


@pytest.fixture(scope="module")
def prepared():
    """Return what the tabs of one server have in common: it is prepared once."""
    return PreparationCache()


@pytest.fixture
def lab(tmp_path, monkeypatch, prepared):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr(reference_pool, "usual_count", lambda *_: 1)  # one retrained model is news enough
    made = Lab(Scheduler(workers=1), Flat(), Scheduler(workers=1), prepared)
    until_prepared(made.experiment)
    yield made
    made.close()


class Gone(Exception):
    """The server closed the line, with this code."""


class Socket:
    """A browser's end of a WebSocket to an ASGI app, without a network."""

    def __init__(self, path):
        self._loop = asyncio.new_event_loop()
        self._in: asyncio.Queue = asyncio.Queue()
        self._out: queue.Queue = queue.Queue()
        self._thread = threading.Thread(target=self._run, args=(path,), daemon=True)
        self._thread.start()

    def _run(self, path):
        async def send(message):
            self._out.put(message)

        app = Starlette(routes=[route()])
        scope = {"type": "websocket", "path": path, "headers": [], "query_string": b"", "subprotocols": []}
        self._loop.run_until_complete(app(scope, self._in.get, send))

    def tell(self, message):
        self._loop.call_soon_threadsafe(self._in.put_nowait, message)

    def send_text(self, text):
        self.tell({"type": "websocket.receive", "text": text})

    def receive(self):
        message = self._out.get(timeout=60)
        if message["type"] == "websocket.close":
            raise Gone(message["code"])
        return message

    def leave(self):
        self.tell({"type": "websocket.disconnect", "code": 1001})
        self._thread.join(20)
        assert not self._thread.is_alive()


def ending(socket):
    """The code with which the server closes, after what it still sends."""
    try:
        while True:
            socket.receive()
    except Gone as gone:
        return gone.args[0]


@contextmanager
def connected(path):
    socket = Socket(path)
    socket.tell({"type": "websocket.connect"})
    assert socket.receive()["type"] == "websocket.accept"
    yield socket
    socket.leave()


class Browser:
    """What a page does with its line: takes packets, keeps frames, answers."""

    def __init__(self, socket, lose=()):
        self.socket, self.lose = socket, set(lose)
        self.frames, self.times, self.pulse, self.header = {}, 0, None, None
        self.answer()

    def answer(self):
        lack = None
        if self.header is not None:
            gap = next((i for i in range(self.header["total"]) if i not in self.frames), None)
            if gap is not None:
                lack = {
                    "life": self.header["life"],
                    "rev": self.header["rev"],
                    "from": gap,
                    "follow": 0,
                    "fork": None,
                    "fork_follow": None,
                }
        self.socket.send_text(json.dumps({"lack": lack}))

    def take(self):
        message = self.socket.receive()
        if message.get("text") is not None:
            self.pulse = json.loads(message["text"])["pulse"]
            return
        self.header, arrays = unpack(message["bytes"])
        for row, number in enumerate(self.header["seqs"]):
            if number in self.lose:
                self.lose.discard(number)
                continue
            self.times += number in self.frames
            self.frames[number] = arrays["position"][row]
        self.answer()

    def until(self, met):
        end = time.monotonic() + 120
        while not met():
            assert time.monotonic() < end
            self.take()


def test_every_frame_comes_once_and_is_the_runs_own(lab):
    with connected(f"/laf-feed/{lab.token}") as socket:
        page = Browser(socket)
        page.until(lambda: page.header is not None and page.pulse == words(lab.news.pulse()))
        lab.experiment.play()
        lab.wake()
        page.until(
            lambda: page.header["status"]["phase"] == "done" and len(page.frames) == page.header["total"]
        )
    assert page.times == 0
    polled = Outbox()
    run = lab.experiment.run
    assert sorted(page.frames) == list(range(len(run.frames)))
    header, arrays = unpack(polled.packet(lab.experiment, lab.token))
    for row, number in enumerate(header["seqs"]):
        np.testing.assert_array_equal(page.frames[number], arrays["position"][row])


def test_a_frame_that_a_page_lacks_comes_again(lab):
    lab.experiment.play(6)
    while lab.experiment.phase is Phase.RUNNING or len(lab.experiment.run.frames) < 7:
        time.sleep(0.02)
    with connected(f"/laf-feed/{lab.token}") as socket:
        page = Browser(socket, lose=[3])
        page.until(lambda: len(page.frames) == 7)
    assert page.lose == set()


def test_the_page_hears_when_what_it_depends_on_changes(lab):
    with connected(f"/laf-feed/{lab.token}") as socket:
        page = Browser(socket)
        page.until(lambda: page.pulse is not None)
        before = page.pulse
        lab.experiment.play(2)
        lab.wake()
        page.until(lambda: page.pulse != before)


def test_a_purge_of_other_data_redraws_the_page_and_keeps_the_line(lab, monkeypatch):
    with connected(f"/laf-feed/{lab.token}") as socket:
        page = Browser(socket)
        page.until(lambda: page.header is not None and page.pulse is not None)
        before = page.pulse
        monkeypatch.setattr("dashboard.session.lab.purge_generation", lambda: 77)
        monkeypatch.setattr("dashboard.session.lab.purged_since", lambda _: set())
        lab.wake()
        page.until(lambda: page.pulse != before)
        lab.experiment.play(2)
        lab.wake()
        page.until(lambda: len(page.frames) == 3)


def test_a_line_ends_with_its_run_and_the_page_hears_why(lab):
    with connected(f"/laf-feed/{lab.token}") as socket:
        page = Browser(socket)
        page.until(lambda: page.header is not None)
        lab.open(Setup(seed=1, device="cpu"))
        with pytest.raises(Gone) as gone:
            page.until(lambda: False)
    assert gone.value.args == (NO_SUCH_RUN,)


@pytest.mark.parametrize("base", ["", "/lab"])
def test_a_token_that_is_nobodys_gets_nothing(lab, base):
    with connected(f"{base}/laf-feed/{'0' * 24}") as socket, pytest.raises(Gone) as gone:
        socket.receive()
    assert gone.value.args == (NO_SUCH_RUN,)


def test_another_page_of_the_same_tab_takes_the_line_over(lab):
    with connected(f"/laf-feed/{lab.token}") as one:
        first = Browser(one)
        first.until(lambda: first.header is not None)
        before = lab.wake
        with connected(f"/lab/laf-feed/{lab.token}") as two:
            second = Browser(two)
            second.until(lambda: second.header is not None)
            assert lab.wake is not None
            assert lab.wake is not before
            assert ending(one) == TAKEN_OVER


ANSWER = '{"lack": null}'


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"text": "{"}, MALFORMED),
        ({"text": '{"lack": {"from": "many"}}'}, MALFORMED),
        ({"text": '{"near": {"id": 1.5, "seq": 0, "life": 0}}'}, MALFORMED),
        ({"text": "[" * MESSAGE_BYTES}, MALFORMED),
        ({"text": ANSWER + " " * MESSAGE_BYTES}, TOO_BIG),
        ({"bytes": ANSWER.encode()}, UNSUPPORTED),
    ],
    ids=["no json", "no number", "no question", "deep", "long", "bytes"],
)
def test_what_no_page_says_ends_the_line_with_its_code(lab, message, code):
    with connected(f"/laf-feed/{lab.token}") as socket:
        socket.tell({"type": "websocket.receive", **message})
        assert ending(socket) == code


def test_a_page_answers_once_a_packet_and_a_little_more(lab):
    with connected(f"/laf-feed/{lab.token}") as socket:
        page = Browser(socket)
        page.until(lambda: page.header is not None)
        for _ in range(2 * SPARE):
            socket.send_text(ANSWER)
        assert ending(socket) == TOO_MANY


def test_a_question_for_neighbours_is_answered_from_the_representations(lab):
    e = lab.experiment
    shown = e.split.train.ids[e.observer.rows].tolist()
    with connected(f"/laf-feed/{lab.token}") as socket:
        page = Browser(socket)
        page.until(lambda: page.header is not None and page.pulse is not None)

        def ask(**question):
            asked = {"id": shown[5], "seq": 0, "life": e.life, **question}
            socket.send_text(json.dumps({"near": asked}))
            while (message := socket.receive()).get("text") is None or "near" not in message["text"]:
                pass
            found = json.loads(message["text"])["near"]
            assert {k: found[k] for k in asked} == asked
            return found["rows"]

        rows = ask()
        for _ in range(SPARE + 1):  # an answer counts as nothing that a page still owes
            assert ask(seq=99) is None
        assert ask(id=10**9) is None
        assert ask(life=e.life + 1) is None
    for name, e_model in (
        ("before", e.observer.original.train.representations.numpy()),
        ("now", e.run.frames[0].representations.astype(np.float32)),
    ):
        unit = e_model / np.linalg.norm(e_model, axis=1, keepdims=True)
        cosine = unit @ unit[5]
        cosine[5] = -2
        wanted = np.argsort(-cosine)[:6]
        assert [i for i, _ in rows[name]] == [shown[k] for k in wanted]
        np.testing.assert_allclose([c for _, c in rows[name]], cosine[wanted], atol=1e-3)


def test_a_server_that_holds_all_lines_it_may_accepts_no_more(lab, monkeypatch):
    monkeypatch.setattr(frame_socket, "LINES", 0)
    socket = Socket(f"/laf-feed/{lab.token}")
    socket.tell({"type": "websocket.connect"})
    with pytest.raises(Gone):
        socket.receive()


@pytest.mark.parametrize("token", ["é" * 24, "0" * 23, "G" * 24, "0" * 10_000])
def test_what_cannot_be_a_token_is_nobodys(token):
    with connected(f"/laf-feed/{token}") as socket, pytest.raises(Gone) as gone:
        socket.receive()
    assert gone.value.args == (NO_SUCH_RUN,)


JSON = some.recursive(
    some.none() | some.booleans() | some.floats() | some.integers() | some.text(),
    lambda inner: (
        some.lists(inner) | some.dictionaries(some.text() | some.sampled_from(("lack", "from", "rev")), inner)
    ),
)


@settings(derandomize=True, deadline=None)
@given(some.text() | JSON.map(json.dumps))
def test_any_text_is_an_answer_or_a_value_error(text):
    try:
        found = lack_in(text)
    except ValueError:
        return
    assert found is None or all(v is None or type(v) is int for v in found.values())
    Outbox().heard(found)


@settings(derandomize=True, deadline=None)
@given(some.text() | JSON.map(json.dumps) | JSON.map(lambda near: json.dumps({"near": near})))
def test_any_text_is_a_question_or_none_or_a_value_error(text):
    try:
        found = near_in(text)
    except ValueError:
        return
    assert found is None or [type(found[k]) for k in ("id", "seq", "life")] == [int] * 3


def test_what_a_page_lacks_is_read_as_it_is():
    lack = {"life": 1, "from": 3, "rev": -1, "follow": 0, "fork": None, "fork_follow": None}
    assert lack_in(json.dumps({"lack": lack})) == lack
    assert lack_in(ANSWER) is None
