"""The methods by name, as ``METHODS``. Each name is imported at its first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.methods.registry import (
        LAF,
        METHODS,
        Registry,
        Unlearner,
        method,
        origin_of,
        preset_for,
        preset_of,
        require_unlearner,
    )

__all__ = [
    "LAF",
    "METHODS",
    "Registry",
    "Unlearner",
    "method",
    "origin_of",
    "preset_for",
    "preset_of",
    "require_unlearner",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from core.methods import registry

        return getattr(registry, name)
    raise AttributeError(f"module 'core.methods' has no attribute {name!r}")
