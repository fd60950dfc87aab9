"""The evaluation at the end of `laf run`, and its verdict."""

from __future__ import annotations

from typing import Any

from dashboard.cli.terminal import Stopwatch

AUTO = " Or let --settings automatic find settings on this data."
ORDER = ("original", "retrained", "unlearned", "at once")  # of the reports


class Evaluation:
    """Measures the models of a run on all images, each as soon as it is there.

    ``early``: a model that is retrained beside. Until it is done, one core measures the others.
    """

    def __init__(self, split: Any, clock: Stopwatch, early: Any = None) -> None:
        from core.evaluation.measuring.on_all_images import OnAllImages

        self._split, self._clock, self._early = split, clock, early
        with clock.stage("evaluate"):
            self._measured = OnAllImages(split)

    def begin(self, original: Any, unlearned: Any) -> None:
        """Measure the models that are there before the retrained one is. Raises LabError."""
        self.add("original", original, keep=True)
        self.add("unlearned", unlearned)

    def add(self, name: str, model: Any, *, keep: bool = False) -> None:
        """Measure ``model`` under ``name``, one of ORDER; ``keep`` its answers for later runs. Raises LabError."""
        is_beside = self._early is not None and not self._early.is_done
        with self._clock.stage("evaluate"):
            self._measured.add(name, model, workers=1 if is_beside else None, keep=keep)

    def end(self, original: Any, run: Any, *, automatic: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the reports, and the verdict on ``run`` with its text."""
        with self._clock.stage("evaluate"):
            found = self._measured.reports("retrained")
            reports = {name: found[name] for name in ORDER if name in found}
            return reports, _verdict(self._split, original, reports, run, automatic=automatic)


def _verdict(split: Any, model: Any, reports: dict[str, Any], run: Any, *, automatic: bool) -> dict[str, Any]:
    from core.evaluation.verdict import verdict
    from core.training.recipe import check_learnt

    # the original of a later request has forgotten classes, which its test accuracy would be blamed for
    learning = None if split.earlier_rows is not None else check_learnt(model, split.dataset)
    found = verdict(
        split.task,
        reports["original"],
        [reports["retrained"]],
        reports["unlearned"],
        steps=len(run.steps),
        pixel_accuracy=None if learning is None or learning.learnt else learning.neighbours,
    )
    offer = not automatic and run.unlearner.name == "laf" and not found.is_success
    return {**found.as_dict(), "text": found.describe() + (AUTO if offer else "")}
