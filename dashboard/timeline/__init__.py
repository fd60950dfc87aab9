"""The bar under the transport buttons: how far each stage is, which frame is shown, scrubbing and replay."""

from __future__ import annotations

import streamlit as st

HEIGHT = 64  # px; never changes, so nothing below it jumps

_component = st.components.v2.component("laf-lab.timeline", js="main.js", css="timeline.css")


def timeline(key: str, run: str) -> None:
    """Mount outside of the polled fragment; it draws what the browser's store of `run` holds."""
    _component(key=key, data={"run": run}, height=HEIGHT)
