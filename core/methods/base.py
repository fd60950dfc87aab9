"""What a method is: explicit state and one function, so that it can be paused, saved, continued and replayed."""

from __future__ import annotations

from typing import Any, Protocol

from core.data.split import Split
from core.models import Net
from core.records import Progress, Stage, Step


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
