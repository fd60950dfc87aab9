"""LAF Lab's library: Label-Agnostic Forgetting and retraining, one step at a time; it knows no screen.

    from core import load, forget_classes, train, finish, Run, METHODS, LAF, LAFConfig, evaluate

Names are imported when they are first used, so that `laf --help` and a page's first lines wait for neither torch nor numba.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core import losses
    from core.config import EvalConfig, LAFConfig, TrainConfig, VAEConfig
    from core.data import (
        Dataset,
        ForgetRequest,
        Split,
        forget_classes,
        forget_fraction,
        forget_indices,
        forget_noisy,
        load,
        plant,
    )
    from core.errors import LabError
    from core.experiment import Experiment
    from core.methods import LAF, METHODS, method
    from core.metrics import Reading, Report, evaluate
    from core.observer import Observer
    from core.projection import Projection
    from core.records import Frame, Progress, Step
    from core.run import Phase, Run, finish
    from core.setup import Setup
    from core.training import train

_HOME = {
    "core.config": ("EvalConfig", "LAFConfig", "TrainConfig", "VAEConfig"),
    "core.data": (
        "Dataset",
        "ForgetRequest",
        "Split",
        "forget_classes",
        "forget_fraction",
        "forget_indices",
        "forget_noisy",
        "load",
        "plant",
    ),
    "core.errors": ("LabError",),
    "core.experiment": ("Experiment",),
    "core.setup": ("Setup",),
    "core.methods": ("LAF", "METHODS", "method"),
    "core.metrics": ("Reading", "Report", "evaluate"),
    "core.observer": ("Observer",),
    "core.projection": ("Projection",),
    "core.records": ("Frame", "Progress", "Step"),
    "core.run": ("Phase", "Run", "finish"),
    "core.training": ("train",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    if name in ("losses", "data", "methods", "metrics", "attacks"):
        return importlib.import_module(f"core.{name}")
    raise AttributeError(f"module 'core' has no attribute {name!r}")


__all__ = [
    "LAF",
    "METHODS",
    "Dataset",
    "EvalConfig",
    "Experiment",
    "ForgetRequest",
    "Frame",
    "LAFConfig",
    "LabError",
    "Observer",
    "Phase",
    "Progress",
    "Projection",
    "Reading",
    "Report",
    "Run",
    "Setup",
    "Split",
    "Step",
    "TrainConfig",
    "VAEConfig",
    "evaluate",
    "finish",
    "forget_classes",
    "forget_fraction",
    "forget_indices",
    "forget_noisy",
    "load",
    "losses",
    "method",
    "plant",
    "train",
]
