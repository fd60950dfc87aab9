"""What a method is: explicit state and one function, so that it can be paused, saved, continued and replayed."""

from __future__ import annotations

from typing import Any, Protocol

from core.data.split import Split
from core.errors import RequestError
from core.methods.step import Stage, Step
from core.models.base import Net
from core.runtime.progress import Progress


class State(Protocol):
    """All that a method changes: weights, optimisers, generators, counters."""

    number: int  # steps taken

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Unlearner(Protocol):
    """A method of unlearning; see methods/laf.py for one with preparation, methods/retrain.py for one without."""

    name: str
    title: str
    needs_labels: bool  # False: Run hands ``start`` an UnlabelledSplit, which has no y anywhere
    config: Any

    def configure(self, model: Net, split: Split) -> None:
        """Fill in what the preset of (dataset, task) decides, where the caller gave no config."""
        ...

    def stages(self, split: Any, config: Any) -> tuple[Stage, ...]:
        """What there is to do for ``split``, in order; the last stage is made of steps."""
        ...

    def start(self, model: Net, split: Any, *, seed: int) -> Any:
        """A fresh State; ``model`` is copied, never changed. ``split`` is a Split or an UnlabelledSplit."""
        ...

    def prepare(self, state: Any, config: Any) -> Progress | None:
        """One slice (about 50 ms) of what must happen before step 1; None when nothing is left of it."""
        ...

    def step(self, state: Any, config: Any) -> Step:
        """The next step; changes ``state`` and nothing else. Raises DivergedError when a loss is no number."""
        ...

    def result(self, state: Any) -> Net:
        """The model as it stands in ``state``; not a copy."""
        ...


class OwnOriginal(Protocol):
    """Training of an original model that only one method can unlearn from, in slices; ``core.training.supervised.Training`` is one."""

    seconds: float

    def tick(self, budget_s: float = 0.05) -> Progress | None: ...

    @property
    def result(self) -> Net: ...


class NeedsOwnOriginal(Protocol):
    """What a method has besides where it cannot begin with the common original (trap 10).

    What it must remember of training besides the weights is in the model's ``memory``: nested dicts and lists of tensors and plain
    values, kept with the weights and copied with the model.
    """

    original_knows_forget_set: bool  # whether training needs to know which images a request will concern

    def configure_original(self, split: Split) -> None:
        """As ``configure``, before there is a model."""
        ...

    def train_original(self, split: Split, *, seed: int, device: str) -> OwnOriginal: ...

    def restore_original(self, split: Split, weights: dict[str, Any], memory: dict[str, Any]) -> Net:
        """The net that ``train_original`` made, from what was kept of it."""
        ...


def require_no_model(method: Any) -> None:
    """Raises RequestError for a method that cannot begin with a model somebody brings."""
    if has_own_original(method):
        raise RequestError(f"{method.title} must train its own original; choose no model, or another method")


def has_own_original(method: Any) -> bool:
    """Whether a method must have trained its original itself: whether it is a NeedsOwnOriginal."""
    return hasattr(method, "train_original")


def refused_change(method: Any, before: Any, now: Any) -> str | None:
    """Why a running method cannot go on with the settings ``now``; None where it can.

    A method names the fields of its config that ``step`` reads anew each time in ``changeable``, or answers itself with
    ``refuse_change(before, now)``.
    """
    if hasattr(method, "refuse_change"):
        answer: str | None = method.refuse_change(before, now)
        return answer
    changeable = getattr(method, "changeable", ())
    for f in getattr(before, "__dataclass_fields__", {}):
        if f not in changeable and getattr(before, f) != getattr(now, f, None):
            return f"{f} is used before the first step, so it cannot change in the middle of a run; reset, or begin another run"
    return None
