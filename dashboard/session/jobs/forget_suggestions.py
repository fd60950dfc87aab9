"""What the Forget set page knows of one original model, worked out by the runner's threads; pure, no screen."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from core.config import as_dict
from core.data.forget_selection import Selection
from core.data.images import Dataset
from core.errors import LabError
from core.evaluation.forget_suggestions import (
    Floats,
    ImageFacts,
    NearDuplicate,
    gather_facts,
    memorised,
    near_duplicates,
)
from core.experiments.session.experiment import Experiment
from core.models.base import Net
from core.runtime.progress import Progress
from core.runtime.scheduler import Scheduler, SlicedTask

WORK = {
    "facts": "The original model looks at every training image",
    "memorised": "Comparing each image with its neighbours",
    "twins": "Looking for images like the picked ones",
}


class SuggestionJob:
    """Facts, scores and near-duplicates. One kind of work at a time; whoever shows it polls the attributes."""

    def __init__(self, runner: Scheduler) -> None:
        self._runner = runner
        self._about: Any = None  # which model and data it is about
        self._task: SlicedTask | None = None
        self._clear()

    def _clear(self) -> None:
        self.facts: ImageFacts | None = None
        self.scores: Floats | None = None  # of `memorised`
        self.twins: tuple[Selection, list[NearDuplicate]] | None = (
            None  # of which picked images, and what was found
        )
        self.work: Progress | None = None
        self.error: LabError | None = None

    def about(self, experiment: Experiment) -> None:
        """Turn to the original model of ``experiment``; what is known stays when it is the same one."""
        model, split = experiment.model, experiment.split
        if model is None or split is None:
            return
        made = model.provenance
        about = (
            split.dataset.fingerprint,
            (made.given, made.seed, as_dict(made.config)) if made is not None else id(model),
        )
        if about != self._about:
            self.close()
            self._clear()
            self._about = about
        self._model: Net = model
        self._dataset: Dataset = split.dataset

    @property
    def busy(self) -> bool:
        return self._task is not None and self._task.alive

    def want(self, *, scores: bool = False, twins_of: Selection | None = None) -> None:
        """Work out facts, and on top of them what is asked for, unless it is there or something is being worked out."""
        missing = self.facts is None or (scores and self.scores is None)
        missing = missing or (twins_of is not None and (self.twins is None or self.twins[0] != twins_of))
        if missing and not self.busy and self.error is None and self._about is not None:
            self._task = SlicedTask(self._work(self._model, self._dataset, scores, twins_of), self._failed)
            self._runner.submit(self._task)

    def close(self) -> None:
        """Stop the work, at the end of the slice in progress."""
        if self._task is not None:
            self._runner.discard(self._task)
        self._task = None
        self.work = None

    def _work(self, model: Net, dataset: Dataset, scores: bool, twins_of: Selection | None) -> Iterator[None]:
        task = self._task
        for part in self._parts(model, dataset, scores, twins_of):
            if task is not self._task:
                return
            self.work = part
            yield
        self.work = None

    def _parts(
        self, model: Net, dataset: Dataset, scores: bool, twins_of: Selection | None
    ) -> Generator[Progress, None, None]:
        if self.facts is None:
            self.facts = yield from gather_facts(model, dataset)
        facts = self.facts
        if scores and self.scores is None:
            self.scores = yield from memorised(facts)
        if twins_of is not None:
            found = yield from near_duplicates(facts, dataset, twins_of.ids)
            self.twins = (twins_of, found)

    def _failed(self, error: LabError) -> None:
        self.error = error
        self.work = None

    # what to pick; numbers of images, not more than there are

    def most_memorised(self, count: int) -> np.ndarray:
        """Ids of the ``count`` images with the highest score. `scores` must be there."""
        assert self.facts is not None
        assert self.scores is not None
        return self.facts.ids[np.lexsort((self.facts.ids, -self.scores))[:count]]

    def most_mistaken(self, count: int) -> np.ndarray:
        """Ids of the ``count`` images with the highest loss. `facts` must be there."""
        assert self.facts is not None
        return self.facts.ids[np.lexsort((self.facts.ids, -self.facts.losses))[:count]]
