"""Observer: makes a Frame of a model, with one forward pass for the measurements and the map together."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from core.config import EvalConfig
from core.data.split import Split
from core.evaluation.metrics import FrameEvaluator, Measurement, angles
from core.methods.step import Step
from core.models.base import Net
from core.projection.projection import orthogonal_align
from core.runs.records import Frame
from core.runtime.packing import rounded_rows

if TYPE_CHECKING:
    from core.projection.projection import Projection


class Observer:
    """Measures models of one Split on one fixed choice of images and one map. Immutable, so that runs may share it."""

    def __init__(
        self, split: Split, original: Net, config: EvalConfig | None = None, *, seed: int = 0
    ) -> None:
        self.config = config or EvalConfig()
        self.evaluator = FrameEvaluator(split, self.config, seed=seed)
        self.original: Measurement = self.evaluator.measure(original)
        self._original = original
        self.projection: Projection | None = None

    @property
    def rows(self) -> Tensor:
        """(N,) rows of split.train that are the points of the map."""
        return self.evaluator.train_rows

    @functools.cached_property
    def first(self) -> Frame:
        """Frame 0 of every run of the original; read it only once the map is there."""
        return self.look(self._original)

    def begins_with(self, model: Net) -> bool:
        """Return whether ``model`` is the original itself."""
        return model is self._original

    @property
    def knows_initial_weights(self) -> bool:
        """True if retraining can begin with the weights that the original began with."""
        made = self._original.provenance
        return made is not None and made.given is None

    def cadence(self, total_steps: int) -> int:
        """Return the number of steps from one frame to the next."""
        return self.config.cadence(total_steps)

    def look(
        self,
        model: Net,
        *,
        number: int = 0,
        step: int = 0,
        record: Step | None = None,
        seconds: Mapping[str, float] | None = None,
    ) -> Frame:
        """Return a Frame of ``model``."""
        measured = self.evaluator.measure(model, stage=record.stage if record else "evaluate", step=step)
        return self._frame(measured, number, step, record, seconds)

    def look_turned(self, model: Net) -> tuple[Frame, float]:
        """Return a Frame of a model that began with other weights, its representations turned into the original's coordinates.

        The rotation is fitted on every other remaining image; the second value is the mean cosine on the rest.
        """
        measured = self.evaluator.measure(model)
        remain = (~self.evaluator.is_forget).nonzero().flatten()
        turned, fit = orthogonal_align(
            measured.train.representations, self.original.train.representations, remain[::2], remain[1::2]
        )
        out = replace(measured.train, representations=torch.from_numpy(turned))
        return self._frame(replace(measured, train=out), 0, 0, None, None), fit

    def _frame(
        self,
        measured: Measurement,
        number: int,
        step: int,
        record: Step | None,
        seconds: Mapping[str, float] | None,
    ) -> Frame:
        out = measured.train
        placed = self.projection.place(out.representations) if self.projection is not None else None
        return Frame(
            number=number,
            step=step,
            record=record,
            reading=measured.reading,
            positions=placed.positions if placed is not None else None,
            off_map=placed.off_map if placed is not None else None,
            predictions=out.predictions.numpy().astype(np.uint8),
            confidences=out.probabilities.max(1).values.numpy(),
            angles=angles(out.representations, self.original.train.representations).numpy(),
            representations=rounded_rows(out.representations.numpy()),
            seconds=dict(seconds or {}),
        )
