"""Presets of the baselines: what the same stated budget found for each, by (method, dataset or family, task).

Printed by ``python -m benchmarks.tune``, which chose them with labels and retrained models on seeds of their own.
"""

from __future__ import annotations

from typing import Any

from core.config import TASKS

FOUND: dict[tuple[str, str, str], dict[str, Any]] = {  # what differs from the paper's
    ("finetune", "digits", "class"): {
        "epochs": 3,
        "batch_size": 128,
        "lr": 0.0065,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("neggrad", "digits", "class"): {
        "epochs": 3,
        "batch_size": 32,
        "lr": 0.0011,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("neggrad+", "digits", "class"): {
        "epochs": 8,
        "batch_size": 128,
        "lr": 0.00027,
        "optimiser": "adam",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "alpha": 0.999,
    },
    ("random-label", "digits", "class"): {
        "epochs": 8,
        "batch_size": 32,
        "lr": 0.00043,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("boundary-shrink", "digits", "class"): {
        "epochs": 8,
        "lr": 0.00057,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("bad-teacher", "digits", "class"): {
        "epochs": 2,
        "batch_size": 64,
        "lr": 0.0005,
        "optimiser": "sgd",
        "momentum": 0.9,
        "temperature": 4.0,
    },
    ("scrub", "digits", "class"): {
        "epochs": 8,
        "batch_size": 64,
        "lr": 0.00088,
        "optimiser": "adam",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "msteps": 5,
        "alpha": 0.5,
        "temperature": 1.0,
    },
    ("salun", "digits", "class"): {"epochs": 3, "batch_size": 32, "lr": 0.00074, "share": 0.3, "alpha": 3.0},
    ("finetune", "digits", "data"): {
        "epochs": 8,
        "batch_size": 32,
        "lr": 0.0087,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("neggrad", "digits", "data"): {"epochs": 1, "batch_size": 32, "lr": 0.095},
    ("neggrad+", "digits", "data"): {
        "epochs": 5,
        "batch_size": 128,
        "lr": 0.0035,
        "optimiser": "adam",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "alpha": 0.999,
    },
    ("random-label", "digits", "data"): {"epochs": 1, "batch_size": 128, "lr": 0.0015},
    ("boundary-shrink", "digits", "data"): {
        "epochs": 8,
        "batch_size": 32,
        "lr": 1.5e-05,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("bad-teacher", "digits", "data"): {},
    ("scrub", "digits", "data"): {
        "epochs": 5,
        "batch_size": 32,
        "lr": 0.00077,
        "optimiser": "adam",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "forget_batch_size": 128,
        "msteps": 5,
        "alpha": 0.5,
        "temperature": 1.0,
    },
    ("salun", "digits", "data"): {
        "epochs": 20,
        "batch_size": 64,
        "lr": 1.2e-05,
        "optimiser": "adam",
        "momentum": 0.0,
        "share": 0.8,
    },
    ("finetune", "digits", "noise"): {
        "epochs": 20,
        "steps": 313,
        "lr": 0.008,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("neggrad", "digits", "noise"): {},
    ("neggrad+", "digits", "noise"): {
        "epochs": 20,
        "steps": 78,
        "batch_size": 128,
        "lr": 0.0012,
        "optimiser": "adam",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "alpha": 0.999,
    },
    ("random-label", "digits", "noise"): {},
    ("boundary-shrink", "digits", "noise"): {
        "epochs": 8,
        "lr": 0.002,
        "optimiser": "adam",
        "momentum": 0.0,
        "bound": 0.05,
    },
    ("bad-teacher", "digits", "noise"): {"epochs": 3, "batch_size": 32, "lr": 0.0055},
    ("scrub", "digits", "noise"): {
        "epochs": 2,
        "lr": 0.091,
        "weight_decay": 0.0,
        "forget_batch_size": 128,
        "msteps": 1,
        "temperature": 2.0,
    },
    ("salun", "digits", "noise"): {"epochs": 8, "batch_size": 128, "lr": 0.015, "share": 0.3, "alpha": 3.0},
    ("finetune", "mnist", "class"): {
        "epochs": 12,
        "steps": 117,
        "batch_size": 128,
        "lr": 0.0021,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("neggrad", "mnist", "class"): {
        "epochs": 8,
        "steps": 128,
        "lr": 3.1e-05,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("neggrad+", "mnist", "class"): {
        "epochs": 8,
        "steps": 117,
        "lr": 2.5e-05,
        "optimiser": "adam",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "alpha": 0.7,
    },
    ("random-label", "mnist", "class"): {
        "epochs": 1,
        "steps": 31,
        "batch_size": 32,
        "lr": 0.00036,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("boundary-shrink", "mnist", "class"): {
        "epochs": 3,
        "steps": 24,
        "batch_size": 128,
        "lr": 0.00057,
        "optimiser": "adam",
        "momentum": 0.0,
        "bound": 0.2,
    },
    ("bad-teacher", "mnist", "class"): {
        "epochs": 3,
        "steps": 175,
        "batch_size": 32,
        "lr": 0.00047,
        "optimiser": "sgd",
        "momentum": 0.9,
        "temperature": 4.0,
    },
    ("scrub", "mnist", "class"): {
        "steps": 87,
        "lr": 0.0059,
        "optimiser": "adam",
        "momentum": 0.0,
        "weight_decay": 0.0,
        "alpha": 0.1,
        "temperature": 2.0,
    },
    ("salun", "mnist", "class"): {
        "epochs": 8,
        "steps": 117,
        "batch_size": 64,
        "lr": 0.00021,
        "optimiser": "adam",
        "momentum": 0.0,
        "share": 0.8,
        "alpha": 3.0,
    },
    ("finetune", "mnist", "data"): {"epochs": 1, "steps": 251, "batch_size": 32, "lr": 0.00018},
    ("neggrad", "mnist", "data"): {
        "epochs": 2,
        "steps": 32,
        "batch_size": 128,
        "lr": 0.00015,
        "optimiser": "adam",
        "momentum": 0.0,
    },
    ("neggrad+", "mnist", "data"): {"epochs": 5, "steps": 117, "lr": 0.0015, "weight_decay": 0.0},
    ("random-label", "mnist", "data"): {"epochs": 8, "steps": 117, "lr": 0.00021},
    ("boundary-shrink", "mnist", "data"): {"steps": 100},
    ("bad-teacher", "mnist", "data"): {
        "epochs": 2,
        "steps": 175,
        "batch_size": 32,
        "lr": 1.1e-05,
        "temperature": 2.0,
    },
    ("scrub", "mnist", "data"): {
        "epochs": 8,
        "steps": 87,
        "lr": 0.00013,
        "weight_decay": 0.0,
        "forget_batch_size": 128,
        "msteps": 1,
        "temperature": 1.0,
    },
    ("salun", "mnist", "data"): {
        "epochs": 1,
        "steps": 63,
        "batch_size": 32,
        "lr": 0.00033,
        "share": 0.3,
        "alpha": 3.0,
    },
}
_LIKE = {"own-small": "digits", "own-grey": "mnist", "fashion_mnist": "mnist"}


def preset(name: str, family: str, task: str, config: type[Any]) -> Any:
    """The settings for a method on (dataset or family, task); the paper's, ``config()``, where none were found."""
    return config(**(_found(name, family, task)[0] or {}))


def baseline_origin(name: str, family: str, task: str) -> str:
    """Where they come from."""
    if name in ("nothing", "sisa", "unroll"):
        return "nothing to search: docs/methods.md"
    found, dataset, measured = _found(name, family, task)
    if found is None:
        return "its paper's, not measured here"
    if (dataset, measured) == (family, task):
        best = "found" if found else "its paper's, the best"
        return f"{best} by benchmarks.tune: docs/methods.md"
    whose = f"{TASKS[measured]}'s on {dataset}" if measured != task else f"those of {dataset}"
    return f"{whose}, not measured {'for this task' if dataset == family else 'on these images'}"


def _found(name: str, family: str, task: str) -> tuple[dict[str, Any] | None, str, str]:
    """What differs from the paper's settings, None where nothing was found, and the dataset and task that it was found on."""
    for dataset in (family, _LIKE.get(family, family)):
        for like in (task, "data") if task == "indices" else (task,):
            if (name, dataset, like) in FOUND:
                return FOUND[name, dataset, like], dataset, like
    return None, family, task
