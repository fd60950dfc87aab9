"""Bad teacher: learn D_r from the original and D_f from a net that knows nothing; no label is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState, divergence
from core.models.base import Net, device_of
from core.runtime import bounds, seeding
from core.runtime.bounds import Bound
from core.training.supervised import copy_of


@dataclass(frozen=True)
class BadTeacherConfig(BaselineConfig):
    """The paper's: Adam at 1e-4, 1 epoch, batches of 256, temperature 1. It takes 30 % of D_r; here an epoch is all of it."""

    epochs: int = 1
    batch_size: int = 256
    lr: float = 1e-4
    temperature: float = 1.0

    BOUNDS: ClassVar[dict[str, Bound]] = {"temperature": bounds.POSITIVE}


class BadTeacher(Baseline):
    """KL(original ‖ student) on a batch of D_r plus KL(random net ‖ student) on one of D_f; an epoch is the batches of D_r."""

    name = "bad-teacher"
    title = "Bad teacher"
    source = "Chundawat et al. 2023, arXiv 2205.08096"
    Config = BadTeacherConfig
    needs_labels = False
    passes = 8 / 3

    def start(self, model: Net, split: Any, *, seed: int) -> BaselineState:
        """Makes the incompetent teacher besides."""
        state = super().start(model, split, seed=seed)
        state.fixed["incompetent"] = beginner(model, seeding.generator(seed, "unlearn", "incompetent"))
        return state

    def update(
        self, state: BaselineState, config: BadTeacherConfig
    ) -> tuple[dict[str, float], dict[str, float]]:
        """One pair of minibatches."""
        teachers = {"remain": state.original, "forget": state.fixed["incompetent"]}
        losses = {}
        for which, teacher in teachers.items():
            x = state.images(which)
            with torch.no_grad():
                wanted = teacher(x)
            losses[which] = divergence(state.model(x), wanted, config.temperature)
        norm = state.descend(losses["remain"] + losses["forget"])
        return {k: float(v.detach()) for k, v in losses.items()}, {"both": norm}


def beginner(model: Net, generator: torch.Generator) -> Net:
    """A frozen copy of ``model`` in eval mode whose every layer begins anew, drawing from ``generator``, a CPU one."""
    fresh: Net = copy_of(model).cpu()
    with seeding.Drawing(generator), torch.no_grad():
        for layer in fresh.modules():
            if callable(reset := getattr(layer, "reset_parameters", None)):
                reset()
    return fresh.to(device_of(model)).eval().requires_grad_(False)
