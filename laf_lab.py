"""The module with the distribution's name, by which Streamlit finds the packaged components (dashboard/pyproject.toml).

It also provides ``from laf_lab import watch``, which runs a method from a notebook and is imported on first use.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name in ("watch", "Watched"):
        from dashboard.presentation.export import notebook as module

        return getattr(module, name)
    raise AttributeError(f"module 'laf_lab' has no attribute {name!r}")
