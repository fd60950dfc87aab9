"""The Lab's server process: limits on every WebSocket, and a clean end.

Works around these behaviours of Streamlit 1.67: it starts uvicorn with settings that no option changes (the WebSocket class, the limit
of a message before it is read, the time for open connections at the end). It also reads a message of any size before it refuses it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from dashboard.server.frame_socket import MESSAGE_BYTES, PATH

if TYPE_CHECKING:
    from websockets.frames import Frame
    from websockets.http11 import Request

END_S = 5  # time that the server waits at its end for open connections
LEAVE_S = 2.0  # time after the last message until a connection that does not close is cut
FRAGMENTS = 1024  # most fragments of one message; empty ones would use memory without end


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket connection with bounded memory.

    A message that is larger than its path allows is refused by the length in its header, with close code 1009. A client that never
    reads or never closes is cut.
    """

    def handle_connect(self, event: Request) -> None:
        """Set the largest message by the requested path."""
        if f"/{PATH}/" in event.path:
            self.conn.max_message_size = MESSAGE_BYTES
        super().handle_connect(event)

    def handle_ping(self) -> None:
        """Answer a ping, unless the client reads no answers; they would use more and more memory."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        """Accept a fragment; refuse a message with too many."""
        if len(self.frames) < FRAGMENTS:
            super().handle_cont(event)
        else:
            self._refuse(1009, "too many fragments")

    def send_receive_event_to_app(self) -> None:
        """Pass a message on. Refuse text that is not UTF-8 without a log line; uvicorn would log a traceback for each."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self._refuse(1007, "not UTF-8")
        else:
            super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        """Cut a client that answers no ping; closing would wait until it reads what was sent."""
        super().keepalive_timeout()
        self.transport.abort()

    async def run_asgi(self) -> None:
        """Serve the connection, and cut it if it is still open ``LEAVE_S`` later."""
        await super().run_asgi()
        self.loop.call_later(LEAVE_S, self.transport.abort)

    def _refuse(self, code: int, why: str) -> None:
        if not self.close_sent:
            self.frames = []
            self.conn.fail(code, why)
            self.handle_parser_exception()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def serve(script: str, app: str, options: dict[str, Any]) -> None:
    """Serve ``app`` ("module:name") over the page ``script`` until SIGINT or SIGTERM, then end the process with exit code 0.

    ``options`` are Streamlit's, such as {"server.port": 8501}.
    """
    from streamlit.runtime.runtime_util import get_max_widget_state_size_bytes
    from streamlit.web import bootstrap
    from streamlit.web.server.starlette import starlette_server

    usual = starlette_server._get_uvicorn_config_kwargs

    def guarded() -> dict[str, Any]:
        return usual() | {
            "ws": GuardedWebSocket,
            # Streamlit refuses more, but only after it has read all of it.
            "ws_max_size": get_max_widget_state_size_bytes(),
            "timeout_graceful_shutdown": END_S,
            "server_header": False,
            # At the level "info", each connection logs its path, and with it the run's secret token.
            "log_level": "warning",
        }

    starlette_server._get_uvicorn_config_kwargs = guarded
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)  # uvicorn raises the signal again after it has closed everything
    bootstrap.load_config_options(flag_options=options)
    bootstrap.run_asgi_app(script, app, [], options)


def _end(number: int, frame: FrameType | None) -> None:
    """Exit with code 0, at the latest after another ``END_S`` seconds."""
    # A page's script that hangs would keep the interpreter alive.
    last = threading.Timer(END_S, os._exit, (0,))
    last.daemon = True
    last.start()
    sys.exit(0)
