"""A study: the settings that vary, and the cells that result.

A TOML file describes it; ``spec_parser`` reads the file and checks all of it before anything starts.

title = "..."                       question = "..."  # what it answers
references = 3                      # retrained models for each seed and request (default: 3 on digits, 2 elsewhere)
[fixed]     task = "class"          # the same for all cells; presets decide the rest
[grid]      lr_ue = [1e-4, 1e-3]    temperature = {low = 5, high = 40, count = 4, log = true}
[sample]    count = 20, seed = 0    with [sample.fields]: lists to draw from, or {low, high, log}
[[variants]] label = "L_UE alone"   losses = "ue"  # one row each, combined with grid and sample
[seeds]     chosen = [10, 11]       reported = [0, 1, 2]  # or seeds = [0, 1, 2]: no settings are chosen
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from core.config.preset_tables import QUICK
from core.experiments.studies.cell import Cell, make_cell
from core.experiments.studies.parameters import family_of, kind_of
from core.methods import METHODS
from core.methods.base import has_own_original
from core.runtime import seeding

Point = tuple[str, dict[str, Any], dict[str, Any]]  # label of the variant, all values, the varied values


@dataclass(frozen=True)
class Sample:
    """Points drawn at random."""

    count: int
    seed: int
    fields: Mapping[str, Any]  # field -> tuple of values to choose from, or Span


@dataclass(frozen=True)
class Span:
    """Numbers from ``low`` to ``high``, uniform or, with ``log``, uniform in the logarithm."""

    low: float
    high: float
    log: bool
    whole: bool

    def at(self, u: float) -> float | int:
        """Return the number at ``u`` in [0, 1]."""
        if self.log:
            value = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + u * (self.high - self.low)
        return round(value) if self.whole else float(f"{value:.6g}")


@dataclass(frozen=True)
class Study:
    """The contents of a study file."""

    name: str
    title: str
    question: str
    fixed: Mapping[str, Any]
    # label and values of each variant; a study without variants has one with neither
    variants: tuple[tuple[str, Mapping[str, Any]], ...]
    grid: Mapping[str, tuple[Any, ...]]
    sample: Sample | None
    chosen: tuple[int, ...]  # seeds on which settings are chosen
    reported: tuple[int, ...]  # seeds on which figures are reported
    references: int | None
    data_dir: str | None = None
    device: str = "auto"
    source: str = field(default="", compare=False)  # the text of the file
    show: Mapping[str, Any] = field(default_factory=dict)  # the chart that the page draws first
    fresh: bool = False  # run every cell again, even if another study has its row: for comparisons of time

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds on which settings are chosen, then seeds on which figures are reported."""
        return (*self.chosen, *self.reported)

    @property
    def size(self) -> int:
        """Number of cells, computed without making any."""
        points = math.prod(len(v) for v in self.grid.values()) * self._sample_size
        return len(self.variants) * points * len(self.seeds)

    @property
    def _sample_size(self) -> int:
        return self.sample.count if self.sample else 1

    @property
    def varied(self) -> tuple[str, ...]:
        """Fields that differ between cells; "variant" is first if there are several variants."""
        found = ["variant"] if len(self.variants) > 1 else []
        return (*found, *self.grid, *(self.sample.fields if self.sample else ()))

    def points(self) -> Iterator[Point]:
        """Yield every point of the study."""
        for label, values in self.variants:
            for grid in itertools.product(*self.grid.values()):
                on_grid = dict(zip(self.grid, grid, strict=True))
                for sampled in _draw_sample(self.sample):
                    shown = {**({"variant": label} if len(self.variants) > 1 else {}), **on_grid, **sampled}
                    yield label, {**self.fixed, **values, **on_grid, **sampled}, shown

    def cells(self) -> Iterator[Cell]:
        """Yield every cell. Raises RequestError for an impossible combination of values."""
        return self._cells_of(self.points())

    def some_cells(self, most: int) -> list[Cell]:
        """Return about ``most`` cells, spread evenly over the study, without making the others."""
        points = self.size // len(self.seeds)
        if points * len(self.seeds) <= most:
            return list(self.cells())
        drawn = list(itertools.islice(_draw_sample(self.sample), most))
        wanted = max(1, most // len(self.seeds))
        numbers = (i * points // wanted for i in range(wanted))
        return list(self._cells_of(self._point(i, drawn) for i in numbers))

    def model_cells(self) -> Iterator[Cell]:
        """Yield enough cells to cover every original and retrained model that the study needs."""
        methods = [p.get("method", "laf") for p in (self.fixed, *(v for _, v in self.variants))]
        methods += self.grid.get("method", ())
        methods += self.sample.fields.get("method", ()) if self.sample else ()
        if any(has_own_original(METHODS[str(m)]) for m in methods):
            return self.cells()
        grid = {f: v for f, v in self.grid.items() if _affects_models(f)}
        needs_sample = self.sample is not None and any(map(_affects_models, self.sample.fields))
        return replace(self, grid=grid, sample=self.sample if needs_sample else None).cells()

    def _point(self, number: int, drawn: list[dict[str, Any]]) -> Point:
        """Return point ``number`` in the order of ``points``; ``drawn`` has the first points of the sample."""
        number, at = divmod(number, self._sample_size)
        sampled = drawn[at % len(drawn)]
        on_grid: dict[str, Any] = {}
        for name, values in reversed(list(self.grid.items())):
            number, at = divmod(number, len(values))
            on_grid[name] = values[at]
        label, values_of = self.variants[number]
        return label, {**self.fixed, **values_of, **on_grid, **sampled}, {**on_grid, **sampled}

    def _cells_of(self, points: Iterable[Point]) -> Iterator[Cell]:
        for label, point, shown in points:
            count = self.references
            if count is None:
                count = 3 if family_of(str(point.get("dataset", "digits"))) in QUICK else 2
            for role, numbers in (("chosen", self.chosen), ("reported", self.reported)):
                for seed in numbers:
                    yield make_cell(
                        point,
                        seed,
                        references=count,
                        data_dir=self.data_dir,
                        device=self.device,
                        role=role,
                        label=label,
                        shown=shown,
                    )


def _affects_models(name: str) -> bool:
    """Return whether original and retrained models depend on a field."""
    return name != "method" and kind_of(name) in ("setup", "train")


def _draw_sample(sample: Sample | None) -> Iterator[dict[str, Any]]:
    """Yield the points of ``sample``, the same at each call; one empty point without a sample."""
    if sample is None:
        yield {}
        return
    generator = seeding.generator(sample.seed, "study", "sample")
    for _ in range(sample.count):
        point = {}
        for name, values in sample.fields.items():
            u = float(torch.rand((), generator=generator, dtype=torch.float64))
            if isinstance(values, Span):
                point[name] = values.at(u)
            else:
                point[name] = values[min(int(u * len(values)), len(values) - 1)]
        yield point
