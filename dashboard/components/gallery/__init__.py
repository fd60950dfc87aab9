"""Thumbnails of training images to pick from: a page of some hundreds at a time, drawn where one has scrolled to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_component = st.components.v2.component("laf-lab.gallery", js="main.js", css="gallery.css")


def gallery(
    key: str,
    packet: bytes,
    *,
    height: int,
    on_pick: Callable[[dict[str, Any]], None],
    on_page: Callable[[int], None],
) -> None:
    """Show ``packet``, a page of images (docs/wire.md, "Gallery").

    `on_pick` gets `{"moves": [...]}` (docs/wire.md, "Picks"), `on_page` the number of the page that somebody turned to.
    """
    result = _component(
        key=key,
        data=packet,
        height=height,
        on_pick_change=lambda: None,
        on_page_change=lambda: None,
    )
    if result.get("pick"):
        on_pick(dict(result["pick"]))
    if result.get("page") is not None:
        on_page(int(result["page"]["number"]))
