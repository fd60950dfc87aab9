"""Popovers that build their contents when they are first opened, to keep reruns cheap."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.session import lab


def lazy_popover(label: str, *, key: str, **options: Any) -> tuple[DeltaGenerator, bool]:
    """Return a popover, and True from its first opening on, when the caller must fill it.

    A form keeps its input while the popover is closed. ``options`` are those of ``st.popover``; ``key`` stays the same as
    long as the contents are the same form.
    """
    box = st.popover(label, key=key, on_change="rerun", **options)
    if box.open:
        lab.remember(f"opened-{key}", True)
    return box, bool(lab.recall(f"opened-{key}", False))
