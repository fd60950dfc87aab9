"""Unrolling SGD: undo, to first order, the short fine-tuning in which the original saw D_f.

The weights before fine-tuning never saw D_f. A step of SGD that moved the weights by −η/B · ∇ℓ(x) is reversed with the
gradient at the weights before fine-tuning. The paper's additional loss, which improves that approximation, is left out.
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
from core.methods.baselines.base import batches, check_finite
from core.methods.presets import preset
from core.methods.step import Stage, Step
from core.models.base import Net, device_of
from core.models.registry import build
from core.runtime import bounds, seeding
from core.runtime.bounds import Bound, check
from core.runtime.device import pick_device, torch_threads
from core.runtime.progress import Progress
from core.training.batches import Batches
from core.training.supervised import SupervisedTrainer, copy_of


@dataclass(frozen=True)
class UnrollConfig:
    """As in the paper, pre-training and then plain SGD without momentum, at rate 0.01 in batches of 32.

    ``epochs`` is the smallest number that teaches the original D_f on digits. Fewer epochs make the approximation better.
    No setting was chosen by how well the method forgets.
    """

    train: TrainConfig | None = None  # of pre-training; None: the preset of the dataset's originals
    share: float = 0.5  # of D_r in pre-training
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
    """The model, and the weights before fine-tuning."""

    model: Net
    begin: Net  # frozen
    split: Split
    pushed: Tensor  # (N_f,) sum of η/B over the fine-tuning steps whose batch held the image
    number: int = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested plain values and tensors; ``load_state_dict`` continues from it."""
        return {"model": self.model.state_dict(), "number": self.number}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        self.model.load_state_dict(state["model"])
        self.number = state["number"]


class Unroll:
    """Unrolling SGD: adds Σ η/B · ∇ℓ(x; w_0) over D_f to the weights, one batch in each step."""

    name = "unroll"
    title = "Unrolling SGD"
    source = "Thudi et al. 2022, arXiv 2109.13398"
    Config = UnrollConfig
    needs_labels = True
    original_knows_forget_set = True  # pre-training must not see D_f

    def __init__(self, config: UnrollConfig | None = None) -> None:
        self.config = config
        self._memory: Mapping[str, Any] = {}

    # its original

    def configure_original(self, split: Split) -> None:
        """Choose the preset unless the caller gave a config, and the training preset of the dataset unless the config has one."""
        config: UnrollConfig = self.config or preset(
            self.name, split.dataset.family, split.task, UnrollConfig
        )
        if config.train is None:
            config = replace(config, train=TrainConfig.preset(split.dataset.family, split.task))
        self.config = config

    def train_original(self, split: Split, *, seed: int, device: str) -> UnrollTraining:
        """Start supervised training on a share of D_r, then SGD on D."""
        self.configure_original(split)
        assert self.config is not None
        return UnrollTraining(split, self.config, seed=seed, device=device)

    def restore_original(self, split: Split, weights: dict[str, Any], memory: dict[str, Any]) -> Net:
        """Return the net from its saved weights and memory."""
        assert self.config is not None
        assert self.config.train is not None
        model = build(self.config.train.net, split.dataset.shape, len(split.dataset.classes), seed=0)
        model.load_state_dict(weights)
        model.memory = memory
        return model

    # unlearning

    def configure(self, model: Net, split: Split) -> None:
        """Choose the settings of the original. Raises RequestError for any other model, other settings or another forget set."""
        memory = model.memory
        if "pushed" not in memory or len(memory["pushed"]) != len(split.train):
            raise RequestError(
                "unrolling SGD can unlearn only from an original that it trained itself on these images; choose no model"
            )
        if bool(torch.isin(split.forget_rows.cpu(), memory["seen"].cpu()).any()):
            raise RequestError(
                "the pre-training set of this original holds images to forget; train an original for this forget set"
            )
        if self.config is None:
            saved = memory["config"]
            self.config = UnrollConfig(**{**saved, "train": TrainConfig(**saved["train"])})
        self.configure_original(split)
        if as_dict(self.config) != memory["config"]:
            raise RequestError(
                "this original was trained with other settings of unrolling SGD; use the same settings"
            )
        self._memory = memory

    def stages(self, split: Split, config: UnrollConfig) -> tuple[Stage, ...]:
        """Return one stage with a step for each minibatch of D_f."""
        return (Stage("unlearn", "unrolling", batches(split.forget_rows, config.batch_size)),)

    def start(self, model: Net, split: Split, *, seed: int) -> UnrollState:
        """Start from the original. ``seed`` has no effect: the batches of D_f come in order."""
        student, begin = copy_of(model).eval(), copy_of(model).eval()
        student.memory = begin.memory = {}
        begin.load_state_dict(self._memory["begin"])
        device = device_of(model)
        pushed = self._memory["pushed"].to(device)[split.forget_rows.to(device)]
        return UnrollState(student, begin, split.to(device), pushed)

    def prepare(self, state: UnrollState, config: UnrollConfig) -> Progress | None:
        """Return None: there is nothing to prepare."""
        return None

    def step(self, state: UnrollState, config: UnrollConfig) -> Step:
        """Reverse the moves of the next batch of D_f."""
        start, train = time.perf_counter(), state.split.train
        part = slice(state.number * config.batch_size, (state.number + 1) * config.batch_size)
        rows, pushed = state.split.forget_rows[part], state.pushed[part]
        losses_of_images = functional.cross_entropy(
            state.begin(train.floats(rows)), train.y[rows], reduction="none"
        )  # (B,)
        gradients = torch.autograd.grad((pushed * losses_of_images).sum(), list(state.begin.parameters()))
        with torch.no_grad():
            for p, g in zip(state.model.parameters(), gradients, strict=True):
                p.add_(g)
        state.number += 1
        check_finite(state.model, state.number)
        total = batches(state.split.forget_rows, config.batch_size)
        losses = {"forget": float(losses_of_images.detach().mean())}
        norms = {"forget": float(torch.stack([g.norm() for g in gradients]).norm())}
        seconds = time.perf_counter() - start
        return Step(state.number, total, 1, "unlearn", losses, norms, seconds=seconds)

    def result(self, state: UnrollState) -> Net:
        """Return the model in eval mode; not a copy."""
        return state.model.eval()


