"""Probes for information that is left: a few-shot linear probe, and the speed of relearning the forget set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.config import TrainConfig
from core.data.images import LabelledImages
from core.models.base import Net, outputs
from core.training.supervised import SupervisedTrainer, copy_of

SHOTS = 10  # images of each class for the probe
SHOWN = 32  # images of D_f for relearning
STEPS = (0, 1, 2, 3, 5, 8, 12, 16, 20)  # of Adam, after which the accuracy is measured
LR = 1e-3


def few_shot(e: Tensor, y: Tensor, test_e: Tensor, test_y: Tensor, shots: int = SHOTS) -> float | None:
    """Return the test accuracy, in [0, 1], of a logistic regression on the first ``shots`` of each class of ``e`` (n, width).

    ``test_e`` is (m, width). The fitted representations set the scale. None for fewer than two classes or no test images.
    """
    from sklearn.linear_model import LogisticRegression

    rows = torch.cat(
        [(y == c).nonzero().flatten()[:shots] for c in sorted(set(y.tolist()))]
        or [torch.empty(0, dtype=torch.int64)]
    )
    if len(set(y[rows].tolist())) < 2 or not len(test_y):
        return None
    x = e[rows].double().numpy()
    mean, scale = x.mean(0), x.std() + 1e-9
    probe = LogisticRegression(max_iter=300).fit((x - mean) / scale, y[rows].numpy())
    predicted: np.ndarray = probe.predict((test_e.double().numpy() - mean) / scale)
    return float((predicted == test_y.numpy()).mean())


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracy in [0, 1] on the held-out images after each of ``steps``."""

    steps: tuple[int, ...]
    accuracy: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean accuracy after at least one step."""
        return sum(self.accuracy[1:]) / len(self.accuracy[1:])


def relearn(model: Net, shown: LabelledImages, held_out: LabelledImages, *, seed: int = 0) -> Curve | None:
    """Fine-tune a copy on all of ``shown`` in each step of Adam, and return its accuracy on ``held_out``, by the given labels.

    Batch statistics do not change. None for a model without gradient. Raises DivergedError when the loss is not finite.
    """
    with torch.enable_grad():
        if not model(shown.floats(slice(0, 1)).to(next(model.parameters()).device)).requires_grad:
            return None
    copy: Net = copy_of(model)
    config = TrainConfig("digits-cnn", epochs=STEPS[-1], batch_size=len(shown), lr=LR, weight_decay=0.0)
    # ``part`` stays in eval mode, without dropout and with fixed batch statistics
    state = SupervisedTrainer.start(copy, shown, config, seed=seed, stage="relearn", part=copy)
    accuracy = []
    for step in range(STEPS[-1] + 1):
        if step:
            state.step()
        if step in STEPS:
            right = outputs(copy, held_out).predictions == held_out.y.cpu()
            accuracy.append(float(right.double().mean()))
    return Curve(STEPS, tuple(accuracy))
