"""Experiment: everything behind one Lab, as one object over the parts that prepare, play and compare.

All work is done by a Scheduler in slices. A page polls the attributes, which grow or are replaced whole.
"""

from __future__ import annotations

from typing import Any

from core.config import EvalConfig
from core.data.images import Dataset
from core.data.split import Split
from core.errors import LabError
from core.evaluation.metrics import Report
from core.evaluation.verdict import Verdict
from core.experiments.automatic_run import AutomaticRecord
from core.experiments.outcome.trial_paths import TrialPath
from core.experiments.session.background import BackgroundTasks
from core.experiments.session.follow_map import FollowMap, FollowMaps
from core.experiments.session.limits import SessionLimits
from core.experiments.session.memory_estimate import require_room
from core.experiments.session.preparation import Preparation
from core.experiments.session.preparation_cache import PreparationCache, Prepared, Reference, SetupClaim
from core.experiments.session.reference_pool import ReferencePool
from core.experiments.session.run_keeping import RunKeeping
from core.experiments.session.run_player import RunPlayer
from core.experiments.session.turn_queue import Turn
from core.methods.step import Stage
from core.models.base import Net
from core.projection.projection import NoiseFloor, Projection, UmapBackend
from core.runs.observer import Observer
from core.runs.records import Phase
from core.runs.run import Run
from core.runs.setup import Setup
from core.runtime.delegation import Delegated
from core.runtime.progress import Progress
from core.runtime.scheduler import Scheduler
from core.training.recipe import LearningCheck


