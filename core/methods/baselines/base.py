"""What the gradient baselines share: a copy of the original that learns from batches of D_r and D_f, a frozen teacher beside it.

A baseline is one small file: a frozen config, and ``update``, which takes one step and says what it cost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from core.data.split import Split
from core.errors import ConfigError, DivergedError
from core.methods.presets import preset
from core.methods.step import Stage, Step
from core.models.base import Net, device_of
from core.runtime import bounds, seeding
from core.runtime.bounds import Bound, check
from core.runtime.progress import Progress
from core.training.batches import Batches
from core.training.optimizer import Adam
from core.training.supervised import copy_of, load_optimiser


@dataclass(frozen=True)
class BaselineConfig:
    """What every gradient baseline can be told; each adds its own."""

    epochs: int = 5
    steps: int | None = None  # at most so many, whatever the epochs
    batch_size: int = 64
    lr: float = 1e-3
    optimiser: str = "adam"
    momentum: float = 0.0  # of "sgd"
    weight_decay: float = 0.0
    threads: int = 1

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "epochs": bounds.EPOCHS,
        "steps": bounds.STEPS,
        "batch_size": bounds.BATCH,
        "lr": bounds.RATE,
        "momentum": bounds.MOMENTUM,
        "weight_decay": bounds.WEIGHT,
        "threads": bounds.THREADS,
    }

    def __post_init__(self) -> None:
        check(self)
        if self.optimiser not in ("adam", "sgd"):
            raise ConfigError(f"optimiser must be 'adam' or 'sgd', got {self.optimiser!r}")


@dataclass
class BaselineState:
    """All that a gradient baseline changes; save it at any step and it continues to the bit."""

    model: Net
    original: Net  # frozen
    split: Split  # an UnlabelledSplit for a method that needs no labels
    optimiser: torch.optim.Optimizer
    remain: Batches
    forget: Batches
    chance: torch.Generator  # on the images' device
    number: int = 0
    extra: dict[str, Any] = field(default_factory=dict)  # tensors and plain values that a method changes
    fixed: dict[str, Any] = field(default_factory=dict)  # what ``start`` makes again to the bit; not saved

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "remain": self.remain.state_dict(),
            "forget": self.forget.state_dict(),
            "chance": self.chance.get_state(),
            "number": self.number,
            "extra": self.extra,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        load_optimiser(self.optimiser, state["optimiser"])
        self.remain.load_state_dict(state["remain"])
        self.forget.load_state_dict(state["forget"])
        self.chance.set_state(state["chance"])
        self.number = state["number"]
        self.extra = copied(state["extra"], device_of(self.model))

    def rows(self, which: str) -> tuple[Tensor, Tensor]:
        """The next batch of "remain" or "forget": its places in that set (B,), and its rows of D (B,)."""
        rows = getattr(self.split, f"{which}_rows")
        places = getattr(self, which).draw().to(rows.device)
        return places, rows[places]

    def images(self, which: str) -> Tensor:
        """Images (B, C, H, W) of the next batch; all that there is for a method that needs no labels."""
        return self.split.train.floats(self.rows(which)[1])

    def batch(self, which: str) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) and labels (B,) of the next batch of "remain" or "forget"."""
        rows = self.rows(which)[1]
        return self.split.train.floats(rows), self.split.train.y[rows]

    def descend(self, loss: Tensor, masks: list[Tensor] | None = None) -> float:
        """One step of the optimiser down ``loss`` (); the norm of its gradient.

        ``masks``, one a parameter: where 0, a gradient counts as 0.
        """
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for p, mask in zip(self.model.parameters(), masks or (), strict=masks is not None):
            if p.grad is not None:
                p.grad.mul_(mask)
        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = float(torch.stack([g.norm() for g in grads]).norm())
        self.optimiser.step()
        return norm


