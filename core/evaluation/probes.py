"""What is left to be found again: a linear probe from few labelled images, and how fast a copy relearns what was forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.config import TrainConfig
from core.data.images import LabelledImages
from core.models.base import Net, outputs
from core.training.supervised import SupervisedTrainer, copy_of

SHOTS = 10  # images of each class, for the probe
SHOWN = 32  # images of D_f, for relearning
STEPS = (0, 1, 2, 3, 5, 8, 12, 16, 20)  # of Adam; accuracy is measured after each of these
LR = 1e-3


def few_shot(e: Tensor, y: Tensor, test_e: Tensor, test_y: Tensor, shots: int = SHOTS) -> float | None:
    """Accuracy in [0, 1] on the test representations (m, width) of a logistic regression on the first ``shots`` of each class of
    ``e`` (n, width). Representations are scaled by those it is fitted on. None for fewer than two classes or nothing to test."""
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
    said: np.ndarray = probe.predict((test_e.double().numpy() - mean) / scale)
    return float((said == test_y.numpy()).mean())


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracy in [0, 1] on the held-out images after each of ``steps``."""

    steps: tuple[int, ...]
    accuracy: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the steps after the first."""
        return sum(self.accuracy[1:]) / len(self.accuracy[1:])


def relearn(model: Net, shown: LabelledImages, held_out: LabelledImages, *, seed: int = 0) -> Curve | None:
    """Fine-tune a copy on ``shown``, all of them in each step of Adam, and measure it on ``held_out``, by the labels that both bear.

    Batch statistics stay as they are. None for a model that has no gradient. Raises DivergedError when the loss is no number.
    """
    with torch.enable_grad():
        if not model(shown.floats(slice(0, 1)).to(next(model.parameters()).device)).requires_grad:
            return None
    copy: Net = copy_of(model)
    config = TrainConfig("digits-cnn", epochs=STEPS[-1], batch_size=len(shown), lr=LR, weight_decay=0.0)
    # the whole as the part that learns: in eval mode, so that neither dropout nor batch statistics have a say
    state = SupervisedTrainer.start(copy, shown, config, seed=seed, stage="relearn", part=copy)
    found = []
    for step in range(STEPS[-1] + 1):
        if step:
            state.step()
        if step in STEPS:
            right = outputs(copy, held_out).predictions == held_out.y.cpu()
            found.append(float(right.double().mean()))
    return Curve(STEPS, tuple(found))
