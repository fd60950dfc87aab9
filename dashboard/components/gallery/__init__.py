"""Thumbnails of training images to pick from; a page holds some hundreds, and the visible ones are drawn."""

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

    ``on_pick`` is called with `{"moves": [...]}` (docs/wire.md, "Picks"), ``on_page`` with the number of the page that the
    user turned to.
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
