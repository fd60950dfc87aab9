"""A module named like the distribution: Streamlit looks for one to find the packaged components (dashboard/pyproject.toml).

    from laf_lab import watch

plays a method from a notebook; imported when it is first asked for.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name in ("watch", "Watched"):
        from dashboard.presentation.export import notebook as module

        return getattr(module, name)
    raise AttributeError(f"module 'laf_lab' has no attribute {name!r}")
