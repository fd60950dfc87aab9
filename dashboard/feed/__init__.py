"""The invisible component that hands packets to the browser's store and says what is missing there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_component = st.components.v2.component("laf-lab.feed", js="main.js")


def feed(key: str, packet: bytes, on_lack: Callable[[dict[str, Any]], None]) -> None:
    """Mount inside the polled fragment.

    `on_lack` gets `{"life", "from", "rev", "follow", "nonce"}` (docs/wire.md) before the fragment runs again.
    """

    def answer() -> None:
        state = st.session_state.get(key)
        lack = state.get("lack") if state else None
        if lack:
            on_lack(dict(lack))

    _component(key=key, data=packet, on_lack_change=answer)
