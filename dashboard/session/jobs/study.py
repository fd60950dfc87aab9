"""The studies that the page Studies writes, runs and estimates; the process runs one study of a name at a time.

A browser may run, cancel, share and delete its own studies. Of a built-in study, a shared one or one from a terminal it runs a copy.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
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
from core.runtime.progress import Progress, Work
from dashboard.presentation.text.pages import studies as say
from dashboard.session import classroom_options
from dashboard.session.jobs.base import BackgroundJob, OwnThread

_driven: dict[str, StudyRun] = {}  # by name, running or ended
_lock = threading.Lock()


def driven(name: str) -> StudyRun | None:
    """Return the last run of the study ``name`` in this process; it may still be going."""
    return _driven.get(name)


def start(study: Study, *, workers: int | None = None, retry: bool = False, token: str | None = None) -> None:
    """Start or resume a study for the browser with ``token``.

    Raises RequestError while the study is running, or where this browser or the classroom may not run it.
    """
    require_data(study, token)
    limits = classroom_options.now()
    if limits is not None:
        limits.check_disk()
    study = mine(study, token)
    with _lock:
        now = _driven.get(study.name)
        if now is not None and not now.over:
            raise RequestError(say.is_running(study.name))
        ResultsTable(study.name).describe(study, token)  # the list of studies shows it from now on
        _driven[study.name] = StudyRun(study, workers=workers, retry=retry)
        _driven[study.name].start()


def cancel(name: str, token: str | None) -> None:
    """Stop a study. Raises RequestError for a study of another owner."""
    study_claims(name).require_change(token, say.named(name))
    now = _driven.get(name)
    if now is not None:
        now.cancel()


def mine(study: Study, token: str | None) -> Study:
    """Return the browser's own study unchanged, and any other study as a copy under a name that belongs to this browser."""
    if token is None or study_claims(study.name).is_of(token):
        return study
    return replace(study, name=name_for(study.name, token))


def datasets_of(study: Study) -> set[str]:
    """Return the names of all datasets that the study's cells use."""
    tables = [study.fixed, *(values for _, values in study.variants)]
    found = {str(t["dataset"]) for t in tables if "dataset" in t}
    fields = [study.grid, *([study.sample.fields] if study.sample is not None else [])]
    for one in fields:
        values = one.get("dataset", ())
        found |= {str(v) for v in values} if isinstance(values, (list, tuple)) else set()
    return found or {Setup().dataset}


def require_data(study: Study, token: str | None) -> None:
    """Raise RequestError for a path, which only ``laf study run`` accepts, and for data that this browser may not see."""
    for name in datasets_of(study):
        require_name(name)
        if name.startswith(OWN):
            store.about(name, token)


def in_folder(study: Study, setup: Setup) -> Study:
    """Return ``study`` with the data folder of ``setup`` if both use the same data; else with the Lab's own folder.

    In a classroom it is always the Lab's own. The Lab has already read that folder, so nothing is downloaded into it.
    """
    same = classroom_options.now() is None and datasets_of(study) <= {setup.dataset}
    return replace(study, data_dir=setup.data_dir if same else None)


class EstimateJob(BackgroundJob[Estimate]):
    """An estimate of the time that a study takes. One slice measures all of it, so it has a thread of its own."""

    def __init__(self, study: Study) -> None:
        super().__init__(OwnThread())
        self.study = study
        self.start(self._measure())

    def _measure(self) -> Work[Estimate]:
        yield Progress("estimate", 0, 1)
        require_data(self.study, None)
        return predicted(self.study)


def choices(token: str | None = None) -> dict[str, str]:
    """Return the titles of all studies by name: first those that were started, then the built-in ones not started here."""
    found: dict[str, str] = {}
    for name in kept_studies(token):
        try:
            claims = study_claims(name)
            whose = "" if claims.is_of(token) else say.FROM_TERMINAL if claims.terminal else say.IS_SHARED
            found[name] = kept_study(name, token).title + whose
        except LabError:
            continue
    for name in ready_names():
        if token is None or name_for(name, token) not in found:
            found.setdefault(name, ready_study(name).title)
    return found


def study_of(name: str, setup: Setup, token: str | None = None) -> Study:
    """Return the study ``name`` with the data folder of ``setup``. Raises LabError if it does not exist or cannot be read."""
    return in_folder(ready_study(name) if name in ready_names() else kept_study(name, token), setup)


def written(
    *, name: str, title: str, fixed: Mapping[str, Any], grid: Mapping[str, str], seeds: str, references: int
) -> Study:
    """Return the study that a user's fields and ranges describe, with its TOML text as the source. Raises RequestError."""
    if not grid:
        raise RequestError(say.CHOOSE_A_FIELD)
    for dataset in (
        fixed.get("dataset", "digits"),
        *values_of("dataset", grid.get("dataset", "digits"), fixed),
    ):
        require_name(str(dataset))  # before any file of it is read
    lines = [
        f"title = {_toml(title)}",
        f"references = {references}",
        f"seeds = {_toml(list(parse_seeds(seeds, 100)))}",
        "",
        "[fixed]",
    ]
    lines += [f'"{k}" = {_toml(v)}' for k, v in fixed.items()]
    lines += ["", "[grid]", *(f'"{f}" = {_toml(values_of(f, text, fixed))}' for f, text in grid.items())]
    return parse_study("\n".join(lines) + "\n", name, where=say.THIS_STUDY)


def values_of(field: str, text: str, fixed: Mapping[str, Any]) -> list[Any]:
    """Parse the values of a field, such as "0.1, 1, x2" or "true, false". Raises RequestError for an empty list."""
    found = [_value(field, part.strip(), fixed) for part in text.split(",") if part.strip()]
    if not found:
        raise RequestError(say.no_values(field))
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
    """Return the Setup of a row and its settings that differ from the preset; or a sentence why the Lab cannot show it."""
    from core.experiments.studies.jobs import Job
    from dashboard.session.url_params import differing

    cell = next((c for c in study.cells() if Job("cell", c).key == row["key"]), None)
    if cell is None:
        return say.RUN_IS_GONE
    from core.experiments.studies.parameters import family_of, preset_cached, train_preset

    family = family_of(cell.setup.dataset)
    if cell.sequence and len(cell.sequence) > 1:
        return say.SEVERAL_REQUESTS
    if cell.train != train_preset(family, cell.setup.task):
        return say.other_training(cell.train.net)
    preset = preset_cached(cell.setup.method, family, cell.setup.task)
    return cell.setup, differing(preset, cell.config)
