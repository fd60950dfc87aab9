"""Studies as the page runs them: one of a name at a time in the whole process, whoever looks; predictions made beside the page."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.data.datasets import require_name
from core.errors import LabError, RequestError
from core.studies import (
    Driven,
    Estimate,
    Study,
    Table,
    kept_studies,
    kept_study,
    parse_study,
    predicted,
    ready_names,
    ready_study,
)
from core.studies.fields import kind_of, numeric

_driven: dict[str, Driven] = {}
_lock = threading.Lock()


def driven(name: str) -> Driven | None:
    """The study that runs, or ran last, in this process."""
    return _driven.get(name)


def start(study: Study, *, workers: int | None = None, retry: bool = False) -> None:
    """Begin, or go on. Raises RequestError while it is running, and for a study of data that only the command line may name."""
    require_names(study)
    with _lock:
        now = _driven.get(study.name)
        if now is not None and not now.over:
            raise RequestError(f"the study {study.name} is running already")
        Table(study.name).describe(study)  # so that it is among those that were begun at once
        _driven[study.name] = Driven(study, workers=workers, retry=retry)
        _driven[study.name].start()


def require_names(study: Study) -> None:
    """Require that a study names its datasets. Raises RequestError for a path, which only ``laf study run`` takes."""
    sampled = study.sample.fields if study.sample is not None else {}
    tables: list[Mapping[str, Any]] = [study.fixed, *(values for _, values in study.variants)]
    given = [values["dataset"] for values in tables if "dataset" in values]
    for axes in (study.grid, sampled):
        found: Any = axes.get("dataset", ())
        given += found if isinstance(found, tuple) else [found]
    for name in given:
        require_name(str(name))


@dataclass
class Prediction:
    """Being measured until it is there, or why it cannot be."""

    study: Study
    estimate: Estimate | None = None
    error: str | None = None

    def begin(self) -> Prediction:
        """Measure in a thread of its own."""

        def work() -> None:
            try:
                require_names(self.study)
                self.estimate = predicted(self.study)
            except LabError as error:
                self.error = str(error)
            except Exception as error:
                self.error = f"{type(error).__name__}: {error}".splitlines()[0]

        threading.Thread(target=work, name="predict", daemon=True).start()
        return self

    @property
    def waiting(self) -> bool:
        return self.estimate is None and self.error is None


def choices() -> dict[str, str]:
    """Studies to choose from: name -> title; those that were begun first, then the ready ones."""
    found: dict[str, str] = {}
    for name in kept_studies():
        try:
            found[name] = kept_study(name).title
        except LabError:
            continue
    for name in ready_names():
        found.setdefault(name, ready_study(name).title)
    return found


def study_of(name: str, data_dir: str | None) -> Study:
    """A study by its name. Raises LabError when it cannot be read."""
    from dataclasses import replace

    if name in ready_names():
        return replace(ready_study(name), data_dir=data_dir)
    return kept_study(name)


def written(
    *, name: str, title: str, fixed: Mapping[str, Any], grid: Mapping[str, str], seeds: str, references: int
) -> Study:
    """The study that somebody put together from fields and ranges, as its TOML text says it. Raises RequestError."""
    from core.compare import which_seeds

    if not grid:
        raise RequestError("choose at least one field to vary")
    for dataset in (
        fixed.get("dataset", "digits"),
        *values_of("dataset", grid.get("dataset", "digits"), fixed),
    ):
        require_name(str(dataset))  # before anything reads it
    lines = [
        f"title = {_toml(title)}",
        f"references = {references}",
        f"seeds = {_toml(list(which_seeds(seeds, 100)))}",
        "",
        "[fixed]",
    ]
    lines += [f'"{k}" = {_toml(v)}' for k, v in fixed.items()]
    lines += ["", "[grid]", *(f'"{f}" = {_toml(values_of(f, text, fixed))}' for f, text in grid.items())]
    return parse_study("\n".join(lines) + "\n", name, where="this study")


def values_of(field: str, text: str, fixed: Mapping[str, Any]) -> list[Any]:
    """ "0.1, 1, x2" or "true, false" or "alternate, joint" as the values of a field. Raises RequestError for none."""
    found = [_value(field, part.strip(), fixed) for part in text.split(",") if part.strip()]
    if not found:
        raise RequestError(
            f"{field} has no values; write some with commas between, as 0.5, 1, 2 or x0.5, x1, x2"
        )
    return found


def _value(field: str, text: str, fixed: Mapping[str, Any]) -> Any:
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    is_number = numeric(field, fixed) is not None or field == "classes"
    if is_number or (kind_of(field) != "setup" and field != "net"):
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    return text


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        escaped = (
            "".join(c if c.isprintable() else " " for c in value).replace("\\", "\\\\").replace('"', '\\"')
        )
        return f'"{escaped}"'
    return repr(value)


def opened_in_lab(study: Study, row: Mapping[str, Any]) -> tuple[Any, dict[str, Any]] | str:
    """The Setup of a row and what of its settings is not the preset's, as the Lab takes them; or why the Lab cannot show it."""
    from core.studies.work import Job
    from dashboard.address import differing

    cell = next((c for c in study.cells() if Job("cell", c).key == row["key"]), None)
    if cell is None:
        return "The study has no such run any more."
    from core.studies.fields import family_of, preset_cached, train_preset

    family = family_of(cell.setup.dataset)
    if cell.sequence and len(cell.sequence) > 1:
        return "The Lab plays one request, and this run is several of them one after another."
    if cell.train != train_preset(family, cell.setup.task):
        return f"The Lab trains the dataset's own net, and this run used {cell.train.net}."
    preset = preset_cached(cell.setup.method, family, cell.setup.task)
    return cell.setup, differing(preset, cell.config)
