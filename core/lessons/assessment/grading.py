"""Grading of a folder of submissions: answers by the lesson's key, checks by playing each run again."""

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
from core.data.split import Split
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
from core.models.base import Net
from core.runs.observer import Observer
from core.runs.original_models import net_training, original
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
    """One row of the table.

    ``replayed`` is the number of checks whose run passed when played again, or None if no run was played.
    """

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
    same_record: int | None = None  # replayed checks whose record equals the submitted one
    edited: bool = False
    remarks: str = ""


def grade(
    folder: Path,
    lessons: Iterable[Lesson],
    *,
    replay: bool = True,
    tell: Callable[[str], object] | None = None,
) -> list[Grade]:
    """Return a Grade for each JSON file in ``folder``, by name. Raises DataError without such a folder or file."""
    known = {lesson.id: lesson for lesson in lessons}
    if not os.path.isdir(folder):
        raise DataError(f"{folder} is no folder; name the folder of the submissions")
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
    """Return the grades as CSV. A text that a spreadsheet would read as a formula gets an apostrophe before it."""
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
    student = {k: str(values["who"].get(k) or "")[:200] for k in ("name", "number", "class")}
    edit = edited(values)
    row = Grade(path.name, student["name"], student["number"], student["class"], edited=edit is not None)
    remarks = [edit] if edit else []
    lesson = known.get(str(values["lesson"].get("id")))
    if lesson is None:
        remarks.append(f"there is no lesson {values['lesson'].get('id')!r} here; give its file with --lesson")
        return replace(row, remarks="; ".join(remarks))
    if values["lesson"].get("digest") != lesson.digest:
        remarks.append("made with another version of the lesson")
    seed = seed_of(student["number"]) if lesson.own_seed else lesson.setup.seed
    if values.get("seed") != seed:
        remarks.append(f"its seed is {values.get('seed')!r}, the number's is {seed}")
    right, asked = _count_answers(values["answers"], lesson)
    steps = checked(lesson)
    passed = {i: values["checks"][str(i)] for i in steps if isinstance(values["checks"].get(str(i)), dict)}
    matches, replay_remarks = _replay_checks(passed, lesson, seed) if replay else ([], [])
    correct = lesson.prediction.answer
    return replace(
        row,
        lesson=lesson.id,
        finished=bool(values.get("finished")) and len(passed) == len(steps),
        prediction_right=None if correct is None else values.get("prediction") == correct,
        answers_right=right,
        answers_of=asked,
        checks_passed=len(passed),
        checks_of=len(steps),
        replayed=len(matches) if replay else None,
        same_record=sum(matches) if replay else None,
        remarks="; ".join([*remarks, *replay_remarks]),
    )


def _replay_checks(
    passed: Mapping[int, Mapping[str, Any]], lesson: Lesson, seed: int
) -> tuple[list[bool], list[str]]:
    """Play the run of each passed check again.

    Return for each run that passes again whether its record is the same, and a remark for each problem.
    """
    matches, remarks = [], []
    for number, shown in passed.items():
        is_same, why = _replay_check(shown, lesson.parts[number - 1], lesson, seed)
        if is_same is not None:
            matches.append(is_same)
        if why:
            remarks.append(f"step {number}: {why}")
    return matches, remarks


def _count_answers(answers: Mapping[str, Any], lesson: Lesson) -> tuple[int, int]:
    """Return the number of right answers, and of questions with a right answer."""
    asked = {
        str(i): p.question
        for i, p in enumerate(lesson.parts, 1)
        if p.question is not None and p.question.answer
    }
    return sum(answers.get(i) == q.answer for i, q in asked.items()), len(asked)


def _replay_check(shown: Mapping[str, Any], part: Part, lesson: Lesson, seed: int) -> tuple[bool | None, str]:
    """Play the run of one check again.

    Return True if it passes with the same record, False if it passes with another record, None if it does not pass; and a remark.
    """
    assert part.check is not None
    check = read_check(part.check.text)
    try:
        setup = replace(setup_from(shown["setup"]), data_dir=None, device="cpu", model=None)
        if setup.dataset != lesson.setup.dataset:
            return None, f"was run on {setup.dataset!r}, not on {lesson.setup.dataset!r}"
        if lesson.own_seed and setup.seed != seed:
            return None, f"was run with seed {setup.seed}, not with the number's {seed}"
        again = replay_run(setup, shown["run"], shown.get("fork"), compared=_needs_retrained_models(check))
    except LabError as error:
        return None, f"cannot be played again: {error}"
    except (KeyError, TypeError, ValueError):
        return None, "does not say how it was run"
    facts = again.facts
    if check.names & {n for k in MEASURED for n in (k, f"original.{k}", f"retrained.{k}")}:
        facts = {**facts, **_measured(again, part)}
    if not check.verdict(facts).passed:
        return None, "the run, played again, does not pass"
    is_same = record_digest(again.run) == shown["run"].get("record") and (
        again.fork is None or record_digest(again.fork) == shown["fork"].get("record")
    )
    return is_same, "" if is_same else "passes with another record: it ran on another machine or version"