class Baseline:
    """The Unlearner protocol for methods that take gradient steps on a Student."""

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]  # the paper
    Config: ClassVar[type[Any]]
    needs_labels = True
    passes: ClassVar[float] = (
        1.0  # batches that a step passes forward and backward; a forward pass alone is a third
    )

    def __init__(self, config: Any = None) -> None:
        self.config = config

    def configure(self, model: Net, split: Split) -> None:
        """The preset of (dataset, task), unless a config was given; the paper's where there is no preset."""
        if self.config is None:
            self.config = preset(self.name, split.dataset.family, split.task, self.Config)

    def epoch_steps(self, split: Split, config: Any) -> int:
        """Steps of one epoch. Here: the batches of D_r; a method that walks D_f says so."""
        return batches(split.remain_rows, config.batch_size)

    def steps(self, split: Split, config: Any) -> int:
        """Steps in all."""
        total: int = config.epochs * self.epoch_steps(split, config)
        return total if config.steps is None else min(total, config.steps)

    def stages(self, split: Split, config: Any) -> tuple[Stage, ...]:
        """One stage of steps."""
        return (Stage("unlearn", "unlearning", self.steps(split, config)),)

    def start(self, model: Net, split: Split, *, seed: int) -> BaselineState:
        """``model`` is copied twice. Batch statistics stay as they are: the model is in eval mode throughout."""
        config = self.config
        device = device_of(model)
        student = copy_of(model).eval()
        sizes = {"remain": len(split.remain_rows), "forget": len(split.forget_rows)}
        begin = seeding.derive(seed, "unlearn")
        remain, forget = (Batches(n, config.batch_size, begin, k) for k, n in sizes.items())
        return BaselineState(
            model=student,
            original=copy_of(model).eval().requires_grad_(False),
            split=split.to(device),
            optimiser=optimiser(student.parameters(), config, device),
            remain=remain,
            forget=forget,
            chance=seeding.generator(seed, "unlearn", "chance", device=device),
        )

    def prepare(self, state: BaselineState, config: Any) -> Progress | None:
        """Nothing to prepare."""
        return None

    def update(self, state: BaselineState, config: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """One step: changes ``state`` and gives its losses and gradient norms by name."""
        raise NotImplementedError

    def step(self, state: BaselineState, config: Any) -> Step:
        """``update``, timed and checked. Raises DivergedError when a loss is no number."""
        start = time.perf_counter()
        with seeding.Drawing(state.chance) if state.model.draws else nullcontext():
            losses, norms = self.update(state, config)
        state.number += 1
        total: int = self.steps(state.split, config)
        if not all(abs(v) < float("inf") for v in (*losses.values(), *norms.values())):
            raise DivergedError("the loss", stage="unlearn", step=state.number, advice="lower lr")
        if state.number == total:
            finite(state.model, state.number)  # no later loss would tell
        epoch = self.epoch(state, config)
        seconds = time.perf_counter() - start
        return Step(state.number, total, epoch, "unlearn", dict(losses), dict(norms), seconds=seconds)

    def epoch(self, state: BaselineState, config: Any) -> int:
        """The epoch of the step just taken, from 1."""
        return (state.number - 1) // self.epoch_steps(state.split, config) + 1

    def result(self, state: BaselineState) -> Net:
        """The model as it stands."""
        return state.model.eval()


def optimiser(parameters: Any, config: Any, device: torch.device) -> torch.optim.Optimizer:
    """The optimiser that a StudentConfig names, fused where the device has it."""
    same: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    same["fused"] = device.type in ("cpu", "cuda")
    if config.optimiser == "adam":
        return Adam(parameters, **same)
    return torch.optim.SGD(parameters, momentum=config.momentum, **same)


def batches(rows: Tensor, size: int) -> int:
    """Batches in an epoch over ``rows`` (n,)."""
    return math.ceil(len(rows) / size)


def finite(model: Net, step: int) -> None:
    """Raises DivergedError when a weight is no number."""
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise DivergedError("a weight", stage="unlearn", step=step, advice="lower lr")


def copied(value: Any, device: torch.device) -> Any:
    """``value``, nested dicts and lists, with each tensor a copy of its own on ``device``."""
    if isinstance(value, Tensor):
        return value.to(device, copy=True)
    if isinstance(value, dict):
        return {k: copied(v, device) for k, v in value.items()}
    return [copied(v, device) for v in value] if isinstance(value, list) else value


def mean_cross_entropy(model: Net, x: Tensor, y: Tensor) -> Tensor:
    """() mean cross-entropy of ``model`` on images (B, C, H, W) with labels (B,)."""
    return functional.cross_entropy(model(x), y)


def divergence(logits: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """() mean over a batch of KL(teacher ‖ student), both softened by ``temperature`` T, times T²; logits (B, K) each."""
    said, wanted = (functional.log_softmax(v / temperature, dim=1) for v in (logits, teacher))
    return functional.kl_div(said, wanted, reduction="batchmean", log_target=True) * temperature**2
