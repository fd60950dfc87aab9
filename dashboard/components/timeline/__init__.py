"""The bar under the transport buttons: how far each stage is, which frame is shown, scrubbing and replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

HEIGHT = 64  # px; never changes, so nothing below it jumps

_component = st.components.v2.component("laf-lab.timeline", js="main.js", css="timeline.css")


def timeline(key: str, run: str, *, on_travel: Callable[[dict[str, Any]], None]) -> None:
    """Mount outside of the polled fragment; it draws what the browser's store of `run` holds.

    `on_travel` gets `{"act": "continue" | "fork" | "drop", "step", "life"}` (docs/wire.md, "Travel").
    """
    result = _component(key=key, data={"run": run}, height=HEIGHT, on_travel_change=lambda: None)
    if result.get("travel"):
        on_travel(dict(result["travel"]))
