"""A kept run opened again: read as it is, or restored so that it can be continued, rewound and forked."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import EvalConfig, TrainConfig
from core.data.split import Split
from core.errors import DataError, LabError, StoreError
from core.methods import method
from core.methods.base import Unlearner
from core.methods.step import Step
from core.models.base import Net
from core.runs.checkpoints import Checkpoints
from core.runs.history import RunHistory
from core.runs.observer import Observer
from core.runs.records import Phase
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.storage.folder import RunFolder
from core.runs.storage.frame_store import StoredFrame
from core.runs.storage.index import require_visible
from core.runs.storage.locks import open_run_here
from core.runs.storage.recorder import TAKEN_OVER, Recorder
from core.runs.storage.serialization import config_like, setup_from, weights_key
from core.runtime.storage import load_state

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class KeptRun:
    """A run as it is on disk; arrays of frames are read when they are needed."""

    folder: RunFolder
    about: dict[str, Any]
    setup: Setup
    steps: list[Step]
    frames: list[StoredFrame]

    @property
    def id(self) -> str:
        """The name of its folder, also in addresses and for `laf runs`."""
        return self.folder.id

    @functools.cached_property
    def points(self) -> dict[str, Any]:
        """The points of the map: "ids", "label" and "forget" (N,), and "positions" (N, 2) or None.

        Raises StoreError when the file cannot be read.
        """
        return load_state(self.folder.path / "map.safetensors")

    @property
    def map_positions(self) -> Any:
        """(N, 2) positions of the original's map; None without one."""
        return self.points["positions"] if self.frames else None

    @property
    def automatic(self) -> dict[str, Any] | None:
        """The record of the settings that were found, as ``AutomaticRecord.as_dict`` gave it; None for other settings."""
        found: dict[str, Any] | None = self.about.get("automatic")
        return found

    @property
    def verdict(self) -> dict[str, Any] | None:
        """The verdict on the finished run as plain values, with its "text"; None before there was one."""
        found: dict[str, Any] | None = self.about.get("verdict")
        return found

    @property
    def training(self) -> TrainConfig | None:
        """The training of the original; None where the Lab did not train it, or an earlier version that used the preset kept the run."""
        recipe = (self.automatic or {}).get("training") or self.about.get("training")
        return None if recipe is None else config_like(TrainConfig(), recipe["config"])

    @property
    def eval_config(self) -> EvalConfig:
        """The settings that frames were measured with."""
        found: EvalConfig = config_like(EvalConfig(), self.about["eval"])
        return found


def read_run(run_id: str, token: str | None = None) -> KeptRun:
    """Read a kept run.

    Raises RequestError when ``token`` may see no such run, StoreError, naming the file, when it cannot be read.
    """
    folder = require_visible(run_id, token)
    about = folder.read_about()
    try:
        setup = setup_from(about["setup"])
        for name in ("owner", "shared", "phase", "original", "dataset", "eval", "changes", "config", "marks"):
            about[name]
    except KeyError as error:
        raise StoreError(f"{folder.path / 'run.json'} lacks {error}; delete the run") from error
    except DataError as error:
        raise StoreError(f"{folder.path / 'run.json'} cannot be used: {error}") from error
    steps = folder.read_steps()
    frames = folder.read_frames(steps)
    return KeptRun(folder, about, setup, steps, frames)


def restore(
    kept: KeptRun, split: Split, model: Net, observer: Observer | None, *, as_copy: bool = False
) -> Run:
    """Return the Run with its Recorder. It is RUNNING where it must play back from the nearest state to its last step.

    ``as_copy``: without a Recorder, and the files stay as they are. A step whose frame was not written is taken again. Raises
    StoreError when images, original or map are not those that the run began with, RequestError when another process plays it.
    """
    _require_same(kept, split, model, observer)
    unlearner, history = _read_history(kept, split, model)
    keeper = open_run_here(kept.id)
    if keeper is not None and not as_copy:
        keeper.close(TAKEN_OVER)
    run = Run(unlearner, model, split, seed=int(kept.about["seed"]), observer=observer, history=history)
    _drop_steps_without_frames(run)
    run.checkpoints = Checkpoints.kept_in(kept.folder.states, len(run.steps), only_read=as_copy)
    if not run.steps:
        _begin_again(run, run.checkpoints)
    state = run.checkpoints.newest()
    if not as_copy:
        recorder = Recorder(kept.folder, kept.about)
        recorder.resume(run)
        run.recorder = recorder
    if not run.frames and observer is not None:
        run.frames.append(observer.first if as_copy else kept.folder.write_frame(observer.first))
    if run.steps:
        if state is None:
            log.warning("run %s: no state of it can be read; all its steps are taken again", kept.id)
        run.play_back(*(state or (0, None)))
        phase = Phase(kept.about["phase"])
        if phase in (Phase.FAILED, Phase.CANCELLED):
            log.info("run %s was %s; it is paused after step %d", kept.id, phase, len(run.steps))
    return run


