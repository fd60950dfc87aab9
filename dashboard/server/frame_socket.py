"""Sends a run's frames to its page over a WebSocket of the Lab's own (docs/wire.md, "Push").

Works around this behaviour of Streamlit 1.67: data reaches a page only through a script run, which draws the page or a fragment
again. For ten frames a second that took a quarter of the browser's main thread and a third of the server's interpreter.
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
    from dashboard.presentation.wire.near import Question
    from dashboard.session.lab import Lab
    from dashboard.session.polling import News

PATH = "laf-feed"  # of the WebSocket; a base path may come before it
ANSWER_S = 5.0  # longest wait for the browser's answer to a packet, before the next one is sent
MESSAGE_BYTES = 2**16  # largest message of a browser; an answer has about 100 bytes
SPARE = 64  # answers beyond one for each packet: a page sends one more each time it opens the connection
LINES = 512  # connections open at once in this process
UNSUPPORTED, MALFORMED, TOO_MANY, TOO_BIG = 1003, 1007, 1008, 1009  # close codes of RFC 6455
NO_SUCH_RUN = 4404  # close code: the page is out of date, or belongs to a server that has ended
TAKEN_OVER = 4409  # close code: another page has opened the run's one connection
_TOKEN = re.compile(r"[0-9a-f]{24}")
_FIELDS = ("life", "rev", "from", "follow", "fork", "fork_follow")
_NEAR_FIELDS = ("id", "seq", "life")


def route() -> WebSocketRoute:
    """Return the route of the WebSocket, for the server."""
    return WebSocketRoute(f"/{{base:path}}{PATH}/{{token}}", _serve)


_lines: dict[str, Line] = {}  # by token of the run


async def _serve(websocket: WebSocket) -> None:
    from dashboard.session.lab import lab_of  # imports torch

    token = websocket.path_params["token"]
    if len(_lines) >= LINES and token not in _lines:
        await websocket.close(TOO_MANY)  # refused before the handshake, so that it uses no memory
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
        with contextlib.suppress(
            WebSocketDisconnect, RuntimeError
        ):  # the browser left while a message was sent
            await line.serve()
    finally:
        if _lines.get(token) is line:
            del _lines[token]


class Line:
    """One page's connection. It lasts as long as the tab has the run ``lab.token``."""

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
        self._refused: int | None = None  # close code after an invalid message

    def give_way(self) -> None:
        """End at once, because another page has connected to the run."""
        self._given_way = True
        for event in (self._wake, self._answered):
            self._loop.call_soon_threadsafe(event.set)

    async def serve(self) -> None:
        """Send news until the connection ends; each packet waits for the answer to the one before."""
        loop = self._loop
        reader = asyncio.create_task(self._read())
        lab = self._lab
        wake = lab.wake = lambda: loop.call_soon_threadsafe(self._wake.set)
        try:
            while not (reader.done() or self._given_way):
                self._wake.clear()
                news = await asyncio.to_thread(lab.news.look, self._token)
                if news is None:
                    await self._websocket.close(NO_SUCH_RUN)
                    return
                await self._send(news, reader)
                if not self._given_way:
                    await _first(self._wake.wait(), reader, news.pause_s)
            if self._refused is not None:
                await self._websocket.close(self._refused)
            elif not reader.done():
                await self._websocket.close(TAKEN_OVER)
        finally:
            reader.cancel()
            if lab.wake is wake:
                lab.wake = None

    async def _send(self, news: News, reader: asyncio.Task[None]) -> None:
        """Send what has changed since the last message; wait for the answer to a packet."""
        pulse = words(news.pulse)
        if pulse != self._pulse:
            self._pulse = pulse
            await self._websocket.send_text(json.dumps({"pulse": pulse}))
        if news.packet != self._last:
            self._last = news.packet
            self._answered.clear()
            self._owed += 1
            await self._websocket.send_bytes(news.packet)
            await _first(self._answered.wait(), reader, ANSWER_S)

    async def _read(self) -> None:
        """Receive the browser's answers until the connection ends or a message is invalid."""
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
                    await self._hear(text)
                except ValueError:
                    self._refused = MALFORMED

    async def _hear(self, text: str) -> None:
        """Take an answer to a packet, or answer a question. The next message waits for the answer, so that questions cannot pile up."""
        question = near_in(text)
        if question is None:
            self._lab.outbox.heard(lack_in(text))
            self._answered.set()
        elif self._lab.token == self._token:
            from dashboard.presentation.wire.near import near  # imports torch

            found = await asyncio.to_thread(near, self._lab.experiment, question)
            await self._websocket.send_text(json.dumps({"near": found}))
            self._owed += 1


def lack_in(text: str) -> dict[str, Any] | None:
    """Parse a page's answer: what it lacks, or None. Raises ValueError for any other text."""
    said = _parsed(text)
    if not isinstance(said, dict) or not isinstance(said.get("lack", 0), dict | None):
        raise ValueError('an answer is {"lack": …}')
    lack = said["lack"]
    if lack is None:
        return None
    found = {name: lack.get(name) for name in _FIELDS}
    for name, value in found.items():
        if value is not None and not _is_whole(value):
            raise ValueError(f"{name} must be a whole number")
    return found


def near_in(text: str) -> Question | None:
    """Parse a page's question for the neighbours of an image; return None for any other text. Raises ValueError for a question without whole numbers."""
    said = _parsed(text)
    if not isinstance(said, dict) or "near" not in said:
        return None
    asked = said["near"]
    if not isinstance(asked, dict) or not all(_is_whole(asked.get(name)) for name in _NEAR_FIELDS):
        raise ValueError('a question is {"near": {"id": …, "seq": …, "life": …}}, all whole numbers')
    return {"id": asked["id"], "seq": asked["seq"], "life": asked["life"]}


def _parsed(text: str) -> Any:
    """Return the JSON of ``text``. Raises ValueError where it is none."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _is_whole(value: object) -> bool:
    """Return True for a whole number that a browser can hold exactly."""
    return type(value) is int and abs(value) <= 2**53


def words(pulse: tuple[Any, ...]) -> str:
    """Return a pulse as text, which the browser compares with the one that its page was drawn with."""
    return "|".join(map(str, pulse))


async def _first(event: Any, reader: asyncio.Task[None], seconds: float) -> None:
    """Wait for ``event``, the end of ``reader``, or ``seconds``, whichever comes first."""
    waiting = asyncio.ensure_future(event)
    await asyncio.wait({waiting, reader}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
