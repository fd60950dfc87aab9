"""The invisible component that fills the browser's store, over a WebSocket (docs/wire.md)."""

from __future__ import annotations

import streamlit as st

NO_LINE = "no line"  # as in frontend/line.js

_component = st.components.v2.component("laf-lab.feed", js="main.js")


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
