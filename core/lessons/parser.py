"""Reads lessons from their TOML files; whatever is wrong is told in one sentence that names the file."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from core.errors import DataError, LabError, RequestError
from core.lessons.checks import read_check
from core.lessons.fact_names import MEASURED, READINGS
from core.lessons.schema import END, MEASURES, Action, Lesson, Part, Question, with_fields
from core.runs.setup import Setup

SETUP = tuple(f.name for f in fields(Setup) if f.name not in ("data_dir", "device", "model"))
MOST_BYTES = 200_000


def read_lesson(path: str | Path) -> Lesson:
    """The lesson in a file. Raises DataError, naming the file and the reason in one sentence."""
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path} is no lesson: it has more than {MOST_BYTES // 1000} kB")
        raw = path.read_bytes()
        return parse_lesson(raw, path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error


def parse_lesson(raw: bytes, path: Path) -> Lesson:
    """As ``read_lesson``, of bytes that were read."""
    try:
        values = tomllib.loads(raw.decode())
    except (UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} is no text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not TOML: {str(error)[0].lower()}{str(error)[1:]}") from error
    try:
        return _lesson(_Table(values, "the lesson"), path, hashlib.sha256(raw).hexdigest())
    except RequestError as error:
        raise DataError(f"{path}: {error}") from error


def read_lessons(
    folders: Iterable[str | Path], files: Iterable[str | Path] = ()
) -> tuple[list[Lesson], list[str]]:
    """All lessons of ``folders`` and ``files`` by number and title, and one sentence for each that cannot be read.

    Of two with the same id the later is taken: a teacher's own replaces the one that it is named after.
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


# inside


class _Table:
    """A TOML table that is taken apart; what is left over is a mistake."""

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, dict):
            raise RequestError(f"{where} must be a table")
        self._values = dict(values)
        self.where = where

    def take(
        self, key: str, kind: type | tuple[type, ...], default: Any = None, *, required: bool = False
    ) -> Any:
        value = self._values.pop(key, None)
        if value is None:
            if required:
                raise RequestError(f"{self.where} lacks {key!r}")
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind in (int, (int, str))):
            names = {
                str: "a text",
                int: "a whole number",
                bool: "true or false",
                list: "a list",
                dict: "a table",
            }
            kinds = kind if isinstance(kind, tuple) else (kind,)
            raise RequestError(
                f"{key!r} of {self.where} must be {' or '.join(names[k] for k in kinds)}, got {value!r}"
            )
        return value.strip() if isinstance(value, str) else value

    def text(self, key: str, *, required: bool = False) -> str:
        found: str = self.take(key, str, "", required=required)
        if required and not found:
            raise RequestError(f"{key!r} of {self.where} is empty")
        return found

    def done(self) -> None:
        if self._values:
            raise RequestError(f"{self.where} has {next(iter(self._values))!r}, which lessons do not know")


def _lesson(table: _Table, path: Path, digest: str) -> Lesson:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,60}", path.stem):
        raise RequestError("its name must be small letters, digits, - and _: it stands in links")
    setup, own = _setup(table.take("setup", dict, {}))
    prediction = _question(
        _Table(table.take("prediction", dict, required=True), "the prediction"), "question"
    )
    steps = table.take("steps", list, required=True)
    if not steps:
        raise RequestError("a lesson has at least one step")
    parts = tuple(_part(_Table(values, f"step {i}")) for i, values in enumerate(steps, 1))
    summary = _Table(table.take("summary", dict, required=True), "the summary")
    lesson = Lesson(
        id=path.stem,
        number=table.take("number", int, 100),
        title=table.text("title", required=True),
        goal=table.text("goal", required=True),
        minutes=table.take("minutes", int, 10),
        setup=setup,
        prediction=prediction,
        parts=parts,
        summary=summary.text("text", required=True),
        formula=summary.text("formula"),
        formula_says=summary.text("formula_says"),
        digest=digest,
        own_seed=own,
        path=path,
    )
    summary.done()
    table.done()
    return lesson


def _setup(values: dict[str, Any]) -> tuple[Setup, bool]:
    own = values.pop("own_seed", True)
    return _with(Setup(), values, "the setup"), bool(own)


