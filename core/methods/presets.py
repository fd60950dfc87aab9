"""Presets of the baselines: what the same stated budget found for each, by (method, dataset or family, task).

Printed by ``python -m benchmarks.tune``, which chose them with labels and retrained models on seeds of their own.
"""

from __future__ import annotations

from typing import Any

FOUND: dict[tuple[str, str, str], dict[str, Any]] = {}
_LIKE = {"own-small": "digits", "own-grey": "mnist", "fashion_mnist": "mnist"}


def preset(name: str, family: str, task: str, config: type[Any]) -> Any:
    """The settings for a method on (dataset or family, task); the paper's, ``config()``, where none were found."""
    return config(**_found(name, family, task))


def baseline_origin(name: str, family: str, task: str) -> str:
    """Where they come from."""
    if (name, family, task) in FOUND:
        return "found by benchmarks.tune: docs/methods.md"
    if _found(name, family, task):
        return f"those of {_LIKE[family]}, not measured on these images"
    return "its paper's, not measured here"


def _found(name: str, family: str, task: str) -> dict[str, Any]:
    for key in (family, _LIKE.get(family, family)):
        if (name, key, task) in FOUND:
            return FOUND[name, key, task]
    return {}
