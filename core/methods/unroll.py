"""Unrolling SGD: an original that is a short fine-tuning from weights that never saw D_f, undone to first order.

A step of SGD that pushed the weights by −η/B · ∇ℓ(x) is taken back as if its gradient had been taken at the weights where
fine-tuning began. Without the paper's additional loss, which keeps that approximation good while fine-tuning.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from core.config import TrainConfig, as_dict
from core.data.split import Split
from core.errors import CancelledError, DivergedError, RequestError
from core.methods.baselines.base import batches, finite
from core.methods.presets import preset
from core.methods.step import Stage, Step
from core.models.base import Net, device_of
from core.models.registry import build
from core.runtime import bounds, seeding
from core.runtime.bounds import Bound, check
from core.runtime.device import computing, pick_device
from core.runtime.progress import Progress
from core.training.batches import Batches
from core.training.supervised import SupervisedTrainer, copy_of


@dataclass(frozen=True)
class UnrollConfig:
    """As in the paper, pre-training and then plain SGD without momentum, at its 0.01 in batches of 32, for as few epochs as teach the
    original D_f on digits: the fewer, the nearer what is undone to what was done. Not chosen by how well it forgets."""

    train: TrainConfig | None = None  # of what comes before; None: as the dataset's originals are trained
    share: float = 0.5  # of D_r that it is trained on
    epochs: int = 2  # of fine-tuning on all of D
    batch_size: int = 32
    lr: float = 0.01
    threads: int = 1

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "share": bounds.SHARE,
        "epochs": bounds.EPOCHS,
        "batch_size": bounds.BATCH,
        "lr": bounds.RATE,
        "threads": bounds.THREADS,
    }

    def __post_init__(self) -> None:
        check(self)


@dataclass
class UnrollState:
    """The model, and the weights where fine-tuning began."""

    model: Net
    begin: Net  # frozen
    split: Split
    pushed: Tensor  # (N_f,) sum of η/B over the steps of fine-tuning that an image of D_f was in
    number: int = 0

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "number": self.number}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.number = state["number"]


class Unroll:
    """Adds back Σ η/B · ∇ℓ(x; w_0) over D_f, a batch a step."""

    name = "unroll"
    title = "Unrolling SGD"
    source = "Thudi et al. 2022, arXiv 2109.13398"
    Config = UnrollConfig
    needs_labels = True
    original_knows_forget_set = True  # what comes before fine-tuning must not see it

    def __init__(self, config: UnrollConfig | None = None) -> None:
        self.config = config
        self._memory: Mapping[str, Any] = {}

    # its original

    def configure_original(self, split: Split) -> None:
        """The preset, unless a config was given."""
        config: UnrollConfig = self.config or preset(
            self.name, split.dataset.family, split.task, UnrollConfig
        )
        if config.train is None:
            config = replace(config, train=TrainConfig.preset(split.dataset.family, split.task))
        self.config = config

    def train_original(self, split: Split, *, seed: int, device: str) -> UnrollTraining:
        """Supervised training on a share of D_r, then SGD on all of D."""
        self.configure_original(split)
        assert self.config is not None
        return UnrollTraining(split, self.config, seed=seed, device=device)

    def restore_original(self, split: Split, weights: dict[str, Any], memory: dict[str, Any]) -> Net:
        """The net from what was kept of it."""
        assert self.config is not None
        assert self.config.train is not None
        model = build(self.config.train.net, split.dataset.shape, len(split.dataset.classes), seed=0)
        model.load_state_dict(weights)
        model.memory = memory
        return model

    # unlearning

    def configure(self, model: Net, split: Split) -> None:
        """As its original was trained. Raises RequestError for any other model, or one of other settings or forgotten images."""
        memory = model.memory
        if "pushed" not in memory or len(memory["pushed"]) != len(split.train):
            raise RequestError(
                "unrolling SGD can only begin with an original that it trained itself on these images; leave the model out"
            )
        if bool(torch.isin(split.forget_rows.cpu(), memory["seen"].cpu()).any()):
            raise RequestError(
                "what this original was trained on before its fine-tuning holds images to forget; train one for this request"
            )
        if self.config is None:
            known = memory["config"]
            self.config = UnrollConfig(**{**known, "train": TrainConfig(**known["train"])})
        self.configure_original(split)
        if as_dict(self.config) != memory["config"]:
            raise RequestError(
                "this original was trained with other settings of unrolling SGD; use the same ones"
            )
        self._memory = memory

    def stages(self, split: Split, config: UnrollConfig) -> tuple[Stage, ...]:
        """One step a minibatch of D_f, once through it."""
        return (Stage("unlearn", "unrolling", batches(split.forget_rows, config.batch_size)),)

    def start(self, model: Net, split: Split, *, seed: int) -> UnrollState:
        """``seed`` decides nothing: D_f is walked in order."""
        student, begin = copy_of(model).eval(), copy_of(model).eval()
        student.memory = begin.memory = {}
        begin.load_state_dict(self._memory["begin"])
        device = device_of(model)
        pushed = self._memory["pushed"].to(device)[split.forget_rows.to(device)]
        return UnrollState(student, begin, split.to(device), pushed)

    def prepare(self, state: UnrollState, config: UnrollConfig) -> Progress | None:
        """Nothing to prepare."""
        return None

    def step(self, state: UnrollState, config: UnrollConfig) -> Step:
        """The next batch of D_f."""
        start, train = time.perf_counter(), state.split.train
        part = slice(state.number * config.batch_size, (state.number + 1) * config.batch_size)
        rows, pushed = state.split.forget_rows[part], state.pushed[part]
        each = functional.cross_entropy(
            state.begin(train.floats(rows)), train.y[rows], reduction="none"
        )  # (B,)
        gradients = torch.autograd.grad((pushed * each).sum(), list(state.begin.parameters()))
        with torch.no_grad():
            for p, g in zip(state.model.parameters(), gradients, strict=True):
                p.add_(g)
        state.number += 1
        finite(state.model, state.number)
        total = batches(state.split.forget_rows, config.batch_size)
        losses = {"forget": float(each.detach().mean())}
        norms = {"forget": float(torch.stack([g.norm() for g in gradients]).norm())}
        seconds = time.perf_counter() - start
        return Step(state.number, total, 1, "unlearn", losses, norms, seconds=seconds)

    def result(self, state: UnrollState) -> Net:
        """The model as it stands."""
        return state.model.eval()


class UnrollTraining:
    """Both parts of training its original, in slices: the OwnOriginal of unrolling SGD."""

    def __init__(self, split: Split, config: UnrollConfig, *, seed: int, device: str) -> None:
        assert config.train is not None
        self.seconds = 0.0
        self._config = config
        on = pick_device(device)
        order = torch.randperm(len(split.remain_rows), generator=seeding.generator(seed, "unroll", "seen"))
        count = max(1, round(config.share * len(order)))
        self._seen = split.remain_rows.cpu()[order[:count]].sort().values
        model = build(config.train.net, split.dataset.shape, len(split.dataset.classes), seed=seed)
        self._before = SupervisedTrainer.start(
            model.to(on), split.train.take(self._seen), config.train, seed=seed, stage="train"
        )
        self._images = split.train.to(on)
        self._batches = Batches(len(split.train), config.batch_size, seeding.derive(seed, "unroll"), "order")
        self._pushed = torch.zeros(len(split.train))
        self._begin: dict[str, Tensor] | None = None
        self._number = 0  # steps of fine-tuning
        self._total = config.epochs * len(self._batches)

    def tick(self, budget_s: float = 0.05) -> Progress | None:
        """Steps for about ``budget_s``; None when there was nothing left to do. Raises DivergedError."""
        before = self._before
        if self._number >= self._total:
            return None
        start = time.perf_counter()
        with computing(self._config.threads):
            while self._number < self._total:
                if before.number < before.total:
                    before.step()
                else:
                    self._tune()
                if time.perf_counter() - start >= budget_s:
                    break
        self.seconds += time.perf_counter() - start
        return Progress("train", before.number + self._number, before.total + self._total, self.seconds)

    def _tune(self) -> None:
        """One step of plain SGD. Batch statistics stay as they are, so that a step can be undone."""
        model = self._before.model.eval()
        if self._begin is None:
            self._begin = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
        rows = self._batches.draw()
        there = rows.to(self._images.x.device)
        loss = functional.cross_entropy(model(self._images.floats(there)), self._images.y[there])
        self._number += 1
        if not float(loss.detach()) < float("inf"):
            step = self._before.number + self._number
            raise DivergedError("the cross-entropy", stage="train", step=step, advice="lower lr")
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for p, g in zip(model.parameters(), gradients, strict=True):
                p.sub_(g, alpha=self._config.lr)
        self._pushed[rows] += self._config.lr / len(rows)

    @property
    def result(self) -> Net:
        """The fine-tuned model, with what it must remember. Raises CancelledError when it is not finished."""
        if self._number < self._total:
            raise CancelledError("training was stopped before it was finished")
        model = self._before.model.eval()
        finite(model, self._before.total + self._number)
        model.memory = {
            "config": as_dict(self._config),
            "begin": self._begin,
            "pushed": self._pushed,
            "seen": self._seen,
        }
        return model
