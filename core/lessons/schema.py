"""A lesson: one readable TOML file that a teacher can write himself. docs/lessons.md describes the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.lessons.checks import Check
from core.runs.setup import Setup

END = "end"
MEASURES = ("attack", "neighbours")


@dataclass(frozen=True)
class Question:
    """A question with choices; ``answer`` is the number of the right one from 1, None where there is none."""

    text: str
    choices: tuple[str, ...]
    answer: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Action:
    """What a step's button does in the Lab, in the order of the fields."""

    label: str
    open: Mapping[str, Any] | None = (
        None  # fields of a Setup that differ from the lesson's: another experiment
    )
    begin: Mapping[str, Any] | None = None  # a fresh run; knobs that differ from the preset
    fork: int | None = None  # a second run from this step
    change: Mapping[str, Any] | None = None  # knobs from the next step on, of the fork where there is one
    slow: bool | None = None
    play: int | str | None = None  # to this step, or to the END
    measure: str | None = None  # one of MEASURES, of the models as they stand


@dataclass(frozen=True)
class Part:
    """One step of a lesson."""

    title: str
    text: str
    look: str = ""
    do: Action | None = None
    solution: Action | None = None  # what the key and the replay do where the student finds it himself
    knobs: bool = False  # the student turns knobs himself, even where a teacher's link hides them
    check: Check | None = None
    hint: str = ""
    question: Question | None = None
    numbers: tuple[str, ...] = ()  # facts to show in a small table: before, now, retrained
    vae_curves: bool = False  # show the VAEs' loss by epoch


@dataclass(frozen=True)
class Lesson:
    """A lesson as it was read; ``id`` is the file's name without its ending, ``digest`` of its bytes."""

    id: str
    number: int
    title: str
    goal: str
    minutes: int
    setup: Setup  # with seed 0; the student's number gives another
    prediction: Question
    parts: tuple[Part, ...]
    summary: str
    formula: str
    formula_says: str
    digest: str
    own_seed: bool = True  # whether a student's number may change the seed
    path: Path | None = field(default=None, compare=False)

    @property
    def formulas(self) -> tuple[str, ...]:
        """The lines of the formula."""
        return tuple(line.strip() for line in self.formula.splitlines() if line.strip())

    def setup_for(self, seed: int) -> Setup:
        """What the Lab opens for a student with this seed."""
        return replace(self.setup, seed=seed) if self.own_seed else self.setup

    def setup_at(self, number: int, seed: int) -> Setup:
        """What is open when step ``number``, from 1, is begun: the lesson's data, or what steps before have opened."""
        found = self.setup_for(seed)
        for part in self.parts[: number - 1]:
            if part.do is not None and part.do.open is not None:
                found = with_fields(found, part.do.open)
        return found


def with_fields(setup: Setup, values: Mapping[str, Any]) -> Setup:
    """``setup`` with the fields of a lesson's table."""
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return replace(setup, **plain)
