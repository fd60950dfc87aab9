"""A Study: a TOML file that says what is varied, and the cells it comes to. Checked whole before anything starts.

title = "..."                       question = "..."  # what it answers
references = 3                      # retrained models for each seed and request (default: 3 on digits, 2 elsewhere)
[fixed]     task = "class"          # the same for all cells; presets decide what is not named
[grid]      lr_ue = [1e-4, 1e-3]    temperature = {low = 5, high = 40, count = 4, log = true}
[sample]    count = 20, seed = 0    with [sample.fields]: lists to draw from, or {low, high, log}
[[variants]] label = "L_UE alone"   losses = "ue"  # one row each, combined with grid and sample
[seeds]     chosen = [10, 11]       reported = [0, 1, 2]  # or seeds = [0, 1, 2]: nothing is chosen
"""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from core.errors import RequestError
from core.experiments.studies.cell import Cell, make_cell
from core.experiments.studies.parameters import OF_SETUP, check_value, family_of, kind_of, numeric
from core.methods import METHODS
from core.methods.base import has_own_original
from core.runtime import seeding as seeds

KEYS = ("title", "question", "references", "seeds", "fixed", "grid", "sample", "variants", "show", "fresh")
MOST_VALUES = 10_000  # of one field
MOST_CELLS = 10_000_000
MOST_SEEDS = 1000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")


@dataclass(frozen=True)
class Sample:
    """Points drawn at random: for each field a tuple to choose from, or (low, high, log)."""

    count: int
    seed: int
    fields: Mapping[str, Any]  # field -> tuple of values, or Span


@dataclass(frozen=True)
class Span:
    """Numbers from ``low`` to ``high``, uniform or, with ``log``, uniform in the logarithm."""

    low: float
    high: float
    log: bool
    whole: bool

    def at(self, u: float) -> float | int:
        """The number at ``u`` in [0, 1]."""
        if self.log:
            value = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + u * (self.high - self.low)
        return round(value) if self.whole else float(f"{value:.6g}")


