"""What one browser tab holds; the only module that touches session_state."""

from __future__ import annotations

import secrets
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.data.forget_selection import Ids
from core.data.images import Dataset
from core.data.registry import OWN, load, require_name
from core.data.uploads import store
from core.errors import LabError, RequestError
from core.experiments.session.experiment import Experiment
from core.experiments.session.limits import SessionLimits
from core.experiments.session.memory_estimate import require_room
from core.experiments.session.preparation_cache import PreparationCache
from core.experiments.session.turn_queue import QueuePosition
from core.lessons import Lesson
from core.methods import METHODS, method
from core.methods.base import require_no_model
from core.models.uploads import model_info
from core.projection.projection import UmapBackend
from core.runs.run import Phase
from core.runs.setup import Setup, usual_classes
from core.runs.storage import Recorder, RunInfo, is_open, run_folder, run_info, runs_of
from core.runs.storage.folder import no_run
from core.runs.storage.serialization import config_like
from core.runtime.purge_watch import generation, purged_since
from core.runtime.scheduler import Scheduler
from core.runtime.storage import home
from dashboard.presentation.wire import scene
from dashboard.presentation.wire.outbox import Outbox
from dashboard.presentation.wire.selection import SelectionState, pick_scene
from dashboard.session.browser_cookie import COOKIE, TOKEN
from dashboard.session.jobs.attack import AttackJob
from dashboard.session.jobs.audit import AuditJob
from dashboard.session.jobs.checkpoint_evaluation import EvaluationJob
from dashboard.session.jobs.comparison import ComparisonJob
from dashboard.session.jobs.forget_suggestions import SuggestionJob
from dashboard.session.jobs.lesson_export import LessonExportJob, replaying
from dashboard.session.lesson_session import LessonSession
from dashboard.session.url_params import UrlRequest, asked, with_settings, words

FAST_S = 0.1  # between two looks for news while frames come
CALM_S = 0.5  # while only progress does
SLOW_S = 2.0  # where nothing happens: heals a last message that was lost, and costs nothing
SHARED = 3  # times as long in a classroom
LATELY_S = 6.0  # a tab that played within them still counts as one that plays
_OPEN: weakref.WeakSet[Lab] = weakref.WeakSet()  # of this process


