"""The contents of a lesson file. A teacher can write one; docs/lessons.md describes the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.lessons.checks import Check
from core.runs.setup import EarlierRequest, Setup

END = "end"
MEASURES = ("attack", "neighbours")


@dataclass(frozen=True)
class Question:
    """A question with choices; ``answer`` is the number of the right choice, from 1, or None if there is none."""

    text: str
    choices: tuple[str, ...]
    answer: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Action:
    """The moves that a step's button makes in the Lab, in the order of the fields."""

    label: str
    open: Mapping[str, Any] | None = None  # open another experiment: fields of its Setup that differ
    more: Mapping[str, Any] | None = (
        None  # the next request, on the finished run's result: fields of its Setup
    )
    begin: Mapping[str, Any] | None = None  # begin a new run: hyperparameters that differ from the preset
    fork: int | None = None  # fork the run at this step
    change: Mapping[str, Any] | None = (
        None  # hyperparameters from the next step on, of the fork if there is one
    )
    slow: bool | None = None
    play: int | str | None = None  # play to this step, or to the END
    measure: str | None = None  # one of MEASURES, of the current models


@dataclass(frozen=True)
class Part:
    """One step of a lesson."""

    title: str
    text: str
    look: str = ""
    do: Action | None = None
    solution: Action | None = None  # for the key and the replay, if the student must find the action
    knobs: bool = False  # show the hyperparameters, even if a teacher's link hides them
    check: Check | None = None
    hint: str = ""
    question: Question | None = None
    numbers: tuple[str, ...] = ()  # facts for a table with the columns before, now, retrained
    vae_curves: bool = False  # show the loss of the VAEs by epoch


@dataclass(frozen=True)
class Lesson:
    """A lesson. ``id`` is the file's name without its ending, ``digest`` is of its bytes."""

    id: str
    number: int
    title: str
    goal: str
    minutes: int
    setup: Setup  # its seed is replaced by the student's, if ``own_seed``
    prediction: Question
    parts: tuple[Part, ...]
    summary: str
    formula: str
    formula_says: str
    digest: str
    own_seed: bool = True  # the student's number decides the seed
    path: Path | None = field(default=None, compare=False)

    @property
    def formulas(self) -> tuple[str, ...]:
        """Lines of the formula."""
        return tuple(line.strip() for line in self.formula.splitlines() if line.strip())

    def setup_for(self, seed: int) -> Setup:
        """Return the Setup for a student with this seed."""
        return replace(self.setup, seed=seed) if self.own_seed else self.setup

    def setup_at(self, number: int, seed: int) -> Setup:
        """Return the Setup that is open when step ``number``, from 1, begins; earlier steps may have opened another."""
        found = self.setup_for(seed)
        for part in self.parts[: number - 1]:
            if part.do is not None and part.do.open is not None:
                found = with_fields(found, part.do.open)
            if part.do is not None and part.do.more is not None:
                # which run it was is not known here; the tour compares the number of requests
                before = EarlierRequest("", "", found.task, found.classes)
                found = with_fields(replace(found, earlier=(*found.earlier, before)), part.do.more)
        return found


def with_fields(setup: Setup, values: Mapping[str, Any]) -> Setup:
    """Return ``setup`` with fields of a lesson's table; another task than chosen images lets no client leave."""
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    if plain.get("task", setup.task) != "indices":
        plain.setdefault("client", None)
    return replace(setup, **plain)
