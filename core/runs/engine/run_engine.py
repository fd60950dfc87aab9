"""RunEngine: takes the slices of a run and records what each gives, in its history and on disk."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from core.config import as_dict
from core.errors import DataError, IllegalMoveError
from core.methods.step import Stage, Step
from core.models.base import Net, device_of
from core.runs.checkpoints import Checkpoints
from core.runs.engine.frame_worker import FrameWorker, own_stream
from core.runs.engine.keeper import Keeper
from core.runs.engine.stepper import MethodStepper
from core.runs.history import RunHistory
from core.runs.observer import Observer
from core.runtime.device import peak_memory_mb
from core.runtime.progress import Progress
from core.training.supervised import copy_of


class RunEngine:
    """Prepares a method and takes its steps; makes frames of them and keeps states.

    ``fail`` is called with what a measurement beside the run raised.
    """

    def __init__(
        self,
        stepper: MethodStepper,
        history: RunHistory,
        observer: Observer | None,
        checkpoints: Checkpoints | None,
        watching: FrameWorker | None,
        fail: Callable[[Exception], None],
    ) -> None:
        self.stepper = stepper
        self.history = history
        self.observer = observer
        self.checkpoints = checkpoints
        self.watching = watching
        self.recorder: Keeper[Any] | None = None
        self.on_progress: Callable[[Progress], object] | None = None
        self._fail = fail
        self._cancelled = False
        self._newest = 0  # number of the newest frame, made or in progress

    # slices

    def prepare(self, config: Any) -> bool:
        """Do one slice of preparation; return False when nothing is left of it."""
        prepared = self.stepper.prepare(config)
        if prepared is None:
            return False
        self.history.seconds[prepared.stage] = prepared.seconds
        self._note_memory(prepared.stage)
        self._tell(prepared)
        return True

    def step(self, config: Any, stages: tuple[Stage, ...]) -> Step:
        """Take the next step and record it, on disk before other threads see it."""
        step = self.stepper.step(config)
        if self.recorder is not None:
            self.recorder.step(step)
        self.history.add_step(step)
        self._note_memory(step.stage)
        # all steps share one line of progress, also where a method has more than one kind of them
        spent = self.history.seconds_except({"evaluate", *(s.key for s in stages[:-1])})
        self._tell(Progress(stages[-1].key, step.number, stages[-1].total, spent))
        return step

    def begin(self, run: Any) -> None:
        """Begin to keep ``run`` before its first step, with the state that it starts from."""
        if self.recorder is not None:
            self.recorder.begin(run)
        if self.checkpoints is not None and not self.checkpoints.steps:
            self._keep_state(0, 0)

    def note_steps_so_far(self, stages: tuple[Stage, ...]) -> None:
        """Note the progress of the steps that the history has."""
        steps, last = self.history.steps, stages[-1]
        spent = sum(s.seconds for s in steps)
        self.history.progress[last.key] = Progress(last.key, len(steps), last.total, spent)

    def state_before(self, step: int) -> tuple[Checkpoints, int, dict[str, Any]]:
        """Return the checkpoints, and the step and state of the newest at or before ``step``.

        Raises IllegalMoveError when there is none, or the run has no such step.
        """
        found = self.checkpoints.before(step) if self.checkpoints is not None else None
        if self.checkpoints is None or found is None or not 0 <= step <= len(self.history.steps):
            raise IllegalMoveError(
                f"the run cannot be taken back to step {step}: it was never there, or no state is kept from so early"
            )
        return self.checkpoints, *found

    # a run in another process

    def state_dict(self, config: Any) -> dict[str, Any]:
        """Return settings, steps, seconds and state as plain values and tensors."""
        return {
            **self._origin(config),
            "steps": [step.as_dict() for step in self.history.steps],
            "seconds": dict(self.history.seconds),
            "state": None if self.stepper.state is None else self.stepper.save(),
        }

    def load_state_dict(self, saved: dict[str, Any], config: Any) -> None:
        """Take over what ``state_dict`` gave. Raises DataError when method, config or seed were others."""
        mine = self._origin(config)
        if {name: saved[name] for name in mine} != mine:
            raise DataError(
                "the saved state belongs to another method, config or seed; make the Run with the same ones"
            )
        if saved["state"] is not None:
            self.stepper.load(saved["state"])
        self.history.steps = [Step.from_dict(values) for values in saved["steps"]]
        self.history.seconds = defaultdict(float, saved["seconds"])

    def _origin(self, config: Any) -> dict[str, Any]:
        return {"method": self.stepper.unlearner.name, "config": as_dict(config), "seed": self.stepper.seed}

    # frames

    def is_frame_due(self, step: int, total: int) -> bool:
        """Return whether a frame belongs to ``step``; the last step always has one."""
        return self.observer is not None and (step >= total or step % self.observer.cadence(total) == 0)

    def must_wait(self, *, wanted: bool) -> bool:
        """Return whether the next step must wait for a frame in progress; ``wanted``: its own frame must be made."""
        if self.watching is None or self.observer is None:
            return False
        return self.watching.is_full and (wanted or not self.observer.config.adapts)

    @property
    def pending_frames(self) -> int:
        """Frames that are being made beside the run."""
        return 0 if self.watching is None or self.observer is None else self.watching.pending

    def make_frame(self, step: Step, *, finished: bool, wanted: bool) -> None:
        """Make a frame of the model now, here or beside the next steps, and keep the state where one is due.

        Make none where the FrameWorker has no room, or no time for a frame that is neither the last one nor ``wanted``.
        """
        assert self.observer is not None
        if self.watching is not None:
            optional = self.observer.config.adapts and not (finished or wanted)
            if self.watching.is_full or (optional and self.watching.is_dear):
                return
        number = self._newest = self._next_number()
        model, seconds = self.stepper.result, dict(self.history.seconds)
        if self.watching is None:
            self._look(model, number, step, seconds)
        else:
            twin = copy_of(model)
            self.watching.hand(lambda: self._look_beside(twin, number, step, seconds))
        if self.checkpoints is not None and (finished or self.checkpoints.due(number)):
            self._keep_state(step.number, number)

    def _next_number(self) -> int:
        """Return the number of the next frame.

        A frame in progress may be in the history already, so the history is counted only when none is.
        """
        return self._newest + 1 if self.pending_frames else len(self.history.frames)

    def settle_frames(self) -> None:
        """Wait until no frame is being made."""
        if self.watching is not None and self.watching.settle():
            self._newest -= 1  # the frame that was dropped

    def cancel(self) -> None:
        """Make no more frames."""
        self._cancelled = True
        if self.watching is not None:
            self.watching.drop()

    # what is kept on disk

    def note(self, run: Any) -> None:
        """Keep phase and settings of ``run``, which have changed."""
        if self.recorder is not None:
            self.recorder.note(run)

    def cut(self, run: Any) -> None:
        """Drop what is no longer in the history of ``run``."""
        if self.recorder is not None:
            self.recorder.cut(run)

    # inside

    def _look(self, model: Net, number: int, step: Step, seconds: dict[str, float]) -> None:
        start = time.perf_counter()
        assert self.observer is not None
        frame = self.observer.look(model, number=number, step=step.number, record=step, seconds=seconds)
        self.history.frames.append(frame if self.recorder is None else self.recorder.frame(frame))
        self.history.seconds["evaluate"] += time.perf_counter() - start

    def _look_beside(self, model: Net, number: int, step: Step, seconds: dict[str, float]) -> None:
        if self._cancelled:
            return
        try:
            with own_stream(device_of(model)):
                self._look(model, number, step, seconds)
        except Exception as error:
            self._fail(error)

    def _keep_state(self, step: int, frame: int) -> None:
        start = time.perf_counter()
        assert self.checkpoints is not None
        try:
            self.checkpoints.put(step, frame, self.stepper.save())
        except DataError as error:
            if self.recorder is None:
                raise
            self.recorder.lose(error)
        self.history.overhead_s += time.perf_counter() - start

    def _note_memory(self, stage: str) -> None:
        self.history.note_memory(stage, peak_memory_mb(device_of(self.stepper.model)))

    def _tell(self, progress: Progress) -> None:
        self.history.progress[progress.stage] = progress
        if self.on_progress is not None:
            self.on_progress(progress)
