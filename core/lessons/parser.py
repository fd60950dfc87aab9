"""Reader of lesson files: check every table, key and value, and return the Lesson."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from core.config import TASKS, LAFConfig
from core.errors import DataError, LabError, RequestError
from core.experiments.toml_table import TomlTable, parse_toml
from core.lessons.checks import Check, read_check
from core.lessons.fact_names import MEASURED, READINGS
from core.lessons.hyperparameters import settings_with
from core.lessons.schema import END, MEASURES, Action, Lesson, Part, Question, with_fields
from core.methods import METHODS
from core.runs.setup import Setup

_KINDS: dict[str, type] = {
    **dict.fromkeys(("seed", "clients", "local_epochs", "client"), int),
    **dict.fromkeys(("fraction", "share"), float),
    **dict.fromkeys(("classes", "ids"), list),
}
SETUP_KINDS: dict[str, type] = {  # fields of a Setup that a lesson may choose; all others are texts
    f.name: _KINDS.get(f.name, str)
    for f in fields(Setup)
    if f.name not in ("data_dir", "device", "model", "settings", "earlier")
}
MOST_BYTES = 200_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")


def read_lesson(path: str | Path) -> Lesson:
    """Read the lesson in a file. Raises DataError, one sentence that names the file."""
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path} is no lesson: it has more than {MOST_BYTES // 1000} kB")
        return parse_lesson(path.read_bytes(), path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def parse_lesson(raw: bytes, path: Path) -> Lesson:
    """Return the lesson in ``raw``, the bytes of ``path``. Raises DataError, one sentence that names the file."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8") from error
    try:
        return _lesson(TomlTable(parse_toml(text), "the lesson"), path, hashlib.sha256(raw).hexdigest())
    except RequestError as error:
        raise DataError(f"{path}: {error}") from error


def read_lessons(
    folders: Iterable[str | Path], files: Iterable[str | Path] = ()
) -> tuple[list[Lesson], list[str]]:
    """Read all lessons of ``folders`` and ``files``; return them by number and title, and one sentence for each broken file.

    Of two lessons with the same id the later one counts, so a teacher's own lesson can replace one that ships.
    """
    found: dict[str, Lesson] = {}
    problems = []
    for path in [*(p for f in folders for p in sorted(Path(f).glob("*.toml"))), *map(Path, files)]:
        try:
            lesson = read_lesson(path)
            found[lesson.id] = lesson
        except LabError as error:
            problems.append(str(error))
    return sorted(found.values(), key=lambda one: (one.number, one.title)), problems


def _lesson(table: TomlTable, path: Path, digest: str) -> Lesson:
    if not _NAME.fullmatch(path.stem):
        raise RequestError(
            "a lesson's file name has lower-case letters, digits, '.', '-' and '_', since links contain it"
        )
    number, minutes = table.take("number", int, default=100), table.take("minutes", int, default=10)
    title, goal = table.text("title", required=True), table.text("goal", required=True)
    setup_table = table.table("setup", "the setup")
    own_seed = setup_table.flag("own_seed", True)
    setup = with_fields(Setup(), _setup_fields(setup_table))
    prediction = _question(table.table("prediction", "the prediction", required=True), "question")
    steps = table.take("steps", list, required=True)
    if not steps:
        raise RequestError("a lesson has at least one step")
    parts = tuple(_part(TomlTable(values, f"step {i}")) for i, values in enumerate(steps, 1))
    summary = table.table("summary", "the summary", required=True)
    lesson = Lesson(
        id=path.stem,
        number=number,
        title=title,
        goal=goal,
        minutes=minutes,
        setup=setup,
        prediction=prediction,
        parts=parts,
        summary=summary.text("text", required=True),
        formula=summary.text("formula"),
        formula_says=summary.text("formula_says"),
        digest=digest,
        own_seed=own_seed,
        path=path,
    )
    summary.require_no_more()
    table.require_no_more()
    return lesson


