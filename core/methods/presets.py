"""Presets of the baselines: what the same stated budget found for each, by (method, dataset or family, task).

Printed by ``python -m benchmarks.tune``, which chose them with labels and retrained models on seeds of their own.
"""

from __future__ import annotations

from typing import Any

from core.config import TASKS

FOUND: dict[tuple[str, str, str], dict[str, Any]] = {}
_LIKE = {"own-small": "digits", "own-grey": "mnist", "fashion_mnist": "mnist"}


def preset(name: str, family: str, task: str, config: type[Any]) -> Any:
    """The settings for a method on (dataset or family, task); the paper's, ``config()``, where none were found."""
    return config(**_found(name, family, task)[0])


def baseline_origin(name: str, family: str, task: str) -> str:
    """Where they come from."""
    if name in ("nothing", "sisa", "unroll"):
        return "nothing to search: docs/methods.md"
    found, dataset, measured = _found(name, family, task)
    if not found:
        return "its paper's, not measured here"
    if (dataset, measured) == (family, task):
        return "found by benchmarks.tune: docs/methods.md"
    of = "" if measured == task else f" {TASKS[measured]}'s on"
    return (
        f"those of{of} {dataset}, not measured {'for this task' if dataset == family else 'on these images'}"
    )


def _found(name: str, family: str, task: str) -> tuple[dict[str, Any], str, str]:
    """The settings, and the dataset and task that they were found on."""
    for dataset in (family, _LIKE.get(family, family)):
        for like in (task, "data") if task == "indices" else (task,):
            if (name, dataset, like) in FOUND:
                return FOUND[name, dataset, like], dataset, like
    return {}, family, task
