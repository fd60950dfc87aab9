"""The protocols of a method: an explicit state and a step function, so that a run can pause, save, continue and replay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from core.data.split import Split
from core.errors import IllegalMoveError, RequestError
from core.methods.step import Stage, Step
from core.models.base import Net
from core.runtime.progress import Progress

IMAGES_F, IMAGES_R, LABELS_F, LABELS_R = "images of D_f", "images of D_r", "labels of D_f", "labels of D_r"
ALL_READ = (IMAGES_F, IMAGES_R, LABELS_F, LABELS_R)


class State(Protocol):
    """Everything that a method changes: weights, optimisers, generators, counters."""

    number: int  # steps taken

    def state_dict(self) -> dict[str, Any]:
        """Return the weights, optimisers and generators as nested plain values and tensors."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        ...


class Unlearner(Protocol):
    """A method of unlearning. ``core.methods.laf.laf`` has preparation; ``core.methods.retrain`` has none.

    A method may define ``reads``, the part of ``ALL_READ`` that it reads between the original and its result; see ``reads_of``.
    A method may define ``advice``, a mapping from the name of an alarm to the sentence that tells what to try.
    """

    name: str
    title: str
    needs_labels: bool  # False: ``start`` receives an UnlabelledSplit, which has no y
    config: Any

    def configure(self, model: Net, split: Split) -> None:
        """Choose the preset of (dataset, task), unless the caller gave a config."""
        ...

    def stages(self, split: Any, config: Any) -> tuple[Stage, ...]:
        """Return the stages for ``split``, in order; the last stage consists of the steps."""
        ...

    def start(self, model: Net, split: Any, *, seed: int) -> Any:
        """Return a fresh State with a copy of ``model``. ``split`` is a Split or an UnlabelledSplit."""
        ...

    def prepare(self, state: Any, config: Any) -> Progress | None:
        """Run one slice (about 50 ms) of the work before step 1; return None when that work is complete."""
        ...

    def step(self, state: Any, config: Any) -> Step:
        """Take the next step; change ``state`` only. Raises DivergedError when a loss is not finite."""
        ...

    def result(self, state: Any) -> Net:
        """Return the model of ``state``; not a copy."""
        ...


class OwnOriginal(Protocol):
    """Training, in slices, of an original model that only one method can unlearn from."""

    seconds: float

    def tick(self, budget_s: float = 0.05) -> Progress | None:
        """Train for about ``budget_s`` seconds; return the Progress, or None when training is already finished."""
        ...

    @property
    def result(self) -> Net:
        """The trained model in eval mode, with its Provenance and ``memory``."""
        ...


class NeedsOwnOriginal(Protocol):
    """The additional protocol of a method that must train its own original model.

    The model's ``memory`` holds what the method needs from training besides the weights. It consists of nested dicts and
    lists of tensors and plain values, and is saved and copied with the model.
    """

    original_knows_forget_set: bool  # True: training needs the forget set

    def configure_original(self, split: Split) -> None:
        """Choose the preset of (dataset, task) before there is a model, unless the caller gave a config."""
        ...

    def train_original(self, split: Split, *, seed: int, device: str) -> OwnOriginal:
        """Return the training of the method's own original, which has not begun."""
        ...

    def restore_original(self, split: Split, weights: dict[str, Any], memory: dict[str, Any]) -> Net:
        """Return the net that ``train_original`` made, from its saved weights and memory."""
        ...


def require_no_model(method: Any) -> None:
    """Raise RequestError for a method that cannot begin with an uploaded model."""
    if has_own_original(method):
        raise RequestError(f"{method.title} must train its own original; choose no model, or another method")


def has_own_original(method: Any) -> bool:
    """Return whether a method follows NeedsOwnOriginal, so that it must train its original model itself."""
    return hasattr(method, "train_original")


def reads_of(method: Any) -> tuple[str, ...]:
    """Return the part of ``ALL_READ`` that a method reads, in that order.

    Without ``reads``, a method counts as one that reads all images, and all labels where it needs labels.
    """
    given = getattr(method, "reads", None)
    if given is None:
        given = ALL_READ if getattr(method, "needs_labels", True) else (IMAGES_F, IMAGES_R)
    return tuple(kind for kind in ALL_READ if kind in given)


def reads_text(reads: tuple[str, ...] | None) -> str:
    """Return what a method reads as short text, such as "D_f; D_r with labels"; "–" for None."""
    if reads is None:
        return "–"
    found = []
    for part in ("D_f", "D_r"):
        if f"labels of {part}" in reads:
            found.append(f"{part} with labels")
        elif f"images of {part}" in reads:
            found.append(part)
    return "; ".join(found) or "nothing"


def reason_against_change(method: Any, before: Any, now: Any) -> str | None:
    """Return the reason why a running method cannot change to the settings ``now``; None where it can.

    The attribute ``changeable`` of a method names the fields of its config that every ``step`` reads again.
    A method may define ``refuse_change(before, now)`` in its place.
    """
    if hasattr(method, "refuse_change"):
        answer: str | None = method.refuse_change(before, now)
        return answer
    changeable = getattr(method, "changeable", ())
    for f in getattr(before, "__dataclass_fields__", {}):
        if f not in changeable and getattr(before, f) != getattr(now, f, None):
            return f"{f} is used before the first step, so it cannot change during a run; reset, or begin another run"
    return None


def lengthened(method: Any, config: Any, total: int) -> Any:
    """Return ``config`` with ``total`` steps in all, for a run that goes on past its end.

    Raises IllegalMoveError for a method whose number of steps cannot change during a run, or whose schedule divides them.
    """
    divides = getattr(config, "schedule", "") == "two-stage"
    if divides or "steps" not in getattr(method, "changeable", ()):
        raise IllegalMoveError(
            f"{method.title} cannot go on past its last step with these settings; begin another run with more steps"
        )
    return replace(config, steps=total)