class Lab:
    """One tab's experiment and what of it the tab has been sent. Never shared with another tab."""

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
        self.classroom = classroom  # where many share the machine
        self.browser = browser  # whose runs are kept; None: they are not
        self.session: str | None = None  # what the page's server calls the tab
        self.notice: str | None = None  # said once: what an address asked for and could not be opened
        self._runner = runner
        self._umap = umap
        self._map_runner = map_runner
        self._kept = kept
        self._begin_pages()
        self.declined = False  # the offer to go on where this browser was
        self._generation = generation()
        self._played = -LATELY_S
        self.wake: Callable[[], None] | None = None  # of who looks for news now
        self.listens = True  # whether its page can have a line of its own; else it polls
        if asked is None or not self._open_asked(asked):
            self.open(Setup())
        _OPEN.add(self)

    def _begin_pages(self) -> None:
        """What the other pages hold; it outlives a change of what is played."""
        self.comparison_job = ComparisonJob(self._runner, self._experiment_of)
        self.audit_job = AuditJob(self._runner)
        self.evaluation_job = EvaluationJob(self._runner)
        self.attack_job = AttackJob(self._runner)
        self.lesson_session = LessonSession(self)

    def replay(self, lesson: Lesson, seed: int) -> LessonExportJob:
        """The lesson's page for a class without a server, as far as it is."""
        return replaying(
            lesson, seed, self._umap, self._runner, self._map_runner, self.experiment.setup.data_dir
        )

    def _close_pages(self) -> None:
        for page in (self.comparison_job, self.audit_job, self.evaluation_job, self.attack_job):
            page.close()

    def drop_purged(self) -> bool:
        """Let go of all that was made from images that were purged meanwhile; whether there was something."""
        before, self._generation = self._generation, generation()
        if before == self._generation:
            return False
        setup = self.experiment.setup
        self._close_pages()
        self._begin_pages()
        if setup.dataset in purged_since(before):
            self.forget_set = SelectionState()
            if self.change(setup) is not None:  # it asked for images that are gone
                self.open(Setup())
            self.notice = "Images of this data were purged: what the Lab held of them is gone, and made again without them"
        return True

    def _open_asked(self, asked: UrlRequest) -> bool:
        """Open what an address asks for; False, with a notice, where it names nothing that can be opened."""
        if asked.run is not None:
            self.notice = self.take_up(asked.run, step=asked.step)
            if self.notice is None:
                return True
        if asked.setup is None:
            self.notice = self.notice or asked.problem
            return False
        problem = self.change(asked.setup, settings=asked.settings)
        self.notice = self.notice or problem
        return problem is None

    def take_up(self, run_id: str, *, as_copy: bool = False, step: int | None = None) -> str | None:
        """Open a kept run, or a copy of it; else leave everything as it is and say in a sentence why not.

        A run of another owner is always copied: only its owner's browser writes to it.
        """
        try:
            if self.browser is None:
                raise RequestError(no_run(run_id))
            info = run_info(run_id, self.browser)
            setup = self._allowed(info.setup)
            split = setup.split(self._images(setup))
            config = config_like(setup.config(split), run_folder(run_id).read_about()["config"])
            require_room(setup, split, config, self.classroom)
        except LabError as error:
            return self._said(error)
        self.open(setup, take_up=run_id, as_copy=as_copy or not info.is_of(self.browser))
        self.outbox.look_at = step
        return None

    def offer(self) -> RunInfo | None:
        """This browser's newest run, where it is not finished and no tab plays it: to go on where one was."""
        run = self.experiment.run
        if self.browser is None or self.declined or run is None or run.steps or run.phase is not Phase.READY:
            return None
        try:
            newest = next((run_info(i, self.browser) for i in runs_of(self.browser)), None)
        except LabError:  # it cannot be read; the page Runs says so
            return None
        if newest is None or newest.phase is not Phase.PAUSED or is_open(newest.id):
            return None
        return newest

    @property
    def run_id(self) -> str | None:
        """The id under which the run is kept, once there is something to keep."""
        recorder = self.experiment.run.recorder if self.experiment.run is not None else None
        return recorder.id if isinstance(recorder, Recorder) and recorder.is_kept else None

    def address(self) -> dict[str, str]:
        """What the page's address says."""
        e = self.experiment
        if e.run is None or e.split is None:
            return words(e.setup, None, None, None, None)
        step = len(e.run.steps) if e.run.phase is not Phase.RUNNING else None
        usual = method(e.setup.method, e.setup.config(e.split))
        assert e.model is not None
        usual.configure(e.model, e.split)  # what follows from model and images is nobody's choice
        return words(e.setup, usual.config, e.run.config_at(1), self.run_id, step)

    def open(
        self, setup: Setup, *, config: Any = None, take_up: str | None = None, as_copy: bool = False
    ) -> None:
        """Replace the experiment; the old one's work stops."""
        if hasattr(self, "experiment"):
            self.experiment.close()
        self.token = secrets.token_hex(12)  # who knows it may listen to the run
        self._scene: bytes | None = None
        self._pick_scene: tuple[bytes, bytes] | None = None  # what it was made of, and it
        self._page: tuple[object, bytes] | None = None
        self.picked = SelectionState()  # on the Lab's map
        if not hasattr(self, "forget_set") or self.experiment.setup.dataset != setup.dataset:
            self.forget_set = (
                SelectionState()
            )  # of the page Forget set; ids of another dataset mean other images
        self.mode = "fixed"  # which map the browser shows: a new token begins on the fixed one
        self.outbox = Outbox()
        self.experiment = Experiment(
            setup, self._runner, self._umap, config, map_runner=self._map_runner, kept=self._kept, token=self.browser,
            take_up=take_up, as_copy=as_copy, classroom=self.classroom,
        )  # fmt: skip
        self.experiment.start()
        self.advice: SuggestionJob = getattr(self, "advice", None) or SuggestionJob(self._runner)

    def _experiment_of(self, setup: Setup) -> tuple[Experiment, bool]:
        """An experiment of these images and this model: the one that is played where it will do, or another, and whether it is."""
        mine = self.experiment
        if replace(mine.setup, method=setup.method) == setup and mine.run is not None:
            return mine, False
        other = Experiment(setup, self._runner, self._umap, map_runner=self._map_runner, kept=self._kept)
        other.start()
        return other, True

    def change(
        self, setup: Setup, *, usual: bool = False, settings: Mapping[str, Any] | None = None
    ) -> str | None:
        """Open ``setup`` if it can be; else leave everything as it is and say in a sentence why not.

        ``usual``: with the classes that its task forgets of this dataset unless told.
        """
        try:
            setup = self._allowed(setup)
            dataset = self._images(setup)
            if usual:
                setup = replace(setup, classes=usual_classes(setup.task, len(dataset.classes)))
            split = setup.split(dataset)
            config = with_settings(setup.config(split), settings)
            if setup.model is not None:
                require_no_model(METHODS[setup.method])
            require_room(setup, split, config or setup.config(split), self.classroom)
        except LabError as error:
            return self._said(error)
        self.open(setup, config=config)
        return None

    def _said(self, error: LabError) -> str:
        """Return its sentence; in a classroom without the place of the server's files."""
        said = str(error)
        return said if self.classroom is None else said.replace(str(home()), "$LAF_HOME")

    def _allowed(self, setup: Setup) -> Setup:
        """Return ``setup`` as this browser may have it: in a classroom with the Lab's own data folder.

        Raises RequestError for a name that is no dataset's, or data or a model that this browser may not see.
        """
        require_name(setup.dataset)
        if setup.dataset.startswith(OWN):
            store.about(setup.dataset, self.browser)
        if setup.model is not None:
            model_info(setup.model, self.browser)
        return setup if self.classroom is None else replace(setup, data_dir=None)

    def _images(self, setup: Setup) -> Dataset:
        """Return the images of ``setup``. Raises LabError where they cannot be had, or are too many for a classroom."""
        require_name(setup.dataset)
        dataset = load(setup.dataset, data_dir=setup.data_dir, download=False)
        if self.classroom is not None:
            self.classroom.check_images(dataset)
        return dataset

    def forget_these(self, ids: Iterable[int]) -> str | None:
        """Open the same data with these images to forget; as ``change``."""
        chosen = tuple(int(i) for i in ids)
        return self.change(
            replace(self.experiment.setup, task="indices", ids=chosen, classes=(), fraction=None, plant=None)
        )

    def close(self) -> None:
        """The tab is gone."""
        _OPEN.discard(self)
        self.experiment.close()
        self.advice.close()
        self._close_pages()

    def scene(self) -> bytes:
        """What does not move; packed once."""
        if self.experiment.run is None:
            return scene.scene(self.experiment, self.token)
        if self._scene is None:
            self._scene = scene.scene(self.experiment, self.token)
        return self._scene

    def pick_scene(self) -> bytes:
        """The same as a map to pick from; packed once."""
        scene = self.scene()
        if self._pick_scene is None or self._pick_scene[0] is not scene:
            self._pick_scene = (scene, pick_scene(scene))
        return self._pick_scene[1]

    def keep_page(self, key: object, make: Callable[[], bytes]) -> bytes:
        """The gallery's page called ``key``; made when it is another than last time."""
        key = (self.token, key)
        if self._page is None or self._page[0] != key:
            self._page = (key, make())
        return self._page[1]

    @property
    def map_ids(self) -> Ids:
        """(N,) the ids of the points on the map; none before there is one."""
        observer, split = self.experiment.observer, self.experiment.split
        if self.experiment.run is None or observer is None or split is None:
            return np.zeros(0, np.int64)
        ids: Ids = split.train.ids[observer.rows].cpu().numpy()
        return ids

    @property
    def phase(self) -> Phase | None:
        """Of the run and its fork together; None while the experiment is being prepared."""
        return self.experiment.phase

    def pulse(self) -> tuple[Any, ...]:
        """What the buttons and the stage depend on: when it changes, the whole page is drawn again."""
        e = self.experiment
        return (
            self.token,
            self._generation,
            e.life,
            self.phase,
            e.error is not None,
            len(e.references),
            e.forks,
            e.fork_run is None,
            self.not_kept,
            self.place is not None,
            self.lesson_session.lesson is not None and self.phase is not Phase.RUNNING and e.is_looking,
        )

    @property
    def pause_s(self) -> float:
        """Seconds until it is worth to look for news; longer where others play, too, since every look takes time from somebody's run."""
        share = max(SHARED if self.classroom is not None else 1, self.crowd)
        if not self.busy:
            return share * SLOW_S
        return share * (CALM_S if self.is_preparing or self.place is not None else FAST_S)

    @property
    def crowd(self) -> int:
        """Tabs of this process that play; this one counts always."""
        return 1 + sum(lab is not self and lab.plays for lab in list(_OPEN))

    @property
    def plays(self) -> bool:
        """Whether it plays or did a moment ago: a pause is often short, and all other tabs' pages depend on this."""
        if self.phase is Phase.RUNNING:
            self._played = time.monotonic()
        return time.monotonic() - self._played < LATELY_S

    @property
    def place(self) -> QueuePosition | None:
        """Where the run stands in a classroom's line; None while it plays, stands still, or there is none."""
        seat = self.experiment.seat
        return seat.place if seat is not None else None

    @property
    def not_kept(self) -> str | None:
        """Why the run is not, or no longer, written to disk: it is full, another tab has the run, a classroom keeps no more."""
        run = self.experiment.run
        if self.experiment.not_kept is not None:
            return self.experiment.not_kept
        recorder = run.recorder if run is not None else None
        return recorder.problem if isinstance(recorder, Recorder) else None

    @property
    def busy(self) -> bool:
        """Whether something happens that the page must poll for."""
        e = self.experiment
        if e.error is not None and e.run is None:
            return False
        if e.run is None or e.work or e.phase is Phase.RUNNING or e.is_looking:
            return True
        if e.noise is None and e.references:
            return True
        behind = self.outbox.is_behind(e)
        return behind or self.outbox.revision != e.revision or self.follow_is_behind

    @property
    def is_preparing(self) -> bool:
        """Whether a model is being trained behind the page, and no frame is on its way or wanted."""
        e = self.experiment
        if e.run is None:
            return True
        behind = self.outbox.is_behind(e) or self.follow_is_behind
        return bool(e.work) and e.phase is not Phase.RUNNING and not behind

    @property
    def follow_is_behind(self) -> bool:
        """Whether the follow map is wanted and not there for all frames."""
        e = self.experiment
        if self.mode != "follow" or e.run is None or e.closed:
            return False
        if e.follow is None:
            return True
        waits = bool(e.references) and e.follow.retrained is None
        twin, beside = e.fork_run, e.fork_follow
        if twin is not None and (
            beside is None
            or len(beside.positions) < len(twin.frames)
            or self.outbox.fork_follow < len(twin.frames)
        ):
            return True
        return len(e.follow.positions) < len(e.run.frames) or self.outbox.follow < len(e.run.frames) or waits


