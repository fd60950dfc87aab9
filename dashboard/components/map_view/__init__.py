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
    """Show the map of ``scene`` (docs/wire.md, "Scene"); mount it outside of the polled fragment.

    A scene with `n` = 0 only names the run; then the status's sentence is shown in place of the map.
    ``on_pick`` is called with `{"moves": [...], "act": "forget" | "add", "nonce"}` (docs/wire.md, "Picks") when the user
    picks points with a lasso or presses a button of the bar of picked images.
    ``on_mode`` is called with "fixed" or "follow" when the user chooses a map.
    """
    result = _component(
        key=key, data=scene, height=height, on_mode_change=lambda: None, on_pick_change=lambda: None
    )
    if result.get("mode"):
        on_mode(result["mode"])
    if result.get("pick"):
        on_pick(dict(result["pick"]))
