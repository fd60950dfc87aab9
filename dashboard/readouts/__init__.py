"""Where things stand: a sentence, the read-outs beside retraining's, the balance of the losses, the clock."""

from __future__ import annotations

import streamlit as st

_component = st.components.v2.component("laf-lab.readouts", js="main.js", css="readouts.css")


def readouts(key: str, run: str, height: int) -> None:
    """Mount outside of the polled fragment; it draws what the browser's store of `run` holds."""
    _component(key=key, data={"run": run}, height=height)
