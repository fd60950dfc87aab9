"""Marks a folder of submissions: answers by the lesson's key, checks by playing each run again with the settings it states."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from core.config import EvalConfig
from core.data.registry import load
from core.errors import DataError, LabError, RequestError
from core.lessons.assessment.progress import checked
from core.lessons.assessment.submission import edited, read_submission, record_digest, seed_of
from core.lessons.checks import Check, read_check
from core.lessons.fact_names import MEASURED, PREFIXES
from core.lessons.facts import facts_of
from core.lessons.hyperparameters import laf_of
from core.lessons.measures import measure
from core.lessons.schema import Lesson, Part
from core.methods import method
from core.runs.observer import Observer
from core.runs.original_models import original
from core.runs.records import Phase
from core.runs.reference_models import references
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.storage.serialization import config_like, setup_from
from core.runtime.progress import run_to_end

MOST_STEPS = 5000
MOST_EPOCHS = 1000  # of the VAEs, in batches of 128


@dataclass(frozen=True)
class Grade:
    """One row of the table. ``replayed``: checks whose run, played again here, passed; None: none was played."""

    file: str
    name: str = ""
    number: str = ""
    group: str = ""
    lesson: str = ""
    finished: bool = False
    prediction_right: bool | None = None
    answers_right: int = 0
    answers_of: int = 0
    checks_passed: int = 0
    checks_of: int = 0
    replayed: int | None = None
    same_record: int | None = None  # of those, the ones whose record is the stated one to the bit
    edited: bool = False
    remarks: str = ""


def grade(
    folder: Path,
    lessons: Iterable[Lesson],
    *,
    replay: bool = True,
    tell: Callable[[str], object] | None = None,
) -> list[Grade]:
    """One Grade for each JSON file in ``folder``, by name. Raises DataError when there is no such folder or no file."""
    known = {lesson.id: lesson for lesson in lessons}
    if not os.path.isdir(folder):
        raise DataError(f"{folder} is no folder; name the one that the submissions are in")
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise DataError(f"{folder} holds no submission (*.json)")
    found = []
    for path in paths:
        if tell is not None:
            tell(path.name)
        found.append(_grade(path, known, replay))
    return found


def as_csv(grades: Sequence[Grade]) -> str:
    """The table. A text that a spreadsheet would take for a formula begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([f.name for f in fields(Grade)])
    for row in grades:
        writer.writerow([_cell(v) for v in asdict(row).values()])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value).replace("\n", " ")
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def _grade(path: Path, known: Mapping[str, Lesson], replay: bool) -> Grade:
    try:
        values = read_submission(path)
    except DataError as error:
        return Grade(path.name, remarks=str(error))
    who = {k: str(values["who"].get(k) or "")[:200] for k in ("name", "number", "class")}
    lesson = known.get(str(values["lesson"].get("id")))
    base: dict[str, Any] = {
        "file": path.name,
        "name": who["name"],
        "number": who["number"],
        "group": who["class"],
    }
    changed = edited(values)
    if lesson is None:
        why = f"there is no lesson {values['lesson'].get('id')!r} here; give its file with --lesson"
        return Grade(**base, edited=changed is not None, remarks="; ".join(filter(None, [changed, why])))
    remarks = [changed] if changed else []
    if values["lesson"].get("digest") != lesson.digest:
        remarks.append("made with another version of the lesson")
    seed = seed_of(who["number"]) if lesson.own_seed else lesson.setup.seed
    if values.get("seed") != seed:
        remarks.append(f"its seed is {values.get('seed')!r}, the number's is {seed}")
    right, of = _answers(values["answers"], lesson)
    passed = {
        i: values["checks"][str(i)] for i in checked(lesson) if isinstance(values["checks"].get(str(i)), dict)
    }
    played = same = 0
    if replay:
        for i, shown in passed.items():
            outcome, why = _replayed(shown, lesson.parts[i - 1], lesson, seed)
            played += outcome is not None
            same += outcome is True
            if why:
                remarks.append(f"step {i}: {why}")
    return Grade(
        **base,
        lesson=lesson.id,
        finished=bool(values.get("finished")) and len(passed) == len(checked(lesson)),
        prediction_right=None if lesson.prediction.answer is None else values.get("prediction") == lesson.prediction.answer,
        answers_right=right,
        answers_of=of,
        checks_passed=len(passed),
        checks_of=len(checked(lesson)),
        replayed=played if replay else None,
        same_record=same if replay else None,
        edited=changed is not None,
        remarks="; ".join(remarks),
    )  # fmt: skip


