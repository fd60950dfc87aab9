"""What SISA is made of: a net of several, and their training shard by shard and slice by slice."""

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
from core.methods.baselines.base import copied
from core.models.base import Net
from core.models.registry import build
from core.runtime import seeding
from core.runtime.device import computing
from core.runtime.progress import Progress
from core.training.supervised import SupervisedTrainer, load_optimiser


class Shards(Net):
    """Nets side by side: a representation is theirs joined, an answer the mean of theirs."""

    def __init__(self, nets: Sequence[Net]) -> None:
        super().__init__()
        self.extractor = _SideBySide(nn.ModuleList(net.extractor for net in nets))
        self.head = _Mean(nn.ModuleList(net.head for net in nets), [net.width for net in nets])
        self.width = sum(net.width for net in nets)
        self.draws = any(net.draws for net in nets)

    def vote(self, who: list[bool]) -> None:
        """Whose answers count: a net whose images are all forgotten has learned nothing."""
        assert isinstance(self.head, _Mean)
        self.head.votes.copy_(torch.tensor(who))

    def part(self, k: int) -> Net:
        """Net number ``k``; it shares its weights with this one."""
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
    """The log of the mean of the parts' probabilities, so that its softmax is that mean."""

    votes: Tensor

    def __init__(self, parts: nn.ModuleList, widths: list[int]) -> None:
        super().__init__()
        self.parts = parts
        self.widths = widths
        self.register_buffer("votes", torch.ones(len(parts)))

    def forward(self, e: Tensor) -> Tensor:
        own = torch.split(e, self.widths, dim=1)
        said = torch.stack(
            [functional.log_softmax(p(v), dim=1) for p, v in zip(self.parts, own, strict=True)]
        )
        share = (self.votes / self.votes.sum()).log()  # -inf where there is no vote
        return torch.logsumexp(said + share[:, None, None], dim=0)


@dataclass(frozen=True, eq=False)
class Plan:
    """Who trains on what: fixed when the original is trained, whatever is forgotten later."""

    split: Split  # D_r is trained on
    shard_of: Tensor  # (N,) int64
    slice_of: Tensor  # (N,) int64
    shards: int
    slices: int
    train: TrainConfig  # its epochs are those of one slice
    seed: int

    def rows(self, shard: int, slice_: int) -> Tensor:
        """The remaining rows of D, rising, that are in ``shard`` and in no later slice than ``slice_``."""
        rows = self.split.remain_rows.cpu()
        mine: Tensor = rows[(self.shard_of[rows] == shard) & (self.slice_of[rows] <= slice_)]
        return mine

    def jobs(self, first: dict[int, int]) -> list[tuple[int, int]]:
        """(shard, slice) of all that have images, from slice ``first[shard]`` on."""
        wanted = [(k, r) for k, begin in sorted(first.items()) for r in range(begin, self.slices)]
        return [job for job in wanted if len(self.rows(*job))]

    def steps(self, jobs: list[tuple[int, int]]) -> int:
        """Their minibatches."""
        return self.train.epochs * sum(-(-len(self.rows(*job)) // self.train.batch_size) for job in jobs)

    def begin(self) -> Shards:
        """Fresh nets; those without images do not vote."""
        shape, classes = self.split.dataset.shape, len(self.split.dataset.classes)
        model = Shards(
            [build(self.train.net, shape, classes, seed=self._net_seed(k)) for k in range(self.shards)]
        )
        model.vote([len(self.rows(k, self.slices)) > 0 for k in range(self.shards)])
        return model

    def _net_seed(self, shard: int) -> int:
        return seeding.derive(self.seed, "shard", shard)


@dataclass
class ShardTraining:
    """Explicit state of training some slices of some shards, one after the other.

    A slice trains its shard on the images of all slices up to its own. Adam goes on from slice to slice; batches begin anew, drawn
    from a stream of (seed, shard, slice), so that nothing about a slice depends on those of other shards.
    """

    model: Shards
    plan: Plan
    jobs: list[tuple[int, int]]  # (shard, slice), each with images
    stage: str
    moments: dict[int, dict[str, Any]] = field(default_factory=dict)  # of Adam, where a shard goes on
    keep: list[dict[str, Any]] | None = None  # where to leave a checkpoint after each job, if anywhere
    at: int = 0  # the job in progress
    number: int = 0  # steps taken
    current: SupervisedTrainer | None = None

    @property
    def total(self) -> int:
        """Steps in all."""
        return self.plan.steps(self.jobs)

    def step(self) -> float:
        """One minibatch; its mean cross-entropy. Raises DivergedError when it is no number."""
        current = self.current = self.current or self._open()
        value = current.step()
        self.number += 1
        if current.number >= current.total:
            self._finish(current)
        return value

    def _open(self) -> SupervisedTrainer:
        shard, slice_ = self.jobs[self.at]
        images = self.plan.split.train.take(self.plan.rows(shard, slice_))
        seed = seeding.derive(self.plan.seed, "sisa", shard, slice_)
        part = self.model.part(shard)
        opened = SupervisedTrainer.start(part, images, self.plan.train, seed=seed, stage="sisa")
        opened.stage = self.stage  # for messages; the streams are the same in training and unlearning
        if shard in self.moments:
            load_optimiser(opened.optimiser, self.moments[shard])
        return opened

    def _finish(self, current: SupervisedTrainer) -> None:
        shard, slice_ = self.jobs[self.at]
        weights, moments = current.model.eval().state_dict(), current.optimiser.state_dict()
        self.moments[shard] = moments
        if self.keep is not None and slice_ < self.plan.slices - 1:
            now = {"shard": shard, "slice": slice_, "weights": weights, "optimiser": moments}
            self.keep.append(copied(now, torch.device("cpu")))
        self.current = None
        self.at += 1

    def state_dict(self) -> dict[str, Any]:
        current = None if self.current is None else self.current.state_dict()
        if current is not None:
            del current["model"]  # kept with the whole
        return {
            "model": self.model.state_dict(),
            "moments": list(self.moments.items()),
            "at": self.at,
            "number": self.number,
            "current": current,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.moments = dict(state["moments"])
        self.at, self.number, self.current = state["at"], state["number"], None
        if state["current"] is not None:
            current = self.current = self._open()
            current.load_state_dict({**state["current"], "model": current.model.state_dict()})


class OriginalTraining:
    """A ShardTraining in slices of time: the OwnOriginal of SISA."""

    def __init__(self, training: ShardTraining, memory: dict[str, Any]) -> None:
        self.seconds = 0.0
        self._state = training
        self._memory = memory
        self._total = training.total
        self._state.keep = memory["checkpoints"]

    def tick(self, budget_s: float = 0.05) -> Progress | None:
        """Steps for about ``budget_s``; None when there was nothing left to do."""
        if self._state.number >= self._total:
            return None
        start = time.perf_counter()
        with computing(self._state.plan.train.threads):
            while self._state.number < self._total:
                self._state.step()
                if time.perf_counter() - start >= budget_s:
                    break
        self.seconds += time.perf_counter() - start
        return Progress("train", self._state.number, self._total, self.seconds)

    @property
    def result(self) -> Net:
        """The trained shards with all their checkpoints. Raises CancelledError when it is not finished."""
        if self._state.number < self._total:
            raise CancelledError("training was stopped before it was finished")
        model = self._state.model.eval()
        model.memory = self._memory
        return model
