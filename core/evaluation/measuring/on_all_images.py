"""The evaluation of several models of one Split on all images, each once and as soon as it is there."""

from __future__ import annotations

import torch

from core.data.split import Split
from core.evaluation.metrics import (
    FrameEvaluator,
    Reading,
    Report,
    jensen_shannon,
    report_of_reading,
)
from core.models.base import Net, Outputs, device_of, multiply_adds, require_classifier
from core.runtime.content_cache import answers, content_key
from core.runtime.device import torch_threads, usable_cores

WORTH_KEEPING = 1e11  # multiplications of a forward pass over all images, about two seconds on one core


class OnAllImages:
    """Measures models of one Split on all images. The reports are those of ``core.evaluate``, to the bit."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self._evaluator = FrameEvaluator(split, full=True)
        self._readings: dict[str, Reading] = {}

    def add(self, name: str, model: Net, *, workers: int | None = None, keep: bool = False) -> None:
        """Measure ``model`` under ``name``.

        ``workers`` threads share the images, by default one for each core. ``keep``: take the answers from the cache, or keep them
        there where they took long. Raises RequestError for a model that does not take these images, DivergedError for output that is
        not finite.
        """
        require_classifier(model, self._split.dataset.shape, len(self._split.dataset.classes))
        cores = usable_cores() if workers is None else workers
        key = self._key(model) if keep else None
        found = None if key is None else answers.get(key)
        if found is not None:
            train, test = (Outputs(torch.empty(len(p), 0), p) for p in (found["train"], found["test"]))
        else:
            train, test = self._forward(model, cores)
        self._readings[name] = self._evaluator.measure_outputs(model, train, test).reading
        if found is None and key is not None:
            both = {"train": train.probabilities, "test": test.probabilities}
            answers.put(key, both, dataset=self._split.dataset.name, kind="model's answers")

    def reports(self, *references: str) -> dict[str, Report]:
        """Return the Report of each model, with its distance to those named ``references``, in the order of ``add``."""
        near = [self._readings[name].forget_probabilities for name in references]
        return {
            name: report_of_reading(reading, [jensen_shannon(reading.forget_probabilities, p) for p in near])
            for name, reading in self._readings.items()
        }

    def _forward(self, model: Net, workers: int) -> tuple[Outputs, Outputs]:
        if workers == 1:
            return self._evaluator.forward(model)
        with torch_threads(1):  # one for each of ``workers``
            return self._evaluator.forward(model, workers=workers)

    def _key(self, model: Net) -> str | None:
        """Return the cache key of the answers of ``model``; None where they are not kept.

        Kept are those of models that the Lab trained, to all images, where they take long.
        """
        dataset = self._split.dataset
        images = len(dataset.train) + len(dataset.test)
        made = model.provenance
        if made is None or made.given is not None or not self._evaluator.is_everything:
            return None
        if images * multiply_adds(model, dataset.shape) < WORTH_KEEPING:
            return None
        weights = [value for _, value in sorted(model.state_dict().items())]
        return content_key("answers", dataset.fingerprint, made.net, device_of(model).type, *weights)
