"""The fields that a study can vary, by name, with a check of each value.

"lr_ue" and "vae.latent" are settings of the method. "net" and "train.epochs" are settings of the training of original and retrained
models. The fields in ``OF_SETUP`` choose the data and the images to forget. For a number, "x0.5" is half of the preset's value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from typing import Any

from core.config import PARTITIONS, TASKS, TrainConfig
from core.data.registry import DATASETS, load, source
from core.errors import ConfigError, LabError, RequestError
from core.methods import METHODS, method, preset_for
from core.runs.setup import MOST_CLIENTS, Setup
from core.runtime.bounds import quote_value

OF_SETUP = {  # name -> description of a value
    "dataset": "the name of a dataset",
    "task": f"one of {', '.join(TASKS)}",
    "method": "the name of a method",
    "classes": "a class or a list of classes",
    "fraction": "a share between 0 and 1",
    "sequence": "a list of classes, forgotten one request after another",
    "share": "the share of labels that the repair of LAF+R reads, from 0 (plain LAF) to 1",
    "clients": f"the number of clients of federated averaging, from 2 to {MOST_CLIENTS}",
    "partition": f"one of {', '.join(PARTITIONS)}",
    "local_epochs": "the epochs of each client in a round, from 1",
    "client": "the number of the client who leaves, from 0",
}
OF_CLIENTS = ("clients", "partition", "local_epochs", "client")
NOT_VARIED = ("threads", "seed", "data_dir", "device", "references")
_TIMES = re.compile(r"[x×]\s*(\d+(?:\.\d*)?|\.\d+)", re.ASCII)


@lru_cache(maxsize=64)
def family_of(dataset: str) -> str:
    """Return the family whose presets fit a dataset. Raises RequestError for an unknown dataset."""
    if dataset in DATASETS:
        return DATASETS[dataset].family or dataset
    source(dataset)
    return load(dataset).family


@lru_cache(maxsize=256)
def preset_cached(name: str, family: str, task: str) -> Any:
    """Return the settings that a cell starts from."""
    method(name)  # raises RequestError, with all names, for an unknown one
    return preset_for(name, family, task)


@lru_cache(maxsize=64)
def train_preset(family: str, task: str) -> TrainConfig:
    """Return the settings of training that a cell starts from."""
    return TrainConfig.preset(family, task)


def settings_of(config: Any, prefix: str = "") -> dict[str, Any]:
    """Return all fields of a config by dotted name, without those that change no result."""
    if not is_dataclass(config):
        return {}
    found: dict[str, Any] = {}
    for f in fields(config):
        value = value_of(config, f.name)
        if f.name in NOT_VARIED:
            continue
        found |= settings_of(value, f"{prefix}{f.name}.") if is_dataclass(value) else {prefix + f.name: value}
    return found


def kind_of(field: str) -> str:
    """Return the part that a field belongs to: "setup", "train" or "method"."""
    if field in OF_SETUP:
        return "setup"
    return "train" if field == "net" or field.startswith("train.") else "method"


def full_name(field: str, config: Any) -> str:
    """Return the dotted name of a method's field; LAF's names are valid for LAF+R too. Raises RequestError for an unknown field."""
    known = settings_of(config)
    for name in (field, f"laf.{field}"):
        if name in known:
            return name
    there = ", ".join(known) or "none that can be varied"
    raise RequestError(f"{field!r} is no setting of this method; its settings are: {there}")


def with_field(config: Any, field: str, value: Any) -> Any:
    """Return ``config`` with one field, by dotted name, set. Raises ConfigError for a wrong value."""
    first, _, rest = field.partition(".")
    before = value_of(config, first)
    if rest:
        return replace(config, **{first: with_field(before, rest, value)})
    return replace(config, **{first: checked(field, before, value)})


def value_of(config: Any, name: str) -> Any:
    """Return a field's value, as a float if the field is declared as one."""
    value = getattr(config, name)
    declared = next(f.type for f in fields(config) if f.name == name)
    return float(value) if _is_number(value) and str(declared).startswith("float") else value


def checked(field: str, before: Any, value: Any) -> Any:
    """Return ``value`` in the type of the preset ``before``, with multiples such as "x2" computed. Raises ConfigError."""
    times = _TIMES.fullmatch(value.strip()) if isinstance(value, str) else None
    if times is not None and _is_number(before):
        made = before * float(times[1])
        if not math.isfinite(made):
            raise ConfigError(f"{field} must be a finite number, got {quote_value(value)}")
        return max(1, round(made)) if isinstance(before, int) else float(f"{made:.12g}")
    if isinstance(before, bool) or isinstance(value, bool):
        right = isinstance(before, bool) and isinstance(value, bool)
    elif isinstance(before, int):
        right = isinstance(value, int)
    elif isinstance(before, float):
        right = isinstance(value, (int, float))
    else:
        right = before is None or isinstance(value, type(before))
    if not right:
        raise ConfigError(f"{field} is {_kind_in_words(before)} and cannot be {quote_value(value)}")
    return float(value) if isinstance(before, float) else value


