"""The parts of SISA: a net of several nets, and their training shard by shard and slice by slice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.config import TrainConfig
from core.data.split import Split
from core.errors import CancelledError
from core.methods.baselines.base import copy_to
from core.models.base import Net
from core.models.registry import build
from core.runtime import seeding
from core.runtime.device import torch_threads
from core.runtime.progress import Progress
from core.training.supervised import SupervisedTrainer, load_optimiser


class Shards(Net):
    """Nets side by side. It joins their representations, and averages their answers."""

    def __init__(self, nets: Sequence[Net]) -> None:
        super().__init__()
        self.extractor = _SideBySide(nn.ModuleList(net.extractor for net in nets))
        self.head = _Mean(nn.ModuleList(net.head for net in nets), [net.width for net in nets])
        self.width = sum(net.width for net in nets)
        self.draws = any(net.draws for net in nets)

    def vote(self, voters: list[bool]) -> None:
        """Set which answers count: a net whose images are all forgotten has learned nothing."""
        assert isinstance(self.head, _Mean)
        self.head.votes.copy_(torch.tensor(voters))

    def part(self, k: int) -> Net:
        """Return net number ``k``, which shares its weights with this net."""
        assert isinstance(self.extractor, _SideBySide)
        assert isinstance(self.head, _Mean)
        part = Net()
        part.extractor, part.head = self.extractor.parts[k], self.head.parts[k]
        part.width, part.draws = self.head.widths[k], self.draws
        return part


class _SideBySide(nn.Module):
    def __init__(self, parts: nn.ModuleList) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self.parts], dim=1)  # (B, sum of widths)


class _Mean(nn.Module):
    """The log of the mean of the parts' probabilities; its softmax is that mean."""

    votes: Tensor

    def __init__(self, parts: nn.ModuleList, widths: list[int]) -> None:
        super().__init__()
        self.parts = parts
        self.widths = widths
        self.register_buffer("votes", torch.ones(len(parts)))

    def forward(self, e: Tensor) -> Tensor:
        own = torch.split(e, self.widths, dim=1)
        log_p = torch.stack(
            [functional.log_softmax(p(v), dim=1) for p, v in zip(self.parts, own, strict=True)]
        )
        share = (self.votes / self.votes.sum()).log()  # -inf for a net without a vote
        return torch.logsumexp(log_p + share[:, None, None], dim=0)


