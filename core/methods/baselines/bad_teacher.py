"""Bad teacher: learn D_r from the original and D_f from a net with random weights, without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from core.methods.base import IMAGES_F, IMAGES_R
from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState, divergence
from core.models.base import Net, device_of
from core.runtime import bounds, seeding
from core.runtime.bounds import Bound
from core.training.supervised import copy_of


@dataclass(frozen=True)
class BadTeacherConfig(BaselineConfig):
    """The paper's settings: Adam at 1e-4, 1 epoch, batches of 256, temperature 1. An epoch is all of D_r, not 30 % of it."""

    epochs: int = 1
    batch_size: int = 256
    lr: float = 1e-4
    temperature: float = 1.0

    BOUNDS: ClassVar[dict[str, Bound]] = {"temperature": bounds.POSITIVE}


class BadTeacher(Baseline):
    """KL(original ‖ student) on a batch of D_r plus KL(random net ‖ student) on one of D_f. An epoch is the batches of D_r."""

    name = "bad-teacher"
    title = "Bad teacher"
    source = "Chundawat et al. 2023, arXiv 2205.08096"
    Config = BadTeacherConfig
    needs_labels = False
    reads = (IMAGES_F, IMAGES_R)
    passes = 8 / 3

    def start(self, model: Net, split: Any, *, seed: int) -> BaselineState:
        """Start, and make the incompetent teacher."""
        state = super().start(model, split, seed=seed)
        state.fixed["incompetent"] = randomised_copy(model, seeding.generator(seed, "unlearn", "incompetent"))
        return state

    def update(
        self, state: BaselineState, config: BadTeacherConfig
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Learn from one pair of minibatches."""
        teachers = {"remain": state.original, "forget": state.fixed["incompetent"]}
        losses = {}
        for which, teacher in teachers.items():
            x = state.images(which)
            with torch.no_grad():
                target = teacher(x)
            losses[which] = divergence(state.model(x), target, config.temperature)
        norm = state.descend(losses["remain"] + losses["forget"])
        return {k: float(v.detach()) for k, v in losses.items()}, {"both": norm}


def randomised_copy(model: Net, generator: torch.Generator) -> Net:
    """Return a frozen copy of ``model`` in eval mode with fresh weights from ``generator``, which is on the CPU."""
    fresh: Net = copy_of(model).cpu()
    with seeding.SeededDraws(generator), torch.no_grad():
        for layer in fresh.modules():
            if callable(reset := getattr(layer, "reset_parameters", None)):
                reset()
    return fresh.to(device_of(model)).eval().requires_grad_(False)
