"""MethodStepper: one method on one model and one split, with its state between two steps."""

from __future__ import annotations

import copy
import logging
from typing import Any

import torch

from core.data.images import Images
from core.data.split import Split, require_split
from core.errors import IllegalMoveError, LabError, RequestError
from core.methods.base import Unlearner, reason_against_change, require_no_model
from core.methods.registry import as_unlearner
from core.methods.step import Stage, Step
from core.models.base import Net, require_classifier
from core.runs.history import RunHistory
from core.runtime.bounds import require_config, require_seed
from core.runtime.progress import Progress
from core.training.supervised import copy_of

log = logging.getLogger(__name__)


class MethodStepper:
    """Prepares an Unlearner, takes its steps, and saves and restores its state.

    The model is copied, never changed. Labels reach a method only if it says that it needs them.
    """

    def __init__(self, unlearner: Unlearner | str, model: Net, split: Split, seed: int) -> None:
        """Configure ``unlearner``, a method or the name of one.

        Raises RequestError for an unknown name, and for a method or a model that lacks a part of its protocol.
        """
        self.unlearner = unlearner = as_unlearner(unlearner)
        require_split(split, "a run")
        require_seed(seed)
        require_classifier(model, split.dataset.shape, len(split.dataset.classes))
        self.require_config(unlearner.config)
        if split.earlier_rows is not None:
            require_no_model(unlearner)
        unlearner.configure(model, split.present)
        self.logs = True  # False: the caller gets what the method raised, so that it need not be logged
        self.model = model  # the original
        self.split = split  # with labels; in a chain with what earlier requests forgot, for measurements
        self.seed = seed
        self.state: Any = None  # None until ``begin``
        self._visible = split.present if unlearner.needs_labels else split.unlabelled()

    def require_config(self, config: Any) -> None:
        """Raise ConfigError for settings of another type than the method's; None passes, and every type if it names none."""
        kind = getattr(self.unlearner, "Config", None)
        if config is not None and isinstance(kind, type):
            require_config(config, kind, self.unlearner.title)

    def begin(self) -> None:
        """Make the first state, unless there is one."""
        if self.state is None:
            self.state = self.unlearner.start(self.model, self._visible, seed=self.seed)

    def stages(self, config: Any) -> tuple[Stage, ...]:
        """Return the stages of a run with ``config``; the last one consists of steps."""
        return self.unlearner.stages(self._visible, config)

    def prepare(self, config: Any) -> Progress | None:
        """Do one slice of what must happen before step 1; return None when nothing is left of it."""
        self.begin()
        return self.unlearner.prepare(self.state, config)

    def step(self, config: Any) -> Step:
        """Take the next step. Raises DivergedError when a loss is no number."""
        return self.unlearner.step(self.state, config)

    def repeat_step(self, history: RunHistory, latest: Any) -> Step:
        """Take a step again that ``history`` has, with the settings of that time; ``latest`` as ``config_at``."""
        number = self.state.number
        step = self.step(history.config_at(number + 1, latest))
        if step != history.steps[number]:
            log.warning("step %d was not repeated to the bit", step.number)
        return step

    @property
    def result(self) -> Net:
        """The model as it is now; not a copy."""
        return self.unlearner.result(self.state)

    def copy_result(self) -> Net:
        """Return a copy of the model as it is now. Raises IllegalMoveError before there is a state."""
        if self.state is None:
            raise IllegalMoveError("the run has not started, so it has no result; advance it first")
        model: Net = copy_of(self.result).eval()
        return model

    def save(self) -> dict[str, Any]:
        """Return a copy of the state, which does not change with the next step."""
        return copy.deepcopy(self.state.state_dict())

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from a state that ``save`` returned."""
        self.begin()
        self.state.load_state_dict(copy.deepcopy(saved))

    def share_with(self, other: MethodStepper) -> None:
        """Give ``other`` what no step changes, where the method can, so that it is in memory once."""
        share = getattr(self.state, "share_with", None)
        if share is not None:
            share(other.state)

    def require_change(self, before: Any, now: Any, steps: int) -> None:
        """Raise RequestError where the method cannot go on after ``steps`` steps with the settings ``now``."""
        self.require_config(now)
        why = reason_against_change(self.unlearner, before, now)
        if why is not None:
            raise RequestError(why)
        end = self.stages(now)[-1].total
        if end <= steps:
            raise RequestError(
                f"{steps} steps are taken already and these settings end after {end}; ask for more steps"
            )

    def explain(self, error: Exception) -> LabError:
        """Return what a method or a measurement raised as one sentence, with an unforeseen error as its cause, which is logged."""
        if isinstance(error, LabError):
            return error
        title = self.unlearner.title
        reads_labels = (
            isinstance(error, AttributeError) and error.name == "y" and isinstance(error.obj, Images)
        )
        if reads_labels and not self.unlearner.needs_labels:
            return LabError(
                f"{title} reads labels, and its needs_labels is False; set needs_labels = True, or leave the labels out"
            )
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            return LabError(
                f"{title} ran out of memory; choose a smaller batch size or device memory that suffices"
            )
        if self.logs:
            log.error("a run failed", exc_info=error)
        found = LabError(f"{title} failed: {type(error).__name__}: {error}".splitlines()[0])
        found.__cause__ = error
        return found
