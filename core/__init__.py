"""LAF Lab's library for machine unlearning: Label-Agnostic Forgetting, other methods, and retraining, one step at a time.

    from core import load, forget_classes, train, finish, Run, METHODS, LAF, LAFConfig, evaluate

A name is imported at its first use. So `laf --help` and the page's first lines do not wait for torch and numba.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from core.evaluation.metrics import Reading, Report, evaluate
    from core.experiments.session.experiment import Experiment
    from core.methods import LAF, METHODS, method
    from core.methods.laf import losses
    from core.methods.step import Step
    from core.projection.projection import Projection
    from core.runs.observer import Observer
    from core.runs.records import Frame
    from core.runs.run import Phase, Run, finish
    from core.runs.setup import Setup
    from core.runtime.progress import Progress
    from core.training.supervised import train

_NAMES_OF = {
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
    "core.experiments.session.experiment": ("Experiment",),
    "core.runs.setup": ("Setup",),
    "core.methods": ("LAF", "METHODS", "method"),
    "core.evaluation.metrics": ("Reading", "Report", "evaluate"),
    "core.runs.observer": ("Observer",),
    "core.projection.projection": ("Projection",),
    "core.runs.records": ("Frame",),
    "core.runtime.progress": ("Progress",),
    "core.methods.step": ("Step",),
    "core.runs.run": ("Phase", "Run", "finish"),
    "core.training.supervised": ("train",),
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names}
_ALIASES = {  # short names of modules
    "attacks": "core.evaluation.attacks",
    "data": "core.data",
    "losses": "core.methods.laf.losses",
    "methods": "core.methods",
    "metrics": "core.evaluation.metrics",
}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    if name in _ALIASES:
        return importlib.import_module(_ALIASES[name])
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
