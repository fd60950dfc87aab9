"""Frames go to the browser over a WebSocket of their own: no script runs and no page is drawn for them (docs/wire.md, "Push").

A fragment that polls has Streamlit's page drawn anew each time, which took a quarter of the browser's main thread and a third of the server's
interpreter. Where another server runs the page (`streamlit run`), it still polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

if TYPE_CHECKING:
    from dashboard.state import Lab

PATH = "laf-feed"  # beside Streamlit's own; a base path may stand before it
ANSWER_S = 5.0  # until the browser has taken a packet; then the next one goes out anyhow
NO_SUCH_RUN = 4404  # close code: the page must be drawn anew, or belongs to a server that is gone


class Push:
    """Whether this process's server pushes; off until it has started."""

    serves = False


PUSH = Push()


def route() -> WebSocketRoute:
    """For the server's routes."""
    return WebSocketRoute(f"/{{base:path}}{PATH}/{{token}}", _serve)


async def _serve(websocket: WebSocket) -> None:
    from dashboard.state import lab_of  # torch comes with it

    await websocket.accept()
    lab = lab_of(websocket.path_params["token"])
    if lab is None:
        await websocket.close(NO_SUCH_RUN)
        return
    line = Line(websocket, lab)
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # gone while something was sent
        await line.serve()


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

    async def serve(self) -> None:
        """Send what is new, each packet when the one before was taken."""
        loop = asyncio.get_running_loop()
        reader = asyncio.create_task(self._read())
        lab = self._lab
        lab.outbox.is_sure = True
        wake = lab.wake = lambda: loop.call_soon_threadsafe(self._wake.set)
        try:
            while not reader.done() and lab.wake is wake:  # another page of this tab took over
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
                    await self._websocket.send_bytes(packet)
                    await _first(self._answered.wait(), reader, ANSWER_S)
                await _first(self._wake.wait(), reader, pause)
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
        """What the browser lacks, after each packet."""
        with contextlib.suppress(WebSocketDisconnect, ValueError):
            while True:
                said: dict[str, Any] = json.loads(await self._websocket.receive_text())
                self._lab.outbox.heard(said.get("lack"))
                self._answered.set()


def words(pulse: tuple[Any, ...]) -> str:
    """What a page depends on, as the browser compares it."""
    return "|".join(map(str, pulse))


async def _first(event: Any, reader: asyncio.Task[None], seconds: float) -> None:
    """Until ``event``, the end of ``reader``, or so many seconds."""
    waiting = asyncio.ensure_future(event)
    await asyncio.wait({waiting, reader}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
