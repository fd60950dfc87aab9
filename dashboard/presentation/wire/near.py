"""The nearest neighbours of one image before, now and retrained, for the card of a pinned image (docs/wire.md, "Near")."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np

from core.experiments.session.experiment import Experiment
from core.projection.neighbours import nearest_by_angle

COUNT = 6  # neighbours in a row of the card


class Question(TypedDict):
    """An image at a frame of a run's life."""

    id: int
    seq: int
    life: int


def near(experiment: Experiment, question: Question) -> dict[str, Any]:
    """Return the ids and cosines of the images on the map with the nearest representations, as ``rows``.

    ``rows`` is None where the question is of an earlier life, or of an image or a frame that the run does not have.
    """
    return {**question, "rows": _rows(experiment, question)}


def _rows(experiment: Experiment, question: Question) -> dict[str, list[tuple[int, float]]] | None:
    run, observer, split = experiment.run, experiment.observer, experiment.split
    if run is None or observer is None or split is None or question["life"] != experiment.life:
        return None
    frames = list(run.frames)
    ids = split.train.ids[observer.rows].cpu().numpy()
    row = np.flatnonzero(ids == question["id"])
    if not len(row) or not 0 <= question["seq"] < len(frames):
        return None
    models = {
        "before": observer.original.train.representations.cpu().numpy(),
        "now": frames[question["seq"]].representations,
    }
    references = list(experiment.references)
    if references:
        models["retrained"] = references[0].frame.representations
    found = {name: nearest_by_angle(e, int(row[0]), COUNT) for name, e in models.items()}
    return {
        name: [(int(ids[k]), round(float(cosine), 3)) for k, cosine in zip(rows, cosines, strict=True)]
        for name, (rows, cosines) in found.items()
    }
