"""Everything behind one Lab: a Setup, the original model, its map, a run of LAF, and the retrained reference beside it.

All work is done by a Runner in slices; whoever shows it polls the attributes, which only ever grow or are replaced whole.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from core.config import EvalConfig
from core.data.images import Dataset
from core.data.registry import OWN, load
from core.data.split import Split
from core.errors import LabError, RequestError
from core.evaluation.metrics import Report
from core.experiments.session.follow_map import FollowMap
from core.experiments.session.limits import SessionLimits
from core.experiments.session.memory_estimate import require_room
from core.experiments.session.preparation import Preparation
from core.experiments.session.preparation_cache import PreparationCache, Prepared, Reference
from core.experiments.session.reference_pool import ReferencePool
from core.experiments.session.run_player import RunPlayer
from core.experiments.session.run_task import RunTask
from core.methods import method
from core.models.base import Net
from core.projection.projection import NoiseFloor, Projection, UmapBackend
from core.runs.checkpoints import Checkpoints
from core.runs.frame_worker import FrameWorker
from core.runs.observer import Observer
from core.runs.run import Phase, Run
from core.runs.setup import Setup
from core.runs.storage import let_go, read_run, record, restore
from core.runtime.progress import Progress
from core.runtime.purge_watch import generation
from core.runtime.scheduler import Scheduler, SlicedTask

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Experiment(ReferencePool, RunPlayer):
    """Prepared in the background from ``setup``; ``run`` appears when the original model's map is there.

    ``life`` counts resets and ways back, ``revision`` changes of the references. ``close`` gives back all threads.
    """

    setup: Setup
    runner: Scheduler
    umap: UmapBackend | None = None
    config: Any = None  # of the method; default its preset
    eval_config: EvalConfig | None = None  # the dataset's preset
    map_runner: Scheduler | None = None  # for what waits for UMAP; default ``runner``
    reference_count: int | None = None  # models retrained from scratch; default ``usual_count``
    kept: PreparationCache | None = None  # shared with other Experiments; not asked when a config is given
    token: str | None = None  # of the browser whose runs are kept on disk; None: they are not
    take_up: str | None = None  # id of a kept run to go on with instead of a new one
    as_copy: bool = False  # go on with a copy of it
    classroom: SessionLimits | None = None  # where many share the machine: seats and limits

    def __post_init__(self) -> None:
        self.dataset: Dataset | None = None
        self.split: Split | None = None
        self.model: Net | None = None
        self.observer: Observer | None = None
        self.projection: Projection | None = None
        self.run: Run | None = None
        self.references: list[Reference] = []
        self.noise: NoiseFloor | None = None  # of the two maps, once measured
        self.report: Report | None = None  # of the finished run, on all images
        self.fork_report: Report | None = None  # of its fork, likewise
        self.work: dict[str, Progress] = {}  # what goes on behind, by stage; gone when finished
        self.error: LabError | None = None  # preparing failed
        self.retrain_error: LabError | None = None
        self.take_up_error: LabError | None = (
            None  # the kept run could not be taken up; a new one stands there
        )
        self.life = 0
        self.kept_frames = 0
        self.fork_run: Run | None = None
        self.forks = 0
        self.fork_from = 0
        self.layers: tuple[int, dict[str, Any]] | None = None
        self.slow = False
        self.revision = 0
        self.closed = False
        self.seat = self.classroom.seats.seat() if self.classroom is not None else None
        self.not_kept: str | None = None  # why no run is kept, where a classroom keeps no more
        self._shares = self.kept is not None and self.config is None and self.eval_config is None
        self._prepared: Prepared | None = None
        self._generation = generation()
        self._follow: FollowMap | None = None
        self._fork_follow: FollowMap | None = None
        self._follow_task: SlicedTask | None = None
        self._drive: RunTask | None = None
        self._fork_drive: RunTask | None = None
        self._tasks: list[SlicedTask | RunTask] = []

    # moves

    def start(self) -> None:
        """Begin to prepare; done on return where ``kept`` has it already. What another prepares just now is waited for."""
        found = None
        if self._shares:
            assert self.kept is not None
            found = self.kept.get(self.setup)
            if found is None and not self.kept.claim(self.setup, self, self._start_again):
                self.work["load"] = Progress("load", 0, 1)
                return
        if found is not None:
            self._adopt(found)
        else:
            self._give(SlicedTask(self._prepare(), self._prepare_failed))

    def _start_again(self) -> None:
        def again() -> Iterator[None]:
            yield
            if self.run is None and not self.closed:
                self.work.pop("load", None)
                self.start()

        if not self.closed:
            self._give(SlicedTask(again(), self._prepare_failed))

    def play(self, steps: int | None = None) -> None:
        """Play the run to its end or for ``steps`` steps, and its fork beside it. Raises IllegalMoveError when neither can."""
        run, fork = self._ready_run(), self.fork_run
        if fork is None or fork.phase.over or not run.phase.over:
            run.play(steps)
            self._go(self._drive)
        if fork is not None and not fork.phase.over:
            fork.play(steps)
            self._go(self._fork_drive)

    def pause(self) -> None:
        """Pause what is running. Raises IllegalMoveError unless something is."""
        run, fork = self._ready_run(), self.fork_run
        if fork is None or run.phase is Phase.RUNNING:
            run.pause()
        if fork is not None and fork.phase is Phase.RUNNING:
            fork.pause()
        if self.seat is not None and self.phase is not Phase.RUNNING:
            self.seat.leave()

    def reset(self) -> None:
        """A fresh run of the same setup; the references stay."""
        run = self._ready_run()
        let_go(run)
        self.drop_fork()
        self._follow = None
        self.report = self.layers = None
        self.kept_frames = 0
        self._new_run()
        self.life += 1

    def want_follow(self) -> None:
        """Lay out the follow map for all frames there are; call again as frames come."""
        if self.projection is None or self.run is None or self.closed:
            return
        if self._follow is None:
            self._follow = FollowMap(self.projection)
        follow, run = self._follow, self.run

        def work() -> Iterator[None]:
            while follow is self._follow and follow.extend(run, next(iter(self.references), None)):
                yield
            while (beside := self.fork_follow) is not None and self.fork_run is not None:
                if follow is not self._follow or not beside.extend(self.fork_run, None):
                    return
                yield

        pending = len(follow.positions) < len(run.frames) or (self.references and follow.retrained is None)
        twin, beside = self.fork_run, self.fork_follow
        pending = pending or (
            twin is not None and (beside is None or len(beside.positions) < len(twin.frames))
        )
        if pending and (self._follow_task is None or not self._follow_task.alive):
            self._follow_task = SlicedTask(work(), self._follow_failed)
            self._give(self._follow_task, self.map_runner)

    @property
    def is_looking(self) -> bool:
        """Whether a frame is being made beside a run; it may come after the run was paused."""
        runs = (self.run, self.fork_run)
        return any(r is not None and r.watching is not None and r.watching.pending > 0 for r in runs)

    @property
    def follow(self) -> FollowMap | None:
        """The follow map, once it was wanted."""
        return self._follow

    @property
    def fork_follow(self) -> FollowMap | None:
        """The follow map of the fork, begun from its parent's; None before that is there."""
        if self._follow is None or self.fork_run is None or self.projection is None:
            return None
        shared = sum(f.step <= self.fork_from for f in self.fork_run.frames)
        if self._fork_follow is None and len(self._follow.positions) >= shared:
            self._fork_follow = FollowMap(self.projection, self._follow.positions[:shared])
        return self._fork_follow

    def close(self) -> None:
        """Stop all work, at the end of the slices in progress."""
        self.closed = True
        for task in self._tasks:
            for runner in (self.runner, self.map_runner):
                if runner is not None:
                    runner.discard(task)
        self._tasks.clear()
        if self.kept is not None:
            self.kept.release(self)
        if self.seat is not None:
            self.seat.leave()
        if self.run is not None:
            let_go(self.run)
        self.drop_fork()

    # work behind

    def _again(self, drive: RunTask) -> None:
        if not self.closed:
            self._give(drive)

    def _give(self, task: SlicedTask | RunTask, runner: Scheduler | None = None) -> None:
        runner = self.runner if runner is None else runner  # not `or`: an idle Runner has length 0
        kept = [t for t in self._tasks if t is not task and getattr(t, "alive", True)]
        self._tasks = [*kept, task]
        runner.submit(task)
        if self.closed:  # perhaps by another thread, just now
            runner.discard(task)

    def _ready_run(self) -> Run:
        if self.run is None:
            raise RequestError("the original model is still being prepared; wait for its map")
        return self.run

    def _new_run(self) -> None:
        assert self.model is not None
        assert self.split is not None
        run = self._taken_up()
        if run is None:
            run = Run(
                method(self.setup.method, self.config),
                self.model,
                self.split,
                seed=self.setup.seed,
                observer=self.observer,
                checkpoints=Checkpoints(memory_mb=self.classroom.states_mb)
                if self.classroom is not None
                else Checkpoints(),
            )
            self.keep(run)
        if self.runner.workers > 1:  # one thread alone would have to take both in turn
            run.watching = FrameWorker(self.runner)
        self._rest(self._drive)
        self._drive = RunTask(run, self._finished, self._again, self.seat)
        if run.phase is Phase.RUNNING:  # plays back to where it stood
            self._again(self._drive)
        self.run = run

    def require_room(self, setup: Setup, split: Split, config: Any) -> None:
        """Raises RequestError where a run of ``config`` would hold more memory than it may here."""
        require_room(
            setup,
            split,
            config,
            self.classroom,
            eval_config=self.eval_config,
            references=self.reference_count,
        )

    def keep(self, run: Run, **about: Any) -> None:
        """Keep ``run`` on disk where runs are kept; ``about`` as ``core.runs.storage.record``."""
        if self.token is None:
            return
        self.not_kept = self.classroom.why_not_kept(self.token) if self.classroom is not None else None
        if self.not_kept is None:
            record(run, self.setup, token=self.token, **about)

    def _taken_up(self) -> Run | None:
        """The kept run that was asked for, once."""
        run_id, self.take_up = self.take_up, None
        if run_id is None:
            return None
        assert self.model is not None
        assert self.split is not None
        try:
            kept = read_run(run_id, self.token)
            run = restore(kept, self.split, self.model, self.observer, as_copy=self.as_copy)
            if self.as_copy:
                self.keep(run, parent=run_id, step=len(run.steps))
            return run
        except LabError as error:
            self.take_up_error = error
            return None

    def _prepare_failed(self, error: LabError) -> None:
        self.error = error
        self.work.clear()
        if self.kept is not None:
            self.kept.release(self)

    def _follow_failed(self, error: LabError) -> None:
        log.warning("the follow map failed: %s", error)

    def _prepare(self) -> Iterator[None]:
        self.work["load"] = Progress("load", 0, 1)
        yield
        dataset = load(self.setup.dataset, data_dir=self.setup.data_dir, download=False)
        split = self.setup.split(dataset)
        self.config = self.config or self.setup.config(split)
        self.dataset, self.split = dataset, split
        self.work.pop("load")
        yield
        preparing = Preparation(
            self.setup,
            self.work,
            self.umap,
            lambda work, failed: self._give(SlicedTask(work, failed), self.map_runner),
        )
        self._adopt((yield from preparing.prepare(split, self.config, self.eval_config, self._generation)))

    def _own_title(self, dataset: Dataset) -> str:
        """What this browser calls the images."""
        if self.token is None or not dataset.name.startswith(OWN):
            return dataset.title
        from core.data.uploads import store

        try:
            return store.about(dataset.name, self.token).title or dataset.title
        except LabError:  # removed meanwhile
            return dataset.title

    def _adopt(self, prepared: Prepared) -> None:
        """The run appears last: whoever sees it finds the rest."""
        self._prepared = prepared
        self.dataset, self.split, self.config = prepared.dataset, prepared.split, prepared.config
        title = self._own_title(prepared.dataset)
        if (
            title != prepared.dataset.title
        ):  # what is prepared is shared with browsers that call the same images otherwise
            self.dataset = replace(prepared.dataset, title=title)
            self.split = replace(
                prepared.split, dataset=replace(prepared.split.dataset, title=title)
            )  # not ``self.dataset``: labels may be changed
        self.model, self.observer, self.projection = prepared.model, prepared.observer, prepared.projection
        self.references = list(prepared.references)
        self.revision = len(self.references)
        if self._shares and self.kept is not None and not prepared.references:
            self.kept.put(self.setup, prepared)
        self._new_run()
        self._begin_retraining()
