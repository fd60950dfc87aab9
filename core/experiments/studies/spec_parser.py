"""Reader of study files: check every table, key and value, and return the Study."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import RequestError
from core.experiments.studies.parameters import OF_SETUP, check_value, kind_of, numeric
from core.experiments.studies.spec import Sample, Span, Study
from core.experiments.toml_table import TomlTable, parse_toml

MOST_VALUES = 10_000  # of one field
MOST_CELLS = 10_000_000
MOST_SEEDS = 1000
MOST_REFERENCES = 20
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")


def read_study(path: str | Path) -> Study:
    """Read the study in a TOML file; the study is named after the file. Raises RequestError, which names the file."""
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise RequestError(
            f"the study {path} cannot be read ({why}); name a TOML file, or a ready study"
        ) from error
    return parse_study(text, path.stem, where=str(path))


def parse_study(text: str, name: str, *, where: str | None = None) -> Study:
    """Return the study in ``text``. Raises RequestError, which begins with ``where``."""
    where = where or f"the study {name}"
    try:
        return _study(TomlTable(parse_toml(text), "the study"), name, text)
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from error


def _study(table: TomlTable, name: str, source: str) -> Study:
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"a study's name has lower-case letters, digits, dots and dashes, at most 60; {name!r} has others"
        )
    title, question = table.text("title"), table.text("question")
    references = table.whole("references", low=1, high=MOST_REFERENCES)
    chosen, reported = _seeds(table.take("seeds", default=[0]))
    fixed = {k: _as_tuple(v) for k, v in _flat(table.table("fixed", "fixed").rest()).items()}
    variants = _variants(table.take("variants", default=[]), fixed)
    first_point = {**fixed, **variants[0][1]}
    grid = {
        name: _grid_values(name, given, first_point)
        for name, given in _flat(table.table("grid", "grid").rest()).items()
    }
    sample_table = table.table("sample", "sample")
    sample = _sample(sample_table, first_point) if sample_table else None
    show = table.table("show", "show").rest()
    fresh = table.flag("fresh")
    table.require_no_more()
    _require_given_once(fixed, variants, grid, sample)
    study = Study(
        name=name,
        title=title or name,
        question=question,
        fixed=fixed,
        variants=variants,
        grid=grid,
        sample=sample,
        chosen=chosen,
        reported=reported,
        references=references,
        source=source,
        show=show,
        fresh=fresh,
    )
    if study.size > MOST_CELLS:
        raise RequestError(
            f"it comes to {study.size:,} runs; the most is {MOST_CELLS:,}: sample the space instead"
        )
    _check_values(study)
    return study


def _require_given_once(
    fixed: Mapping[str, Any],
    variants: tuple[tuple[str, Mapping[str, Any]], ...],
    grid: Mapping[str, Any],
    sample: Sample | None,
) -> None:
    sampled = sample.fields if sample else {}
    for name in (*grid, *sampled):
        if name in fixed or (name in grid and name in sampled) or any(name in v for _, v in variants):
            raise RequestError(
                f"{name} is given twice; give a field only once: fixed, in variants, in the grid or sampled"
            )


def _check_values(study: Study) -> None:
    """Check every value of every field against each variant, dataset, task and method it meets.

    Other combinations of values are not checked here.
    """
    axes: dict[str, tuple[Any, ...]] = dict(study.grid)
    for name, values in (study.sample.fields if study.sample else {}).items():
        axes[name] = (values.at(0.0), values.at(1.0)) if isinstance(values, Span) else values
    context = [name for name in ("dataset", "task", "method") if name in axes]
    for _, variant in study.variants:
        for met in itertools.product(*(axes[name] for name in context)):
            point = {**study.fixed, **variant, **dict(zip(context, met, strict=True))}
            for name, value in point.items():
                check_value(name, value, point)
            for name, options in axes.items():
                for value in options if name not in context else ():
                    check_value(name, value, {**point, name: value})
    next(study.cells())


def _variants(given: Any, fixed: Mapping[str, Any]) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    if not isinstance(given, list) or not all(isinstance(v, dict) for v in given):
        raise RequestError("variants must be written as [[variants]], each with a label and its fields")
    found: dict[str, Mapping[str, Any]] = {}
    for number, values in enumerate(given, 1):
        table = TomlTable(values, f"variant {number}")
        label = table.text("label", required=True)
        if label in found:
            raise RequestError(f"two variants have the label {label!r}; give each another label")
        found[label] = {k: _as_tuple(v) for k, v in _flat(table.rest()).items()}
        both = sorted(set(found[label]) & set(fixed))
        if both:
            raise RequestError(f"{both[0]} is given twice: it is fixed, and in the variant {label!r}")
    return tuple(found.items()) or (("", {}),)


def _grid_values(name: str, given: Any, point: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of one field of the grid, from a list or from {low, high, count, log}."""
    if not isinstance(given, dict):
        return _listed_values(name, given)
    table = TomlTable(given, f"the range of {name}")
    span = _span(name, table, point)
    count = table.whole("count", low=2, high=MOST_VALUES, required=True)
    table.require_no_more()
    return tuple(dict.fromkeys(span.at(i / (count - 1)) for i in range(count)))


