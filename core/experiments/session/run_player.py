"""The moves of an Experiment through time: back to a step, a second run beside the first, other settings, slow motion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.errors import IllegalMoveError
from core.experiments.session.follow_map import FollowMap
from core.experiments.session.run_task import RunTask
from core.experiments.session.turn_queue import Turn
from core.methods import method
from core.methods.step import Stage
from core.runs.records import Mark, Phase
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.storage import let_go

if TYPE_CHECKING:
    from core.data.split import Split
    from core.evaluation.metrics import Report

SLOW_S = 1.0  # from one step to the next in slow motion
BY_EYE = "chosen by eye: whoever goes on from a step that looked well has read labels and references"


class RunPlayer:
    """What an Experiment can do besides playing forward; it names the attributes that it shares with it."""

    setup: Setup
    run: Run | None
    config: Any
    report: Report | None
    fork_report: Report | None
    life: int
    kept_frames: int  # how many frames of the life before are those of this one
    fork_run: Run | None
    forks: int  # made so far
    fork_from: int
    layers: tuple[int, dict[str, Any]] | None  # the step, and norms and cosine of its gradients by layer
    slow: bool
    seat: Turn | None
    _drive: RunTask | None
    _fork_drive: RunTask | None
    _follow: FollowMap | None
    _fork_follow: FollowMap | None

    def rewind(self, step: int, *, by_eye: bool = True) -> None:
        """Back to ``step``, to go on from there; what came later is dropped. ``by_eye``: somebody looked and chose it.

        Raises IllegalMoveError when it runs, cannot be reached, or another run is drawn over this one.
        """
        if self.fork_run is not None:
            raise IllegalMoveError("a fork is drawn over the run; drop the fork, then continue")
        run = self._ready_run()
        chosen = by_eye and step < len(run.steps)
        run.rewind(step)
        run.marks = [m for m in run.marks if m.step < step]
        if chosen and step:
            run.marks = [*run.marks, Mark(step, BY_EYE)]
        if run.recorder is not None:
            run.recorder.note(run)
        self.report = self._follow = self.layers = None
        self.kept_frames = len(run.frames)
        self.life += 1
        self._go(self._drive)

    def fork(self, step: int, config: Any = None, *, by_eye: bool = True) -> Run:
        """A second run that shares the first one's past up to ``step``. It waits there; ``config``: with other settings.

        Raises IllegalMoveError as ``rewind``, RequestError for settings that cannot change there.
        """
        run = self._ready_run()
        twin = run.fork(step, config)
        chosen = by_eye and 0 < step < len(run.steps)
        twin.marks = [*(m for m in run.marks if m.step <= step), *([Mark(step, BY_EYE)] if chosen else [])]
        parent = getattr(run.recorder, "id", None)
        self.keep(twin, parent=parent, step=step)
        self.drop_fork()
        self.forks += 1
        self.fork_from = step
        self._fork_drive = RunTask(twin, self._finished, self._again, self.seat)
        self.fork_run = twin
        self._go(self._fork_drive)
        return twin

    def drop_fork(self) -> None:
        """The second run is wanted no more."""
        if self.fork_run is not None:
            let_go(self.fork_run)
        self._rest(self._fork_drive)
        self.fork_run = self._fork_drive = self._fork_follow = self.fork_report = None

    @property
    def driven(self) -> Run:
        """The run that settings are changed of: the fork while there is one."""
        return self.fork_run or self._ready_run()

    def change(self, config: Any) -> None:
        """Other settings of the run, or of its fork, from the next step on. Raises as ``Run.change``, RequestError for want of memory."""
        self.require_room(self.setup, self.driven._labelled, config)
        self.driven.change(config)

    def begin_with(self, config: Any) -> None:
        """A fresh run with these settings; ``None``: the preset's. Raises RequestError for want of memory."""
        if config is not None:
            self.require_room(self.setup, self._ready_run()._labelled, config)
        self.config = config if config is not None else self.preset()
        self.reset()

    def preset(self) -> Any:
        """The settings that this setup has unless somebody changes them."""
        run = self._ready_run()
        unlearner = method(run.unlearner.name, self.setup.config(run._labelled))
        unlearner.configure(run._model, run._labelled)
        return unlearner.config

    def by_layer(self) -> dict[str, Any] | None:
        """Norms and cosine of the next step's gradients by layer, of the run that stands still; None where its method has none.

        Raises IllegalMoveError while it plays or before it has begun.
        """
        run = self.driven
        measure = getattr(run.unlearner, "by_layer", None)
        if measure is None:
            return None
        if run._state is None or run.phase is Phase.RUNNING:
            raise IllegalMoveError(
                "gradients are split by layer while the run is paused, after its first step"
            )
        found: dict[str, Any] = measure(run._state, run.config)
        self.layers = len(run.steps), found
        return found

    def set_slow(self, slow: bool) -> None:
        """About one step a second, or as fast as it goes."""
        self.slow = slow
        for drive in (self._drive, self._fork_drive):
            if drive is not None:
                drive.pace_s = SLOW_S if slow else 0.0

    def left_s(self, stage: Stage) -> float | None:
        """Seconds that ``stage`` of the first run still takes at the pace a person sees; None before there is one."""
        return None if self._drive is None else self._drive.left_s(stage)

    @property
    def phase(self) -> Phase | None:
        """Of both runs together: RUNNING while one plays, PAUSED while one could go on; None while the first is prepared."""
        if self.run is None:
            return None
        phases = [self.run.phase, *([self.fork_run.phase] if self.fork_run is not None else [])]
        for phase in (Phase.RUNNING, Phase.PAUSED, Phase.READY):
            if phase in phases:
                return phase
        return phases[0]

    # inside

    def _go(self, drive: RunTask | None) -> None:
        assert drive is not None
        drive.rest()
        drive.pace_s = SLOW_S if self.slow else 0.0
        if self.seat is None or self.seat.may_play(
            drive, lambda: self._again(drive)
        ):  # known at once, not in its first slice
            self._again(drive)

    def _rest(self, drive: RunTask | None) -> None:
        """The run of ``drive`` wants no seat."""
        if self.seat is not None and drive is not None:
            self.seat.rest(drive)

    # of the Experiment

    def require_room(self, setup: Setup, split: Split, config: Any) -> None:
        raise NotImplementedError

    def keep(self, run: Run, **about: Any) -> None:
        raise NotImplementedError

    def _finished(self, run: Run) -> None:
        raise NotImplementedError

    def _ready_run(self) -> Run:
        raise NotImplementedError

    def reset(self) -> None:
        raise NotImplementedError

    def _again(self, drive: RunTask) -> None:
        raise NotImplementedError
