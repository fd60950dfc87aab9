"""Where things stand: a sentence, the read-outs beside retraining's, the balance of the losses, the clock."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

_component = st.components.v2.component("laf-lab.readouts", js="main.js", css="readouts.css")


def readouts(key: str, run: str, height: int, *, on_layers: Callable[[], None]) -> None:
    """Mount outside of the polled fragment; it draws what the browser's store of `run` holds.

    `on_layers` is called in the run that somebody's wish for the gradients by layer brings about.
    """
    result = _component(key=key, data={"run": run}, height=height, on_layers_change=lambda: None)
    if result.get("layers"):
        on_layers()
