"""Studies as the page runs them: one of a name at a time in the whole process; predictions made beside the page.

A browser runs, cancels, shares and deletes its own studies. It begins a copy of a ready study, a shared one or one from a terminal.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.data.registry import OWN, require_name
from core.data.uploads import store
from core.errors import LabError, RequestError
from core.experiments.comparison import parse_seeds
from core.experiments.studies import (
    Estimate,
    ResultsTable,
    Study,
    StudyRun,
    kept_studies,
    kept_study,
    name_for,
    parse_study,
    predicted,
    ready_names,
    ready_study,
    study_claims,
)
from core.experiments.studies.parameters import kind_of, numeric
from core.runs.setup import Setup
from dashboard.session import classroom_options

_driven: dict[str, StudyRun] = {}
_lock = threading.Lock()


def driven(name: str) -> StudyRun | None:
    """The study that runs, or ran last, in this process."""
    return _driven.get(name)


def start(study: Study, *, workers: int | None = None, retry: bool = False, token: str | None = None) -> None:
    """Begin, or go on, for the browser with ``token``. Raises RequestError while it is running, or where it must not be begun."""
    require_data(study, token)
    limits = classroom_options.now()
    if limits is not None:
        limits.check_disk()
    study = mine(study, token)
    with _lock:
        now = _driven.get(study.name)
        if now is not None and not now.over:
            raise RequestError(f"the study {study.name} is running already")
        ResultsTable(study.name).describe(study, token)  # so that it is among those that were begun at once
        _driven[study.name] = StudyRun(study, workers=workers, retry=retry)
        _driven[study.name].start()


def cancel(name: str, token: str | None) -> None:
    """Stop a study. Raises RequestError for a study of another owner."""
    study_claims(name).require_change(token, f"the study {name}")
    now = _driven.get(name)
    if now is not None:
        now.cancel()


def mine(study: Study, token: str | None) -> Study:
    """The study as this browser keeps it: its own as it is, any other as a copy under a name of its own."""
    if token is None or study_claims(study.name).is_of(token):
        return study
    return replace(study, name=name_for(study.name, token))


def datasets_of(study: Study) -> set[str]:
    """The names of all data that its cells use."""
    tables = [study.fixed, *(values for _, values in study.variants)]
    found = {str(t["dataset"]) for t in tables if "dataset" in t}
    fields = [study.grid, *([study.sample.fields] if study.sample is not None else [])]
    for one in fields:
        values = one.get("dataset", ())
        found |= {str(v) for v in values} if isinstance(values, (list, tuple)) else set()
    return found or {Setup().dataset}


def require_data(study: Study, token: str | None) -> None:
    """Raise RequestError for a path, which only ``laf study run`` takes, and for data that this browser may not see."""
    for name in datasets_of(study):
        require_name(name)
        if name.startswith(OWN):
            store.about(name, token)


def in_folder(study: Study, setup: Setup) -> Study:
    """``study`` with the data folder of ``setup`` where it is of the same data; else with the Lab's own, as in a classroom.

    The Lab has looked into that folder: all files are there, and nothing is downloaded into it.
    """
    same = classroom_options.now() is None and datasets_of(study) <= {setup.dataset}
    return replace(study, data_dir=setup.data_dir if same else None)


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
                require_data(self.study, None)
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


def choices(token: str | None = None) -> dict[str, str]:
    """Studies to choose from: name -> title; those that were begun first, then the ready ones that this browser has not begun."""
    found: dict[str, str] = {}
    for name in kept_studies(token):
        try:
            claims = study_claims(name)
            whose = "" if claims.is_of(token) else " · from a terminal" if claims.terminal else " · shared"
            found[name] = kept_study(name, token).title + whose
        except LabError:
            continue
    for name in ready_names():
        if token is None or name_for(name, token) not in found:
            found.setdefault(name, ready_study(name).title)
    return found


def study_of(name: str, setup: Setup, token: str | None = None) -> Study:
    """A study by its name, with the data folder of ``setup``. Raises LabError when there is none or it cannot be read."""
    return in_folder(ready_study(name) if name in ready_names() else kept_study(name, token), setup)


def written(
    *, name: str, title: str, fixed: Mapping[str, Any], grid: Mapping[str, str], seeds: str, references: int
) -> Study:
    """The study that somebody put together from fields and ranges, as its TOML text says it. Raises RequestError."""
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
        f"seeds = {_toml(list(parse_seeds(seeds, 100)))}",
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
    from core.experiments.studies.jobs import Job
    from dashboard.session.url_params import differing

    cell = next((c for c in study.cells() if Job("cell", c).key == row["key"]), None)
    if cell is None:
        return "The study has no such run any more."
    from core.experiments.studies.parameters import family_of, preset_cached, train_preset

    family = family_of(cell.setup.dataset)
    if cell.sequence and len(cell.sequence) > 1:
        return "The Lab plays one request, and this run is several of them one after another."
    if cell.train != train_preset(family, cell.setup.task):
        return f"The Lab trains the dataset's own net, and this run used {cell.train.net}."
    preset = preset_cached(cell.setup.method, family, cell.setup.task)
    return cell.setup, differing(preset, cell.config)