def open_labs() -> int:
    """How many tabs of this process are open with a Lab; one that was closed or reloaded a moment ago does not count."""
    return sum(_is_connected(lab.session) for lab in list(_OPEN))


def session_id() -> str | None:
    """What Streamlit calls this tab."""
    found = get_script_run_ctx()
    return None if found is None else found.session_id


def _is_connected(session: str | None) -> bool:
    if session is None or not runtime.exists():
        return True
    return runtime.get_instance().is_active_session(session) is not False


def lab_of(token: str) -> Lab | None:
    """The tab of this process whose run has this token."""
    return next((lab for lab in list(_OPEN) if secrets.compare_digest(lab.token, token)), None)


def remember(key: str, value: Any) -> None:
    """Keep ``value`` for this tab under ``key``."""
    st.session_state[key] = value


def recall(key: str, default: Any = None) -> Any:
    """What was kept under ``key``."""
    return st.session_state.get(key, default)


def recall_and_forget(key: str) -> Any:
    """What was kept under ``key``, once."""
    return st.session_state.pop(key, None)


def browser() -> str:
    """Return the token of this browser: from its cookie, or a new one where it has none."""
    known = st.session_state.get(COOKIE) or st.context.cookies.get(COOKIE)
    if not isinstance(known, str) or not TOKEN.fullmatch(known):
        known = secrets.token_hex(16)
    st.session_state[COOKIE] = known
    return known


