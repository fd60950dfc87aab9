"""A lesson played from its beginning to its end without a screen, and what each step left: for replays, keys and tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.errors import LabError
from core.experiments.session.experiment import Experiment
from core.lessons.checks import Verdict
from core.lessons.schema import Action, Lesson
from core.lessons.tour import Tour
from core.methods.step import Step
from core.projection.projection import UmapBackend
from core.runs.records import Frame, Phase
from core.runs.reference_models import usual_count
from core.runs.run import Run
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler

POLL_S = 0.02
MOST_S = 1800.0  # of one step: training on a slow machine, not waiting for ever


@dataclass(frozen=True, eq=False)
class Played:
    """A run as it was left, with what a page draws of it."""

    setup: Setup
    forget: str
    title: str
    ids: np.ndarray  # (N,) of the points on the map
    is_forget: np.ndarray  # (N,) bool
    map_positions: np.ndarray | None  # (N, 2) of the original's map
    run: Run

    @property
    def steps(self) -> list[Step]:
        return self.run.steps

    @property
    def frames(self) -> list[Frame]:
        return self.run.frames

    @property
    def points(self) -> Mapping[str, Any]:
        """As a KeptRun has them."""
        return {"ids": self.ids, "forget": self.is_forget}

    @property
    def about(self) -> Mapping[str, Any]:
        """As a KeptRun has it: changes and marks."""
        return {
            "changes": [{"after": c.after} for c in self.run.changes],
            "marks": [{"step": m.step, "text": m.text} for m in self.run.marks],
        }


@dataclass(frozen=True, eq=False)
class Scene:
    """What one step of the lesson left: which of the runs is shown, up to which frame, and what it said."""

    run: int  # in Replay.runs
    frame: int
    facts: Mapping[str, Any]
    verdict: Verdict | None
    curves: Mapping[str, tuple[float, ...]]  # of the VAEs


@dataclass(frozen=True, eq=False)
class Replay:
    """A whole lesson."""

    lesson: Lesson
    seed: int
    runs: tuple[Played, ...]
    scenes: tuple[Scene, ...]  # one for each step

    @property
    def failed(self) -> tuple[int, ...]:
        """Steps, from 1, whose check the run does not pass with this seed."""
        return tuple(
            i for i, s in enumerate(self.scenes, 1) if s.verdict is not None and not s.verdict.passed
        )


def play_lesson(
    lesson: Lesson,
    *,
    seed: int = 0,
    umap: UmapBackend | None = None,
    data_dir: str | None = None,
    runner: Scheduler | None = None,
    maps: Scheduler | None = None,
    tell: Callable[[str], object] | None = None,
) -> Replay:
    """Play it in worker threads (of ``runner``, and of ``maps`` for UMAP) and wait.

    Raises LabError when a move cannot be made or preparing fails.
    """
    stand = _Stand(umap, data_dir, runner or Scheduler(), maps or Scheduler(1))
    try:
        stand.open(lesson.setup_for(seed))
        scenes = []
        for number, part in enumerate(lesson.parts, 1):
            if tell is not None:
                tell(f"step {number} of {len(lesson.parts)}: {part.title}")
            do = part.solution or part.do or Action("")
            if part.do is None and part.solution is None:
                stand.wait()
            else:
                stand.make(lesson.setup_at(number, seed), do)
            facts = stand.tour.facts()
            verdict = None if part.check is None else part.check.verdict(facts)
            scenes.append(stand.scene(facts, verdict))
        return Replay(lesson, seed, tuple(stand.runs), tuple(scenes))
    finally:
        stand.close()


class _Stand:
    """An Experiment with its threads, and the runs that were seen in it."""

    def __init__(
        self, umap: UmapBackend | None, data_dir: str | None, runner: Scheduler, maps: Scheduler
    ) -> None:
        self._runner, self._maps, self._umap, self._data_dir = runner, maps, umap, data_dir
        self._experiment: Experiment | None = None
        self.runs: list[Played] = []
        self.tour = Tour(self._now, self.open)

    def _now(self) -> Experiment:
        assert self._experiment is not None
        return self._experiment

    def open(self, setup: Setup) -> str | None:
        """Another experiment in place of the one there is."""
        self.close()
        setup = replace(setup, data_dir=self._data_dir or setup.data_dir)
        self._experiment = Experiment(setup, self._runner, self._umap, map_runner=self._maps)
        self._experiment.start()
        return None

    def close(self) -> None:
        if self._experiment is not None:
            self._experiment.close()

    def make(self, setup: Setup, do: Action) -> None:
        """All moves of ``do``; measurements once the retrained models are there."""
        first = {f: getattr(do, f) for f in Action.__dataclass_fields__ if f != "measure"}
        self.tour.begin(setup, Action(**first))
        self.wait()
        if do.measure is not None:
            self.tour.begin(self._now().setup, Action(do.label, measure=do.measure))
            self.wait()

    def wait(self) -> None:
        """Until nothing moves and all retrained models are there."""
        end = time.monotonic() + MOST_S
        while True:
            self.tour.go_on()
            e = self._now()
            problem = self.tour.problem or (str(e.error) if e.error is not None else None) or e.retrain_error
            if problem:
                raise LabError(str(problem))
            playing = self.tour.busy or e.run is None or e.phase is Phase.RUNNING
            if not playing and e.dataset is not None and len(e.references) >= usual_count(e.dataset.family):
                return
            if time.monotonic() > end:
                raise LabError("the lesson did not come to an end within half an hour a step")
            time.sleep(POLL_S)

    def scene(self, facts: Mapping[str, Any], verdict: Verdict | None) -> Scene:
        """What is there now; the fork where one is drawn."""
        e = self._now()
        run = e.driven
        at = next((i for i, seen in enumerate(self.runs) if seen.run is run), None)
        if at is None:
            at = len(self.runs)
            self.runs.append(_seen(e, run))
        curves: dict[str, tuple[float, ...]] = {
            k: run.progress[k].curve for k in ("vae", "vae_f") if k in run.progress
        }
        return Scene(at, len(run.frames) - 1, facts, verdict, curves)


def _seen(e: Experiment, run: Run) -> Played:
    assert e.split is not None
    assert e.observer is not None
    split, observer = e.split, e.observer
    return Played(
        setup=e.setup,
        forget=split.request.describe(split.dataset.classes),
        title=split.dataset.title,
        ids=split.train.ids[observer.rows].cpu().numpy(),
        is_forget=observer.evaluator.is_forget.cpu().numpy(),
        map_positions=None if observer.projection is None else observer.projection.positions,
        run=run,
    )