def _require_same(kept: KeptRun, split: Split, model: Net, observer: Observer | None) -> None:
    """Raise StoreError unless images, original and map are those that the run began with."""
    name = f"run {kept.id}"
    if split.dataset.fingerprint != kept.about["dataset"]:
        raise StoreError(
            f"{name} was made from other images of {split.dataset.title}; it can be replayed, not continued"
        )
    if weights_key(model) != kept.about["original"]:
        raise StoreError(
            f"{name} began with another original model than is there now; it can be replayed, not continued"
        )
    projection = None if observer is None else observer.projection
    if projection is None or kept.map_positions is None:
        return
    if not np.array_equal(kept.map_positions, projection.positions):
        raise StoreError(
            f"{name} was drawn on another map than is there now; it can be replayed, not continued"
        )


def _read_history(kept: KeptRun, split: Split, model: Net) -> tuple[Unlearner, RunHistory]:
    """Return the method with the run's first settings, and the history. Raises StoreError where run.json cannot be used."""
    about = kept.about
    try:
        unlearner = method(kept.setup.method, kept.setup.config(split))
        unlearner.configure(model, split)
        read_config = functools.partial(config_like, unlearner.config)
        latest = read_config(about["config"])
        history = RunHistory.from_dict(about, read_config, steps=kept.steps, frames=kept.frames)
    except (KeyError, TypeError, LabError) as error:
        raise StoreError(f"{kept.folder.path / 'run.json'} cannot be used: {error}") from error
    unlearner.config = history.config_at(0, latest)
    return unlearner, history


def _drop_steps_without_frames(run: Run) -> None:
    """Drop the first step that lacks its frame and all after it: a process was killed between the two."""
    if run.observer is None:
        return
    seen = run.frames[-1].step if run.frames else 0
    for step in run.steps[seen:]:
        if run.engine.is_frame_due(step.number, run.total_steps):
            run.truncate(step.number - 1)
            return


def _begin_again(run: Run, checkpoints: Checkpoints) -> None:
    """Prepare a run again, with its first settings: a process was killed before the first step was written."""
    run.config = run.config_at(0)
    run.history.changes = []
    run.truncate(0)
    checkpoints.forget_after(-1)


def open_run(run_id: str) -> Run:
    """Load data, original and map of a kept run, and return the Run, played back to its last step. Raises LabError."""
    from core.data.registry import load
    from core.models.uploads import load_uploaded_model
    from core.runs.original_models import net_training, original
    from core.runs.storage.chain import chain_original
    from core.runs.storage.originals import kept_original
    from core.runtime.device import pick_device
    from core.runtime.progress import run_to_end

    kept = read_run(run_id)
    setup = kept.setup
    split = setup.split(load(setup.dataset, data_dir=setup.data_dir))
    device = str(pick_device(setup.device))
    if setup.earlier:
        model: Net = chain_original(setup, split, device)
    elif setup.model is not None:
        model = load_uploaded_model(setup.model, split.dataset).to(device)
    elif (own := kept_original(kept.about["original"], split, device)) is not None:
        model = own
    else:
        unlearner = method(setup.method, setup.config(split))
        config = kept.training or net_training(setup, split, unlearner)
        seed = int((kept.about.get("training") or {}).get("seed", setup.seed))
        work = original(split, unlearner, seed=seed, device=device, config=config)
        model = run_to_end(work)
    observer = None  # a run that was recorded without frames goes on without them
    if kept.frames:
        observer = Observer(split, model, kept.eval_config, seed=setup.seed)
    if observer is not None and kept.map_positions is not None:
        from core.projection.projection import Projection

        e0 = observer.original.train.representations
        observer.projection = Projection.from_state({"positions": kept.map_positions, "representations": e0})
    run = restore(kept, split, model, observer)
    while run.tick():
        pass
    return run
