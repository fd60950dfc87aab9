"""What the page's address says: dataset, task, settings, seed, run and step, as words and back; no screen.

Links are read by anybody: whatever is not understood is left out, and what cannot be opened is told in a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from core.errors import DataError
from core.runs.plain import config_dict, config_like
from core.setup import Setup

MOST_IDS = 200  # in an address; a longer list belongs to a kept run


@dataclass(frozen=True)
class Asked:
    """What an address asks for."""

    setup: Setup | None = None
    settings: Mapping[str, Any] | None = None  # fields of the method's config that are not its preset's
    run: str | None = None
    step: int | None = None  # the one that is looked at


def words(setup: Setup, preset: Any, config: Any, run: str | None, step: int | None) -> dict[str, str]:
    """An address for this. Without a run and with more than ``MOST_IDS`` chosen images it says nothing of them."""
    found = {"dataset": setup.dataset, "method": setup.method, "seed": str(setup.seed)}
    if setup.plant is not None:
        found["plant"] = setup.plant
    else:
        found["task"] = setup.task
    if setup.classes and setup.plant is None:
        found["classes"] = ",".join(map(str, setup.classes))
    if setup.fraction is not None:
        found["fraction"] = f"{setup.fraction:g}"
    if setup.ids and len(setup.ids) <= MOST_IDS:
        found["ids"] = ",".join(map(str, setup.ids))
    if setup.model is not None:
        found["model"] = setup.model
    if setup.share is not None:
        found["share"] = f"{setup.share:g}"
    if setup.speed != "exact":
        found["speed"] = setup.speed
    if setup.precision != "float32":
        found["precision"] = setup.precision
    changed = differing(preset, config)
    if changed:
        found["settings"] = json.dumps(changed, separators=(",", ":"))
    if run is not None:
        found["run"] = run
        if step is not None:
            found["step"] = str(step)
    return found


def asked(found: Mapping[str, str]) -> Asked:
    """What an address asks for; nothing where it names neither data nor run."""
    step = _whole(found.get("step", ""))
    run = found.get("run") or None
    try:
        settings = json.loads(found["settings"]) if found.get("settings") else None
    except (ValueError, RecursionError):
        settings = None
    if "dataset" not in found:
        return Asked(run=run, step=step)
    classes = [c for c in found.get("classes", "").split(",") if c]
    ids = [_whole(i) for i in found.get("ids", "").split(",") if i]
    setup = Setup(
        dataset=found["dataset"],
        task=found.get("task", "class"),
        classes=tuple(c if (n := _whole(c)) is None else n for c in classes),
        fraction=_share(found.get("fraction", "")),
        seed=_whole(found.get("seed", "")) or 0,
        ids=tuple(i for i in ids if i is not None),
        plant=found.get("plant"),
        method=found.get("method", "laf"),
        model=found.get("model"),
        share=_share(found.get("share", "")),
        speed=found.get("speed", "exact"),
        precision=found.get("precision", "float32"),
    )
    return Asked(setup, settings if isinstance(settings, dict) else None, run, step)


def differing(preset: Any, config: Any) -> dict[str, Any]:
    """Fields of ``config`` that are not those of ``preset``, nested as they are."""
    if not is_dataclass(preset) or type(preset) is not type(config):
        return {}
    found: dict[str, Any] = {}
    for f in fields(preset):
        a, b = getattr(preset, f.name), getattr(config, f.name)
        if a == b:
            continue
        nested = is_dataclass(a) and type(a) is type(b)
        found[f.name] = differing(a, b) if nested else (config_dict(b) if is_dataclass(b) else b)
    return found


def with_settings(preset: Any, settings: Mapping[str, Any] | None) -> Any:
    """``preset`` with ``settings``; None where there are none. Raises DataError for what it does not know or allow."""
    if not settings or not is_dataclass(preset):
        return None
    for f in fields(preset):
        mine, theirs = getattr(preset, f.name), settings.get(f.name)
        if theirs is not None and mine is not None and not is_dataclass(mine) and not _alike(mine, theirs):
            raise DataError(f"{f.name} is {mine!r} in the preset and cannot be {theirs!r}")
    found: Any = config_like(preset, dict(settings))
    return found


def _alike(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, bool) or isinstance(theirs, bool):
        return type(mine) is type(theirs)
    if isinstance(mine, (int, float)):
        return isinstance(theirs, (int, float))
    return isinstance(theirs, type(mine)) or (isinstance(mine, tuple) and isinstance(theirs, list))


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _share(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


__all__ = ["Asked", "asked", "differing", "with_settings", "words"]
