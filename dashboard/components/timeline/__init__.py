"""The bar under the transport buttons: progress of each stage, the shown frame, scrubbing and replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_component = st.components.v2.component("laf-lab.timeline", js="main.js", css="timeline.css")


def timeline(key: str, run: str, *, on_travel: Callable[[dict[str, Any]], None]) -> None:
    """Show the timeline from the browser's store of ``run``; mount it outside of the polled fragment.

    ``on_travel`` is called with `{"act": "continue" | "fork" | "drop", "step", "life"}` (docs/wire.md, "Travel").
    """
    result = _component(key=key, data={"run": run}, height="content", on_travel_change=lambda: None)
    if result.get("travel"):
        on_travel(dict(result["travel"]))
