"""Popovers whose contents are made when they are first opened: a form that nobody looks at was half of what each click had the server do."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.session import lab


def late_popover(label: str, *, key: str, **options: Any) -> tuple[DeltaGenerator, bool]:
    """A popover, and whether to fill it: from its first opening on, so that what was begun in a form outlives closing it.

    ``options`` are those of ``st.popover``; ``key`` names it for as long as its contents are the same form.
    """
    box = st.popover(label, key=key, on_change="rerun", **options)
    if box.open:
        lab.remember(f"opened-{key}", True)
    return box, bool(lab.recall(f"opened-{key}", False))
