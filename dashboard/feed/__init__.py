"""The invisible component that hands packets to the browser's store and says what is missing there (docs/wire.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_component = st.components.v2.component("laf-lab.feed", js="main.js")


def feed(key: str, packet: bytes, on_lack: Callable[[dict[str, Any]], None]) -> None:
    """Mount inside the polled fragment.

    `on_lack` gets `{"life", "from", "rev", "follow", "nonce"}` (docs/wire.md) in the run that the browser asked for.
    """
    lack = _component(key=key, data=packet, on_lack_change=lambda: None).get("lack")
    if lack:
        on_lack(dict(lack))


def picks_feed(key: str, packet: bytes) -> None:
    """Tell the browser what is picked (docs/wire.md, "Picks"); takes no room on the page."""
    with st.container(key="picks-frame"):
        _component(key=key, data=packet, on_lack_change=lambda: None)
