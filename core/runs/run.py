"""Run: one method on one model and one Split, from READY to its end.

READY -> RUNNING <-> PAUSED -> DONE | FAILED | CANCELLED
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

from core.data.split import Split
from core.errors import CancelledError
from core.methods.base import Unlearner, lengthened
from core.methods.step import Stage, Step
from core.models.base import Net
from core.runs.checkpoints import Checkpoints
from core.runs.engine import FrameWorker, MethodStepper, RunAttributes, RunControl, RunEngine
from core.runs.history import RunHistory
from core.runs.observer import Observer
from core.runs.records import Change, Phase, describe_run
from core.runtime.bounds import require_kind
from core.runtime.device import torch_threads
from core.runtime.progress import Progress, require_listener


class Run(RunAttributes):
    """Drives an Unlearner in slices and keeps its history.

    ``unlearner`` is a method or its name. One thread at a time calls ``tick`` or ``advance``; any thread may call ``play``, ``pause``
    and ``cancel`` and read the history. The model is copied, never changed. Labels reach a method only if it says that it needs them.
    """

    __repr__ = describe_run

    def __init__(
        self,
        unlearner: Unlearner | str,
        model: Net,
        split: Split,
        *,
        seed: int = 0,
        observer: Observer | None = None,
        checkpoints: Checkpoints | None = None,
        watching: FrameWorker | None = None,
        history: RunHistory | None = None,
    ) -> None:
        self.stepper = MethodStepper(unlearner, model, split, seed)
        self.control, self.history = RunControl(), history or RunHistory()
        self.engine = RunEngine(self.stepper, self.history, observer, checkpoints, watching, self._fail)
        self.unlearner, self.seed = self.stepper.unlearner, seed
        self.config = self.changes[-1].now if self.changes else self.unlearner.config
        self._restage()
        if observer is not None and history is None:
            self.frames.append(observer.first if observer.begins_with(model) else observer.look(model))

    # moves

    def play(self, steps: int | None = None) -> None:
        """Play to the end or for ``steps`` steps. Raises IllegalMoveError unless READY or PAUSED."""
        self.control.play(steps)

    def pause(self) -> None:
        """Stop after the slice in progress. Raises IllegalMoveError unless RUNNING."""
        self.control.pause()

    def cancel(self) -> None:
        """Stop for good; the history stays. Raises IllegalMoveError when the run is over."""
        with self.control.lock:
            self.control.require("cancel", Phase.READY, Phase.RUNNING, Phase.PAUSED)
            self.phase = Phase.CANCELLED
            self.engine.cancel()
            self.engine.note(self)

    def advance(self) -> tuple[Step, ...]:
        """Prepare where needed and return the next Step; () once finished.

        Raises what the method raised, and IllegalMoveError when the run has failed or was cancelled.
        """
        if self.phase is Phase.DONE:
            return ()
        self.control.require("advance", Phase.READY, Phase.RUNNING, Phase.PAUSED)
        self.stepper.logs, before = False, len(self.steps)  # what fails is raised below
        if self.phase is Phase.READY:
            self.play()
        while len(self.steps) == before and not self.phase.over:
            self._slice()
        if self.phase is Phase.FAILED:
            assert self.error is not None
            raise self.error
        return tuple(self.steps[before:])

    def __iter__(self) -> Iterator[Step]:
        """Yield the remaining steps, each once it is taken; raises as ``advance`` does."""
        while steps := self.advance():
            yield from steps

    def tick(self) -> bool:
        """Do one slice of work if RUNNING: some preparation, or one step. Return whether another is wanted."""
        if self.phase is Phase.RUNNING:
            self._slice()
        return self.phase is Phase.RUNNING

    def change(self, config: Any) -> None:
        """Set other settings from the next step on; before the run has begun, for all of it.

        Raises IllegalMoveError unless READY or PAUSED, RequestError for settings that only a new run can have.
        """
        with self.control.lock:
            self.control.require("change the settings of", Phase.READY, Phase.PAUSED)
            if config == self.config:
                return
            self.stepper.require_config(config)
            if self.has_begun:
                self.stepper.require_change(self.config, config, len(self.steps))
                self.history.change_config(self.config, config)
            else:
                self.unlearner.config = config
            self.config = config
            self._restage()
            self.engine.note(self)

    def extend(self, steps: int) -> None:
        """Let a finished run go on for ``steps`` more steps of the same settings; it is PAUSED until ``play``.

        Raises IllegalMoveError unless DONE, for less than one step, and for a method whose length is fixed.
        """
        with self.control.lock:
            self.control.require("extend", Phase.DONE)
            self.control.require_steps(steps)
            config = lengthened(self.unlearner, self.config, self.total_steps + steps)
            self.phase = Phase.PAUSED
            self.change(config)
            self.engine.cut(self)  # what is kept of the former end no longer holds

    def rewind(self, step: int) -> None:
        """Go back to ``step`` and drop what came later: steps, frames, changes and marks.

        The run loads the nearest earlier state. It is RUNNING until it has repeated the steps from there, then PAUSED. Raises
        IllegalMoveError while it runs, or when no state is kept from before ``step``.
        """
        if self.phase is not Phase.RUNNING:
            self.engine.settle_frames()
        with self.control.lock:
            self.control.require("rewind", Phase.PAUSED, Phase.DONE, Phase.FAILED)
            checkpoints, at, state = self.engine.state_before(step)
            checkpoints.forget_after(step)
            self.stepper.load(state)
            self.truncate(step)
            self.error = None
            self._head_for(step, at)

    def fork(self, step: int, config: Any = None) -> Run:
        """Return another run with the history of this one up to ``step``; this one does not change.

        The fork is RUNNING until it has played back to ``step``, then PAUSED, from then on with ``config`` where it is given. Raises as
        ``rewind`` and ``change`` do.
        """
        if self.phase is not Phase.RUNNING:
            self.engine.settle_frames()
        with self.control.lock:
            checkpoints, at, state = self.engine.state_before(step)
            unlearner = copy.copy(self.unlearner)
            unlearner.config = self.config_at(0)
            model, split = self.stepper.model, self.stepper.split
            twin = Run(unlearner, model, split, seed=self.seed, history=self.history.copy())
            twin.observer, twin.checkpoints = self.observer, checkpoints.copy_until(step)
            twin.watching = None if self.watching is None else self.watching.another()
            twin.stepper.begin()
            self.stepper.share_with(twin.stepper)
        twin.stepper.load(state)
        twin.truncate(step)
        if config not in (None, twin.config):
            twin.stepper.require_change(twin.config, config, step)
            twin.control.then = config
        twin._head_for(step, at)
        return twin

    def config_at(self, step: int) -> Any:
        """Return the settings that step number ``step`` was, or will be, taken with."""
        return self.history.config_at(step, self.config)

    def truncate(self, step: int) -> None:
        """Drop the history after ``step``, with its settings; the method's state stays as it is."""
        self.config = self.config_at(step + 1)
        self.history.truncate(step)
        self.progress.pop(self.stages[-1].key, None)
        self.control.ending = None
        self._restage()
        self.engine.cut(self)

    def play_back(self, at: int, state: dict[str, Any] | None) -> None:
        """Play back from ``state`` after step ``at`` to the last step of the history; None: from the beginning."""
        self.stepper.begin()
        if state is not None:
            self.stepper.load(state)
        self.engine.note_steps_so_far(self.stages)
        self._head_for(len(self.steps), at)

    @property
    def has_begun(self) -> bool:
        """True if the method has a state: its preparation has begun."""
        return self.stepper.state is not None

    @property
    def waits(self) -> bool:
        """True if the next slice must wait for a frame that is being made."""
        if self.control.ending is not None:
            return self.engine.pending_frames > 0
        wanted = self.control.left == 1 or len(self.steps) + 1 >= self.total_steps
        return self.engine.must_wait(wanted=wanted)

    @property
    def result(self) -> Net:
        """A copy of the model as it is now. Raises IllegalMoveError before the first step has begun."""
        return self.stepper.copy_result()

    def state_dict(self) -> dict[str, Any]:
        """Return plain values and tensors, to continue in another process that makes model and split again."""
        return {"phase": str(self.phase), **self.engine.state_dict(self.config)}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave; a run that was RUNNING comes back PAUSED.

        Raises IllegalMoveError unless READY, DataError when it was saved with another method, config or seed.
        """
        self.control.require("load", Phase.READY)
        self.engine.load_state_dict(saved, self.config)
        phase = Phase(saved["phase"])
        self.phase = Phase.PAUSED if phase is Phase.RUNNING else phase

    # inside

    def _slice(self) -> None:
        if self.waits:
            time.sleep(0.002)  # leaves this thread to other tasks
        elif self.control.ending is not None:
            self._end()
        else:
            try:
                with torch_threads(getattr(self.config, "threads", 1)):  # a plug-in's config may lack it
                    self._work()
            except Exception as error:
                self._fail(error)

    def _work(self) -> None:
        if self.engine.prepare(self.config):
            return
        if self.control.target is not None:
            step = self.stepper.repeat_step(self.history, self.config)
            with self.control.lock:
                if step.number >= self.control.target:
                    self._arrive()
            return
        if not self.steps:
            self.engine.begin(self)
        wanted = self.control.left == 1
        step = self.engine.step(self.config, self.stages)
        finished = step.number >= self.total_steps
        if self.engine.is_frame_due(step.number, self.total_steps):
            self.engine.make_frame(step, finished=finished, wanted=wanted)
        if self.control.count_step(finished=finished) and not self.waits:
            self._end()

    def _end(self) -> None:
        if self.control.end() is Phase.DONE:
            self.engine.note(self)

    def _fail(self, error: Exception) -> None:
        self.control.fail(self.stepper.explain(error))
        self.engine.note(self)

    def _restage(self) -> None:
        self.stages: tuple[Stage, ...] = self.stepper.stages(self.config)
        self.total_steps = self.stages[-1].total

    def _head_for(self, step: int, at: int) -> None:
        if self.control.head_for(step, at):
            self._arrive()

    def _arrive(self) -> None:
        config = self.control.arrive(finished=len(self.steps) >= self.total_steps)
        if config is not None:
            self.change(config)


def finish(run: Run, progress: Callable[[Progress], object] | None = None) -> Net:
    """Drive ``run`` to its end, with ``progress`` after each slice; return its result. Raises what the method raised, or CancelledError."""
    require_kind(run, Run, "finish", "write finish(Run(method, model, split))")
    require_listener(progress)
    run.on_progress = progress or run.on_progress
    while run.phase is not Phase.CANCELLED and run.advance():
        pass
    if run.phase is Phase.CANCELLED:
        raise CancelledError("the run was cancelled before it had a result")
    return run.result


__all__ = ["Change", "Phase", "Run", "finish"]