def check_value(field: str, value: Any, point: Mapping[str, Any]) -> None:
    """Check that a cell with the other fields of ``point`` can have a value. Raises RequestError, which names the field."""
    try:
        _check_value(field, value, point)
    except RequestError as error:
        said = str(error)
        raise RequestError(said if field in said.split(" ")[0] else f"{field}: {said}") from error


def _check_value(field: str, value: Any, point: Mapping[str, Any]) -> None:
    if field in OF_SETUP:
        _check_setup(field, value, point)
        return
    dataset, task = str(point.get("dataset", "digits")), str(point.get("task", "class"))
    family = family_of(dataset)
    if kind_of(field) == "train":
        apply_train(train_preset(family, task), {field: value})
        return
    name = str(point.get("method", "laf"))
    config = preset_cached(name, family, task)
    try:
        full = full_name(field, config)
    except RequestError as error:
        raise RequestError(f"{field!r} is no setting of {name}; {str(error).partition('; ')[2]}") from error
    with_field(config, full, value)


def _check_setup(field: str, value: Any, point: Mapping[str, Any]) -> None:
    if field == "dataset":
        family_of(_require_text(field, value))
    elif field == "task":
        if value not in TASKS or value == "indices":
            raise RequestError(f"task must be one of class, data and noise in a study, got {value!r}")
    elif field == "method":
        if value not in METHODS:
            method(_require_text(field, value))
    elif field in ("classes", "sequence"):
        given = value if isinstance(value, (list, tuple)) else [value]
        if not given or not all(isinstance(c, (int, str)) and not isinstance(c, bool) for c in given):
            raise RequestError(f"{field} must be {OF_SETUP[field]}, got {value!r}")
        if len(set(given)) < len(given):
            raise RequestError(f"{field} names a class twice: {value!r}")
        known = _classes_of(str(point.get("dataset", "digits")))
        for c in given if known else ():
            if c not in known:
                raise RequestError(
                    f"{field} names class {c!r}; {point.get('dataset', 'digits')} has {known[0]} to {known[-1]}"
                )
    elif field in OF_CLIENTS:
        Setup(**{"clients": 2, "task": "indices", field: value})  # raises for a wrong one
    elif field == "fraction":
        if not (_is_number(value) and 0 < value < 1):
            raise RequestError(f"fraction must lie between 0 and 1, both excluded, got {value!r}")
    elif not (_is_number(value) and 0 <= value <= 1):
        raise RequestError(f"share must lie in [0, 1], got {value!r}")


def _classes_of(dataset: str) -> tuple[int, ...]:
    """Return the class numbers of a built-in dataset; () for any other dataset."""
    return tuple(range(DATASETS[dataset].classes)) if dataset in DATASETS else ()


def apply_train(config: TrainConfig, values: Mapping[str, Any]) -> TrainConfig:
    """Return ``config`` with "net" and "train." fields set. Raises RequestError for a wrong field or value."""
    from core.models.registry import NETS

    for field, value in values.items():
        name = field.removeprefix("train.")
        if name not in settings_of(config):
            there = ", ".join(f"train.{n}" if n != "net" else n for n in settings_of(config))
            raise RequestError(f"{field!r} is no setting of training; those are: {there}")
        if name == "net" and value not in NETS and not str(value).startswith("tv:"):
            raise RequestError(f"unknown net {value!r}; there are: {', '.join(NETS)}")
        config = with_field(config, name, value)
    return config


def apply_settings(config: Any, values: Mapping[str, Any]) -> Any:
    """Return a method's ``config`` with fields by name set. Raises RequestError for a wrong field or value."""
    for field, value in values.items():
        config = with_field(config, full_name(field, config), value)
    return config


def numeric(field: str, point: Mapping[str, Any]) -> type[int] | type[float] | None:
    """Return ``int`` or ``float`` for a field of numbers, else None. ``point`` has the study's other fields."""
    if field in ("fraction", "share"):
        return float
    if field in OF_CLIENTS and field != "partition":
        return int
    if field in OF_SETUP:
        return None
    task = str(point.get("task", "class"))
    try:
        family = family_of(str(point.get("dataset", "digits")))
        if kind_of(field) == "train":
            value = settings_of(train_preset(family, task)).get(field.removeprefix("train."))
        else:
            config = preset_cached(str(point.get("method", "laf")), family, task)
            value = settings_of(config)[full_name(field, config)]
    except LabError:
        return None
    if not _is_number(value):
        return int if field.endswith("steps") else None
    return int if isinstance(value, int) else float


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _require_text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RequestError(f"{field} must be {OF_SETUP[field]}, got {value!r}")
    return value


def _kind_in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if _is_number(value):
        return "a whole number" if isinstance(value, int) else "a number"
    return "a word"
