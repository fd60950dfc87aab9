"""Summary of a Comparison over its seeds: mean and spread of each figure, its place in the band, and losses to doing nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.evaluation.metric_specs import METRIC_SPECS
from core.evaluation.report import EvaluationReport, Metric
from core.experiments.comparison import Comparison
from core.methods import METHODS
from core.methods.base import reads_of

NOTHING = "nothing"
COST = ("steps", "seconds", "peak_memory_mb")


@dataclass(frozen=True)
class Entry:
    """One figure of one method over the seeds with a value."""

    mean: float
    spread: float | None  # standard deviation over seeds; None for one seed
    values: tuple[float, ...]
    inside: int | None = None  # number of seeds inside the band of retrained models; None without a band
    gap: float | None = None  # mean distance to the mean of the retrained models
    loses: bool = (
        False  # outside the band on a seed, and farther from the retrained models than doing nothing
    )


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    method: str  # a name in METHODS, or "references"
    title: str
    entries: Mapping[str, Entry]
    errors: Mapping[int, str]  # by seed
    origin: str = ""  # origin of its settings
    reads: tuple[str, ...] | None = None  # what the method reads; None for the retrained models


@dataclass(frozen=True)
class Summary:
    """The whole table; ``columns`` has the figures by key, in order."""

    columns: Mapping[str, Metric]
    lines: tuple[Line, ...]
    seeds: tuple[int, ...]

    def lost_to_nothing(self) -> dict[str, list[str]]:
        """Return by method the figures in which doing nothing is nearer to retraining, without summary figures."""
        return {
            line.method: [k for k, e in line.entries.items() if e.loses and not self.columns[k].summary]
            for line in self.lines
            if line.method != NOTHING
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the ``methods`` of ``laf compare --json``: seeds, mean and spread."""
        found = {}
        for line in self.lines:
            of = line.entries
            found[line.method] = {
                "title": line.title,
                "settings": line.origin,
                "reads": None if line.reads is None else list(line.reads),
                "seeds": list(self.seeds),
                "mean": {k: e.mean for k, e in of.items()},
                "spread": {k: e.spread for k, e in of.items()},
                "values": {k: list(e.values) for k, e in of.items()},
                "inside": {k: e.inside for k, e in of.items() if e.inside is not None},
                "gap": {k: e.gap for k, e in of.items() if e.gap is not None},
                "doing_nothing_is_nearer": [k for k, e in of.items() if e.loses],
                "errors": {str(s): text for s, text in line.errors.items()},
            }
        return found


def summarise(comparison: Comparison) -> Summary:
    """Return the summary of the cells that are done so far."""
    cells, seeds = comparison.cells, comparison.seeds
    columns: dict[str, Metric] = {}
    retrained = dict(comparison.retrained)
    reports = [r for each in retrained.values() for r in each]
    reports += [c.judgement for c in cells.values() if c.judgement is not None]
    for report in reports:
        for key, figure in report.figures.items():
            columns.setdefault(key, figure)
    lines = []
    if retrained:
        lines.append(Line("references", "Retrained models", _references(retrained), {}))
    nothing: dict[str, Entry] = {}
    for name in comparison.methods:
        mine = [cells[name, seed] for seed in seeds]
        done = [c for c in mine if c.judgement is not None]
        entries = summarise_metrics([c.judgement for c in done if c.judgement is not None])
        if done:
            entries["steps"] = _entry([float(c.steps) for c in done])
            entries.setdefault("seconds", _entry([c.seconds for c in done]))
        if name == NOTHING:
            nothing = entries
        errors = {c.seed: c.error for c in mine if c.error}
        title = METHODS[name].title  # type: ignore[attr-defined]
        origin, reads = comparison.origins.get(name, ""), reads_of(METHODS[name])
        lines.append(Line(name, title, entries, errors, origin, reads))
    columns.setdefault(
        "steps", Metric("steps", "steps", "", "", 0, None, None, None, None, False, "Steps taken.")
    )
    return Summary(columns, tuple(_against(line, nothing) for line in lines), seeds)


def _against(line: Line, nothing: Mapping[str, Entry]) -> Line:
    """Return ``line`` with ``loses`` set where doing nothing is nearer to retraining."""
    if line.method in (NOTHING, "references"):
        return line
    marked = {}
    for key, e in line.entries.items():
        other = nothing.get(key)
        outside = e.inside is None or e.inside < len(e.values)
        farther = (
            e.gap is not None and other is not None and other.gap is not None and e.gap > other.gap + 1e-9
        )
        loses = outside and farther
        marked[key] = replace(e, loses=loses)
    return replace(line, entries=marked)


def _references(retrained: Mapping[int, Sequence[EvaluationReport]]) -> dict[str, Entry]:
    """Return each figure over all retrained models of all seeds; two models share the one value of a figure that compares them."""
    found = summarise_metrics([report for reports in retrained.values() for report in reports])
    if all(len(reports) == 2 for reports in retrained.values()):
        one = summarise_metrics([reports[0] for reports in retrained.values()])
        found |= {key: entry for key, entry in one.items() if METRIC_SPECS[key].pairwise}
    return found


def summarise_metrics(reports: Sequence[EvaluationReport]) -> dict[str, Entry]:
    """Return each figure over ``reports``, usually one for each seed."""
    found = {}
    for key in dict.fromkeys(k for r in reports for k in r.figures):
        figures = [r.figures[key] for r in reports if key in r.figures and r.figures[key].value is not None]
        values = [float(f.value) for f in figures if f.value is not None]
        if not values:
            continue
        banded = [f for f in figures if f.place is not None and f.place.inside is not None]
        gaps = [abs(f.value - f.band.mean) for f in figures if f.band is not None and f.value is not None]
        found[key] = replace(
            _entry(values),
            inside=sum(bool(f.place and f.place.inside) for f in banded) if banded else None,
            gap=math.fsum(gaps) / len(gaps) if gaps else None,
        )
    return found


def _entry(values: Sequence[float]) -> Entry:
    mean = math.fsum(values) / len(values)
    spread = None
    if len(values) > 1:
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return Entry(mean, spread, tuple(values))