def keep_browser() -> None:
    """Leave the token in the browser where another server runs the page, as `streamlit run` does.

    A page cannot set a header there, so a script sets the cookie and scripts can read it; the Lab's own server does neither
    (dashboard/server/shield.py). The token is not in the address: a user who is sent a link must not become its sender.
    """
    if st.context.cookies.get(COOKIE) == browser():
        return
    said = f"{COOKIE}={browser()}; max-age=31536000; path=/; SameSite=Strict"
    st.html(f"<script>document.cookie = {said!r}</script>", unsafe_allow_javascript=True)


def close_all() -> None:
    """Pause what all tabs of this process play and close them: the server ends, and their runs stay on disk."""
    for lab in list(_OPEN):
        lab.close()


def read_words() -> dict[str, str]:
    """The words of the page's address as they stand."""
    return dict(st.query_params.to_dict())


def read_address() -> UrlRequest:
    """What the page's address asks for."""
    return asked(st.query_params.to_dict())


def write_address(found: Mapping[str, str]) -> None:
    """Make the page's address say this, so that a copy of it, or a reload, shows the same.

    The step of a run that stands still is the browser's to say: it knows which one is shown.
    """
    now = st.query_params.to_dict()
    mine, shown = asked(now), asked(found)
    if mine.run == shown.run and None not in (mine.step, shown.step) and mine.step <= shown.step:
        found = {**found, "step": str(mine.step)}
    if st.query_params.to_dict() != dict(found):
        st.query_params.from_dict(dict(found))
