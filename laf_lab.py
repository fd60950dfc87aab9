"""The module with the distribution's name, by which Streamlit finds the packaged components (dashboard/pyproject.toml).

It also provides, imported on first use, what a notebook shows: ``watch`` runs a method and shows it as an animation, and
``RunWidget`` plays a run, also while its steps are taken.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name in ("watch", "Watched"):
        from dashboard.presentation.export import notebook as module

        return getattr(module, name)
    if name == "RunWidget":
        try:
            from dashboard.presentation.widget.run_widget import RunWidget
        except ModuleNotFoundError as error:
            if error.name not in ("anywidget", "traitlets"):
                raise
            raise ImportError(
                "RunWidget needs anywidget; install it with: pip install 'laf-lab[notebook]'"
            ) from error
        return RunWidget
    raise AttributeError(f"module 'laf_lab' has no attribute {name!r}")
