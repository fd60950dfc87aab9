"""The tuned settings of presets.toml, and the lookup of a baseline's preset by method, dataset or family, and task."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from core.config import TASKS

Settings = dict[str, Any]

_TABLES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("presets.toml").read_text("utf-8"))

TUNED: dict[
    tuple[str, str, str], Settings
] = {  # by (method, dataset, task): what differs from the paper's settings
    (method, dataset, task): settings
    for dataset, tasks in _TABLES["baselines"].items()
    for task, methods in tasks.items()
    for method, settings in methods.items()
}
FAST: dict[tuple[str, str], Settings] = {  # by (dataset, task): the fields of a LAFConfig
    (dataset, task): settings
    for dataset, tasks in _TABLES["fast"].items()
    for task, settings in tasks.items()
}
_SEARCHES = {("digits", "class"): "benchmarks.search_baselines"}  # where it was not benchmarks.tune
_MEASURED = {("mda", "mnist", "class"): "measured on one class, not searched: docs/methods.md"}
_WITHOUT_PAPER = ("mda", "guided")  # their defaults are the Lab's
_SIMILAR_DATASET = {
    **dict.fromkeys(("own-small", "vectors", "series"), "digits"),
    "own-grey": "mnist",
    "fashion_mnist": "mnist",
}


def preset(name: str, family: str, task: str, config: type[Any]) -> Any:
    """Return the ``config`` of a method for (dataset or family, task); the paper's where no settings were tuned.

    A config may name the fields that depend on the task in ``FOR_TASK``, a mapping from a task to fields.
    """
    by_task = getattr(config, "FOR_TASK", {}).get(task, {})
    return config(**{**by_task, **(_tuned_settings(name, family, task)[0] or {})})


def baseline_origin(name: str, family: str, task: str) -> str:
    """Return a phrase that names the source of a baseline's preset."""
    if name in ("nothing", "sisa", "unroll"):
        return "nothing to search: docs/methods.md"
    settings, tuned_dataset, tuned_task = _tuned_settings(name, family, task)
    if settings is None:
        return (
            "its defaults, not measured here" if name in _WITHOUT_PAPER else "its paper's, not measured here"
        )
    if (tuned_dataset, tuned_task) == (family, task):
        best = "found" if settings else "its paper's, the best"
        search = _SEARCHES.get((family, task), "benchmarks.tune")
        return _MEASURED.get((name, family, task), f"{best} by {search}: docs/methods.md")
    source = (
        f"{TASKS[tuned_task]}'s on {tuned_dataset}" if tuned_task != task else f"those of {tuned_dataset}"
    )
    return f"{source}, not measured {'for this task' if tuned_dataset == family else 'on these images'}"


def _tuned_settings(name: str, family: str, task: str) -> tuple[Settings | None, str, str]:
    """Return the tuned settings with the dataset and the task that they were tuned on; None for the settings without any."""
    for dataset in (family, _SIMILAR_DATASET.get(family, family)):
        for similar_task in (task, "data") if task == "indices" else (task,):
            if (name, dataset, similar_task) in TUNED:
                return TUNED[name, dataset, similar_task], dataset, similar_task
    return None, family, task
