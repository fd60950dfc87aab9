"""The read-outs: the state in a sentence, figures beside those of retraining, the loss balance and the clock."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

_component = st.components.v2.component("laf-lab.readouts", js="main.js", css="readouts.css")


def readouts(key: str, run: str, height: int, *, on_layers: Callable[[], None]) -> None:
    """Show the read-outs from the browser's store of ``run``; mount them outside of the polled fragment.

    ``on_layers`` is called when the user requests the gradients by layer.
    """
    result = _component(key=key, data={"run": run}, height=height, on_layers_change=lambda: None)
    if result.get("layers"):
        on_layers()
