"""The read-outs: the state in a sentence, figures beside those of retraining, the loss balance and the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

_component = st.components.v2.component("laf-lab.readouts", js="main.js", css="readouts.css")


def readouts(
    key: str,
    run: str,
    height: int,
    *,
    on_layers: Callable[[], None],
    on_requests: Callable[[], None],
    chain: bool = False,
    requests: list[dict[str, Any]] | None = None,
) -> None:
    """Show the read-outs from the browser's store of ``run``; mount them outside of the polled fragment.

    ``on_layers`` is called when the user requests the gradients by layer. ``chain``: the run is a request of a chain, and the loss
    balance can show all of them; ``requests`` are those of ``chain_balance``, and ``on_requests`` is called when the user asks for them.
    """
    result = _component(
        key=key,
        data={"run": run, "chain": chain, "requests": requests},
        height=height,
        on_layers_change=lambda: None,
        on_requests_change=lambda: None,
    )
    if result.get("layers"):
        on_layers()
    if result.get("requests"):
        on_requests()
