"""The replay of a whole lesson without a page, with the result of each step, for exports, keys and tests."""

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
MOST_S = 1800.0  # of one step: enough to train on a slow machine


@dataclass(frozen=True, eq=False)
class PlayedRun:
    """A run and all that a page needs to draw it."""

    setup: Setup
    forget: str
    title: str
    ids: np.ndarray  # (N,) of the points on the map
    is_forget: np.ndarray  # (N,) bool
    map_positions: np.ndarray | None  # (N, 2) on the map of the original
    run: Run
    labels: np.ndarray  # (N,) numbers of the true classes
    classes: tuple[str, ...]
    retrained: tuple[Frame, ...] = ()  # a frame of each retrained model

    @property
    def steps(self) -> list[Step]:
        """Steps of the run."""
        return self.run.steps

    @property
    def frames(self) -> list[Frame]:
        """Frames of the run."""
        return self.run.frames

    @property
    def points(self) -> Mapping[str, Any]:
        """Points on the map, as in a KeptRun."""
        return {"ids": self.ids, "forget": self.is_forget, "label": self.labels}

    @property
    def about(self) -> Mapping[str, Any]:
        """Changes, marks and the names of the classes, as in a KeptRun."""
        return {
            "images": {"classes": list(self.classes)},
            "changes": [{"after": c.after} for c in self.run.changes],
            "marks": [{"step": m.step, "text": m.text} for m in self.run.marks],
        }


@dataclass(frozen=True, eq=False)
class Scene:
    """The result of one step of the lesson: the shown run, its last frame, facts and verdict."""

    run: int  # in Replay.runs
    frame: int
    facts: Mapping[str, Any]
    verdict: Verdict | None
    curves: Mapping[str, tuple[float, ...]]  # of the VAEs


@dataclass(frozen=True, eq=False)
class Replay:
    """A whole lesson after its replay."""

    lesson: Lesson
    seed: int
    runs: tuple[PlayedRun, ...]
    scenes: tuple[Scene, ...]  # one for each step

    @property
    def failed(self) -> tuple[int, ...]:
        """Numbers, from 1, of the steps whose check did not pass with this seed."""
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
    """Play a lesson in the threads of ``runner``, and of ``maps`` for UMAP, and wait for its end.

    Raises LabError if a move or the preparation fails.
    """
    player = _Player(umap, data_dir, runner or Scheduler(), maps or Scheduler(1))
    try:
        player.open(lesson.setup_for(seed))
        scenes = []
        for number, part in enumerate(lesson.parts, 1):
            if tell is not None:
                tell(f"step {number} of {len(lesson.parts)}: {part.title}")
            action = part.solution or part.do
            if action is None:
                player.wait()
            else:
                player.make(lesson.setup_at(number, seed), action)
            facts = player.tour.facts()
            verdict = None if part.check is None else part.check.verdict(facts)
            scenes.append(player.scene(facts, verdict))
        return Replay(lesson, seed, tuple(player.runs), tuple(scenes))
    finally:
        player.close()


class _Player:
    """The Experiment of a replay, its threads, and the runs seen so far."""

    def __init__(
        self, umap: UmapBackend | None, data_dir: str | None, runner: Scheduler, maps: Scheduler
    ) -> None:
        self._runner, self._maps, self._umap, self._data_dir = runner, maps, umap, data_dir
        self._experiment: Experiment | None = None
        self.runs: list[PlayedRun] = []
        self.tour = Tour(self._current, self.open)

    def _current(self) -> Experiment:
        assert self._experiment is not None
        return self._experiment

    def open(self, setup: Setup) -> str | None:
        """Open an experiment in place of the current one."""
        self.close()
        setup = replace(setup, data_dir=self._data_dir or setup.data_dir)
        self._experiment = Experiment(setup, self._runner, self._umap, map_runner=self._maps)
        self._experiment.start()
        return None

    def close(self) -> None:
        """Close the current experiment."""
        if self._experiment is not None:
            self._experiment.close()

    def make(self, setup: Setup, do: Action) -> None:
        """Make all moves of ``do``; measure only once all retrained models exist."""
        first = {f: getattr(do, f) for f in Action.__dataclass_fields__ if f != "measure"}
        self.tour.begin(setup, Action(**first))
        self.wait()
        if do.measure is not None:
            self.tour.begin(self._current().setup, Action(do.label, measure=do.measure))
            self.wait()

    def wait(self) -> None:
        """Wait until all moves are made and all retrained models exist."""
        end = time.monotonic() + MOST_S
        while True:
            self.tour.go_on()
            e = self._current()
            problem = self.tour.problem or (str(e.error) if e.error is not None else None) or e.retrain_error
            if problem:
                raise LabError(str(problem))
            playing = self.tour.busy or e.run is None or e.phase is Phase.RUNNING
            if not playing and e.dataset is not None and len(e.references) >= usual_count(e.dataset.family):
                return
            if time.monotonic() > end:
                raise LabError("a step of the lesson took more than half an hour; try a faster machine")
            time.sleep(POLL_S)

    def scene(self, facts: Mapping[str, Any], verdict: Verdict | None) -> Scene:
        """Return the scene of the current run, or of its fork if there is one."""
        e = self._current()
        run = e.driven
        number = next((i for i, played in enumerate(self.runs) if played.run is run), None)
        if number is None:
            number = len(self.runs)
            self.runs.append(_played(e, run))
        curves: dict[str, tuple[float, ...]] = {
            k: run.progress[k].curve for k in ("vae", "vae_f") if k in run.progress
        }
        return Scene(number, len(run.frames) - 1, facts, verdict, curves)


def _played(e: Experiment, run: Run) -> PlayedRun:
    assert e.split is not None
    assert e.observer is not None
    split, observer = e.split, e.observer
    return PlayedRun(
        setup=e.setup,
        forget=split.request.describe(split.dataset.classes),
        title=split.dataset.title,
        ids=split.train.ids[observer.rows].cpu().numpy(),
        is_forget=observer.evaluator.is_forget.cpu().numpy(),
        map_positions=None if observer.projection is None else observer.projection.positions,
        run=run,
        labels=split.true_y[observer.rows].cpu().numpy(),
        classes=split.dataset.classes,
        retrained=tuple(r.frame for r in e.references),
    )