class UnrollTraining:
    """Pre-training and fine-tuning in slices of time; the OwnOriginal of unrolling SGD."""

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
        self._batches = Batches(
            len(split.train), config.batch_size, seeding.derive_seed(seed, "unroll"), "order"
        )
        self._pushed = torch.zeros(len(split.train))
        self._begin: dict[str, Tensor] | None = None
        self._number = 0  # steps of fine-tuning
        self._total = config.epochs * len(self._batches)

    def tick(self, budget_s: float = 0.05) -> Progress | None:
        """Take steps for about ``budget_s`` seconds; return None when training is complete. Raises DivergedError."""
        before = self._before
        if self._number >= self._total:
            return None
        start = time.perf_counter()
        with torch_threads(self._config.threads):
            while self._number < self._total:
                if before.number < before.total:
                    before.step()
                else:
                    self._fine_tune()
                if time.perf_counter() - start >= budget_s:
                    break
        self.seconds += time.perf_counter() - start
        return Progress("train", before.number + self._number, before.total + self._total, self.seconds)

    def _fine_tune(self) -> None:
        """Take one step of plain SGD. Batch statistics do not change, so that the step can be reversed."""
        model = self._before.model.eval()
        if self._begin is None:
            self._begin = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
        rows = self._batches.draw()
        on_device = rows.to(self._images.x.device)
        loss = functional.cross_entropy(model(self._images.floats(on_device)), self._images.y[on_device])
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
        """The fine-tuned model with its memory. Raises CancelledError before the end of training."""
        if self._number < self._total:
            raise CancelledError("training was stopped before its end")
        model = self._before.model.eval()
        check_finite(model, self._before.total + self._number)
        model.memory = {
            "config": as_dict(self._config),
            "begin": self._begin,
            "pushed": self._pushed,
            "seen": self._seen,
        }
        return model
