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

from core import seeds
from core.batches import Batches
from core.config import check_positive, check_whole
from core.data.split import Split
from core.errors import ConfigError, DivergedError
from core.methods.presets import preset
from core.models import Net, device_of
from core.records import Progress, Stage, Step
from core.training import copy_of, load_optimiser


@dataclass(frozen=True)
class StudentConfig:
    """What every gradient baseline can be told; each adds its own."""

    epochs: int = 5
    batch_size: int = 64
    lr: float = 1e-3
    optimiser: str = "adam"
    weight_decay: float = 0.0
    threads: int = 1

    def __post_init__(self) -> None:
        check_whole(self, "epochs", "batch_size", "threads")
        check_positive(self, "lr")
        if self.optimiser not in ("adam", "sgd"):
            raise ConfigError(f"optimiser must be 'adam' or 'sgd', got {self.optimiser!r}")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ConfigError(f"weight_decay must be a finite number >= 0, got {self.weight_decay!r}")


@dataclass
class Student:
    """All that a gradient baseline changes; save it at any step and it continues to the bit."""

    model: Net
    original: Net  # frozen
    split: Split
    optimiser: torch.optim.Optimizer
    remain: Batches
    forget: Batches
    chance: torch.Generator  # on the images' device
    number: int = 0
    extra: dict[str, Any] = field(
        default_factory=dict
    )  # tensors and plain values that a method keeps besides

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
        self.extra = dict(state["extra"])

    def batch(self, which: str) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) and labels (B,) of the next batch of "remain" or "forget"."""
        rows = getattr(self.split, f"{which}_rows")
        rows = rows[getattr(self, which).draw().to(rows.device)]
        return self.split.train.floats(rows), self.split.train.y[rows]

    def descend(self, loss: Tensor) -> float:
        """One step of the optimiser down ``loss`` (); the norm of its gradient."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
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

    def __init__(self, config: Any = None) -> None:
        self.config = config

    def configure(self, model: Net, split: Split) -> None:
        """The preset of (dataset, task), unless a config was given; the paper's where there is no preset."""
        if self.config is None:
            self.config = preset(self.name, split.dataset.family, split.task, self.Config)

    def steps(self, split: Split, config: Any) -> int:
        """Steps in all. Here: epochs over the batches of D_r; a method that walks D_f says so."""
        epochs: int = config.epochs
        size: int = config.batch_size
        return epochs * math.ceil(len(split.remain_rows) / size)

    def stages(self, split: Split, config: Any) -> tuple[Stage, ...]:
        """One stage of steps."""
        return (Stage("unlearn", "unlearning", self.steps(split, config)),)

    def start(self, model: Net, split: Split, *, seed: int) -> Student:
        """``model`` is copied twice. Batch statistics stay as they are: the model is in eval mode throughout."""
        config = self.config
        device = device_of(model)
        student = copy_of(model).eval()
        sizes = {"remain": len(split.remain_rows), "forget": len(split.forget_rows)}
        remain, forget = (
            Batches(n, config.batch_size, seeds.derive(seed, "unlearn"), k) for k, n in sizes.items()
        )
        return Student(
            model=student,
            original=copy_of(model).eval().requires_grad_(False),
            split=split.to(device),
            optimiser=optimiser(student.parameters(), config, device),
            remain=remain,
            forget=forget,
            chance=seeds.generator(seed, "unlearn", "chance", device=device),
        )

    def prepare(self, state: Student, config: Any) -> Progress | None:
        """Nothing to prepare."""
        return None

    def update(self, state: Student, config: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """One step: changes ``state`` and gives its losses and gradient norms by name."""
        raise NotImplementedError

    def step(self, state: Student, config: Any) -> Step:
        """``update``, timed and checked. Raises DivergedError when a loss is no number."""
        start = time.perf_counter()
        with seeds.Drawing(state.chance) if state.model.draws else nullcontext():
            losses, norms = self.update(state, config)
        state.number += 1
        total: int = self.steps(state.split, config)
        if not all(abs(v) < float("inf") for v in (*losses.values(), *norms.values())):
            raise DivergedError("the loss", stage="unlearn", step=state.number, advice="lower lr")
        epoch = (state.number - 1) * config.epochs // total + 1
        seconds = time.perf_counter() - start
        return Step(state.number, total, epoch, "unlearn", dict(losses), dict(norms), seconds=seconds)

    def result(self, state: Student) -> Net:
        """The model as it stands."""
        return state.model.eval()


def optimiser(parameters: Any, config: Any, device: torch.device) -> torch.optim.Optimizer:
    """The optimiser that a StudentConfig names, fused where the device has it."""
    make = torch.optim.Adam if config.optimiser == "adam" else torch.optim.SGD
    fused = device.type in ("cpu", "cuda")
    return make(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=fused)


def mean_cross_entropy(model: Net, x: Tensor, y: Tensor) -> Tensor:
    """() mean cross-entropy of ``model`` on images (B, C, H, W) with labels (B,)."""
    return functional.cross_entropy(model(x), y)
