"""A click that a poll carries along is taken out of it; the message that was meant for it comes through."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as some
from streamlit.proto.BackMsg_pb2 import BackMsg

from dashboard.server.click_dedup import ClickDeduplication, without_clicks


def sent(*, auto: bool, clicked: bool = True) -> bytes:
    """What a page sends: a slider, a text, and a button that was just clicked."""
    message = BackMsg()
    rerun = message.rerun_script
    rerun.page_script_hash, rerun.is_auto_rerun = "page", auto
    if auto:
        rerun.fragment_id = "poll"
    rerun.widget_states.widgets.add(id="slider").int_value = 3
    rerun.widget_states.widgets.add(id="name").string_value = "zero"
    if clicked:
        rerun.widget_states.widgets.add(id="next").trigger_value = True
        rerun.widget_states.widgets.add(id="map_view").json_trigger_value = '[{"event": "pick"}]'
    return message.SerializeToString()


def read(data: bytes) -> BackMsg:
    message = BackMsg()
    message.ParseFromString(data)
    return message


def test_a_poll_carries_no_click():
    message = read(without_clicks(sent(auto=True)))
    assert message == read(sent(auto=True, clicked=False))


@pytest.mark.parametrize(
    "data", [sent(auto=False), sent(auto=True, clicked=False), BackMsg(clear_cache=True).SerializeToString()]
)
def test_every_other_message_comes_through_as_it_is(data):
    assert without_clicks(data) == data


@given(some.binary(max_size=200))
def test_no_bytes_whatever_break_the_connection(data):
    found = without_clicks(data)
    assert isinstance(found, bytes)


def test_a_click_beside_a_poll_reaches_the_app_once():
    messages = [
        {"type": "websocket.connect"},
        *({"type": "websocket.receive", "bytes": sent(auto=a)} for a in (True, False, True)),
    ]
    clicks = 0

    async def app(scope, receive, send):
        nonlocal clicks
        for _ in range(4):
            message = await receive()
            if message["type"] == "websocket.receive":
                clicks += sum(
                    w.trigger_value for w in read(message["bytes"]).rerun_script.widget_states.widgets
                )

    async def receive():
        return messages.pop(0)

    asyncio.run(ClickDeduplication(app)({"type": "websocket"}, receive, None))
    assert clicks == 1
