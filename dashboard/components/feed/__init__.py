"""The invisible component that fills the browser's store, over a WebSocket or by polling (docs/wire.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

NO_LINE = "no line"  # as in frontend/line.js

_component = st.components.v2.component("laf-lab.feed", js="main.js")


def feed(key: str, packet: bytes, on_lack: Callable[[dict[str, Any]], None]) -> None:
    """Send ``packet`` to the browser; mount it inside the polled fragment.

    ``on_lack`` is called with `{"life", "from", "rev", "follow", "nonce"}` (docs/wire.md) when the browser requests
    missing frames.
    """
    lack = _component(key=key, data=packet, on_lack_change=lambda: None).get("lack")
    if lack:
        on_lack(dict(lack))


def line(key: str, token: str, pulse: str, *, hold: bool) -> bool:
    """Let the browser listen to the run ``token`` over a WebSocket (dashboard/server/frame_socket.py).

    Mount it outside of fragments. The browser reruns the page when the page's state is no longer ``pulse``, but not
    while ``hold`` is true. Return False once the browser reports that it cannot listen.
    """
    with st.container(key="feed-frame"):
        said = _component(
            key=key,
            data={"push": token, "pulse": pulse, "hold": hold},
            on_lack_change=lambda: None,
            on_pulse_change=lambda: None,
        )
    return said.get("pulse") != NO_LINE


def picks_feed(key: str, packet: bytes) -> None:
    """Send the selection to the browser (docs/wire.md, "Picks"); takes no space on the page."""
    with st.container(key="picks-frame"):
        _component(key=key, data=packet, on_lack_change=lambda: None)
