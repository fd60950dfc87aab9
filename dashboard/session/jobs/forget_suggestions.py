"""The job that scores images of the original model, so that the page Forget set can suggest what to forget."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.config import as_dict
from core.data.forget_selection import Selection
from core.data.images import Dataset
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
from core.runtime.progress import Work
from dashboard.session.jobs.base import BackgroundJob


class SuggestionJob(BackgroundJob[None]):
    """Facts, scores and near-duplicates of one original model's training images."""

    def _reset(self) -> None:
        super()._reset()
        self._subject: Any = None  # identifies the model and the data
        self.facts: ImageFacts | None = None
        self.scores: Floats | None = None  # (N,) of `memorised`
        # the picked images of the last search, and their near-duplicates
        self.twins: tuple[Selection, list[NearDuplicate]] | None = None

    def about(self, experiment: Experiment) -> None:
        """Turn to the original model of ``experiment``. Results for another model or other data are dropped."""
        model, split = experiment.model, experiment.split
        if model is None or split is None:
            return
        made = model.provenance
        identity = (made.given, made.seed, as_dict(made.config)) if made is not None else id(model)
        subject = (split.dataset.fingerprint, identity)
        if subject != self._subject:
            self.close()
            self._subject = subject
        self._model: Net = model
        self._dataset: Dataset = split.dataset

    def want(self, *, scores: bool = False, twins_of: Selection | None = None) -> None:
        """Compute the facts and what else is asked for, unless it is known, or work is in progress or failed."""
        missing = self.facts is None or (scores and self.scores is None)
        missing = missing or (twins_of is not None and (self.twins is None or self.twins[0] != twins_of))
        if missing and not self.busy and self.error is None and self._subject is not None:
            self.start(self._compute(self._model, self._dataset, scores, twins_of))

    def _compute(self, model: Net, dataset: Dataset, scores: bool, twins_of: Selection | None) -> Work[None]:
        subject = self._subject
        if self.facts is None:
            facts = yield from gather_facts(model, dataset)
            if subject != self._subject:
                return
            self.facts = facts
        facts = self.facts
        if scores and self.scores is None:
            found = yield from memorised(facts)
            if subject != self._subject:
                return
            self.scores = found
        if twins_of is not None:
            twins = yield from near_duplicates(facts, dataset, twins_of.ids)
            if subject != self._subject:
                return
            self.twins = (twins_of, twins)

    def most_memorised(self, count: int) -> np.ndarray:
        """Return the ids of the ``count`` images with the highest score. ``scores`` must be known."""
        assert self.facts is not None
        assert self.scores is not None
        return self.facts.ids[np.lexsort((self.facts.ids, -self.scores))[:count]]

    def most_mistaken(self, count: int) -> np.ndarray:
        """Return the ids of the ``count`` images with the highest loss. ``facts`` must be known."""
        assert self.facts is not None
        return self.facts.ids[np.lexsort((self.facts.ids, -self.facts.losses))[:count]]
