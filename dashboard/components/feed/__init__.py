"""The invisible component that fills the browser's store, over a line of its own or by polls (docs/wire.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

NO_LINE = "no line"  # as in frontend/line.js

_component = st.components.v2.component("laf-lab.feed", js="main.js")


def feed(key: str, packet: bytes, on_lack: Callable[[dict[str, Any]], None]) -> None:
    """Mount inside the polled fragment.

    `on_lack` gets `{"life", "from", "rev", "follow", "nonce"}` (docs/wire.md) in the run that the browser asked for.
    """
    lack = _component(key=key, data=packet, on_lack_change=lambda: None).get("lack")
    if lack:
        on_lack(dict(lack))


def line(key: str, token: str, pulse: str, *, hold: bool) -> bool:
    """Mount outside of fragments: the browser listens to the run ``token`` (dashboard/server/frame_socket.py) and has the page drawn anew when
    what it depends on is no longer ``pulse``; not while ``hold``. False once it says that it cannot listen."""
    with st.container(key="feed-frame"):
        said = _component(
            key=key,
            data={"push": token, "pulse": pulse, "hold": hold},
            on_lack_change=lambda: None,
            on_pulse_change=lambda: None,
        )
    return said.get("pulse") != NO_LINE


def picks_feed(key: str, packet: bytes) -> None:
    """Tell the browser what is picked (docs/wire.md, "Picks"); takes no room on the page."""
    with st.container(key="picks-frame"):
        _component(key=key, data=packet, on_lack_change=lambda: None)
