"""A table of methods and figures that sorts itself in the browser and is coloured by the band of retrained models alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_component = st.components.v2.component("laf-lab.table", js="main.js", css="table.css")


def table(key: str, data: dict[str, Any], *, height: int, on_pick: Callable[[str], None]) -> None:
    """Show ``data`` (docs/wire.md, "Table"); ``on_pick`` gets the key of a row whose name was pressed."""
    result = _component(key=key, data=data, height=height, on_pick_change=lambda: None)
    if result.get("pick"):
        on_pick(str(result["pick"]))
