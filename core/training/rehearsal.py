"""A rehearsal of the rounds without the clients who leave, which tells without a label whether averaging forgets what only they had.

Where clients have few classes each, the averaged model keeps a class only while its owners take part: retraining without one of
them loses the class, though others have images of it. Nothing in the original's answers tells so, but a round without the client does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.data.split import Split
from core.errors import DivergedError
from core.models.base import Net, outputs
from core.runtime.device import torch_threads
from core.runtime.progress import Progress, Work
from core.training.federated import FederatedTrainer
from core.training.supervised import copy_of

LEFT = 0.95  # share of a client's images that D_f must hold, for the client to leave
HELD = 0.8  # of D_f and of D_r: fewer unchanged answers after one round show that averaging overwrites what few clients have
APART = 0.5  # distance of the answers on D_f from those on D_r: less, and the others have what the client had
_SLICE_S = 0.05


@dataclass(frozen=True)
class Rehearsal:
    """The changes that one round without the clients who leave made; all values in [0, 1]."""

    forget_agreement: float  # share of D_f that keeps the original's answer
    remain_agreement: float  # share of D_r that does
    apart: float  # total variation distance between the original's answers on D_f and on D_r

    @property
    def forgets(self) -> bool:
        """True if the round overwrote many answers and the client had answers of its own, which retraining then forgets."""
        return self.apart >= APART and min(self.forget_agreement, self.remain_agreement) < HELD

    def describe(self) -> str:
        """Return in one sentence what was seen, and what follows."""
        lost = max(1 - self.forget_agreement, 1 - self.remain_agreement)
        return (
            f"One round of averaging without the client changed {100 * lost:.0f} % of the answers, so retraining forgets the client's "
            "classes, and D_f is forgotten as a class is"
        )


def clients_who_leave(split: Split) -> bool:
    """Return True if D_f is nearly all images of each client who has images in it, so that they leave."""
    now = split.present
    clients = now.dataset.clients
    if clients is None:
        return False
    theirs = clients.of[now.forget_rows.cpu()].bincount(minlength=clients.count)
    whole = clients.of.bincount(minlength=clients.count)
    touched = theirs > 0
    return bool((theirs[touched] >= LEFT * whole[touched]).all())


def rehearse(model: Net, split: Split, *, seed: int) -> Work[Rehearsal | None]:
    """Average one round of the clients who stay, each trained from ``model`` on its own answers; yield the Progress of it.

    None where no client leaves, or where ``model`` was not trained here. No label is read: each client trains on what ``model`` answers
    on its images.
    """
    if model.provenance is None or not clients_who_leave(split):
        return None
    now = split.present
    clients = now.dataset.clients
    assert clients is not None
    images = now.train.unlabelled()
    answers = outputs(model, images).predictions
    remain = replace(now.remain, y=answers[now.remain_rows])
    config = replace(model.provenance.config, epochs=1)
    trainer = FederatedTrainer.start(
        copy_of(model),
        remain,
        clients.of[now.remain_rows.cpu()],
        config,
        local_epochs=clients.local_epochs,
        seed=seed,
        stage="rehearsal",
    )
    began = time.perf_counter()
    try:
        while trainer.number < trainer.total:
            until = time.perf_counter() + _SLICE_S
            with torch_threads(config.threads):
                trainer.step()
                while trainer.number < trainer.total and time.perf_counter() < until:
                    trainer.step()
            yield Progress("automatic", 0, 1, time.perf_counter() - began)
        kept = outputs(trainer.model, images).predictions == answers
    except DivergedError:
        kept = torch.zeros_like(answers, dtype=torch.bool)
    apart = _distance(answers[now.forget_rows], answers[now.remain_rows], len(now.dataset.classes))
    return Rehearsal(_share(kept, now.forget_rows), _share(kept, now.remain_rows), apart)


def _distance(a: Tensor, b: Tensor, classes: int) -> float:
    """Return half the L1 distance between the frequencies of answers ``a`` (n,) and ``b`` (m,)."""
    one, other = (torch.bincount(x, minlength=classes).to(torch.float64) / len(x) for x in (a, b))
    return float((one - other).abs().sum() / 2)


def _share(kept: Tensor, rows: Tensor) -> float:
    return float(kept[rows].to(torch.float64).mean())


__all__ = ["Rehearsal", "clients_who_leave", "rehearse"]