def _listed_values(name: str, given: Any) -> tuple[Any, ...]:
    if not isinstance(given, list) or not given:
        raise RequestError(
            f"{name} must be a list of values, or a range as {{low = 1, high = 9, count = 5}}, got {given!r}"
        )
    if len(given) > MOST_VALUES:
        raise RequestError(f"{name} has {len(given):,} values; the most is {MOST_VALUES:,}")
    seen = set()
    for value in given:
        if repr(value) in seen:
            raise RequestError(f"{name} has the value {value!r} twice")
        seen.add(repr(value))
    return tuple(map(_as_tuple, given))


def _span(name: str, table: TomlTable, point: Mapping[str, Any]) -> Span:
    kind = numeric(name, point)
    if kind is None:
        if name not in OF_SETUP or kind_of(name) != "setup":
            check_value(name, table.take("low"), point)  # an unknown field has its own error
        raise RequestError(f"{name} takes no numbers, so it has no range; give a list of values")
    low, high, log = table.number("low"), table.number("high"), table.flag("log")
    if low >= high:
        raise RequestError(f"{table.name} must rise, and {low!r} is not below {high!r}")
    if log and low <= 0:
        raise RequestError(f"{table.name} is logarithmic and must begin above 0, not at {low!r}")
    return Span(float(low), float(high), log, kind is int)


def _sample(table: TomlTable, point: Mapping[str, Any]) -> Sample:
    count = table.whole("count", low=1, high=MOST_CELLS, required=True)
    seed = table.whole("seed", low=0, high=2**31 - 1, default=0)
    given = _flat(table.table("fields", "[sample.fields]").rest())
    table.require_no_more()
    if not given:
        raise RequestError("sample needs [sample.fields], with a list or a range for each field")
    found: dict[str, Any] = {}
    for name, values in given.items():
        if isinstance(values, dict):
            span_table = TomlTable(values, f"the range of {name}")
            found[name] = _span(name, span_table, point)
            span_table.require_no_more()
        else:
            found[name] = _listed_values(name, values)
    return Sample(count, seed, found)


def _seeds(given: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the seeds to choose settings on and the seeds to report, from a list or from [seeds]."""
    table = TomlTable(given if isinstance(given, dict) else {"reported": given}, "seeds")
    chosen, reported = (_seed_list(table.take(key, default=[])) for key in ("chosen", "reported"))
    table.require_no_more()
    both = sorted(set(chosen) & set(reported))
    if both:
        raise RequestError(
            f"seed {both[0]} is both chosen on and reported on; settings look too good on the seeds they are chosen on"
        )
    if not reported:
        raise RequestError("at least one seed must be reported")
    return chosen, reported


def _seed_list(numbers: Any) -> tuple[int, ...]:
    if not isinstance(numbers, list) or not all(_is_seed(n) for n in numbers):
        raise RequestError(f"seeds must be whole numbers from 0 up, got {numbers!r}")
    if len(numbers) > MOST_SEEDS or len(set(numbers)) < len(numbers):
        raise RequestError(f"seeds must differ, and be at most {MOST_SEEDS:,}")
    return tuple(numbers)


def _is_seed(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _flat(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return ``given`` with dotted names for nested tables: TOML reads vae.latent = 4 as a table. A range stays a table."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        is_nested = isinstance(value, dict) and {"low", "high"}.isdisjoint(value)
        found |= _flat(value, f"{prefix}{key}.") if is_nested else {prefix + key: value}
    return found


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
