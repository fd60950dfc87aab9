"""A kept run opened again: read as it is, or restored so that it can be continued, replayed, taken back and forked."""

from __future__ import annotations

import copy
import functools
import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import EvalConfig
from core.data.split import Split
from core.errors import DataError, LabError, StoreError
from core.methods import method
from core.methods.step import Step
from core.models.base import Net
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.records import Change, Mark, Phase
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.storage.frame_store import StoredFrame
from core.runs.storage.index import require_visible
from core.runs.storage.recorder import held_here, resume
from core.runs.storage.run_folder import RunFolder
from core.runs.storage.serialization import config_like, setup_from, weights_key
from core.runs.time_travel import head_for
from core.runtime.progress import Progress
from core.runtime.storage import load_state

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class KeptRun:
    """What a run left on disk; arrays of frames are read when they are wanted."""

    folder: RunFolder
    about: dict[str, Any]
    setup: Setup
    steps: list[Step]
    frames: list[StoredFrame]

    @property
    def id(self) -> str:
        """What it is called on disk, in addresses and by `laf runs`."""
        return self.folder.id

    @functools.cached_property
    def points(self) -> dict[str, Any]:
        """What all frames are of: "ids", "label" and "forget" (N,), and "positions" (N, 2) of the original's map or None.

        Raises DataError when the file cannot be read.
        """
        return load_state(self.folder.path / "map.safetensors")

    @property
    def map_positions(self) -> Any:
        """(N, 2) the original's map, on which all frames are; None without one."""
        return self.points["positions"] if self.frames else None

    @property
    def eval_config(self) -> EvalConfig:
        """How frames were measured."""
        found: EvalConfig = config_like(EvalConfig(), self.about["eval"])
        return found


def read_run(run_id: str, token: str | None = None) -> KeptRun:
    """A kept run. Raises RequestError when there is none that ``token`` may see, DataError, naming the file, when it cannot be read."""
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
    """The Run, and its Recorder; ``as_copy``: without one, and what is on disk is left as it is. RUNNING where it must first play back to its last step from the nearest state, else as it stood.

    A step whose frame did not come to be written is taken again. Raises DataError when images or original are not those that the run
    began with, RequestError when another process plays it.
    """
    about, name = kept.about, f"run {kept.id}"
    if split.dataset.fingerprint != about["dataset"]:
        raise StoreError(f"{name} was made from other images of {split.dataset.title}; it can be replayed, not continued")  # fmt: skip
    if weights_key(model) != about["original"]:
        raise StoreError(f"{name} began with another original model than is there now; it can be replayed, not continued")  # fmt: skip
    if observer is not None and observer.projection is not None and kept.map_positions is not None and not np.array_equal(
        kept.map_positions, observer.projection.positions
    ):  # fmt: skip
        raise StoreError(
            f"{name} was drawn on another map than is there now; it can be replayed, not continued"
        )
    try:
        unlearner = method(kept.setup.method, kept.setup.config(split))
        unlearner.configure(model, split)
        changes = [
            Change(int(c["after"]), *(config_like(unlearner.config, c[k]) for k in ("before", "now")))
            for c in about["changes"]
        ]
        marks = [Mark(**m) for m in about["marks"]]
        prepared = [Progress(**{**p, "curve": tuple(p["curve"])}) for p in about.get("progress", ())]
        config = config_like(unlearner.config, about["config"])
    except (KeyError, TypeError, LabError) as error:
        raise StoreError(f"{kept.folder.path / 'run.json'} cannot be used: {error}") from error
    before = held_here(kept.id)
    if before is not None and not as_copy:
        before.close("the run went on in another tab; it is kept there")
    unlearner.config = changes[0].before if changes else config
    run = Run(unlearner, model, split, seed=int(about["seed"]))
    run.observer, run.config, run.changes = observer, config, changes
    run.marks, run.progress = marks, {p.stage: p for p in prepared}
    run.steps, run.frames = list(kept.steps), list(kept.frames)
    run.seconds = defaultdict(float, about["seconds"])
    run._restage()
    _drop_unseen(run)
    run.checkpoints = Checkpoints.kept_in(kept.folder.states, len(run.steps), only_read=as_copy)
    found = run.checkpoints.newest() if run.steps else None
    if not run.steps:  # it died before its first step
        run.frames = run.frames[:1]
        run.changes, run.config = [], run.config_at(0)
        run._restage()
        run.checkpoints.forget_after(-1)
    if run.steps:
        last = run.stages[-1]
        run.progress[last.key] = Progress(
            last.key, len(run.steps), last.total, sum(s.seconds for s in run.steps)
        )
    if not as_copy:
        resume(run, kept.folder, about)
    if not run.frames and observer is not None:
        run.frames.append(observer.first if as_copy else kept.folder.write_frame(observer.first))
    if run.steps:
        run._begin()
        if found is not None:
            run._state.load_state_dict(copy.deepcopy(found[1]))
        else:
            log.warning("%s: no state of it can be read; all its steps are taken again", name)
        phase = Phase(about["phase"])
        head_for(run, len(run.steps), 0 if found is None else found[0])
        if phase in (Phase.FAILED, Phase.CANCELLED):
            log.info("%s was %s; it stands paused after step %d", name, phase, len(run.steps))
    return run


def open_run(run_id: str) -> Run:
    """Everything at once: data, original, observer with its map, and the Run, played back to where it stood. Raises LabError."""
    from core.data.registry import load
    from core.models.uploads import load_own_model
    from core.runs.original_models import original
    from core.runtime.device import pick_device
    from core.runtime.progress import run_to_end

    kept = read_run(run_id)
    setup = kept.setup
    split = setup.split(load(setup.dataset, data_dir=setup.data_dir))
    device = str(pick_device(setup.device))
    if setup.model is not None:
        model: Net = load_own_model(setup.model, split.dataset).to(device)
    else:
        unlearner = method(setup.method, setup.config(split))
        model = run_to_end(original(split, unlearner, seed=setup.seed, device=device))
    observer = Observer(split, model, kept.eval_config, seed=setup.seed)
    if kept.map_positions is not None:
        from core.projection.projection import Projection

        e0 = observer.original.train.representations
        observer.projection = Projection.from_state({"positions": kept.map_positions, "representations": e0})
    run = restore(kept, split, model, observer)
    while run.tick():
        pass
    return run


def _drop_unseen(run: Run) -> None:
    """Steps from the first on whose frame is missing."""
    if run.observer is None:
        return
    seen = run.frames[-1].step if run.frames else -1
    for step in run.steps[max(0, seen) :]:
        if step.number >= run.total_steps or step.number % run.observer.cadence(run.total_steps) == 0:
            run.steps = run.steps[: step.number - 1]
            return
