"""RunPlayer: the run of an Experiment and the fork beside it, and the moves that a user makes with them."""

from __future__ import annotations

from typing import Any

from core.errors import IllegalMoveError, RequestError
from core.experiments.outcome.judging import Outcome, end_of, judge
from core.experiments.session.background import BackgroundTasks
from core.experiments.session.limits import SessionLimits
from core.experiments.session.memory_estimate import require_room
from core.experiments.session.preparation import Preparation
from core.experiments.session.reference_pool import ReferencePool
from core.experiments.session.run_keeping import RunKeeping
from core.experiments.session.run_task import RunTask
from core.methods import method
from core.methods.step import Stage
from core.runs.checkpoints import Checkpoints
from core.runs.engine.frame_worker import FrameWorker
from core.runs.records import Phase
from core.runs.run import Run
from core.runs.storage import stop_run

SLOW_S = 1.0  # from one step to the next in slow motion
BY_EYE = "chosen by eye: this step was picked after seeing labels and references, which LAF must not read"


class RunPlayer:
    """Plays a run, rewinds it, forks it, and changes its settings.

    ``life`` counts resets and rewinds. With ``classroom``, runs play only while it is their browser's turn.
    """

    def __init__(
        self,
        preparation: Preparation,
        tasks: BackgroundTasks,
        pool: ReferencePool,
        keeping: RunKeeping,
        classroom: SessionLimits | None = None,
    ) -> None:
        self.run: Run | None = None
        self.fork_run: Run | None = None
        self.fork_from = 0  # the step that the fork began at
        self.forks = 0  # made so far
        self.life = 0
        self.kept_frames = 0  # frames of the life before that are also those of this one
        self.outcome = Outcome()  # of the run, once it is finished
        self.fork_outcome = Outcome()
        self.layers: tuple[int, dict[str, Any]] | None = None  # a step, and its gradients by layer
        self.slow = False
        self.classroom = classroom
        self.seat = None if classroom is None else classroom.seats.seat()
        self._preparation = preparation
        self._tasks = tasks
        self._pool = pool
        self._keeping = keeping
        self._task: RunTask | None = None
        self._fork_task: RunTask | None = None

    # moves

    def begin(self) -> None:
        """Make a new run, or continue the kept one that was asked for."""
        made = self._preparation
        assert made.model is not None
        assert made.split is not None
        self._keeping.automatic = made.automatic
        run = self._keeping.continue_kept(made)
        if run is None:
            unlearner, room = method(made.setup.method, made.config), self.classroom
            run = Run(unlearner, made.model, made.split, seed=made.setup.seed, observer=made.observer)
            run.checkpoints = Checkpoints() if room is None else Checkpoints(memory_mb=room.states_mb)
            if made.automatic is not None:
                made.automatic.end(run)
            self._keeping.keep(run)
        if self._tasks.runner.workers > 1:  # a single thread would have to alternate between the two
            run.watching = FrameWorker(self._tasks.runner)
        self._rest(self._task)
        self._task = RunTask(run, self.measure, self._again, self.seat)
        if run.phase is Phase.RUNNING:  # it plays back to its last step
            self._again(self._task)
        self.run = run

    def play(self, steps: int | None = None) -> None:
        """Play run and fork to their ends or for ``steps`` steps. Raises IllegalMoveError when neither can."""
        run, fork = self.ready_run(), self.fork_run
        if fork is None or fork.phase.over or not run.phase.over:
            run.play(steps)
            self._go(self._task)
        if fork is not None and not fork.phase.over:
            fork.play(steps)
            self._go(self._fork_task)

    def play_on(self, steps: int) -> None:
        """Play the driven run, which is done, for ``steps`` more steps of the same settings. Raises as ``Run.extend``."""
        run = self.driven
        run.extend(steps)
        (self.outcome if run is self.run else self.fork_outcome).go_on(run)
        run.play()
        self._go(self._task if run is self.run else self._fork_task)

    def pause(self) -> None:
        """Pause what is running. Raises IllegalMoveError unless something is."""
        run, fork = self.ready_run(), self.fork_run
        if fork is None or run.phase is Phase.RUNNING:
            run.pause()
        if fork is not None and fork.phase is Phase.RUNNING:
            fork.pause()
        if self.seat is not None and self.phase is not Phase.RUNNING:
            self.seat.leave()

    def reset(self) -> None:
        """Make a fresh run of the same setup."""
        stop_run(self.ready_run())
        self.drop_fork()
        self.outcome, self.layers = Outcome(), None
        self.kept_frames = 0
        self.begin()
        self.life += 1

    def close(self) -> None:
        """Stop run and fork for good; what is kept of them can be continued."""
        if self.seat is not None:
            self.seat.leave()
        if self.run is not None:
            stop_run(self.run)
        self.drop_fork()

    def rewind(self, step: int, *, by_eye: bool = True) -> None:
        """Rewind to ``step`` and drop what came later. ``by_eye``: a user looked at the frames and chose the step.

        Raises IllegalMoveError while it runs, when the step cannot be reached, or while there is a fork.
        """
        if self.fork_run is not None:
            raise IllegalMoveError("a fork is drawn over the run; drop the fork, then continue")
        run = self.ready_run()
        chosen = by_eye and 0 < step < len(run.steps)
        run.rewind(step)
        if chosen:
            run.history.add_mark(step, BY_EYE)
        if run.recorder is not None:
            run.recorder.note(run)
        self.outcome, self.layers = self.outcome.back_to(step), None
        self.kept_frames = len(run.frames)
        self.life += 1
        self._go(self._task)

    def fork(self, step: int, config: Any = None, *, by_eye: bool = True) -> Run:
        """Return a second run that shares the first one's history up to ``step``, where it pauses; ``config``: its other settings.

        Raises IllegalMoveError as ``rewind``, RequestError for settings that cannot change there.
        """
        run = self.ready_run()
        chosen = by_eye and 0 < step < len(run.steps)
        twin = run.fork(step, config)
        if chosen:
            twin.history.add_mark(step, BY_EYE)
        self._keeping.keep(twin, parent=getattr(run.recorder, "id", None), step=step)
        self.drop_fork()
        self.forks += 1
        self.fork_from = step
        self._fork_task = RunTask(twin, self.measure, self._again, self.seat)
        self.fork_run = twin
        self._go(self._fork_task)
        return twin

    def drop_fork(self) -> None:
        """Stop the fork and forget it."""
        if self.fork_run is not None:
            stop_run(self.fork_run)
        self._rest(self._fork_task)
        self.fork_run, self._fork_task, self.fork_outcome = None, None, Outcome()

    @property
    def driven(self) -> Run:
        """The run that settings are changed of: the fork while there is one."""
        return self.fork_run or self.ready_run()

    def change(self, config: Any) -> None:
        """Change the settings of the driven run from the next step on. Raises as ``Run.change``, RequestError for lack of memory."""
        self.require_room(self.driven, config)
        self.driven.change(config)

    def begin_with(self, config: Any) -> None:
        """Make a fresh run with these settings; None: the preset's. Raises RequestError for lack of memory."""
        if config is None:
            config = self.preset()
        else:
            self.require_room(self.ready_run(), config)
        self._preparation.config = config
        self.reset()

    def preset(self) -> Any:
        """Return the settings that this setup has unless a user changes them: those that were found, or else the named ones."""
        run, found = self.ready_run(), self._preparation.automatic
        if found is not None:
            return found.settings.config
        unlearner = method(run.unlearner.name, self._preparation.setup.config(run.stepper.split))
        unlearner.configure(run.stepper.model, run.stepper.split)
        return unlearner.config

    def require_room(self, run: Run, config: Any) -> None:
        """Raise RequestError where ``run`` with ``config`` would need more memory than it may use."""
        require_room(
            self._preparation.setup,
            run.stepper.split,
            config,
            self.classroom,
            eval_config=self._preparation.eval_config,
            references=self._pool.count,
        )

    def by_layer(self) -> dict[str, Any] | None:
        """Return norms and cosine of the next step's gradients by layer; None where the method has none.

        Raises IllegalMoveError while the driven run plays or before it has begun.
        """
        run = self.driven
        measure = getattr(run.unlearner, "by_layer", None)
        if measure is None:
            return None
        if not run.has_begun or run.phase is Phase.RUNNING:
            raise IllegalMoveError(
                "gradients are split by layer while the run is paused, after its first step"
            )
        found: dict[str, Any] = measure(run.stepper.state, run.config)
        self.layers = len(run.steps), found
        return found

    def measure(self, run: Run) -> None:
        """Measure a finished run or fork on all images, where frames are of a part of them, and judge it; both are kept with the run."""
        made = self._preparation
        if made.observer is None or made.split is None or run.phase is not Phase.DONE:
            return
        outcome = self.outcome if run is self.run else self.fork_outcome
        if run not in (self.run, self.fork_run) or outcome.is_known(run, self._pool.revision):
            return
        revision, complete = self._pool.revision, self._pool.is_complete(made.split)
        report = self._pool.measure(run, made.split, made.observer)
        frames = [reference.frame for reference in self._pool.references] if complete else []
        learning = None if made.prepared is None else made.prepared.learning
        outcome.note(run, revision, report, judge(run, frames, learning), end_of(run, frames))

    def measure_finished(self) -> None:
        """Measure run and fork again where they are done: there are more references now."""
        for run in (self.run, self.fork_run):
            if run is not None and run.phase is Phase.DONE:
                self.measure(run)

    def set_slow(self, slow: bool) -> None:
        """Play about one step a second, or as fast as possible."""
        self.slow = slow
        for task in filter(None, (self._task, self._fork_task)):
            task.pace_s = SLOW_S if slow else 0.0

    def left_s(self, stage: Stage) -> float | None:
        """Return the seconds until the first run ends ``stage``, by the wall clock; None before there is a pace."""
        return None if self._task is None else self._task.left_s(stage)

    @property
    def phase(self) -> Phase | None:
        """The phase of run and fork together: RUNNING while one plays, PAUSED while one could go on; None before there is a run."""
        if self.run is None:
            return None
        phases = [run.phase for run in (self.run, self.fork_run) if run is not None]
        for phase in (Phase.RUNNING, Phase.PAUSED, Phase.READY):
            if phase in phases:
                return phase
        return phases[0]

    @property
    def is_looking(self) -> bool:
        """True if a frame is being made; it may come after the run was paused."""
        runs = (self.run, self.fork_run)
        return any(r is not None and r.watching is not None and r.watching.pending > 0 for r in runs)

    def ready_run(self) -> Run:
        """Return the run. Raises RequestError before there is one."""
        if self.run is None:
            raise RequestError("the original model is still being prepared; wait for its map")
        return self.run

    def _go(self, task: RunTask | None) -> None:
        assert task is not None
        task.rest()
        task.pace_s = SLOW_S if self.slow else 0.0
        # asked here, not in the first slice, so that the page shows the place in the line at once
        if self.seat is None or self.seat.may_play(task, lambda: self._again(task)):
            self._again(task)

    def _again(self, task: RunTask) -> None:
        if not self._tasks.closed:
            self._tasks.give(task)

    def _rest(self, task: RunTask | None) -> None:
        """Give up the turn of the run of ``task``."""
        if self.seat is not None and task is not None:
            self.seat.rest(task)
