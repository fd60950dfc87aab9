"""Keeps one Run on disk as it goes: told of each step and frame before anybody sees it."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO
from weakref import WeakValueDictionary

from core.config import EvalConfig, as_dict
from core.errors import LabError, RequestError, StoreError
from core.methods.step import Step
from core.runs.records import Frame, Phase
from core.runs.setup import Setup
from core.runs.storage.run_folder import LOCK, RunFolder, put, runs_home
from core.runs.storage.serialization import config_dict, setup_dict, weights_key
from core.runtime.ownership import owner
from core.runtime.storage import save_state

if TYPE_CHECKING:
    from core.data.split import Split
    from core.runs.checkpoints import Checkpoints
    from core.runs.observer import Observer
    from core.runs.run import Run

log = logging.getLogger(__name__)

STALE_S = 3600.0

_OPEN: WeakValueDictionary[str, Recorder] = WeakValueDictionary()  # of this process, by run


class Recorder:
    """Writes one Run to its folder. Nothing is written before its first step, so that a page that is only looked at leaves nothing.

    A Recorder holds its folder alone: a lock keeps other processes out, and in one process the last that asks has it. What cannot be
    written is told in ``problem``, and the run goes on without being kept.
    """

    def __init__(self, folder: RunFolder, about: dict[str, Any]) -> None:
        self.folder = folder
        self.about = about
        self.problem: str | None = None
        self._begun = False
        self._closed = False
        self._held: BinaryIO | None = None
        self._states: Checkpoints | None = None
        self._lock = threading.RLock()

    @property
    def id(self) -> str:
        """Of the folder it is kept in."""
        return self.folder.id

    @property
    def is_kept(self) -> bool:
        """Whether there is something on disk."""
        return self._begun

    # what a Run tells

    def begin(self, run: Run) -> None:
        """Write all there is of ``run``."""
        if self._begun or self._closed:
            return

        from core.runs.storage.quota import make_room

        def write() -> None:
            make_room()
            place = self.folder.path
            part = place.with_name(f".{place.name}")  # seen under its name only when it is whole
            _sweep()
            self.folder.path = part
            self._states = run.checkpoints
            try:
                for folder in (part / "frames", self.folder.states):
                    folder.mkdir(parents=True, exist_ok=True)
                if run.observer is not None:
                    save_state(part / "map.safetensors", _points(run.observer, run._labelled))
                self.folder.write_steps(run.steps)
                frames = [self.folder.write_frame(f) for f in run.frames]
                if run.checkpoints is not None:
                    run.checkpoints.keep_in(self.folder.states)
                self._write_about(run)
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

        self._try(write)

    def step(self, step: Step) -> None:
        """Keep one step that was taken."""
        if self._begun:
            self._try(lambda: self.folder.append_step(step))

    def frame(self, frame: Frame) -> Frame:
        """Keep one frame; the frame as it is from then on, whose arrays may lie on disk."""
        if not self._begun:
            return frame
        kept: list[Frame] = []
        self._try(lambda: kept.append(self.folder.write_frame(frame)))
        return kept[0] if kept else frame

    def note(self, run: Run) -> None:
        """Keep how ``run`` stands now; once it is done its model, too."""
        if not self._begun:
            return

        def write() -> None:
            self._write_about(run)
            if run.phase is Phase.DONE:
                from safetensors.torch import save

                weights = {k: v.cpu().contiguous() for k, v in run.result.state_dict().items()}
                put(self.folder.model, save(weights, metadata={"laf": self.id}))
                if self._states is not None:
                    self._states.settle()
            self.folder.sync()

        self._try(write)

    def lose(self, error: LabError) -> None:
        """Stop keeping the run: a state of it cannot be written."""
        self._try(lambda: _throw(error))

    def cut(self, run: Run) -> None:
        """Drop what is kept of steps that ``run`` no longer has, since it was taken back."""
        if not self._begun:
            return

        def write() -> None:
            self.folder.write_steps(run.steps)
            self.folder.drop_frames(len(run.frames))
            self.folder.model.unlink(missing_ok=True)
            self.about.pop("report", None)  # of the model that it ended with
            self._write_about(run)

        self._try(write)

    # what a person says

    def tell(self, **values: Any) -> None:
        """Change what run.json says besides the run: name, note, shared."""
        self.about.update(values)
        if self._begun:
            self._try(lambda: self.folder.write_about(self.about))

    def close(self, why: str | None = None) -> None:
        """Write no more; others may take the run up."""
        with self._lock:
            self._closed, self._begun = True, False
            self.problem = why or self.problem
            self.folder.close()
            if self._states is not None:
                self._states.leave()
            if self._held is not None:
                self._held.close()
                self._held = None
            if _OPEN.get(self.id) is self:
                del _OPEN[self.id]

    # inside

    def _write_about(self, run: Run) -> None:
        self.about |= {
            "method": run.unlearner.name,
            "config": config_dict(run.config),
            "changes": [
                {"after": c.after, "before": config_dict(c.before), "now": config_dict(c.now)}
                for c in run.changes
            ],
            "marks": [asdict(m) for m in run.marks],
            "seed": run.seed,
            "phase": str(Phase.PAUSED if run.phase in (Phase.RUNNING, Phase.READY) else run.phase),
            "total_steps": run.total_steps,
            "seconds": dict(run.seconds),
            # how the preparing stages went, with the loss of each epoch: alarms look at it
            "progress": [asdict(p) for stage in run.stages[:-1] if (p := run.progress.get(stage.key))],
            "error": None if run.error is None else str(run.error),
        }
        self.folder.write_about(self.about)

    def _hold(self) -> None:
        """Alone from now on. Raises RequestError when another process has it."""
        other = _OPEN.get(self.id)
        if other is not None and other is not self:
            other.close("the run went on in another tab; it is kept there")
        self._held = hold(self.folder)
        _OPEN[self.id] = self

    def _try(self, write: Any) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                write()
            except (LabError, OSError) as error:
                gone = not (self.folder.path / "run.json").exists() and self._begun
                said = "it was deleted" if gone else str(error) if isinstance(error, LabError) else f"{error.strerror}"  # fmt: skip
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
) -> Recorder:
    """Keep ``run`` from now on; ``token`` is of the browser that made it. Say ``parent`` and ``step`` of a fork."""
    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    split = run._labelled
    about: dict[str, Any] = {
        "name": name,
        "note": "",
        "created": now.isoformat(),
        "owner": None if token is None else owner(token),
        "shared": token is None,
        "parent": parent,
        "parent_step": step,
        "exports": [],
        "setup": setup_dict(setup),
        "forget": split.request.describe(split.dataset.classes),
        "dataset": split.dataset.fingerprint,
        "original": weights_key(run._model),
        "images": {
            "title": split.dataset.title,
            "classes": list(split.dataset.classes),
            "shape": list(split.dataset.shape),
            "white": split.train.white,
            "norm": None if split.train.norm is None else [list(v) for v in split.train.norm],
        },
        "net": run._model.provenance.net if run._model.provenance is not None else None,
        "eval": as_dict(run.observer.config if run.observer is not None else EvalConfig()),
    }
    recorder = Recorder(RunFolder(runs_home() / run_id), about)
    run.recorder = recorder
    if run.steps:
        recorder.begin(run)
    return recorder


def resume(run: Run, folder: RunFolder, about: dict[str, Any]) -> Recorder:
    """Go on keeping ``run``, which was read from ``folder``. Raises RequestError when another process plays it."""
    recorder = Recorder(folder, about)
    recorder._hold()
    folder.sweep()
    recorder._begun, recorder._states = True, run.checkpoints
    run.recorder = recorder
    recorder.folder.write_steps(run.steps)
    recorder.folder.drop_frames(len(run.frames))
    return recorder


def let_go(run: Run) -> None:
    """Stop ``run`` for good here; what is kept of it can be taken up again."""
    if isinstance(run.recorder, Recorder):
        run.recorder.note(run)
        run.recorder.close()
    if not run.phase.over:
        run.cancel()


def _points(observer: Observer, split: Split) -> dict[str, Any]:
    """What all frames are of: the points of the map, where the original's map puts them, and which are forgotten."""
    return {
        "positions": None if observer.projection is None else observer.projection.positions,
        "ids": split.train.ids[observer.rows].cpu(),
        "label": split.true_y[observer.rows].cpu(),
        "forget": observer.evaluator.is_forget.cpu(),
    }


def _sweep() -> None:
    """Delete what processes that were killed left half-made or half-deleted."""
    for path in runs_home().glob(".[0-9]*"):
        try:
            if time.time() - path.stat().st_mtime > STALE_S:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # somebody else was faster
            continue


def _throw(error: LabError) -> None:
    raise error


def held_here(run_id: str) -> Recorder | None:
    """Who keeps this run in this process."""
    return _OPEN.get(run_id)


def is_open(run_id: str) -> bool:
    """Whether somebody keeps this run now, here or in another process."""
    if held_here(run_id) is not None:
        return True
    try:
        lock = hold(RunFolder(runs_home() / run_id))
    except LabError:
        return True
    if lock is not None:
        lock.close()
    return False


def hold(folder: RunFolder) -> BinaryIO | None:
    """An exclusive lock on a run, until it is closed or the process ends. Raises RequestError when somebody else has it."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing keeps two processes apart
        return None
    try:
        file = open(folder.path / LOCK, "wb")  # noqa: SIM115 - open as long as it is held
    except OSError as error:
        raise StoreError(f"{folder.path} cannot be written ({error.strerror})") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise RequestError(
            f"run {folder.id} is open elsewhere; close it there, or fork it to go on beside it"
        ) from error
    return file