def _setup_fields(table: TomlTable) -> dict[str, Any]:
    """Return the fields of a Setup in ``table``. Raises RequestError for an unknown field or a wrong value."""
    values = {key: table.take(key, kind) for key, kind in SETUP_KINDS.items()}
    table.require_no_more()
    given = {key: float(v) if SETUP_KINDS[key] is float else v for key, v in values.items() if v is not None}
    if "client" in given:  # who leaves decides what is forgotten
        given = {"task": "indices", "classes": [], **given}
    for key, known in (("task", TASKS), ("method", METHODS)):
        if key in given and given[key] not in known:
            raise table.wrong(key, f"one of {', '.join(known)}", given[key])
    try:
        with_fields(Setup(), given)
    except RequestError as error:
        raise RequestError(f"{table.name}: {error}") from error
    return given


def _question(table: TomlTable, text_key: str) -> Question:
    text = table.text(text_key, required=True)
    choices = tuple(table.take("choices", list, required=True))
    if not 2 <= len(choices) <= 6 or not all(isinstance(c, str) and c.strip() for c in choices):
        raise RequestError(f"{table.name} needs 2 to 6 choices, each a text")
    answer = table.take("answer", int)
    if answer is not None and not 1 <= answer <= len(choices):
        raise RequestError(f"'answer' of {table.name} is {answer}, but the choices are 1 to {len(choices)}")
    why = table.text("why")
    table.require_no_more()
    return Question(text, choices, answer, why)


def _part(table: TomlTable) -> Part:
    part = Part(
        title=table.text("title", required=True),
        text=table.text("text", required=True),
        look=table.text("look"),
        do=_action(table, "do"),
        solution=_action(table, "solution"),
        knobs=table.flag("knobs"),
        check=_check(table),
        hint=table.text("hint"),
        question=_part_question(table),
        numbers=_numbers(table),
        vae_curves=table.flag("vae_curves"),
    )
    table.require_no_more()
    return part


def _check(table: TomlTable) -> Check | None:
    text = table.text("check")
    try:
        return read_check(text) if text else None
    except RequestError as error:
        raise RequestError(f"{table.name}: {error}") from error


def _part_question(table: TomlTable) -> Question | None:
    values = table.take("question", dict)
    return None if values is None else _question(TomlTable(values, f"the question of {table.name}"), "text")


def _numbers(table: TomlTable) -> tuple[str, ...]:
    names = tuple(table.take("numbers", list, default=[]))
    known = (*READINGS, *MEASURED)
    for name in names:
        if name not in known:
            raise RequestError(f"'numbers' of {table.name} has {name!r}; it can have: {', '.join(known)}")
    return names


def _action(parent: TomlTable, key: str) -> Action | None:
    values = parent.take(key, dict)
    if values is None:
        return None
    table = TomlTable(values, f"{key!r} of {parent.name}")
    action = Action(
        label=table.text("label", required=True),
        open=_opened(table, "open"),
        more=_opened(table, "more"),
        begin=_hyperparameters(table, "begin"),
        fork=table.take("fork", int),
        change=_hyperparameters(table, "change"),
        slow=table.take("slow", bool),
        play=table.take("play", int, str),
        measure=table.take("measure", str),
    )
    table.require_no_more()
    play, measure = action.play, action.measure
    if play is not None and play != END and not (isinstance(play, int) and play >= 1):
        raise table.wrong("play", f"a step from 1 on or {END!r}", play)
    if measure is not None and measure not in MEASURES:
        raise table.wrong("measure", f"one of {', '.join(MEASURES)}", measure)
    return action


def _opened(table: TomlTable, key: str) -> Mapping[str, Any] | None:
    values = table.take(key, dict)
    return None if values is None else _setup_fields(TomlTable(values, f"{key!r} of {table.name}"))


def _hyperparameters(table: TomlTable, key: str) -> Mapping[str, Any] | None:
    """Return hyperparameters by their names in a LAFConfig, with a table "vae" for those of the VAEs."""
    values: Mapping[str, Any] | None = table.take(key, dict)
    if values is not None:
        try:
            settings_with(LAFConfig(), values)
        except RequestError as error:
            raise RequestError(f"{key!r} of {table.name}: {error}") from error
    return values