def _answers(answers: Mapping[str, Any], lesson: Lesson) -> tuple[int, int]:
    asked = {
        str(i): p.question
        for i, p in enumerate(lesson.parts, 1)
        if p.question is not None and p.question.answer
    }
    return sum(answers.get(i) == q.answer for i, q in asked.items()), len(asked)


def _replayed(shown: Mapping[str, Any], part: Part, lesson: Lesson, seed: int) -> tuple[bool | None, str]:
    """Whether the run passes the lesson's check again, and its record is the same (True) or another (False); else why it does not."""
    assert part.check is not None
    check = read_check(part.check.text)
    try:
        setup = replace(setup_from(shown["setup"]), data_dir=None, device="cpu", model=None)
        if setup.dataset != lesson.setup.dataset:
            return None, f"was run on {setup.dataset!r}, not on {lesson.setup.dataset!r}"
        if lesson.own_seed and setup.seed != seed:
            return None, f"was run with seed {setup.seed}, not with the number's {seed}"
        found, run, fork = replayed(setup, shown["run"], shown.get("fork"), compared=_compares(check))
    except LabError as error:
        return None, f"cannot be played again: {error}"
    except (KeyError, TypeError, ValueError):
        return None, "does not say how it was run"
    if check.names & {n for k in MEASURED for n in (k, f"original.{k}", f"retrained.{k}")}:
        found |= _measured(run, part)
    if not check.verdict(found).passed:
        return None, "the run, played again, does not pass"
    same = record_digest(run) == shown["run"].get("record") and (
        fork is None or record_digest(fork) == shown["fork"].get("record")
    )
    return same, "" if same else "passes, but its record is another one: played on another machine or version"


def _compares(check: Check) -> bool:
    """Whether it needs retrained models."""
    named = {part for name in check.names for part in name.split(".")}
    return "alarm" in check.text or bool(named & {"js", "references", "retrain_seconds", *PREFIXES} - {"original", "fork", "lowest", "highest"})  # fmt: skip


def replayed(
    setup: Setup, run: Mapping[str, Any], fork: Mapping[str, Any] | None = None, *, compared: bool = True
) -> tuple[dict[str, Any], Run, Run | None]:
    """The facts of a run that is played again as it is described, the run, and its fork; ``compared`` to retrained models.

    Raises LabError, also for a run that would take unreasonably long.
    """
    split = setup.split(load(setup.dataset, data_dir=setup.data_dir))
    model = run_to_end(original(split, method(setup.method, setup.config(split)), seed=setup.seed))
    observer = Observer(split, model, EvalConfig.preset(split.dataset.family), seed=setup.seed)
    kept = references(split, model, count=None if compared else 0, seed=setup.seed)
    theirs = [observer.look(r.model).reading for r in kept]

    def played(described: Mapping[str, Any]) -> Run:
        unlearner = method(setup.method, setup.config(split))
        unlearner.configure(model, split)
        unlearner.config = config_like(unlearner.config, described["settings"])
        made = Run(unlearner, model, split, seed=setup.seed, observer=observer)
        changes = {int(c["after"]): c["now"] for c in described["changes"]}
        steps = int(described["steps"])
        _require_short(made, steps)
        while len(made.steps) < steps and not made.phase.over:
            if made.steps and (now := changes.pop(len(made.steps), None)) is not None:
                if made.phase is Phase.RUNNING:
                    made.pause()
                made.change(config_like(made.config, now))
            try:
                made.advance()
            except LabError:  # a run that broke, as the one that was handed in may have
                break
        if described.get("phase") == Phase.FAILED and not made.phase.over:
            with contextlib.suppress(LabError):  # it broke before the next step
                made.advance()
        if steps < made.total_steps and made.phase is Phase.RUNNING:
            made.pause()
        return made

    main, second = played(run), None if fork is None else played(fork)
    seconds = sum(r.seconds for r in kept) / max(1, len(kept))
    return facts_of(main, setup, theirs, retrain_seconds=seconds, fork=second), main, second


def _require_short(run: Run, steps: int) -> None:
    """What is handed in was written by somebody: it must not keep the grader busy for hours."""
    laf = laf_of(run.config)
    epochs = 0 if laf is None else laf.vae.epochs * max(1, 128 // laf.vae.batch_size)
    if steps > MOST_STEPS or epochs > MOST_EPOCHS:
        raise RequestError(
            f"{steps:,} steps after {epochs:,} epochs of the VAEs are more than a lesson needs"
        )


def _measured(run: Run, part: Part) -> dict[str, Any]:
    what = part.do.measure if part.do is not None else None
    if what is None or run.observer is None:
        return {}
    first = run._model
    theirs = [r.model for r in references(run._labelled, first, seed=run.seed)]
    return dict(measure(what, run._labelled, first, run.result if run.steps else first, theirs))
