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
from starlette.applications import Starlette
from toys import Flat

from core.prepared import Kept
from core.records import Phase
from core.runner import Runner
from core.setup import Setup
from dashboard.push import NO_SUCH_RUN, route, words
from dashboard.state import Lab
from dashboard.stream import Outbox
from dashboard.wire import unpack


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    made = Lab(Runner(workers=1), Flat(), Runner(workers=1), Kept())
    end = time.monotonic() + 120
    while made.experiment.run is None:
        assert made.experiment.error is None
        assert time.monotonic() < end
        time.sleep(0.02)
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
        page.until(lambda: page.header is not None and page.pulse == words(lab.pulse()))
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
        monkeypatch.setattr("dashboard.state.generation", lambda: 77)
        monkeypatch.setattr("dashboard.state.purged_since", lambda _: set())
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
