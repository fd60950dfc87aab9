"""A table of methods and figures that is sorted in the browser; its colours come from the band of retrained models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_component = st.components.v2.component("laf-lab.table", js="main.js", css="table.css")


def table(key: str, data: dict[str, Any], *, height: int, on_pick: Callable[[str], None]) -> None:
    """Show the table ``data`` (docs/wire.md, "Table").

    ``on_pick`` is called with the key of the row that the user picked.
    """
    result = _component(key=key, data=data, height=height, on_pick_change=lambda: None)
    if result.get("pick"):
        on_pick(str(result["pick"]))
