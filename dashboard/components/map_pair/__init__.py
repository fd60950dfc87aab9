"""Two still maps side by side, A and B; the point under the pointer is marked on both."""

from __future__ import annotations

import streamlit as st

_component = st.components.v2.component("laf-lab.pair", js="main.js", css="pair.css")


def pair(key: str, packet: bytes, *, height: int) -> None:
    """Show the two maps of ``packet`` (docs/wire.md, "Pair")."""
    _component(key=key, data=packet, height=height)