def _with(setup: Setup, values: Mapping[str, Any], where: str) -> Setup:
    """``setup`` with fields of a table. Raises RequestError for one that there is none of or that is of another kind."""
    from core.config import TASKS
    from core.methods import METHODS

    for key, value in values.items():
        if key not in SETUP:
            raise RequestError(f"{where} has {key!r}; it can have {', '.join(SETUP)}")
        kinds = {"seed": int, "fraction": float, "share": float, "classes": list, "ids": list}
        if not isinstance(value, kinds.get(key, str)):
            raise RequestError(f"{key!r} of {where} cannot be {value!r}")
    made = with_fields(setup, values)
    if made.task not in TASKS:
        raise RequestError(f"the task of {where} is {made.task!r}; there are {', '.join(TASKS)}")
    if made.method not in METHODS:
        raise RequestError(f"the method of {where} is {made.method!r}; there are {', '.join(METHODS)}")
    return made


def _question(table: _Table, key: str) -> Question:
    text = table.text(key, required=True)
    choices = tuple(table.take("choices", list, required=True))
    if not 2 <= len(choices) <= 6 or not all(isinstance(c, str) and c.strip() for c in choices):
        raise RequestError(f"{table.where} needs 2 to 6 choices, each a text")
    answer = table.take("answer", int)
    if answer is not None and not 1 <= answer <= len(choices):
        raise RequestError(f"'answer' of {table.where} is {answer}, but the choices are 1 to {len(choices)}")
    why = table.text("why")
    table.done()
    return Question(text, choices, answer, why)


def _part(table: _Table) -> Part:
    asked = table.take("question", dict)
    check = table.text("check")
    try:
        read = read_check(check) if check else None
    except RequestError as error:
        raise RequestError(f"{table.where}: {error}") from error
    do, solution = table.take("do", dict), table.take("solution", dict)
    part = Part(
        title=table.text("title", required=True),
        text=table.text("text", required=True),
        look=table.text("look"),
        do=None if do is None else _do(_Table(do, f"'do' of {table.where}")),
        solution=None if solution is None else _do(_Table(solution, f"'solution' of {table.where}")),
        knobs=table.take("knobs", bool, False),
        check=read,
        hint=table.text("hint"),
        question=None
        if asked is None
        else _question(_Table(asked, f"the question of {table.where}"), "text"),
        numbers=_numbers(table),
        vae_curves=table.take("vae_curves", bool, False),
    )
    table.done()
    return part


def _numbers(table: _Table) -> tuple[str, ...]:
    found = tuple(table.take("numbers", list, []))
    for name in found:
        if name not in (*READINGS, *MEASURED):
            raise RequestError(
                f"'numbers' of {table.where} has {name!r}; there are {', '.join((*READINGS, *MEASURED))}"
            )
    return found


def _do(table: _Table) -> Action:
    play = table.take("play", (int, str))
    if play is not None and play != END and not (isinstance(play, int) and play >= 1):
        raise RequestError(f"'play' of {table.where} must be a step from 1 on or {END!r}, got {play!r}")
    measure = table.take("measure", str)
    if measure is not None and measure not in MEASURES:
        raise RequestError(
            f"'measure' of {table.where} must be one of {', '.join(MEASURES)}, got {measure!r}"
        )
    opened = table.take("open", dict)
    if opened is not None:
        _with(Setup(), opened, f"'open' of {table.where}")
    do = Action(
        label=table.text("label", required=True),
        open=opened,
        begin=_knobs(table, "begin"),
        fork=table.take("fork", int),
        change=_knobs(table, "change"),
        slow=table.take("slow", bool),
        play=play,
        measure=measure,
    )
    table.done()
    return do


def _knobs(table: _Table, key: str) -> Mapping[str, Any] | None:
    """Knobs by the names that a LAFConfig has, tables for those of the VAEs; checked against one."""
    from core.lessons.hyperparameters import settings_with

    values: Mapping[str, Any] | None = table.take(key, dict)
    if values is not None:
        from core.config import LAFConfig

        try:
            settings_with(LAFConfig(), values)
        except RequestError as error:
            raise RequestError(f"{key!r} of {table.where}: {error}") from error
    return values
