"""ShownRun: a run, its map and its retrained models, with all that the packets of docs/wire.md read of an Experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from torch.nn import Module

from core.config import EvalConfig
from core.data.images import Dataset
from core.data.split import Split
from core.errors import RequestError
from core.evaluation.reference_band import Retrained
from core.evaluation.verdict import Verdict
from core.experiments.outcome.judging import judge
from core.experiments.session.preparation_cache import Reference
from core.methods.step import Stage
from core.models.base import Net
from core.projection.projection import NoiseFloor, Projection
from core.runs.observer import Observer
from core.runs.records import Phase
from core.runs.reference_models import references as retrain
from core.runs.run import Run
from core.runs.storage import KeptRun, read_run
from core.runs.storage.loader import restore
from core.runtime.progress import Progress
from dashboard.presentation.export.companions import companions

FRAMES = 100  # at most about as many of a run that is given without frames
Tell = Callable[[Progress], object]


@dataclass(eq=False)
class ShownRun:
    """A run that is only looked at: it has no fork, no follow map and no other work beside it."""

    run: Run
    observer: Observer
    references: list[Reference]
    noise: NoiseFloor
    retrain_error: RequestError | None = None

    # what an Experiment may have and a run in a notebook has not
    fork_run: None = None
    fork_verdict: None = None
    fork_follow: None = None
    fork_from: int = 0
    forks: int = 0
    follow: None = None
    layers: None = None
    automatic: None = None
    error: None = None
    trials: tuple[()] = ()
    life: int = 0
    kept_frames: int = 0
    slow: bool = False
    work: dict[str, Progress] = field(default_factory=dict)

    @classmethod
    def of(
        cls, run: Run | KeptRun | str, references: int | Sequence[Net] = 1, tell: Tell | None = None
    ) -> ShownRun:
        """Prepare ``run`` to be shown: its map, and ``references``, models or how many to retrain (those in the cache are taken).

        A kept run, which may be given by its id, brings its retrained models along. Raises RequestError for a run that has begun
        without frames, LabError where images or models of a kept run are not there.
        """
        if isinstance(run, str):
            run = read_run(run)
        if isinstance(run, KeptRun):
            run, beside = _opened(run)
        elif not isinstance(run, Run):
            raise RequestError(f"run must be a Run, or a kept run or its id, got {type(run).__name__}")
        elif isinstance(references, int):
            beside = [(m.model, m.number == 0) for m in _retrained(run, references, tell)]
        else:
            beside = [(model, False) for model in _models(references)]
        observer = run.observer if run.observer is not None else _observe(run)
        if observer.projection is None:
            raise RequestError("this run has frames without a map; make its Observer with a Projection")
        found = [_reference(observer, model, knows=knows) for model, knows in beside]
        missing = None if found else RequestError("There is no retrained model to compare with.")
        return cls(run, observer, found, observer.projection.noise_floor(), missing)

    @property
    def split(self) -> Split:
        """The Split of the run, with all labels."""
        return self.observer.evaluator.split

    @property
    def dataset(self) -> Dataset:
        """The images of the run."""
        return self.split.dataset

    @property
    def projection(self) -> Projection | None:
        """The map."""
        return self.observer.projection

    @property
    def setup(self) -> Any:
        """The name of the method, as in a Setup."""
        return SimpleNamespace(method=self.run.unlearner.name)

    @property
    def phase(self) -> Phase:
        """The phase of the run."""
        return self.run.phase

    @property
    def revision(self) -> int:
        """The number of retrained models, which never changes here."""
        return len(self.references)

    @property
    def reference_count(self) -> int:
        """The number of retrained models to expect."""
        return len(self.references)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the run once it is done."""
        return judge(self.run, [r.frame for r in self.references], None)

    def left_s(self, stage: Stage) -> None:
        """Return no estimate of the time until ``stage`` ends: the notebook decides when the run goes on."""


def _observe(run: Run) -> Observer:
    """Give a run that has not begun frames and a map; frame 0 is the original. Raises RequestError where it is too late."""
    if run.has_begun or run.steps:
        raise RequestError(
            "this run has taken steps without making frames; make the RunWidget before the first step"
        )
    model, split = run.stepper.model, run.stepper.split
    observer = Observer(split, model, EvalConfig(frames=FRAMES), seed=run.seed)
    observer.projection = Projection.fit(observer.original.train.representations, seed=run.seed)
    run.observer = observer
    run.frames.append(observer.first)
    return observer


def _models(given: Any) -> Sequence[Net]:
    """Return the models that were given. Raises RequestError for anything else."""
    if not isinstance(given, Sequence) or not all(isinstance(one, Module) for one in given):
        raise RequestError("references must be a whole number, or a list of models such as [finish(run)]")
    return given


def _retrained(run: Run, count: int, tell: Tell | None) -> list[Retrained]:
    """Return ``count`` models retrained for the run's original. Raises RequestError for a negative count."""
    if count < 0:
        raise RequestError(f"references must be at least 0, or a list of models, got {count}")
    return retrain(run.stepper.split, run.stepper.model, count=count, seed=run.seed, progress=tell)


def _reference(observer: Observer, model: Net, *, knows: bool) -> Reference:
    """Return a retrained model with its frame; one that began with other weights is turned into the original's coordinates."""
    made = getattr(model, "provenance", None)
    seconds = 0.0 if made is None or made.seconds is None else float(made.seconds)
    if knows and observer.knows_initial_weights:
        return Reference(model, observer.look(model), seconds)
    frame, fit = observer.look_turned(model)
    return Reference(model, frame, seconds, fit)


def _opened(kept: KeptRun) -> tuple[Run, list[tuple[Net, bool]]]:
    """Return a copy of a kept run, played back to its last step, and the retrained models that are in the cache."""
    beside = companions(kept)
    if kept.map_positions is None:
        raise RequestError(f"run {kept.id} was kept without a map, so there is nothing to show")
    observer = Observer(beside.split, beside.original, kept.eval_config, seed=kept.setup.seed)
    e0 = observer.original.train.representations
    observer.projection = Projection.from_state({"positions": kept.map_positions, "representations": e0})
    run = restore(kept, beside.split, beside.original, observer, as_copy=True)
    while run.tick():
        pass
    return run, [(one.model, one.number == 0) for one in beside.retrained]
