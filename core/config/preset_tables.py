"""Tables of presets by dataset (or family) and task, and the lookup in them.

``core.config.presets`` fills the tables.
"""

from __future__ import annotations

from typing import Any

from core.errors import RequestError

QUICK = ("digits", "own-small", "vectors", "series")  # families whose models are trained again in seconds
MEASURED = "measured: docs/presets.md"
PAPER = "the paper's table, not measured here"
UNMEASURED = "not measured: the paper's table"

TRAIN_PRESETS: dict[Any, Any] = {}  # dataset, or (dataset, task) -> TrainConfig
LAF_PRESETS: dict[Any, Any] = {}  # (dataset, task) -> LAFConfig
PAPER_PRESETS: dict[
    Any, Any
] = {}  # (dataset, task) -> LAFConfig of the paper, wherever another preset stands
REPAIR_PRESETS: dict[str, Any] = {}  # dataset -> RepairConfig
ORIGINS: dict[
    tuple[str, str], str
] = {}  # of LAF presets that were not measured on their own dataset and task


def origin(dataset: str, task: str) -> str:
    """Return the source of the LAF preset of (dataset or family, task), such as a measurement or the paper's table."""
    return ORIGINS.get((dataset, task), MEASURED)


def find_preset(table: dict[Any, Any], key: Any, what: str) -> Any:
    """Return the preset of ``key``.

    Raises RequestError, which lists the keys of the same kind, when there is none.
    """
    if key not in table:
        names = sorted(
            {" ".join(k) if isinstance(k, tuple) else k for k in table if isinstance(k, type(key))}
        )
        requested = " ".join(key) if isinstance(key, tuple) else key
        raise RequestError(f"there is no {what} for {requested!r}; there is one for: {', '.join(names)}")
    return table[key]
