"""Frames go to the browser over a WebSocket of their own: no script runs and no page is drawn for them (docs/wire.md, "Push").

A fragment that polls has Streamlit's page drawn anew each time, which took a quarter of the browser's main thread and a third of the server's
interpreter. Where another server runs the page (`streamlit run`), it still polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

if TYPE_CHECKING:
    from dashboard.session.lab import Lab

PATH = "laf-feed"  # beside Streamlit's own; a base path may stand before it
ANSWER_S = 5.0  # until the browser has taken a packet; then the next one goes out anyhow
MESSAGE_BYTES = 2**16  # of what a browser says; an answer has about 100
SPARE = 64  # answers beyond one for each packet: a page sends one more when it opens the line
LINES = 512  # open at once in this process; a page that gets none polls
UNSUPPORTED, MALFORMED, TOO_MANY, TOO_BIG = 1003, 1007, 1008, 1009  # close codes of RFC 6455
NO_SUCH_RUN = 4404  # close code: the page must be drawn anew, or belongs to a server that is gone
TAKEN_OVER = 4409  # close code: another page listens to the run now; a run has one line
_TOKEN = re.compile(r"[0-9a-f]{24}")
_FIELDS = ("life", "rev", "from", "follow", "fork", "fork_follow")


class FramePublisher:
    """Whether this process's server pushes; off until it has started."""

    serves = False


PUSH = FramePublisher()


def route() -> WebSocketRoute:
    """For the server's routes."""
    return WebSocketRoute(f"/{{base:path}}{PATH}/{{token}}", _serve)


_lines: dict[str, Line] = {}  # by the token of the run


async def _serve(websocket: WebSocket) -> None:
    from dashboard.session.lab import lab_of  # torch comes with it

    token = websocket.path_params["token"]
    if len(_lines) >= LINES and token not in _lines:
        await websocket.close(TOO_MANY)  # not accepted, so nothing of it stays
        return
    await websocket.accept()
    lab = lab_of(token) if _TOKEN.fullmatch(token) else None
    if lab is None:
        await websocket.close(NO_SUCH_RUN)
        return
    line = Line(websocket, lab)
    before, _lines[token] = _lines.get(token), line
    if before is not None:
        before.give_way()
    try:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # gone while something was sent
            await line.serve()
    finally:
        if _lines.get(token) is line:
            del _lines[token]


class Line:
    """One page's connection, until its run is no longer the tab's."""

    def __init__(self, websocket: WebSocket, lab: Lab) -> None:
        self._websocket = websocket
        self._lab = lab
        self._token = lab.token
        self._wake = asyncio.Event()
        self._answered = asyncio.Event()
        self._last = b""
        self._pulse = ""
        self._owed = SPARE  # answers that the page may still send
        self._loop = asyncio.get_running_loop()
        self._given_way = False
        self._refused: int | None = None  # close code, after a message that no page of the Lab sends

    def give_way(self) -> None:
        """End at once: another page listens to the run."""
        self._given_way = True
        for event in (self._wake, self._answered):
            self._loop.call_soon_threadsafe(event.set)

    async def serve(self) -> None:
        """Send what is new, each packet when the one before was taken."""
        loop = self._loop
        reader = asyncio.create_task(self._read())
        lab = self._lab
        lab.outbox.is_sure = True
        wake = lab.wake = lambda: loop.call_soon_threadsafe(self._wake.set)
        try:
            while not (reader.done() or self._given_way):
                self._wake.clear()
                found = await asyncio.to_thread(self._look)
                if found is None:
                    await self._websocket.close(NO_SUCH_RUN)
                    return
                packet, pulse, pause = found
                if pulse != self._pulse:
                    self._pulse = pulse
                    await self._websocket.send_text(json.dumps({"pulse": pulse}))
                if packet != self._last:
                    self._last = packet
                    self._answered.clear()
                    self._owed += 1
                    await self._websocket.send_bytes(packet)
                    await _first(self._answered.wait(), reader, ANSWER_S)
                if not self._given_way:
                    await _first(self._wake.wait(), reader, pause)
            if self._refused is not None:
                await self._websocket.close(self._refused)
            elif not reader.done():
                await self._websocket.close(TAKEN_OVER)
        finally:
            reader.cancel()
            if lab.wake is wake:
                lab.wake = None

    def _look(self) -> tuple[bytes, str, float] | None:
        """The next packet, what the page depends on, and seconds until it is worth to look again; None when the run is another."""
        lab = self._lab
        lab.drop_purged()
        if lab.token != self._token:
            return None
        if lab.mode == "follow":
            lab.experiment.want_follow()
        pulse = words(lab.pulse())
        outbox, experiment = lab.outbox, lab.experiment
        packet = outbox.packet(experiment, self._token, lab.crowd)
        return packet, pulse, 0.0 if outbox.is_behind(experiment) else lab.pause_s

    async def _read(self) -> None:
        """Take what the browser lacks, after each packet; end with the connection, or at what no page of the Lab sends."""
        while self._refused is None:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._owed -= 1
            text = message.get("text")
            if self._owed < 0:
                self._refused = TOO_MANY
            elif text is None:
                self._refused = UNSUPPORTED
            elif len(text) > MESSAGE_BYTES:
                self._refused = TOO_BIG
            else:
                try:
                    self._lab.outbox.heard(lack_in(text))
                except ValueError:
                    self._refused = MALFORMED
                else:
                    self._answered.set()


def lack_in(text: str) -> dict[str, Any] | None:
    """Return what a page says that it lacks, or None. Raises ValueError for any other text."""
    try:
        said = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(said, dict) or not isinstance(said.get("lack", 0), dict | None):
        raise ValueError('an answer is {"lack": …}')
    lack = said["lack"]
    if lack is None:
        return None
    found = {name: lack.get(name) for name in _FIELDS}
    for name, value in found.items():
        if value is not None and (type(value) is not int or abs(value) > 2**53):
            raise ValueError(f"{name} is a number of frames, rounds or lives")
    return found


def words(pulse: tuple[Any, ...]) -> str:
    """What a page depends on, as the browser compares it."""
    return "|".join(map(str, pulse))


async def _first(event: Any, reader: asyncio.Task[None], seconds: float) -> None:
    """Until ``event``, the end of ``reader``, or so many seconds."""
    waiting = asyncio.ensure_future(event)
    await asyncio.wait({waiting, reader}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
