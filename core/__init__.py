"""LAF Lab's library: Label-Agnostic Forgetting and retraining, one step at a time; it knows no screen.

from core import load, forget_classes, train, Run, LAF, LAFConfig, METHODS, finish, evaluate
"""

from core import losses
from core.config import EvalConfig, LAFConfig, TrainConfig, VAEConfig
from core.data import Dataset, ForgetRequest, Split, forget_classes, forget_fraction, load
from core.errors import LabError
from core.methods import LAF, METHODS, method
from core.metrics import Reading, Report, evaluate
from core.observer import Observer
from core.projection import Projection
from core.records import Frame, Progress, Step
from core.run import Phase, Run, finish
from core.training import train

__all__ = [
    "LAF",
    "METHODS",
    "Dataset",
    "EvalConfig",
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
    "Split",
    "Step",
    "TrainConfig",
    "VAEConfig",
    "evaluate",
    "finish",
    "forget_classes",
    "forget_fraction",
    "load",
    "losses",
    "method",
    "train",
]
