"""The Lab of one browser tab: its experiment, the jobs of its pages, and what the tab has been sent."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from core.data.forget_selection import Ids
from core.errors import LabError
from core.experiments.session.experiment import Experiment
from core.experiments.session.limits import SessionLimits
from core.experiments.session.preparation_cache import PreparationCache
from core.experiments.session.turn_queue import QueuePosition
from core.lessons import Lesson
from core.projection.projection import UmapBackend
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runs.storage import Recorder, RunInfo, is_open, run_info, runs_of
from core.runtime.purge_watch import purge_generation, purged_since
from core.runtime.scheduler import Scheduler
from dashboard.presentation.text.pages.lab import address as address_text
from dashboard.presentation.wire.outbox import Outbox
from dashboard.presentation.wire.selection import SelectionState
from dashboard.session.chain import LabChain
from dashboard.session.jobs.attack import AttackJob
from dashboard.session.jobs.audit import AuditJob
from dashboard.session.jobs.checkpoint_evaluation import EvaluationJob
from dashboard.session.jobs.comparison import ComparisonJob
from dashboard.session.jobs.forget_suggestions import SuggestionJob
from dashboard.session.jobs.lesson_export import LessonExportJob, export_job_of
from dashboard.session.lesson_session import LessonSession
from dashboard.session.opening import Permissions, address_of, shares_original
from dashboard.session.packet_cache import PacketCache
from dashboard.session.polling import NewsWatch
from dashboard.session.tab_state import browser, is_connected, recall, recall_and_forget, remember
from dashboard.session.url_params import UrlRequest, usual_setup

_OPEN: weakref.WeakSet[Lab] = weakref.WeakSet()  # the open tabs of this process


class Lab:
    """One tab's experiment and the state of its pages. Tabs share nothing of it."""

    def __init__(
        self,
        runner: Scheduler,
        umap: UmapBackend,
        map_runner: Scheduler,
        kept: PreparationCache,
        *,
        browser: str | None = None,
        asked: UrlRequest | None = None,
        classroom: SessionLimits | None = None,
    ) -> None:
        self.classroom = classroom  # limits, where many browsers share the machine
        self.browser = browser  # token of the browser whose runs are kept; None: no run is kept
        self.session: str | None = None  # Streamlit's id of the tab
        self.notice: str | None = None  # shown once, such as why an address could not be opened
        self._runner = runner
        self._umap = umap
        self._map_runner = map_runner
        self._kept = kept
        self._permissions = Permissions(browser, classroom)
        self._begin_pages()
        self.suggestion_job = SuggestionJob(runner)
        self.forget_set = SelectionState()  # of the page Forget set
        self.declined = False  # whether the user declined to continue the last run
        self.purges = purge_generation()
        self.listens = True  # whether the page can connect to its run; False once its browser has failed to
        self.wake: Callable[[], None] | None = None  # makes the tab's frame socket look for news at once
        self.news = NewsWatch(self, lambda: [lab.news for lab in list(_OPEN)])
        if asked is None or not self._open_asked(asked):
            self.open(usual_setup())
        _OPEN.add(self)

    def _begin_pages(self) -> None:
        """Create the jobs of the other pages; they outlive a change of the experiment."""
        self.comparison_job = ComparisonJob(self._runner, self._experiment_of, self.browser)
        self.audit_job = AuditJob(self._runner)
        self.evaluation_job = EvaluationJob(self._runner)
        self.attack_job = AttackJob(self._runner)
        self.chain = LabChain(self, self._runner, self._umap)
        self.lesson_session = LessonSession(lambda: self.experiment, self.change, self.browser or "")

    def replay(self, lesson: Lesson, seed: int) -> LessonExportJob:
        """Return the job that exports ``lesson`` as a web page; it may be running already."""
        return export_job_of(
            lesson, seed, self._umap, self._runner, self._map_runner, self.experiment.setup.data_dir
        )

    def _close_pages(self) -> None:
        for job in (self.comparison_job, self.audit_job, self.evaluation_job, self.attack_job, self.chain):
            job.close()

    def drop_purged(self) -> bool:
        """Drop everything that was made from images purged since the last call; return whether anything was purged."""
        before, self.purges = self.purges, purge_generation()
        if before == self.purges:
            return False
        setup = self.experiment.setup
        self._close_pages()
        self._begin_pages()
        if setup.dataset in purged_since(before):
            self.forget_set = SelectionState()
            if self.change(setup) is not None:  # the setup names images that are gone
                self.open(usual_setup())
            self.notice = address_text.PURGED
        return True

    def _open_asked(self, asked: UrlRequest) -> bool:
        """Open what an address asks for. Return False, with a notice, where nothing can be opened."""
        if asked.run is not None:
            self.notice = self.take_up(asked.run, step=asked.step)
            if self.notice is None:
                self.notice = asked.problem
                return True
        if asked.setup is None:
            self.notice = self.notice or asked.problem
            return False
        try:
            setup = self.chain.setup_of(asked)
        except LabError as error:
            self.notice = self.notice or self._permissions.message(error)
            return False
        problem = self.change(setup, usual=asked.usual, settings=asked.settings)
        self.notice = self.notice or problem or asked.problem
        return problem is None

    def take_up(
        self, run_id: str, *, as_copy: bool = False, step: int | None = None, replay: bool = False
    ) -> str | None:
        """Open a kept run, or a copy of it; or change nothing and return a sentence that says why not.

        The page shows ``step`` first. With ``replay`` it plays the recorded frames from the first on.

        A run of another owner is always copied, since only its owner's browser may write to it.
        """
        try:
            setup, is_own = self._permissions.check_run(run_id)
        except LabError as error:
            return self._permissions.message(error)
        self.open(setup, take_up=run_id, as_copy=as_copy or not is_own)
        self.outbox.look_at, self.outbox.replay = step, replay
        return None

    def offer(self) -> RunInfo | None:
        """Return this browser's newest run if it is paused and no tab has it open, so that the user can continue it."""
        run = self.experiment.run
        if self.browser is None or self.declined or run is None or run.steps or run.phase is not Phase.READY:
            return None
        try:
            newest = next((run_info(i, self.browser) for i in runs_of(self.browser)), None)
        except LabError:  # the page Runs shows why the run cannot be read
            return None
        if newest is None or newest.phase is not Phase.PAUSED or is_open(newest.id):
            return None
        return newest

    @property
    def run_id(self) -> str | None:
        """The id of the kept run; None until a step is kept."""
        recorder = self.experiment.run.recorder if self.experiment.run is not None else None
        return recorder.id if isinstance(recorder, Recorder) and recorder.is_kept else None

    def address(self) -> dict[str, str]:
        """Return the parameters of the page's address."""
        return address_of(self.experiment, self.run_id)

    def open(
        self, setup: Setup, *, config: Any = None, take_up: str | None = None, as_copy: bool = False
    ) -> None:
        """Replace the experiment; the work of the old one stops."""
        old = getattr(self, "experiment", None)
        if old is not None:
            old.close()
            if old.setup.dataset != setup.dataset:
                self.forget_set = SelectionState()  # ids of another dataset mean other images
        self.token = secrets.token_hex(12)  # a secret: a client that knows it may listen to the run
        self.picked = SelectionState()  # on the Lab's map
        self.mode = "fixed"  # the map that the browser shows; each new run begins on the fixed one
        self.outbox = Outbox()
        self.experiment = Experiment(
            setup,
            self._runner,
            self._umap,
            config,
            map_runner=self._map_runner,
            kept=self._kept,
            token=self.browser,
            take_up=take_up,
            as_copy=as_copy,
            classroom=self.classroom,
        )
        self.chain.leave()
        self.packets = PacketCache(lambda: self.experiment, self.token)
        self.experiment.start()

    def _experiment_of(self, setup: Setup) -> tuple[Experiment, bool]:
        """Return an experiment with the images and original model of ``setup``, and whether the caller must close it."""
        current = self.experiment
        if shares_original(current, setup):
            return current, False
        other = Experiment(setup, self._runner, self._umap, map_runner=self._map_runner, kept=self._kept)
        other.start()
        return other, True

    def change(
        self, setup: Setup, *, usual: bool = False, settings: Mapping[str, Any] | None = None
    ) -> str | None:
        """Open ``setup``; or change nothing and return a sentence that says why not.

        With ``usual``, forget the default classes of its task and dataset. ``settings`` are fields of the method's config.
        """
        try:
            setup, config = self._permissions.check_setup(setup, usual=usual, settings=settings)
        except LabError as error:
            return self._permissions.message(error)
        self.open(setup, config=config)
        return None

    def forget_these(self, ids: Iterable[int]) -> str | None:
        """Open the same data with these images to forget; return as ``change`` does."""
        chosen = tuple(int(i) for i in ids)
        here = replace(self.experiment.setup, client=None, plant=None, fraction=None)
        return self.change(replace(here, task="indices", ids=chosen, classes=()))

    def close(self) -> None:
        """Stop all work of the tab. Its kept run stays on disk."""
        _OPEN.discard(self)
        self.experiment.close()
        self.suggestion_job.close()
        self._close_pages()

    def scene(self) -> bytes:
        """Return everything on the map that does not change during the run."""
        return self.packets.scene()

    @property
    def map_ids(self) -> Ids:
        """(N,) ids of the images on the map; empty until there is a map."""
        observer, split = self.experiment.observer, self.experiment.split
        if self.experiment.run is None or observer is None or split is None:
            return np.zeros(0, np.int64)
        ids: Ids = split.train.ids[observer.rows].cpu().numpy()
        return ids

    @property
    def phase(self) -> Phase | None:
        """The phase of the run and its fork together; None while the experiment is being prepared."""
        return self.experiment.phase

    @property
    def place(self) -> QueuePosition | None:
        """The run's place in the classroom's line; None unless it waits for a seat."""
        seat = self.experiment.seat
        return seat.place if seat is not None else None

    @property
    def shows_lesson(self) -> bool:
        """True if the tab is in a lesson."""
        return self.lesson_session.lesson is not None

    @property
    def not_kept(self) -> str | None:
        """The reason why the run is not written to disk, such as a full disk, another tab that has it open, or a classroom's limit."""
        run = self.experiment.run
        if self.experiment.not_kept is not None:
            return self.experiment.not_kept
        recorder = run.recorder if run is not None else None
        return recorder.problem if isinstance(recorder, Recorder) else None


def open_labs() -> int:
    """Return the number of open tabs of this process. A tab that was just closed or reloaded does not count."""
    return sum(is_connected(lab.session) for lab in list(_OPEN))


def lab_of(token: str) -> Lab | None:
    """Return the open Lab whose run has this token, or None."""
    return next((lab for lab in list(_OPEN) if secrets.compare_digest(lab.token, token)), None)


def close_all() -> None:
    """Close all Labs of this process. Their runs pause and stay on disk."""
    for lab in list(_OPEN):
        lab.close()


__all__ = ["Lab", "browser", "close_all", "lab_of", "open_labs", "recall", "recall_and_forget", "remember"]
