"""The hyperparameters of LAF by the names that lessons use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from core.config import LAFConfig
from core.errors import RequestError

ALIAS = {"tau": "temperature"}


def laf_of(config: Any) -> LAFConfig | None:
    """Return the LAF part of a method's settings; None for a method without one."""
    laf = getattr(config, "laf", config)
    return laf if isinstance(laf, LAFConfig) else None


def settings_with(config: Any, values: Mapping[str, Any]) -> Any:
    """Return ``config`` with hyperparameters ``values`` by name; "vae" is a table for both VAEs.

    Raises RequestError for an unknown name or a wrong value.
    """
    laf = laf_of(config)
    if laf is None:
        if not values:
            return config
        raise RequestError("only LAF and LAF+R have hyperparameters")
    vae = values.get("vae", {})
    if not isinstance(vae, Mapping):
        raise RequestError(f"'vae' must be a table, got {vae!r}")
    named = {ALIAS.get(k, k): v for k, v in values.items() if k != "vae"}
    _require_known(laf, named)
    _require_known(laf.vae, vae)
    now = replace(laf, vae=replace(laf.vae, **_with_floats(laf.vae, vae)), **_with_floats(laf, named))
    return replace(config, laf=now) if config is not laf else now


def _require_known(config: Any, values: Mapping[str, Any]) -> None:
    known = [f.name for f in fields(config) if f.name not in ("vae", "threads", "batch_size")]
    for name, value in values.items():
        if name not in known:
            raise RequestError(f"there is no hyperparameter {name!r}; there are {', '.join(known)}")
        default = getattr(config, name)
        if _kind(value) == _kind(default) or (default is None and isinstance(value, int)):
            continue
        expected = "a number" if _kind(default) is float else f"like {default!r}"
        raise RequestError(f"{name} must be {expected}, got {value!r}")


def _kind(value: Any) -> type:
    """Return bool for true or false, float for any number, and object for all else."""
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, (int, float)) else object


def _with_floats(config: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with floats for whole numbers where ``config`` has floats."""
    return {k: float(v) if isinstance(getattr(config, k), float) else v for k, v in values.items()}
