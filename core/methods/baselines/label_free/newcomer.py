"""A newcomer: a net that never saw D_f and learns in a short training, from images of D_r, what the original answers there."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.config import TrainConfig
from core.data.images import Images, LabelledImages
from core.methods.baselines.bad_teacher import randomised_copy
from core.methods.baselines.base import BaselineState
from core.methods.step import SLICE_S, Stage
from core.models.base import Net
from core.runtime import seeding
from core.runtime.progress import Progress
from core.training.trainer import SupervisedTrainer

STAGE = "newcomer"
MOST_AMONG = 10_000  # images of D_r that it may learn from
MOST_VALUES = 2**27  # their pixel values, which are copied: 128 MiB
MOST_SEEN = 20_000  # images in all its epochs: the price of a newcomer, whatever the data
_CHECKED = 2_000  # images of D_r on which its agreement is counted
_BATCH = 64
_ANSWERED = 512  # images of a pass that only answers


def epochs_of(images: int, epochs: int) -> int:
    """Return how many of ``epochs`` a newcomer makes on ``images`` of D_r: at least one, and at most MOST_SEEN images in all."""
    return max(1, min(epochs, MOST_SEEN // max(1, images)))


def most_images(train: Images) -> int:
    """Return how many images of ``train`` a newcomer may learn from: large ones are fewer."""
    return min(MOST_AMONG, max(_BATCH, MOST_VALUES // train.x[0].numel()))


def stage(images: int, epochs: int) -> Stage:
    """Return the stage of a newcomer on ``images`` of D_r."""
    return Stage(STAGE, "newcomer", epochs_of(images, epochs) * -(-images // _BATCH))


def learn_anew(state: BaselineState, rows: Tensor, epochs: int) -> Progress | None:
    """Train the newcomer of ``state`` on ``rows`` (n,) of D for a while; return None when it is finished.

    ``extra`` then has its answers to D_f, "newcomer" (N_f, K), and "trust", its agreement with the original in [0, 1].
    """
    split = state.split
    if STAGE not in state.fixed:
        images = split.train.take(rows)
        taught = torch.cat(state.extra["probabilities"])[rows].argmax(1)
        learnt = LabelledImages(images.x, images.ids, images.white, taught, norm=images.norm)
        state.fixed[STAGE] = Newcomer.start(state.original, learnt, epochs, seed=state.fixed["seed"])
    new: Newcomer = state.fixed[STAGE]
    progress = new.tick()
    if progress is None:
        state.extra |= {STAGE: new.answers(split.train, split.forget_rows), "trust": new.agreement()}
        del state.fixed[STAGE]
    return progress


@dataclass
class Newcomer:
    """The training of a newcomer, with its own seed; ``tick`` goes on, ``answers`` and ``agreement`` read the result.

    It is trained as the original was (net, rate, augmentation), with fewer epochs, batches of 64 and a rate that does not
    fall, and from weights that are drawn anew. Weights outside of layers, such as a transformer's class token, begin as the original's.
    """

    trainer: SupervisedTrainer
    seconds: float = 0.0

    @classmethod
    def start(cls, original: Net, images: LabelledImages, epochs: int, *, seed: int) -> Newcomer:
        """Return a newcomer before its first step. The labels of ``images`` (n of D_r) are the original's answers to them."""
        made = original.provenance.config if original.provenance else TrainConfig(lr=1e-3)
        epochs = epochs_of(len(images), epochs)
        config = replace(made, epochs=epochs, batch_size=_BATCH, decays=False)
        fresh = randomised_copy(original, seeding.generator(seed, "unlearn", STAGE)).requires_grad_(True)
        return cls(SupervisedTrainer.start(fresh, images, config, seed=seed, stage=STAGE))

    def tick(self) -> Progress | None:
        """Train for about SLICE_S seconds; return None when the training is finished. Raises DivergedError."""
        t = self.trainer
        if t.number >= t.total:
            return None
        start = time.perf_counter()
        t.step()
        while t.number < t.total and time.perf_counter() - start < SLICE_S:
            t.step()
        self.seconds += time.perf_counter() - start
        return Progress(STAGE, t.number, t.total, self.seconds)

    @torch.no_grad()
    def answers(self, images: Any, rows: Tensor) -> Tensor:
        """Return the probabilities (n, K) of the newcomer for ``rows`` (n,) of ``images``."""
        model = self.trainer.model.eval()
        return torch.cat([model(images.floats(part)).softmax(1) for part in torch.split(rows, _ANSWERED)])

    def agreement(self) -> float:
        """Return the share of the images it learnt from, on a sample of them, that get the original's answer."""
        images = self.trainer.images
        rows = torch.arange(len(images), device=images.x.device)[:_CHECKED]
        return float((self.answers(images, rows).argmax(1) == images.y[rows]).double().mean())
