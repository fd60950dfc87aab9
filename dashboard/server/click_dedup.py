"""Removes clicks from the messages with which a fragment asks to be drawn again.

Works around this behaviour of Streamlit 1.67: its page delays a click by some milliseconds, so that several clicks are sent together.
If the timer of a fragment with ``run_every`` fires in that time, its message contains the click too, and the click reaches the
script twice. The message that was meant for the click always follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TRIGGERS = ("trigger_value", "string_trigger_value", "json_trigger_value", "chat_input_value")


class ClickDeduplication:
    """ASGI middleware that removes the triggers from messages that a timer sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return

        async def cleaned() -> Message:
            message = await receive()
            data = message.get("bytes")
            return {**message, "bytes": without_clicks(data)} if data else message

        await self._app(scope, cleaned, send)


def without_clicks(data: bytes) -> bytes:
    """Return a message of Streamlit's page (BackMsg, protobuf) without triggers if a timer sent it; else unchanged."""
    message = BackMsg()
    try:
        message.ParseFromString(data)
    except DecodeError:
        return data
    if message.WhichOneof("type") != "rerun_script" or not message.rerun_script.is_auto_rerun:
        return data
    states = message.rerun_script.widget_states
    kept = [state for state in states.widgets if state.WhichOneof("value") not in TRIGGERS]
    if len(kept) == len(states.widgets):
        return data
    del states.widgets[:]
    states.widgets.extend(kept)
    return message.SerializeToString()
