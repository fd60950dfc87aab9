"""LAF Lab's library for machine unlearning: Label-Agnostic Forgetting, other methods, and retraining, one step at a time.

    from core import load, forget_classes, train, finish, Run, METHODS, LAF, LAFConfig, evaluate

A name is imported at its first use. So `laf --help` and the page's first lines do not wait for torch and numba.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.config import EvalConfig, LAFConfig, LAFRConfig, TrainConfig, VAEConfig
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
    from core.evaluation.evaluator import Evaluator
    from core.evaluation.metrics import Reading, Report, evaluate
    from core.evaluation.reference_band import Retrained
    from core.evaluation.verdict import Verdict, verdict
    from core.experiments.audit import audit
    from core.experiments.automatic_run import find_settings
    from core.experiments.comparison import Comparison
    from core.experiments.comparison_summary import Summary, summarise
    from core.experiments.session.experiment import Experiment
    from core.methods import LAF, METHODS, method
    from core.methods.baselines.base import Baseline, BaselineConfig
    from core.methods.laf import losses
    from core.methods.laf.automatic.search import automatic
    from core.methods.laf.automatic.trials import AutomaticSettings
    from core.methods.step import Step
    from core.models.base import Classifier, Net
    from core.models.own_modules import WrappedNet, wrap
    from core.projection.projection import Projection
    from core.runs.diagnostics import Alarm, alarms
    from core.runs.observer import Observer
    from core.runs.records import Frame
    from core.runs.reference_models import references
    from core.runs.run import Phase, Run, finish
    from core.runs.setup import Setup
    from core.runtime.progress import Progress, run_to_end
    from core.training.supervised import train

_NAMES_OF = {
    "core.config": ("EvalConfig", "LAFConfig", "LAFRConfig", "TrainConfig", "VAEConfig"),
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
    "core.evaluation.evaluator": ("Evaluator",),
    "core.evaluation.metrics": ("Reading", "Report", "evaluate"),
    "core.evaluation.reference_band": ("Retrained",),
    "core.evaluation.verdict": ("Verdict", "verdict"),
    "core.experiments.audit": ("audit",),
    "core.experiments.automatic_run": ("find_settings",),
    "core.experiments.comparison": ("Comparison",),
    "core.experiments.comparison_summary": ("Summary", "summarise"),
    "core.experiments.session.experiment": ("Experiment",),
    "core.methods": ("LAF", "METHODS", "method"),
    "core.methods.baselines.base": ("Baseline", "BaselineConfig"),
    "core.methods.laf.automatic.search": ("automatic",),
    "core.methods.laf.automatic.trials": ("AutomaticSettings",),
    "core.methods.step": ("Step",),
    "core.models.base": ("Classifier", "Net"),
    "core.models.own_modules": ("WrappedNet", "wrap"),
    "core.projection.projection": ("Projection",),
    "core.runs.diagnostics": ("Alarm", "alarms"),
    "core.runs.observer": ("Observer",),
    "core.runs.records": ("Frame",),
    "core.runs.reference_models": ("references",),
    "core.runs.run": ("Phase", "Run", "finish"),
    "core.runs.setup": ("Setup",),
    "core.runtime.progress": ("Progress", "run_to_end"),
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


def __dir__() -> list[str]:
    return [*__all__, *_ALIASES]


__all__ = [
    "LAF",
    "METHODS",
    "Alarm",
    "AutomaticSettings",
    "Baseline",
    "BaselineConfig",
    "Classifier",
    "Comparison",
    "Dataset",
    "EvalConfig",
    "Evaluator",
    "Experiment",
    "ForgetRequest",
    "Frame",
    "LAFConfig",
    "LAFRConfig",
    "LabError",
    "Net",
    "Observer",
    "Phase",
    "Progress",
    "Projection",
    "Reading",
    "Report",
    "Retrained",
    "Run",
    "Setup",
    "Split",
    "Step",
    "Summary",
    "TrainConfig",
    "VAEConfig",
    "Verdict",
    "WrappedNet",
    "alarms",
    "audit",
    "automatic",
    "evaluate",
    "find_settings",
    "finish",
    "forget_classes",
    "forget_fraction",
    "forget_indices",
    "forget_noisy",
    "load",
    "losses",
    "method",
    "plant",
    "references",
    "run_to_end",
    "summarise",
    "train",
    "verdict",
    "wrap",
]