def _needs_retrained_models(check: Check) -> bool:
    names = {part for name in check.names for part in name.split(".")}
    without = {"original", "fork", "lowest", "highest"}
    compared = {"js", "references", "retrain_seconds", *PREFIXES} - without
    return "alarm" in check.text or bool(names & compared)


@dataclass(frozen=True, eq=False)
class ReplayedRun:
    """A run that was played again from a submission, with its fork if there is one."""

    facts: Mapping[str, Any]
    run: Run
    fork: Run | None
    split: Split
    original: Net


def replay_run(
    setup: Setup, run: Mapping[str, Any], fork: Mapping[str, Any] | None = None, *, compared: bool = True
) -> ReplayedRun:
    """Play a described run, and its fork, again; with ``compared`` also compare it with retrained models.

    Raises LabError, also for a run that would take unreasonably long.
    """
    split = setup.split(load(setup.dataset, data_dir=setup.data_dir))
    unlearner = method(setup.method, setup.config(split))
    config = net_training(setup, split, unlearner)
    model = run_to_end(original(split, unlearner, seed=setup.seed, config=config))
    observer = Observer(split, model, EvalConfig.preset(split.dataset.family), seed=setup.seed)
    retrained = references(split, model, count=None if compared else 0, seed=setup.seed)
    readings = [observer.look(r.model).reading for r in retrained]
    again = _play_again(run, setup, split, model, observer)
    fork_again = None if fork is None else _play_again(fork, setup, split, model, observer)
    retrain_s = sum(r.seconds for r in retrained) / max(1, len(retrained))
    facts = facts_of(again, setup, readings, retrain_seconds=retrain_s, fork=fork_again)
    return ReplayedRun(facts, again, fork_again, split, model)


def _play_again(
    described: Mapping[str, Any], setup: Setup, split: Split, model: Net, observer: Observer
) -> Run:
    unlearner = method(setup.method, setup.config(split))
    unlearner.configure(model, split)
    unlearner.config = config_like(unlearner.config, described["settings"])
    run = Run(unlearner, model, split, seed=setup.seed, observer=observer)
    changes = {int(c["after"]): c["now"] for c in described["changes"]}
    steps = int(described["steps"])
    _require_short(run, steps)
    while len(run.steps) < steps and not run.phase.over:
        if run.steps and (values := changes.pop(len(run.steps), None)) is not None:
            if run.phase is Phase.RUNNING:
                run.pause()
            run.change(config_like(run.config, values))
        try:
            run.advance()
        except LabError:  # the submitted run may have failed at the same step
            break
    if described.get("phase") == Phase.FAILED and not run.phase.over:
        with contextlib.suppress(LabError):  # the submitted run failed before the next step
            run.advance()
    if steps < run.total_steps and run.phase is Phase.RUNNING:
        run.pause()
    return run


def _require_short(run: Run, steps: int) -> None:
    """Raise RequestError for a run that would keep the grader busy for hours; a student can submit any number."""
    laf = laf_of(run.config)
    epochs = 0 if laf is None else laf.vae.epochs * max(1, 128 // laf.vae.batch_size)
    if steps > MOST_STEPS or epochs > MOST_EPOCHS:
        raise RequestError(
            f"{steps:,} steps after {epochs:,} epochs of the VAEs are more than a lesson needs"
        )


def _measured(again: ReplayedRun, part: Part) -> dict[str, Any]:
    """Return the facts that the step measures."""
    what = part.do.measure if part.do is not None else None
    if what is None:
        return {}
    retrained = references(again.split, again.original, seed=again.run.seed)
    now = again.run.result if again.run.steps else again.original
    return dict(measure(what, again.split, again.original, now, [r.model for r in retrained]))
