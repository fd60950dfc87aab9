"""The live scatter of representations: 2,000 points that move from frame to frame in the browser."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

_component = st.components.v2.component("laf-lab.theatre", js="main.js", css="theatre.css")


def theatre(key: str, scene: bytes, *, height: int, on_mode: Callable[[str], None]) -> None:
    """Mount outside of the polled fragment.

    `scene` is a packet of docs/wire.md; with `n` = 0 it only names the run, and the theatre shows the status's sentence.
    `on_mode` gets "fixed" or "follow" in the run that somebody's choice of a map brings about.
    """
    mode = _component(key=key, data=scene, height=height, on_mode_change=lambda: None).get("mode")
    if mode:
        on_mode(mode)