class Experiment:
    """A Setup, its original model and map, a run with its fork, and the retrained models beside it.

    ``run`` appears when the original model's map is there. ``life`` counts resets and rewinds, ``revision`` changes of the references.
    ``close`` gives back all threads.
    """

    # what is prepared
    config: Delegated[Any] = Delegated("preparation")  # of the next run
    dataset: Delegated[Dataset | None] = Delegated("preparation")
    split: Delegated[Split | None] = Delegated("preparation")
    model: Delegated[Net | None] = Delegated("preparation")  # the original
    observer: Delegated[Observer | None] = Delegated("preparation")
    projection: Delegated[Projection | None] = Delegated("preparation")
    automatic: Delegated[AutomaticRecord | None] = Delegated("preparation")  # the settings that were found
    error: Delegated[LabError | None] = Delegated("preparation")  # preparing failed
    # the run and its fork
    run: Delegated[Run | None] = Delegated("player")
    fork_run: Delegated[Run | None] = Delegated("player")
    fork_from: Delegated[int] = Delegated("player")  # the step that the fork began at
    forks: Delegated[int] = Delegated("player")  # made so far
    life: Delegated[int] = Delegated("player")
    kept_frames: Delegated[int] = Delegated("player")  # frames of the life before that this one has too
    layers: Delegated[tuple[int, dict[str, Any]] | None] = Delegated(
        "player"
    )  # a step, its gradients by layer
    slow: Delegated[bool] = Delegated("player")
    seat: Delegated[Turn | None] = Delegated("player")
    phase: Delegated[Phase | None] = Delegated("player")  # of run and fork together
    is_looking: Delegated[bool] = Delegated("player")  # a frame is being made
    driven: Delegated[Run] = Delegated("player")  # the run that settings are changed of
    # retrained models
    references: Delegated[list[Reference]] = Delegated("pool")
    reference_count: Delegated[int | None] = Delegated("pool", "count")
    noise: Delegated[NoiseFloor | None] = Delegated("pool")  # of the two maps, once measured
    retrain_error: Delegated[LabError | None] = Delegated("pool", "error")
    revision: Delegated[int] = Delegated("pool")
    # runs on disk
    token: Delegated[str | None] = Delegated("keeping")  # of the browser
    not_kept: Delegated[str | None] = Delegated("keeping")  # why no run is kept
    take_up_error: Delegated[LabError | None] = Delegated("keeping")  # why the kept run was not continued
    # work in the background
    runner: Delegated[Scheduler] = Delegated("tasks")
    map_runner: Delegated[Scheduler | None] = Delegated("tasks")
    work: Delegated[dict[str, Progress]] = Delegated("tasks")  # by stage, while it is being done
    closed: Delegated[bool] = Delegated("tasks")
    # follow maps
    follow: Delegated[FollowMap | None] = Delegated("follow_maps", "of_run")  # once it was wanted
    fork_follow: Delegated[FollowMap | None] = Delegated("follow_maps", "of_fork")

    def __init__(
        self,
        setup: Setup,
        runner: Scheduler,
        umap: UmapBackend | None = None,
        config: Any = None,
        eval_config: EvalConfig | None = None,
        map_runner: Scheduler | None = None,
        reference_count: int | None = None,
        kept: PreparationCache | None = None,
        token: str | None = None,
        take_up: str | None = None,
        as_copy: bool = False,
        classroom: SessionLimits | None = None,
    ) -> None:
        """Make its parts; ``start`` begins to prepare.

        config, eval_config: of method and frames; default the presets. With one of them ``kept`` is not used.
        map_runner: for tasks that wait for UMAP; default ``runner``.
        reference_count: models to retrain; default ``usual_count``.
        kept: what is prepared, shared with other Experiments.
        token: of the browser whose runs are kept on disk; None: they are not kept.
        take_up, as_copy: id of a kept run to continue, or to continue a copy of.
        classroom: the limits of a machine that many share.
        """
        self.setup = setup
        self.eval_config = eval_config
        self.classroom = classroom
        claim = SetupClaim(setup, kept if config is None and eval_config is None else None)
        self._claim = claim
        self.tasks = BackgroundTasks(runner, map_runner)
        self.preparation = Preparation(
            setup,
            self.tasks,
            claim,
            self._begin,
            umap=umap,
            config=config,
            eval_config=eval_config,
            token=token,
        )
        self.pool = ReferencePool(setup, self.tasks, claim, self._measure_again, reference_count)
        self.preparation.when_training_is_known = self.pool.begin_early
        self.keeping = RunKeeping(setup, token, classroom, take_up=take_up, as_copy=as_copy)
        self.player = RunPlayer(self.preparation, self.tasks, self.pool, self.keeping, classroom)
        self.follow_maps = FollowMaps(self.tasks, self.preparation, self.player, self.pool)

    def start(self) -> None:
        """Begin to prepare; on return it is done where ``kept`` has the setup."""
        self.preparation.start()

    def _begin(self, prepared: Prepared) -> None:
        """Make the run and begin to retrain. Set ``run`` last: it signals that everything else is ready."""
        self.pool.adopt(prepared)
        self.player.begin()
        self.pool.start()

    def _measure_again(self) -> None:
        self.player.measure_finished()

    def close(self) -> None:
        """Stop all work, at the end of the slices in progress."""
        self.tasks.close()
        self._claim.release()
        self.player.close()

    # moves

    def play(self, steps: int | None = None) -> None:
        """Play run and fork to their ends or for ``steps`` steps. Raises IllegalMoveError when neither can."""
        self.player.play(steps)

    def play_on(self, steps: int) -> None:
        """Play the run (the fork while there is one), which is done, for ``steps`` more steps of the same settings.

        Raises IllegalMoveError unless it is done, and where the method cannot go on.
        """
        self._branch()
        self.player.play_on(steps)

    def pause(self) -> None:
        """Pause what is running. Raises IllegalMoveError unless something is."""
        self.player.pause()

    def reset(self) -> None:
        """Make a fresh run of the same setup; the references stay."""
        self.player.reset()

    def rewind(self, step: int, *, by_eye: bool = True) -> None:
        """Rewind the run to ``step``; see ``RunPlayer.rewind``."""
        self._branch()
        self.player.rewind(step, by_eye=by_eye)

    def _branch(self) -> None:
        """Leave the chain of later requests as it is before the run changes."""
        run = self.player.run
        if run is not None and self.player.fork_run is None and run.phase is Phase.DONE:
            self.keeping.branch(run)

    def fork(self, step: int, config: Any = None, *, by_eye: bool = True) -> Run:
        """Return a second run that shares the first one's history up to ``step``; see ``RunPlayer.fork``."""
        return self.player.fork(step, config, by_eye=by_eye)

    def drop_fork(self) -> None:
        """Stop the fork and forget it."""
        self.player.drop_fork()

    def change(self, config: Any) -> None:
        """Change the settings of run or fork from the next step on; see ``RunPlayer.change``."""
        self.player.change(config)

    def begin_with(self, config: Any) -> None:
        """Make a fresh run with these settings; None: the preset's. Raises RequestError for lack of memory."""
        self.player.begin_with(config)

    def set_slow(self, slow: bool) -> None:
        """Play about one step a second, or as fast as possible."""
        self.player.set_slow(slow)

    def want_follow(self) -> None:
        """Lay out the follow maps for all frames there are; call it again as frames come."""
        self.follow_maps.want()

    # how it ended

    @property
    def report(self) -> Report | None:
        """The report on the finished run on all images; None where its last frame is of all images."""
        return self.player.outcome.report

    @property
    def report_at_stop(self) -> Report | None:
        """The report on a run that went on past its end, as it was at that end; None as ``report``."""
        return self.player.outcome.report_at_stop

    @property
    def fork_report(self) -> Report | None:
        """The report on the finished fork, as ``report``."""
        return self.player.fork_outcome.report

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the run; None until it is done and all retrained models are there."""
        return self.player.outcome.verdict

    @property
    def fork_verdict(self) -> Verdict | None:
        """The verdict on the fork, as ``verdict``."""
        return self.player.fork_outcome.verdict

    # how it began

    @property
    def trials(self) -> tuple[TrialPath, ...]:
        """The trials of the search for settings, with their places on the map; () without a search."""
        return () if self.preparation.prepared is None else self.preparation.prepared.trials

    @property
    def learning(self) -> LearningCheck | None:
        """The check that the original has learnt; its ``reason`` is a sentence. None before there is an original."""
        return None if self.preparation.prepared is None else self.preparation.prepared.learning

    # questions

    def preset(self) -> Any:
        """Return the settings that this setup has unless a user changes them."""
        return self.player.preset()

    def by_layer(self) -> dict[str, Any] | None:
        """Return norms and cosine of the next step's gradients by layer; see ``RunPlayer.by_layer``."""
        return self.player.by_layer()

    def left_s(self, stage: Stage) -> float | None:
        """Return the seconds until the run ends ``stage``, by the wall clock; None before there is a pace."""
        return self.player.left_s(stage)

    def require_room(self, setup: Setup, split: Split, config: Any) -> None:
        """Raise RequestError where a run of ``config`` would need more memory than it may use."""
        require_room(
            setup,
            split,
            config,
            self.classroom,
            eval_config=self.eval_config,
            references=self.pool.count,
        )

    def keep(self, run: Run, **about: Any) -> None:
        """Keep ``run`` on disk where runs are kept; ``about`` as for ``core.runs.storage.record``."""
        self.keeping.keep(run, **about)