@dataclass(frozen=True, eq=False)
class Plan:
    """The images of each shard and slice, which stay the same from the original's training on."""

    split: Split  # its D_r is trained on
    shard_of: Tensor  # (N,) int64
    slice_of: Tensor  # (N,) int64
    shards: int
    slices: int
    train: TrainConfig  # with the epochs of one slice
    seed: int

    def rows(self, shard: int, slice_: int) -> Tensor:
        """Return the rows of D_r, in rising order, in ``shard`` and in slices up to ``slice_``."""
        rows = self.split.remain_rows.cpu()
        selected: Tensor = rows[(self.shard_of[rows] == shard) & (self.slice_of[rows] <= slice_)]
        return selected

    def jobs(self, first: dict[int, int]) -> list[tuple[int, int]]:
        """Return (shard, slice) of all slices that have images, from slice ``first[shard]`` on."""
        wanted = [(k, r) for k, begin in sorted(first.items()) for r in range(begin, self.slices)]
        return [job for job in wanted if len(self.rows(*job))]

    def steps(self, jobs: list[tuple[int, int]]) -> int:
        """Return the number of minibatches of ``jobs``."""
        return self.train.epochs * sum(-(-len(self.rows(*job)) // self.train.batch_size) for job in jobs)

    def begin(self) -> Shards:
        """Return fresh nets; a net without images has no vote."""
        shape, classes = self.split.dataset.shape, len(self.split.dataset.classes)
        model = Shards(
            [build(self.train.net, shape, classes, seed=self._net_seed(k)) for k in range(self.shards)]
        )
        model.vote([len(self.rows(k, self.slices)) > 0 for k in range(self.shards)])
        return model

    def _net_seed(self, shard: int) -> int:
        return seeding.derive_seed(self.seed, "shard", shard)


@dataclass
class ShardTraining:
    """The state of training some slices of some shards, one after the other.

    A slice trains its shard on the images of all slices up to its own. Adam keeps its moments from slice to slice.
    Each slice draws its batches from a stream of (seed, shard, slice), so it does not depend on other shards.
    """

    model: Shards
    plan: Plan
    jobs: list[tuple[int, int]]  # (shard, slice), each with images
    stage: str
    moments: dict[int, dict[str, Any]] = field(default_factory=dict)  # of Adam, by shard
    keep: list[dict[str, Any]] | None = None  # receives a checkpoint after each job
    at: int = 0  # the job in progress
    number: int = 0  # steps taken
    current: SupervisedTrainer | None = None

    @property
    def total(self) -> int:
        """Steps of all jobs."""
        return self.plan.steps(self.jobs)

    def step(self) -> float:
        """Train on one minibatch and return its mean cross-entropy. Raises DivergedError when it is not finite."""
        current = self.current = self.current or self._start_job()
        value = current.step()
        self.number += 1
        if current.number >= current.total:
            self._finish_job(current)
        return value

    def _start_job(self) -> SupervisedTrainer:
        shard, slice_ = self.jobs[self.at]
        images = self.plan.split.train.take(self.plan.rows(shard, slice_))
        seed = seeding.derive_seed(self.plan.seed, "sisa", shard, slice_)
        part = self.model.part(shard)
        trainer = SupervisedTrainer.start(part, images, self.plan.train, seed=seed, stage="sisa")
        trainer.stage = self.stage  # for messages only: training and unlearning use the same random streams
        if shard in self.moments:
            load_optimiser(trainer.optimiser, self.moments[shard])
        return trainer

    def _finish_job(self, current: SupervisedTrainer) -> None:
        shard, slice_ = self.jobs[self.at]
        weights, moments = current.model.eval().state_dict(), current.optimiser.state_dict()
        self.moments[shard] = moments
        if self.keep is not None and slice_ < self.plan.slices - 1:
            checkpoint = {"shard": shard, "slice": slice_, "weights": weights, "optimiser": moments}
            self.keep.append(copy_to(checkpoint, torch.device("cpu")))
        self.current = None
        self.at += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested plain values and tensors; ``load_state_dict`` continues from it."""
        current = None if self.current is None else self.current.state_dict()
        if current is not None:
            del current["model"]  # saved with the whole
        return {
            "model": self.model.state_dict(),
            "moments": list(self.moments.items()),
            "at": self.at,
            "number": self.number,
            "current": current,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        self.model.load_state_dict(state["model"])
        self.moments = dict(state["moments"])
        self.at, self.number, self.current = state["at"], state["number"], None
        if state["current"] is not None:
            current = self.current = self._start_job()
            current.load_state_dict({**state["current"], "model": current.model.state_dict()})


class OriginalTraining:
    """A ShardTraining that advances in slices of time; the OwnOriginal of SISA."""

    def __init__(self, training: ShardTraining, memory: dict[str, Any]) -> None:
        self.seconds = 0.0
        self._state = training
        self._memory = memory
        self._total = training.total
        self._state.keep = memory["checkpoints"]

    def tick(self, budget_s: float = 0.05) -> Progress | None:
        """Take steps for about ``budget_s`` seconds; return None when training is complete."""
        if self._state.number >= self._total:
            return None
        start = time.perf_counter()
        with torch_threads(self._state.plan.train.threads):
            while self._state.number < self._total:
                self._state.step()
                if time.perf_counter() - start >= budget_s:
                    break
        self.seconds += time.perf_counter() - start
        return Progress("train", self._state.number, self._total, self.seconds)

    @property
    def result(self) -> Net:
        """The trained shards with all their checkpoints. Raises CancelledError before the end of training."""
        if self._state.number < self._total:
            raise CancelledError("training was stopped before its end")
        model = self._state.model.eval()
        model.memory = self._memory
        return model
