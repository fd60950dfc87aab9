"""The live scatter of representations: 2,000 points that move from frame to frame in the browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_component = st.components.v2.component("laf-lab.map_view", js="main.js", css="map_view.css")


def map_view(
    key: str,
    scene: bytes,
    *,
    height: int,
    on_pick: Callable[[dict[str, Any]], None],
    on_mode: Callable[[str], None] = lambda _: None,
) -> None:
    """Mount outside of the polled fragment.

    `scene` is a packet of docs/wire.md; with `n` = 0 it only names the run, and the map view shows the status's sentence.
    `on_pick` gets `{"moves": [...], "act": "forget" | "add", "nonce"}` (docs/wire.md, "Picks") when somebody picked points with a
    lasso, or pressed a button of the bar that shows them.
    `on_mode` gets "fixed" or "follow" in the run that somebody's choice of a map brings about.
    """
    result = _component(
        key=key, data=scene, height=height, on_mode_change=lambda: None, on_pick_change=lambda: None
    )
    if result.get("mode"):
        on_mode(result["mode"])
    if result.get("pick"):
        on_pick(dict(result["pick"]))
