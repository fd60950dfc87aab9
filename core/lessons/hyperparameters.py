"""LAF's settings as lessons name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from core.config import LAFConfig
from core.errors import RequestError

ALIAS = {"tau": "temperature"}


def laf_of(config: Any) -> LAFConfig | None:
    """LAF's part of a method's settings; None of a method without it."""
    laf = getattr(config, "laf", config)
    return laf if isinstance(laf, LAFConfig) else None


def settings_with(config: Any, values: Mapping[str, Any]) -> Any:
    """``config`` with ``values`` by name, "vae" a table of those of the two VAEs. Raises RequestError for what it does not know."""
    laf = laf_of(config)
    if laf is None:
        if not values:
            return config
        raise RequestError("only LAF and LAF+R have knobs")
    vae = values.get("vae", {})
    if not isinstance(vae, Mapping):
        raise RequestError(f"'vae' must be a table, got {vae!r}")
    named = {ALIAS.get(k, k): v for k, v in values.items() if k != "vae"}
    _require_known(laf, named)
    _require_known(laf.vae, vae)
    now = replace(laf, vae=replace(laf.vae, **_alike(laf.vae, vae)), **_alike(laf, named))
    return replace(config, laf=now) if config is not laf else now


def _require_known(config: Any, values: Mapping[str, Any]) -> None:
    known = [f.name for f in fields(config) if f.name not in ("vae", "threads", "batch_size")]
    for name, value in values.items():
        if name not in known:
            raise RequestError(f"there is no knob {name!r}; there are {', '.join(known)}")
        mine = getattr(config, name)
        number = isinstance(mine, (int, float)) and not isinstance(mine, bool)
        if isinstance(value, bool) != isinstance(mine, bool) or isinstance(value, (int, float)) != isinstance(
            mine, (int, float)
        ):
            if mine is None and isinstance(value, int):
                continue
            raise RequestError(f"{name} must be {'a number' if number else f'like {mine!r}'}, got {value!r}")


def _alike(config: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers where they stand for fractions."""
    return {k: float(v) if isinstance(getattr(config, k), float) else v for k, v in values.items()}
