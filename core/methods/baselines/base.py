"""The common part of the gradient baselines: a copy of the original that learns from batches of D_r and D_f.

The original itself is the frozen teacher. A baseline is one file with a frozen config and ``update``, which takes one
step and returns its losses.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, SupportsFloat

import torch
from torch import Tensor
from torch.nn import functional

from core.data.split import Split
from core.errors import ConfigError, DivergedError, RequestError
from core.methods.base import ALL_READ
from core.methods.presets import preset
from core.methods.step import Stage, Step
from core.models.base import Net, device_of
from core.runtime import bounds, seeding
from core.runtime.bounds import Bound, check, quote_value
from core.runtime.progress import Progress
from core.training.batches import Batches
from core.training.optimizer import Adam
from core.training.supervised import copy_of, load_optimiser


@dataclass(frozen=True)
class BaselineConfig:
    """The settings of every gradient baseline; a baseline adds its own."""

    epochs: int = 5
    steps: int | None = None  # upper limit, whatever the epochs
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
    """The state of a gradient baseline, which can be saved at any step and continues to the bit."""

    model: Net
    original: Net  # frozen
    split: Split  # an UnlabelledSplit for a method without labels
    optimiser: torch.optim.Optimizer
    remain: Batches
    forget: Batches
    chance: torch.Generator  # on the images' device
    number: int = 0
    extra: dict[str, Any] = field(default_factory=dict)  # tensors and plain values that a method changes
    fixed: dict[str, Any] = field(default_factory=dict)  # not saved: ``start`` makes it again to the bit

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested plain values and tensors; ``load_state_dict`` continues from it."""
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
        """Continue from what ``state_dict`` returned."""
        self.model.load_state_dict(state["model"])
        load_optimiser(self.optimiser, state["optimiser"])
        self.remain.load_state_dict(state["remain"])
        self.forget.load_state_dict(state["forget"])
        self.chance.set_state(state["chance"])
        self.number = state["number"]
        self.extra = copy_to(state["extra"], device_of(self.model))

    def rows(self, which: str) -> tuple[Tensor, Tensor]:
        """Draw a batch of "remain" or "forget" and return its places in that set (B,) and its rows of D (B,)."""
        rows = getattr(self.split, f"{which}_rows")
        places = getattr(self, which).draw().to(rows.device)
        return places, rows[places]

    def images(self, which: str) -> Tensor:
        """Draw a batch of "remain" or "forget" and return its images (B, C, H, W), without labels."""
        return self.split.train.floats(self.rows(which)[1])

    def batch(self, which: str) -> tuple[Tensor, Tensor]:
        """Draw a batch of "remain" or "forget" and return its images (B, C, H, W) and labels (B,)."""
        rows = self.rows(which)[1]
        return self.split.train.floats(rows), self.split.train.y[rows]

    def descend(self, loss: Tensor, masks: list[Tensor] | None = None) -> float:
        """Take one optimiser step down ``loss`` () and return the norm of its gradient.

        ``masks`` has one tensor for each parameter. A gradient counts as 0 where its mask is 0.
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


class Baseline(ABC):
    """The Unlearner protocol for methods that take gradient steps on a BaselineState."""

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]  # the paper
    Config: ClassVar[type[Any]]
    needs_labels = True
    reads: ClassVar[tuple[str, ...]] = ALL_READ
    # batches that a step passes forward and backward; a forward pass alone counts as a third
    passes: ClassVar[float] = 1.0

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Make a method. Raises RequestError with the functions that a subclass lacks, in place of Python's TypeError."""
        if cls.__abstractmethods__:
            lacks = ", ".join(sorted(cls.__abstractmethods__))
            raise RequestError(f"{cls.__name__} is not a method of unlearning: it lacks {lacks}")
        return super().__new__(cls)

    def __init__(self, config: Any = None) -> None:
        self.config = config

    def configure(self, model: Net, split: Split) -> None:
        """Choose the preset of (dataset, task) unless the caller gave a config; the paper's settings where there is no preset."""
        if self.config is None:
            self.config = preset(self.name, split.dataset.family, split.task, self.Config)

    def epoch_steps(self, split: Split, config: Any) -> int:
        """Return the steps of one epoch, by default one for each batch of D_r."""
        return batches(split.remain_rows, config.batch_size)

    def steps(self, split: Split, config: Any) -> int:
        """Return the steps of the whole run."""
        total: int = config.epochs * self.epoch_steps(split, config)
        return total if config.steps is None else min(total, config.steps)

    def stages(self, split: Split, config: Any) -> tuple[Stage, ...]:
        """Return one stage, which consists of the steps."""
        if config is None:
            raise RequestError(f"{type(self).__name__}.configure must set self.config when none was given")
        return (Stage("unlearn", "unlearning", self.steps(split, config)),)

    def start(self, model: Net, split: Split, *, seed: int) -> BaselineState:
        """Copy ``model`` twice. Both copies stay in eval mode, so batch statistics do not change."""
        config = self.config
        device = device_of(model)
        student = copy_of(model).eval()
        sizes = {"remain": len(split.remain_rows), "forget": len(split.forget_rows)}
        begin = seeding.derive_seed(seed, "unlearn")
        remain, forget = (Batches(n, config.batch_size, begin, k) for k, n in sizes.items())
        return BaselineState(
            model=student,
            original=copy_of(model).eval().requires_grad_(False),
            split=split.to(device),
            optimiser=self.optimiser(student, config, device),
            remain=remain,
            forget=forget,
            chance=seeding.generator(seed, "unlearn", "chance", device=device),
        )

    def optimiser(self, student: Net, config: Any, device: torch.device) -> torch.optim.Optimizer:
        """Return the optimiser of the weights that learn, by default all of them."""
        return optimiser(student.parameters(), config, device)

    def prepare(self, state: BaselineState, config: Any) -> Progress | None:
        """Return None: there is nothing to prepare."""
        return None

    @abstractmethod
    def update(self, state: BaselineState, config: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """Take one step on ``state`` and return its losses and gradient norms by name."""

    def step(self, state: BaselineState, config: Any) -> Step:
        """Call ``update``, time it and check its numbers. Raises DivergedError when a loss is not finite."""
        start = time.perf_counter()
        with seeding.SeededDraws(state.chance) if state.model.draws else nullcontext():
            losses, norms = self._require_update(self.update(state, config))
        state.number += 1
        total: int = self.steps(state.split, config)
        if not all(abs(v) < float("inf") for v in (*losses.values(), *norms.values())):
            raise DivergedError("the loss", stage="unlearn", step=state.number, advice="lower lr")
        if state.number == total:
            check_finite(state.model, state.number)  # no later loss would show it
        epoch = self.epoch(state, config)
        seconds = time.perf_counter() - start
        return Step(state.number, total, epoch, "unlearn", dict(losses), dict(norms), seconds=seconds)

    def _require_update(self, found: Any) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """Return what ``update`` returned. Raises RequestError unless it is two mappings from names to numbers."""
        wanted = isinstance(found, tuple) and len(found) == 2 and all(isinstance(f, Mapping) for f in found)
        if not wanted or not all(isinstance(v, SupportsFloat) for part in found for v in part.values()):
            raise RequestError(
                f"{type(self).__name__}.update must return its losses and its gradient norms, each a dict from names to numbers, "
                f"got {quote_value(found)}"
            )
        losses, norms = found
        return losses, norms

    def epoch(self, state: BaselineState, config: Any) -> int:
        """Return the epoch, from 1, of the last step."""
        return (state.number - 1) // self.epoch_steps(state.split, config) + 1

    def result(self, state: BaselineState) -> Net:
        """Return the model in eval mode; not a copy."""
        return state.model.eval()


def optimiser(parameters: Any, config: Any, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimiser that a BaselineConfig names, fused where the device supports it."""
    common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    common["fused"] = device.type in ("cpu", "cuda")
    if config.optimiser == "adam":
        return Adam(parameters, **common)
    return torch.optim.SGD(parameters, momentum=config.momentum, **common)


def batches(rows: Tensor, size: int) -> int:
    """Return the number of batches in an epoch over ``rows`` (n,)."""
    return math.ceil(len(rows) / size)


def check_finite(model: Net, step: int) -> None:
    """Raise DivergedError when a weight is not finite."""
    if not all(bool(p.isfinite().all()) for p in model.parameters()):
        raise DivergedError("a weight", stage="unlearn", step=step, advice="lower lr")


def copy_to(value: Any, device: torch.device) -> Any:
    """Return ``value``, nested dicts and lists, with a copy of each tensor on ``device``."""
    if isinstance(value, Tensor):
        return value.to(device, copy=True)
    if isinstance(value, dict):
        return {k: copy_to(v, device) for k, v in value.items()}
    return [copy_to(v, device) for v in value] if isinstance(value, list) else value


def mean_cross_entropy(model: Net, x: Tensor, y: Tensor) -> Tensor:
    """Return the mean cross-entropy () of ``model`` on images (B, C, H, W) with labels (B,)."""
    return functional.cross_entropy(model(x), y)


def divergence(logits: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the batch mean () of KL(teacher ‖ student), both softened by ``temperature`` T, times T²; logits (B, K) each."""
    log_student, log_teacher = (functional.log_softmax(v / temperature, dim=1) for v in (logits, teacher))
    return (
        functional.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True) * temperature**2
    )