@dataclass(frozen=True)
class Study:
    """What a study is made of."""

    name: str
    title: str
    question: str
    fixed: Mapping[str, Any]
    variants: tuple[
        tuple[str, Mapping[str, Any]], ...
    ]  # label and values; one empty one where there are none
    grid: Mapping[str, tuple[Any, ...]]
    sample: Sample | None
    chosen: tuple[int, ...]  # seeds on which settings are chosen
    reported: tuple[int, ...]  # seeds on which figures are reported
    references: int | None
    data_dir: str | None = None
    device: str = "auto"
    source: str = field(default="", compare=False)  # the text it was read from
    show: Mapping[str, Any] = field(default_factory=dict)  # what the page draws first
    fresh: bool = False  # rows of other studies are not taken over, as where times are compared

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those on which settings are chosen, then those on which figures are reported."""
        return (*self.chosen, *self.reported)

    @property
    def size(self) -> int:
        """Cells in all, without making any."""
        points = math.prod(len(v) for v in self.grid.values()) * (self.sample.count if self.sample else 1)
        return len(self.variants) * points * len(self.seeds)

    @property
    def varied(self) -> tuple[str, ...]:
        """The fields that differ between cells; "variant" first where there are several."""
        found = ["variant"] if len(self.variants) > 1 else []
        return (*found, *self.grid, *(self.sample.fields if self.sample else ()))

    def points(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Label, values by field and what of them is varied, one after another."""
        for label, values in self.variants:
            for grid in itertools.product(*self.grid.values()):
                on_grid = dict(zip(self.grid, grid, strict=True))
                for sampled in _drawn(self.sample):
                    shown = {**({"variant": label} if len(self.variants) > 1 else {}), **on_grid, **sampled}
                    yield label, {**self.fixed, **values, **on_grid, **sampled}, shown

    def cells(self) -> Iterator[Cell]:
        """All cells, one after another. Raises RequestError for a combination that cannot be."""
        return self._cells_of(self.points())

    def some_cells(self, most: int) -> list[Cell]:
        """About ``most`` cells, evenly among all, without making the others."""
        points = self.size // len(self.seeds)
        if points * len(self.seeds) <= most:
            return list(self.cells())
        drawn = list(itertools.islice(_drawn(self.sample), most))
        wanted = max(1, most // len(self.seeds))
        chosen = (i * points // wanted for i in range(wanted))
        return list(self._cells_of(self._point(i, drawn) for i in chosen))

    def model_cells(self) -> Iterator[Cell]:
        """Cells enough to know all original and retrained models that the study needs."""
        methods = [p.get("method", "laf") for p in (self.fixed, *(v for _, v in self.variants))]
        methods += [
            *self.grid.get("method", ()),
            *(self.sample.fields.get("method", ()) if self.sample else ()),
        ]
        if any(has_own_original(METHODS[str(m)]) for m in methods):
            return self.cells()
        grid = {f: v for f, v in self.grid.items() if _of_models(f)}
        drawn = self.sample is not None and any(map(_of_models, self.sample.fields))
        return replace(self, grid=grid, sample=self.sample if drawn else None).cells()

    def _point(self, number: int, drawn: list[dict[str, Any]]) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Point ``number``, in the order of ``points``; the sample's are taken from those ``drawn``."""
        number, at = divmod(number, self.sample.count if self.sample else 1)
        sampled = drawn[at % len(drawn)]
        on_grid: dict[str, Any] = {}
        for f, values in reversed(list(self.grid.items())):
            number, at = divmod(number, len(values))
            on_grid[f] = values[at]
        label, values_of = self.variants[number]
        return label, {**self.fixed, **values_of, **on_grid, **sampled}, {**on_grid, **sampled}

    def _cells_of(self, points: Iterable[tuple[str, dict[str, Any], dict[str, Any]]]) -> Iterator[Cell]:
        for label, point, shown in points:
            count = self.references
            if count is None:
                count = 3 if family_of(str(point.get("dataset", "digits"))) in ("digits", "own-small") else 2
            for role, numbers in (("chosen", self.chosen), ("reported", self.reported)):
                for seed in numbers:
                    yield make_cell(point, seed, references=count, data_dir=self.data_dir, device=self.device, role=role,
                                    label=label, shown=shown)  # fmt: skip


def _of_models(f: str) -> bool:
    """Whether original and retrained models depend on a field."""
    return f != "method" and kind_of(f) in ("setup", "train")


def _drawn(sample: Sample | None) -> Iterator[dict[str, Any]]:
    """The same points each time; one empty one without a sample."""
    if sample is None:
        yield {}
        return
    generator = seeds.generator(sample.seed, "study", "sample")
    for _ in range(sample.count):
        found = {}
        for f, values in sample.fields.items():
            u = float(torch.rand((), generator=generator, dtype=torch.float64))
            found[f] = (
                values.at(u)
                if isinstance(values, Span)
                else values[min(int(u * len(values)), len(values) - 1)]
            )
        yield found


def read_study(path: str | Path) -> Study:
    """The study in a TOML file, named after it. Raises RequestError, naming the file, for anything wrong."""
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise RequestError(
            f"the study {path} cannot be read ({why}); name a TOML file, or a ready study"
        ) from error
    return parse_study(text, path.stem, where=str(path))


def parse_study(text: str, name: str, *, where: str | None = None) -> Study:
    """The study in ``text``. Raises RequestError, naming ``where``, for anything wrong."""
    where = where or f"the study {name}"
    try:
        try:
            values = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise RequestError(f"it is no TOML: {error}") from error
        return _study(values, name, text)
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from error


def _study(values: dict[str, Any], name: str, text: str) -> Study:
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"a study is called by small letters, digits, dots and dashes, at most 60; {name!r} is no such name"
        )
    _known(values, KEYS, "a study")
    fixed = _table(values, "fixed")
    variants = _variants(values.get("variants", []), fixed)
    first = {**fixed, **variants[0][1]}
    grid_table, sample_table = _table(values, "grid"), _table(values, "sample")
    grid = {f: _values(f, v, first) for f, v in grid_table.items()}
    sample = _sample(sample_table, first) if sample_table else None
    for f in (*grid, *(sample.fields if sample else ())):
        if f in fixed or (f in grid and sample and f in sample.fields) or any(f in v for _, v in variants):
            raise RequestError(
                f"{f} is given twice; a field is fixed, in variants, in the grid or sampled, and only one of them"
            )
    chosen, reported = _seeds(values.get("seeds", [0]))
    references = values.get("references")
    if references is not None and not (_whole(references) and 1 <= references <= 20):
        raise RequestError(f"references must be a whole number from 1 to 20, got {references!r}")
    title, question = (values.get(k, "") for k in ("title", "question"))
    if not isinstance(title, str) or not isinstance(question, str):
        raise RequestError("title and question must be text")
    fresh = values.get("fresh", False)
    if not isinstance(fresh, bool):
        raise RequestError(f"fresh must be true or false, got {fresh!r}")
    study = Study(name, title or name, question, fixed, variants, grid, sample, chosen, reported, references,
                  source=text, show=_table(values, "show"), fresh=fresh)  # fmt: skip
    if study.size > MOST_CELLS:
        raise RequestError(
            f"it comes to {study.size:,} runs; the most is {MOST_CELLS:,}: sample the space instead"
        )
    _check(study)
    return study


def _check(study: Study) -> None:
    """Every value of every field against every variant, dataset, task and method it meets; not every combination."""
    context = [
        f
        for f in ("dataset", "task", "method")
        if f in study.grid or (study.sample and f in study.sample.fields)
    ]
    spans = {
        f: (v.low, v.high) if isinstance(v, Span) else v
        for f, v in (study.sample.fields if study.sample else {}).items()
    }
    axes: dict[str, Any] = {
        **study.grid,
        **{f: tuple(_as_given(f, x, study) for x in v) for f, v in spans.items()},
    }
    for _, values in study.variants:
        for met in itertools.product(*(axes[f] for f in context)):
            point = {**study.fixed, **values, **dict(zip(context, met, strict=True))}
            for f, v in point.items():
                check_value(f, v, point)
            for f, options in axes.items():
                for v in options if f not in context else ():
                    check_value(f, v, {**point, f: v})
    next(study.cells())


def _as_given(f: str, value: Any, study: Study) -> Any:
    span = study.sample.fields[f] if study.sample else None
    return span.at(0.0 if value == span.low else 1.0) if isinstance(span, Span) else value


def _variants(given: Any, fixed: Mapping[str, Any]) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    if not isinstance(given, list) or not all(isinstance(v, dict) for v in given):
        raise RequestError("variants must be written as [[variants]], each with a label and its fields")
    found: dict[str, Mapping[str, Any]] = {}
    for v in given:
        label = v.get("label")
        if not isinstance(label, str) or not label.strip():
            raise RequestError("each of the variants needs a label")
        if label in found:
            raise RequestError(f"two variants are called {label!r}")
        own = {k: x for k, x in v.items() if k != "label"}
        found[label] = {
            k: tuple(x) if isinstance(x, list) else x for k, x in _dotted(own, "variants").items()
        }
        both = sorted(set(found[label]) & set(fixed))
        if both:
            raise RequestError(f"{both[0]} is given twice: it is fixed, and in the variant {label!r}")
    return tuple(found.items()) or (("", {}),)


def _values(f: str, given: Any, point: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of one field of a grid: a list, or {low, high, count, log}."""
    if isinstance(given, dict):
        _known(given, ("low", "high", "count", "log"), f"the range of {f}")
        span = _span(f, given, point)
        count: Any = given.get("count")
        if not _whole(count) or not 2 <= count <= MOST_VALUES:
            raise RequestError(f"the range of {f} needs a count from 2 to {MOST_VALUES:,}, got {count!r}")
        found: tuple[Any, ...] = tuple(dict.fromkeys(span.at(i / (count - 1)) for i in range(count)))
        return found
    return _list(f, given)


def _list(f: str, given: Any) -> tuple[Any, ...]:
    if not isinstance(given, list) or not given:
        raise RequestError(
            f"{f} must be a list of values, or a range as {{low = 1, high = 9, count = 5}}, got {given!r}"
        )
    if len(given) > MOST_VALUES:
        raise RequestError(f"{f} has {len(given):,} values; the most is {MOST_VALUES:,}")
    seen = [repr(v) for v in given]
    for i, v in enumerate(seen):
        if v in seen[:i]:
            raise RequestError(f"{f} has the value {given[i]!r} twice")
    return tuple(tuple(v) if isinstance(v, list) else v for v in given)


def _span(f: str, given: Mapping[str, Any], point: Mapping[str, Any]) -> Span:
    low: Any = given.get("low")
    high: Any = given.get("high")
    log: Any = given.get("log", False)
    kind = numeric(f, point)
    if kind is None:
        if f not in OF_SETUP or kind_of(f) != "setup":
            check_value(f, low, point)  # says that there is no such field, where there is none
        raise RequestError(f"{f} takes no numbers, so it has no range; give a list of values")
    for name, v in (("low", low), ("high", high)):
        if isinstance(v, bool) or not isinstance(v, (int, float)) or not math.isfinite(v):
            raise RequestError(f"the range of {f} needs a number as {name}, got {v!r}")
    if low >= high:
        raise RequestError(f"the range of {f} must rise, and {low!r} is not below {high!r}")
    if not isinstance(log, bool):
        raise RequestError(f"log of the range of {f} must be true or false, got {log!r}")
    if log and low <= 0:
        raise RequestError(f"the range of {f} is logarithmic and must begin above 0, not at {low!r}")
    return Span(float(low), float(high), log, kind is int)


def _sample(given: dict[str, Any], point: Mapping[str, Any]) -> Sample:
    _known(given, ("count", "seed", "fields"), "sample")
    count: Any = given.get("count")
    seed: Any = given.get("seed", 0)
    table: Any = given.get("fields")
    if not _whole(count) or not 1 <= count <= MOST_CELLS:
        raise RequestError(f"sample needs a count from 1 to {MOST_CELLS:,}, got {count!r}")
    if not _whole(seed) or not 0 <= seed < 2**31:
        raise RequestError(f"the seed of sample must be a whole number from 0 up, got {seed!r}")
    if not isinstance(table, dict) or not table:
        raise RequestError("sample needs [sample.fields], with a list or a range for each field")
    found = {}
    for f, v in table.items():
        if isinstance(v, dict):
            _known(v, ("low", "high", "log"), f"the range of {f}")
        found[f] = _span(f, v, point) if isinstance(v, dict) else _list(f, v)
    return Sample(count, seed, found)


def _seeds(given: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    table = given if isinstance(given, dict) else {"reported": given}
    _known(table, ("chosen", "reported"), "seeds")
    found = []
    for name in ("chosen", "reported"):
        numbers = table.get(name, [])
        if not isinstance(numbers, list) or not all(_whole(n) and 0 <= n < 2**31 for n in numbers):
            raise RequestError(f"seeds must be whole numbers from 0 up, got {numbers!r}")
        if len(numbers) > MOST_SEEDS or len(set(numbers)) < len(numbers):
            raise RequestError(f"seeds must differ, and be at most {MOST_SEEDS:,}")
        found.append(tuple(numbers))
    both = sorted(set(found[0]) & set(found[1]))
    if both:
        raise RequestError(
            f"seed {both[0]} is both chosen on and reported on; what is chosen on a seed is too good there"
        )
    if not found[1]:
        raise RequestError("at least one seed must be reported")
    return found[0], found[1]


def _known(values: Mapping[str, Any], names: tuple[str, ...], what: str) -> None:
    for name in values:
        if name not in names:
            raise RequestError(f"{what} has no {name!r}; it has: {', '.join(names)}")


def _table(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    given = values.get(name, {})
    if not isinstance(given, dict):
        raise RequestError(f"{name} must be a table, written as [{name}]")
    return {
        k: tuple(v) if isinstance(v, list) and name == "fixed" else v for k, v in _dotted(given, name).items()
    }


def _dotted(given: Mapping[str, Any], name: str, prefix: str = "") -> dict[str, Any]:
    """vae.latent = 4 in TOML is a table in a table; a range, and the fields of a sample, stay tables."""
    if name in ("sample", "show"):
        return {
            k: _dotted(v, "fields") if k == "fields" and isinstance(v, dict) else v for k, v in given.items()
        }
    found: dict[str, Any] = {}
    for k, v in given.items():
        is_range = isinstance(v, dict) and not {"low", "high"}.isdisjoint(v)
        nested = isinstance(v, dict) and not is_range
        found |= _dotted(v, name, f"{prefix}{k}.") if nested else {prefix + k: v}
    return found


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
