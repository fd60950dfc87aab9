"""A Run: one method on one model and one Split, from READY to its end, with everything it left on the way.

READY -> RUNNING <-> PAUSED -> DONE | FAILED | CANCELLED
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol

import torch

from core.config import as_dict
from core.data.split import Split
from core.errors import CancelledError, DataError, IllegalMoveError, LabError, RequestError
from core.methods.base import Unlearner, refused_change
from core.methods.step import Step
from core.models.base import Net, device_of
from core.runs import time_travel
from core.runs.checkpoints import Checkpoints
from core.runs.frame_worker import FrameWorker, own_stream
from core.runs.observer import Observer
from core.runs.records import Change, Frame, Mark, Phase
from core.runtime.device import computing, peak_memory_mb
from core.runtime.progress import Progress
from core.training.supervised import copy_of

log = logging.getLogger(__name__)


class Keeper(Protocol):
    """What keeps a run on disk; ``core.runs.storage.Recorder``. It raises nothing: that a disk is full must not end a run."""

    def begin(self, run: Run) -> None:
        """All there is of ``run`` so far, before its first step."""
        ...

    def step(self, step: Step) -> None: ...

    def frame(self, frame: Frame) -> Frame:
        """Keep it; the frame to show, which may read its arrays from disk."""
        ...

    def note(self, run: Run) -> None:
        """Phase or settings have changed."""
        ...

    def lose(self, error: LabError) -> None:
        """A state cannot be written."""
        ...

    def cut(self, run: Run) -> None:
        """What is no longer in the histories of ``run`` is dropped."""
        ...


class Run:
    """Drives an Unlearner in slices and keeps its Steps and Frames.

    One thread at a time calls ``tick`` or ``advance``; any thread may call ``play``, ``pause`` and ``cancel`` and read the lists,
    which only grow. The model is copied, never changed. Labels reach a method only if it says that it needs them.
    """

    def __init__(
        self,
        unlearner: Unlearner,
        model: Net,
        split: Split,
        *,
        seed: int = 0,
        observer: Observer | None = None,
        checkpoints: Checkpoints | None = None,
        watching: FrameWorker | None = None,
    ) -> None:
        unlearner.configure(model, split)
        self.unlearner = unlearner
        self.config = unlearner.config
        self.seed = seed
        self.observer = observer
        self.checkpoints = checkpoints  # None: it cannot be taken back
        self.watching = watching  # None: it makes its frames itself, between its steps
        self.changes: list[Change] = []  # of the settings, in the order of their steps
        self.marks: list[
            Mark
        ] = []  # remarks that belong to the result, such as that a step was chosen by eye
        self.phase = Phase.READY
        self.steps: list[Step] = []
        self.frames: list[Frame] = []
        self.progress: dict[str, Progress] = {}
        self.seconds: dict[str, float] = defaultdict(float)
        self.peak_memory_mb: dict[str, float] = {}  # by stage: allocated on a GPU, else of the process so far
        self.overhead_s = 0.0  # spent on keeping states
        self.recorder: Keeper | None = None  # told of all that must outlive the process
        self.error: BaseException | None = None
        self.on_progress: Callable[[Progress], object] | None = (
            None  # told of each slice, in the working thread
        )
        self._model = model
        self._labelled = split
        self._then: Any = None  # settings for when a fork has caught up
        self._split = split if unlearner.needs_labels else split.unlabelled()
        self._restage()
        self._state: Any = None
        self._left: int | None = None  # steps to take before pausing by itself
        self._target: int | None = None  # step that a rewound run is on its way back to
        self._ending: Phase | None = (
            None  # DONE or PAUSED, as soon as the frames that are being made are there
        )
        self._lock = threading.RLock()
        if observer is not None:
            self.frames.append(observer.first if observer.begins_with(model) else observer.look(model))

    # moves

    def play(self, steps: int | None = None) -> None:
        """Start or go on, to the end or for ``steps`` steps. Raises IllegalMoveError unless READY or PAUSED."""
        with self._lock:
            self._require("play", Phase.READY, Phase.PAUSED)
            if steps is not None and steps < 1:
                raise IllegalMoveError(f"a run plays for at least 1 step, not {steps}")
            self._left = steps
            self.phase = Phase.RUNNING

    def pause(self) -> None:
        """Stop after the slice in progress. Raises IllegalMoveError unless RUNNING."""
        with self._lock:
            self._require("pause", Phase.RUNNING)
            if self._ending is None:
                self.phase = Phase.PAUSED

    def cancel(self) -> None:
        """Stop for good; what was recorded stays. Raises IllegalMoveError when the run is over."""
        with self._lock:
            self._require("cancel", Phase.READY, Phase.RUNNING, Phase.PAUSED)
            self.phase = Phase.CANCELLED
            if self.watching is not None:
                self.watching.drop()
            self._note()

    def advance(self) -> tuple[Step, ...]:
        """The next Step, preparing first where there is something to prepare; () once finished.

        Raises what the method raised, and IllegalMoveError when the run has failed or was cancelled.
        """
        if self.phase is Phase.DONE:
            return ()
        self._require("advance", Phase.READY, Phase.RUNNING, Phase.PAUSED)
        before = len(self.steps)
        if self.phase is Phase.READY:
            self.play()
        while len(self.steps) == before and not self.phase.over:
            self._slice()
        if self.phase is Phase.FAILED:
            assert self.error is not None
            raise self.error
        return tuple(self.steps[before:])

    def tick(self) -> bool:
        """One slice of work, if RUNNING: some preparation, or one step and its frame. Whether another is wanted."""
        if self.phase is Phase.RUNNING:
            self._slice()
        return self.phase is Phase.RUNNING

    def change(self, config: Any) -> None:
        """Other settings from the next step on; before the run has begun, for all of it. The history marks it.

        Raises IllegalMoveError unless READY or PAUSED, RequestError for settings that only a new run can have.
        """
        with self._lock:
            self._require("change the settings of", Phase.READY, Phase.PAUSED)
            if config == self.config:
                return
            if self._state is None:
                self.unlearner.config = self.config = config
            else:
                why = refused_change(self.unlearner, self.config, config)
                if why is not None:
                    raise RequestError(why)
                at = len(self.steps)
                end = self.unlearner.stages(self._split, config)[-1].total
                if end <= at:
                    raise RequestError(
                        f"{at} steps are taken already and these settings end after {end}; ask for more steps"
                    )
                self.changes = [*[c for c in self.changes if c.after < at], Change(at, self.config, config)]
                self.config = config
            self._restage()
            self._note()

    def rewind(self, step: int) -> None:
        """Back to where the run stood after ``step``: RUNNING until it is there again, then PAUSED. See ``core.runs.time_travel``."""
        time_travel.rewind(self, step)

    def fork(self, step: int, config: Any = None) -> Run:
        """Another run with this one's history up to ``step``, and other settings from there if given. See ``core.runs.time_travel``."""
        return time_travel.fork(self, step, config)

    def config_at(self, step: int) -> Any:
        """The settings that step number ``step`` was, or will be, taken with."""
        config = self.changes[0].before if self.changes else self.config
        for c in self.changes:
            if c.after < step:
                config = c.now
        return config

    # what there is

    @property
    def result(self) -> Net:
        """A copy of the model as it stands. Raises IllegalMoveError before the first step has begun."""
        if self._state is None:
            raise IllegalMoveError("the run has not started, so it has no result; advance it first")
        model: Net = copy_of(self.unlearner.result(self._state)).eval()
        return model

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to continue in another process, but for model and split; plain values and tensors."""
        return {
            "method": self.unlearner.name,
            "config": as_dict(self.config),
            "seed": self.seed,
            "phase": str(self.phase),
            "steps": [step.as_dict() for step in self.steps],
            "seconds": dict(self.seconds),
            # a copy: what is kept in memory must not go on with the run
            "state": None if self._state is None else copy.deepcopy(self._state.state_dict()),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave; a run that was RUNNING comes back PAUSED.

        Raises IllegalMoveError unless READY, DataError when it was saved with another method, config or seed.
        """
        self._require("load", Phase.READY)
        mine = (self.unlearner.name, as_dict(self.config), self.seed)
        if (saved["method"], saved["config"], saved["seed"]) != mine:
            raise DataError(
                "the saved state belongs to another method, config or seed; make the Run with the same ones"
            )
        if saved["state"] is not None:
            self._begin()
            self._state.load_state_dict(saved["state"])
        self.steps = [Step.from_dict(values) for values in saved["steps"]]
        self.seconds = defaultdict(float, saved["seconds"])
        phase = Phase(saved["phase"])
        self.phase = Phase.PAUSED if phase is Phase.RUNNING else phase

    # inside

    def _require(self, move: str, *allowed: Phase) -> None:
        if self.phase not in allowed:
            names = " or ".join(str(p) for p in allowed)
            raise IllegalMoveError(f"cannot {move} a run that is {self.phase}; it must be {names}")

    def _begin(self) -> None:
        self._state = self.unlearner.start(self._model, self._split, seed=self.seed)

    def _restage(self) -> None:
        self.stages = self.unlearner.stages(self._split, self.config)
        self.total_steps = self.stages[-1].total

    def _slice(self) -> None:
        if self.waits:
            time.sleep(0.002)  # others have work for this thread
            return
        if self._ending is not None:
            self._end()
            return
        try:
            with computing(getattr(self.config, "threads", 1)):  # a plug-in may have another kind of config
                if self._state is None:
                    self._begin()
                prepared = self.unlearner.prepare(self._state, self.config)
                if self._target is not None and prepared is None:
                    time_travel.catch_up(self)
                    return
                if prepared is not None:
                    self.seconds[prepared.stage] = prepared.seconds
                    self._note_memory(prepared.stage)
                    self._tell(prepared)
                    return
                if self.recorder is not None and not self.steps:
                    self.recorder.begin(self)
                if self.checkpoints is not None and not self.steps and not self.checkpoints.steps:
                    self._keep(0, 0)
                self._step()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Whatever a method or a measurement raised, in one sentence."""
        if isinstance(error, LabError):
            self._fail(error)
        elif isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            self._fail(
                LabError(
                    f"{self.unlearner.title} ran out of memory; choose a smaller batch size or device memory that suffices"
                )
            )
        else:
            log.error("a run failed", exc_info=error)
            self._fail(
                LabError(f"{self.unlearner.title} failed: {type(error).__name__}: {error}".splitlines()[0])
            )

    def _step(self) -> None:
        step = self.unlearner.step(self._state, self.config)
        if self.recorder is not None:
            self.recorder.step(step)  # on disk before anybody sees it
        self.steps.append(step)
        self.seconds[step.stage] += step.seconds
        self._note_memory(step.stage)
        # one line of progress for all steps, though a method may have more than one kind of them
        before = {"evaluate", *(s.key for s in self.stages[:-1])}
        spent = sum(v for k, v in self.seconds.items() if k not in before)
        self._tell(Progress(self.stages[-1].key, step.number, self.total_steps, spent))
        finished = step.number >= self.total_steps
        if self.observer is not None and (
            finished or step.number % self.observer.cadence(self.total_steps) == 0
        ):
            self._frame(step, finished=finished)
        with self._lock:
            if self._left is not None:
                self._left -= 1
            if self.phase.over:
                return
            if finished:
                self._ending = Phase.DONE
            elif self._left == 0:
                self._ending = Phase.PAUSED
        if self._ending is not None and not self.waits:
            self._end()

    @property
    def waits(self) -> bool:
        """Whether the next slice must wait for a frame that is being made."""
        if self.watching is None or self.observer is None:
            return False
        if self._ending is not None:
            return self.watching.pending > 0
        # the last that somebody asked for is what he will look at
        last = self._left == 1 or len(self.steps) + 1 >= self.total_steps
        every = last or not self.observer.config.adapts
        return every and self.watching.is_full

    def _end(self) -> None:
        with self._lock:
            ending, self._ending = self._ending, None
            if ending is Phase.PAUSED:
                self._left = None
            if ending is not None and not self.phase.over:
                self.phase = ending
        if ending is Phase.DONE:
            self._note()

    def _frame(self, step: Step, *, finished: bool) -> None:
        """A frame of the model as it stands, here or beside the next steps; none where those that are waiting, or were made, leave no room."""
        assert self.observer is not None
        if self.watching is not None:
            dear = self.observer.config.adapts and not (finished or self._left == 1) and self.watching.is_dear
            if dear or self.watching.is_full:
                return
        model = self.unlearner.result(self._state)
        number = len(self.frames) + (self.watching.pending if self.watching is not None else 0)
        seconds = dict(self.seconds)
        if self.watching is None:
            self._look(model, number, step, seconds)
        else:
            twin = copy_of(model)
            self.watching.hand(lambda: self._look_beside(twin, number, step, seconds))
        if self.checkpoints is not None and (finished or self.checkpoints.due(number)):
            self._keep(step.number, number)

    def _look(self, model: Net, number: int, step: Step, seconds: dict[str, float]) -> None:
        start = time.perf_counter()
        assert self.observer is not None
        frame = self.observer.look(model, number=number, step=step.number, record=step, seconds=seconds)
        self.frames.append(frame if self.recorder is None else self.recorder.frame(frame))
        self.seconds["evaluate"] += time.perf_counter() - start

    def _look_beside(self, model: Net, number: int, step: Step, seconds: dict[str, float]) -> None:
        if self.phase is Phase.CANCELLED:
            return
        try:
            with own_stream(device_of(model)):
                self._look(model, number, step, seconds)
        except Exception as error:
            self._failed(error)

    def _keep(self, step: int, frame: int) -> None:
        start = time.perf_counter()
        assert self.checkpoints is not None
        try:
            self.checkpoints.put(step, frame, copy.deepcopy(self._state.state_dict()))
        except DataError as error:
            if self.recorder is None:
                raise
            self.recorder.lose(error)
        self.overhead_s += time.perf_counter() - start

    def _note(self) -> None:
        if self.recorder is not None:
            self.recorder.note(self)

    def _note_memory(self, stage: str) -> None:
        now = peak_memory_mb(device_of(self._model))
        self.peak_memory_mb[stage] = max(now, self.peak_memory_mb.get(stage, 0.0))

    def _tell(self, progress: Progress) -> None:
        self.progress[progress.stage] = progress
        if self.on_progress is not None:
            self.on_progress(progress)

    def _fail(self, error: LabError) -> None:
        with self._lock:
            self.error = error
            if not self.phase.over:
                self.phase = Phase.FAILED
            self._note()


def finish(run: Run) -> Net:
    """Drive ``run`` to its end and give its result. Raises what the method raised, CancelledError when it was cancelled."""
    while run.phase is not Phase.CANCELLED and run.advance():
        pass
    if run.phase is Phase.CANCELLED:
        raise CancelledError("the run was cancelled before it had a result")
    return run.result


__all__ = ["Change", "Phase", "Run", "finish"]
