"""Ten images to forget beneath the map: the answers before, now and of retrained models."""

from __future__ import annotations

import streamlit as st

_component = st.components.v2.component("laf-lab.forgotten_examples", js="main.js", css="examples.css")


def forgotten_examples(key: str, run: str, *, height: int) -> None:
    """Show examples of D_f from the browser's store of ``run``, ``height`` px tall; mount it outside of the polled fragment."""
    _component(key=key, data={"run": run}, height=height)
