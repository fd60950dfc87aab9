"""Settings and measurements as plain values for json, and back; unknown or missing values raise, they are never guessed."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

import torch

from core.errors import ConfigError, StoreError
from core.evaluation.attacks import AttackReport
from core.evaluation.metrics import Reading, Report
from core.runs.history import config_dict as config_dict
from core.runs.setup import EarlierRequest, Setup
from core.runtime.bounds import join_names


def config_like(template: Any, values: Any) -> Any:
    """Return a config like ``template`` with ``values``; a setting that is not among them keeps its value in ``template``.

    Raises StoreError for settings that this version does not know or does not allow.
    """
    if values is None or not hasattr(template, "__dataclass_fields__"):
        return template
    known = {f.name for f in fields(template)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise StoreError(f"it has settings that this version does not know: {join_names(unknown)}")
    changed = {}
    for name, value in values.items():
        before = getattr(template, name)
        if hasattr(before, "__dataclass_fields__") and isinstance(value, dict):
            value = config_like(before, value)
        elif isinstance(value, list):
            value = tuple(value)
        changed[name] = value
    try:
        return replace(template, **changed)
    except (TypeError, ValueError) as error:
        raise StoreError(f"it has settings that are not allowed: {error}") from error


def setup_dict(setup: Setup) -> dict[str, Any]:
    """Return a Setup as plain values; "earlier" is there in a chain of requests only."""
    found = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(setup).items()}
    if not setup.earlier:
        del found["earlier"]
    return found


def setup_from(values: Any) -> Setup:
    """Return the Setup of what ``setup_dict`` gave. Raises StoreError for anything else."""
    try:
        plain = _with_tuples(values)
        earlier = tuple(EarlierRequest(**_with_tuples(request)) for request in plain.pop("earlier", ()))
        return Setup(**plain, earlier=earlier)
    except (TypeError, AttributeError, ConfigError) as error:
        raise StoreError(f"it was set up in a way that this version does not know ({error})") from error


def _with_tuples(values: Any) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def reading_dict(reading: Reading) -> dict[str, Any]:
    """Return a Reading as plain values, without its probabilities."""
    found = {f.name: getattr(reading, f.name) for f in fields(Reading) if f.name != "forget_probabilities"}
    return {**found, "attack": asdict(reading.attack), "answers": list(reading.answers)}


def report_dict(report: Report) -> dict[str, Any]:
    """Return a Report as plain values, without its probabilities."""
    return {**reading_dict(report), "js_to_references": list(report.js_to_references)}


def reading_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a Reading of what ``reading_dict`` gave; without its probabilities."""
    known = {f.name for f in fields(Reading)}
    found = {k: v for k, v in values.items() if k in known}
    attack = {f.name: values["attack"][f.name] for f in fields(AttackReport)}
    return {**found, "attack": AttackReport(**attack), "answers": tuple(values["answers"])}


def weights_key(model: torch.nn.Module) -> str:
    """Return a hash of all weights, by which a model is recognised."""
    from core.runtime.content_cache import content_key

    return content_key("weights", *[v for _, v in sorted(model.state_dict().items())])
