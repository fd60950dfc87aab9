"""Recorder: keeps one Run on disk while it plays, each step and frame before it is shown."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from filelock import AcquireReturnProxy, FileLock

from core.errors import LabError, RequestError
from core.methods import METHODS
from core.methods.step import Step
from core.runs.records import Frame, Phase
from core.runs.setup import Setup
from core.runs.storage.folder import RunFolder, delete_half_made, put, runs_home
from core.runs.storage.locks import lock_run, open_run_here, register, unregister
from core.runs.storage.origin import map_points, origin_of
from core.runs.storage.originals import keep_original
from core.runs.storage.quota import make_room
from core.runs.storage.serialization import config_dict, setup_dict
from core.runtime.bounds import require_kind
from core.runtime.ownership import owner
from core.runtime.storage import save_state

if TYPE_CHECKING:
    from core.runs.checkpoints import Checkpoints
    from core.runs.run import Run

log = logging.getLogger(__name__)

TAKEN_OVER = "the run went on in another tab; it is kept there"


class Recorder:
    """Writes one Run to its folder. Nothing is written before the first step, so that a page that plays nothing leaves nothing.

    A Recorder holds its folder alone. A lock keeps other processes out; in one process the newest Recorder closes the one before.
    When something cannot be written, ``problem`` says so, and the run goes on without being kept.
    """

    def __init__(self, folder: RunFolder, about: dict[str, Any]) -> None:
        self.folder = folder
        self.about = about
        self.problem: str | None = None
        self._begun = False
        self._closed = False
        self._held: AcquireReturnProxy[FileLock] | None = None
        self._states: Checkpoints | None = None
        self._lock = threading.RLock()

    @property
    def id(self) -> str:
        """The id of the run: the name of its folder."""
        return self.folder.id

    @property
    def is_kept(self) -> bool:
        """True if there is something on disk."""
        return self._begun

    # called by a Run: the protocol Keeper

    def begin(self, run: Run) -> None:
        """Write all that ``run`` has, unless that was done."""
        if not self._begun and not self._closed:
            self._try(lambda: self._write_first(run))

    def step(self, step: Step) -> None:
        """Write one step."""
        if self._begun:
            self._try(lambda: self.folder.append_step(step))

    def frame(self, frame: Frame) -> Frame:
        """Write one frame; return the frame to show, which may read its arrays from disk."""
        if not self._begun:
            return frame
        kept: list[Frame] = []
        self._try(lambda: kept.append(self.folder.write_frame(frame)))
        return kept[0] if kept else frame

    def note(self, run: Run) -> None:
        """Write phase and settings of ``run``; once it is done, its model too."""
        if not self._begun:
            return

        def write() -> None:
            self._write_about(run)
            if run.phase is Phase.DONE:
                self._write_model(run)
            self.folder.sync()

        self._try(write)

    def lose(self, error: LabError) -> None:
        """Stop keeping the run: a state of it cannot be written."""
        with self._lock:
            if not self._closed:
                self._give_up(error)

    def cut(self, run: Run) -> None:
        """Drop the steps and frames that ``run`` no longer has, since it was rewound."""
        if not self._begun:
            return

        def write() -> None:
            self.folder.write_steps(run.steps)
            self.folder.drop_frames(len(run.frames))
            self.folder.model.unlink(missing_ok=True)
            for of_the_former_end in ("report", "verdict", "ended"):
                self.about.pop(of_the_former_end, None)
            self._write_about(run)

        self._try(write)

    # called for a user

    def tell(self, **values: Any) -> None:
        """Change values of run.json besides those of the run: name, note, shared, report."""
        self.about.update(values)
        if self._begun:
            self._try(lambda: self.folder.write_about(self.about))

    def close(self, why: str | None = None) -> None:
        """Write no more, so that another Recorder may continue the run."""
        with self._lock:
            self._closed, self._begun = True, False
            self.problem = why or self.problem
            self.folder.close()
            if self._states is not None:
                self._states.leave()
            if self._held is not None:
                self._held.lock.release()
                self._held = None
            unregister(self.id, self)

    def resume(self, run: Run) -> None:
        """Go on keeping ``run``, which was read from the folder. Raises RequestError when another process plays it."""
        self._hold()
        self.folder.sweep()
        self._begun, self._states = True, run.checkpoints
        self.folder.write_steps(run.steps)
        self.folder.drop_frames(len(run.frames))

    # inside

    def _write_first(self, run: Run) -> None:
        """Write a hidden folder and rename it when it is whole."""
        make_room()
        place = self.folder.path
        part = place.with_name(f".{place.name}")
        delete_half_made()
        self.folder.path = part
        self._states = run.checkpoints
        try:
            for folder in (part / "frames", self.folder.states):
                folder.mkdir(parents=True, exist_ok=True)
            if run.observer is not None:
                save_state(part / "map.safetensors", map_points(run.observer, run.stepper.split))
            self.folder.write_steps(run.steps)
            frames = [self.folder.write_frame(f) for f in run.frames]
            if run.checkpoints is not None:
                run.checkpoints.keep_in(self.folder.states)
            self._write_about(run)
            keep_original(run.stepper.model, run.stepper.split)
            part.rename(place)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        finally:
            self.folder.path = place
        run.frames[:] = [self.folder.moved(f) for f in frames]
        if run.checkpoints is not None:
            run.checkpoints.moved_to(self.folder.states)
        self._hold()
        self._begun = True

    def _write_about(self, run: Run) -> None:
        history = run.history.to_dict()
        steps = run.stages[-1].key
        self.about |= {
            **history,
            "method": run.unlearner.name,
            "config": config_dict(run.config),
            "seed": run.seed,
            "phase": str(Phase.PAUSED if run.phase in (Phase.RUNNING, Phase.READY) else run.phase),
            "total_steps": run.total_steps,
            # of the preparing stages only, with the loss of each epoch, which alarms need
            "progress": [p for p in history["progress"] if p["stage"] != steps],
            "error": None if run.error is None else str(run.error),
        }
        self.folder.write_about(self.about)

    def _write_model(self, run: Run) -> None:
        from safetensors.torch import save

        weights = {k: v.cpu().contiguous() for k, v in run.result.state_dict().items()}
        put(self.folder.model, save(weights, metadata={"laf": self.id}))
        if self._states is not None:
            self._states.settle()

    def _hold(self) -> None:
        """Lock the folder and close the Recorder before. Raises RequestError when another process holds it."""
        other = open_run_here(self.id)
        if other is not None and other is not self:
            other.close(TAKEN_OVER)
        self._held = lock_run(self.folder)
        register(self.id, self)

    def _try(self, write: Callable[[], object]) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                write()
            except (LabError, OSError) as error:
                self._give_up(error)

    def _give_up(self, error: LabError | OSError) -> None:
        where = self.folder.path
        said = str(error) if isinstance(error, LabError) else f"{where} cannot be written ({error.strerror})"
        if self._begun and not (where / "run.json").exists():
            said = "it was deleted"
        log.warning("run %s is no longer kept: %s", self.id, said)
        self.close(f"the run is no longer kept: {said}")


def record(
    run: Run,
    setup: Setup,
    *,
    token: str | None = None,
    name: str = "",
    parent: str | None = None,
    step: int | None = None,
    automatic: dict[str, Any] | None = None,
) -> Recorder:
    """Keep ``run`` from now on; ``token``: of its browser; ``parent``, ``step``: of a fork; ``automatic``: record of the settings.

    Raises RequestError where ``setup`` names another method or request than the run's: it would be opened as that.
    """
    _require_fitting(run, setup)
    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    about = {
        "name": name,
        "note": "",
        "created": now.isoformat(),
        "owner": None if token is None else owner(token),
        "shared": token is None,
        "parent": parent,
        "parent_step": step,
        "exports": [],
        "setup": setup_dict(setup),
        "automatic": automatic,
        **origin_of(run),
    }
    recorder = Recorder(RunFolder(runs_home() / run_id), about)
    run.recorder = recorder
    if run.steps:
        recorder.begin(run)
    return recorder


def _require_fitting(run: Run, setup: Setup) -> None:
    """Raise RequestError where ``setup`` is no Setup, or names another method or request than those of ``run``."""
    require_kind(setup, Setup, "record", "give the Setup that the run was made from")
    method, request = run.unlearner.name, run.stepper.split.request
    made = METHODS.get(setup.method)  # a plug-in may have another name of its own than in the registry
    if setup.method != method and isinstance(made, type) and type(run.unlearner) is not made:
        raise RequestError(
            f"the run is of the method {method!r} and its Setup of {setup.method!r}; write Setup(method={method!r}, …)"
        )
    names = run.stepper.split.dataset.classes
    classes = {names.index(c) if c in names else c for c in setup.classes}
    by_class = request.task in ("class", "data", "noise") and request.plant is None
    if by_class and (setup.task, classes) != (request.task, set(request.classes)):
        raise RequestError(
            f"the run forgets {request.describe(names)} and its Setup says otherwise; "
            f"write Setup(task={request.task!r}, classes={request.classes}, …)"
        )


def stop_run(run: Run) -> None:
    """Stop ``run`` here for good; what is kept of it can be continued."""
    if isinstance(run.recorder, Recorder):
        run.recorder.note(run)
        run.recorder.close()
    if not run.phase.over:
        run.cancel()
