"""`laf lesson` lists, checks and exports lessons and prints their key; `laf grade` marks submissions."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from core.errors import RequestError
from dashboard.cli import options
from dashboard.cli.terminal import path_of, require_writable, target_of, write, write_json


def add(commands: Any) -> tuple[argparse.ArgumentParser, ...]:
    """Add `lesson` with its sub-commands, and `grade`; return their parsers."""
    lesson: argparse.ArgumentParser = commands.add_parser(
        "lesson", help="guided tours: list, check, key, export"
    )
    moves = lesson.add_subparsers(dest="move", required=True, metavar="list | check | key | export")
    listed = moves.add_parser("list", help="list all lessons that the page shows")
    checked = moves.add_parser("check", help="read your own lesson and report its errors")
    key = moves.add_parser("key", help="print the answers, and the condition of each check")
    exported = moves.add_parser(
        "export", help="play a lesson and write it as one HTML file that needs no server"
    )
    checked.add_argument("file", nargs="+", help="files to read")
    for command in (key, exported):
        command.add_argument("lesson", help="its number or its file's name without .toml")
    exported.add_argument(
        "--out",
        default=None,
        metavar="FILE",
        help="file to write (default: named after the lesson, in this folder)",
    )
    options.add_common(exported, seed="seed of its runs", quiet="progress")
    marked = _add_grade(commands)
    for command in (listed, key, exported, marked):
        command.add_argument(
            "--lesson",
            dest="files",
            action="append",
            default=[],
            metavar="FILE",
            help="also read your own lesson from FILE",
        )
    for command in (listed, key):
        options.add_common(command, json="it")
    return lesson, listed, checked, key, exported, marked


def _add_grade(commands: Any) -> argparse.ArgumentParser:
    marked: argparse.ArgumentParser = commands.add_parser("grade", help="mark the submissions in a folder")
    marked.add_argument("folder", help="folder with the students' JSON files")
    marked.add_argument("--out", default=None, metavar="FILE", help="CSV to write (default: standard output)")
    marked.add_argument(
        "--no-replay", action="store_true", help="only read the files; do not replay the runs"
    )
    options.add_common(marked, quiet="progress")
    return marked


def lesson(a: argparse.Namespace) -> None:
    """Run the chosen sub-command. Raises LabError."""
    {"list": _list, "check": _check, "key": _key, "export": _export}[a.move](a)


def grade(a: argparse.Namespace) -> None:
    """Print or write a table with a row for each submission. Raises LabError."""
    target = target_of(a.out, option="--out")
    from core.lessons.assessment.grading import as_csv
    from core.lessons.assessment.grading import grade as mark

    grades = mark(path_of(a.folder), _lessons(a.files), replay=not a.no_replay, tell=_printer(a.quiet))
    if target is None:
        print(as_csv(grades), end="")
        return
    write(target, as_csv(grades), option="--out")
    edited = sum(g.edited for g in grades)
    print(f"{target}: {len(grades)} submissions, {edited} of them edited")


def add_to_page(files: list[str]) -> None:
    """Add the lessons in ``files`` to those that the page shows.

    Raises DataError for a file that is not a lesson.
    """
    import os

    from core.lessons import read_lesson
    from core.lessons.library import EXTRA

    for file in files:
        read_lesson(path_of(file))
    os.environ[EXTRA] = os.pathsep.join(str(path_of(f).resolve()) for f in files)


def named(text: str, lessons: list[Any]) -> Any:
    """Return the lesson with this number or name. Raises RequestError for an unknown one."""
    found = next((x for x in lessons if text in (x.id, str(x.number))), None)
    if found is None:
        raise RequestError(
            f"there is no lesson {text!r}; there are: {', '.join(f'{x.number} ({x.id})' for x in lessons)}"
        )
    return found


def _lessons(files: list[str]) -> list[Any]:
    """Return all lessons; print a line for each unreadable one.

    Raises DataError where a file of ``files`` cannot be read.
    """
    from core.lessons import read_lesson, read_lessons
    from core.lessons.library import SHIPPED, own_folder

    for file in files:
        read_lesson(path_of(file))
    found, problems = read_lessons([SHIPPED, own_folder()], [path_of(f) for f in files])
    for problem in problems:
        print(f"laf: {problem}", file=sys.stderr)
    return found


def _list(a: argparse.Namespace) -> None:
    target_of(a.json)
    lessons = _lessons(a.files)
    rows = [
        {
            "number": x.number,
            "id": x.id,
            "title": x.title,
            "goal": x.goal,
            "steps": len(x.parts),
            "file": str(x.path),
        }
        for x in lessons
    ]
    if write_json(a.json, rows, ascii_only=False):
        return
    for x in lessons:
        print(f"{x.number:>3}  {x.id:24} {x.title}  ({len(x.parts)} steps, {x.minutes} minutes)")


def _check(a: argparse.Namespace) -> None:
    from core.lessons import read_lesson

    for file in a.file:
        x = read_lesson(path_of(file))
        checks = sum(p.check is not None for p in x.parts)
        print(
            f"{file}: lesson {x.number}, {x.title!r}: {len(x.parts)} steps, {checks} of them checked; it is valid"
        )


def _key(a: argparse.Namespace) -> None:
    target_of(a.json)
    x = named(a.lesson, _lessons(a.files))
    asked = [("prediction", x.prediction)]
    asked += [(f"step {i}", p.question) for i, p in enumerate(x.parts, 1) if p.question is not None]
    steps = [_step_key(i, part) for i, part in enumerate(x.parts, 1)]
    answers = [
        {
            "of": where,
            "question": q.text,
            "answer": q.answer,
            "says": q.choices[q.answer - 1] if q.answer else None,
            "why": q.why,
        }
        for where, q in asked
    ]
    if write_json(
        a.json, {"lesson": x.id, "title": x.title, "answers": answers, "steps": steps}, ascii_only=False
    ):
        return
    print(f"{x.number} · {x.title}\n")
    for row in answers:
        right = "no right answer" if row["answer"] is None else f"{row['answer']}. {row['says']}"
        print(f"{row['of']}: {row['question']}\n    {right}\n    {row['why']}")
    print()
    for row in steps:
        print(f"step {row['step']}, {row['title']}")
        for word in ("do", "check", "hint"):
            if row[word]:
                print(f"    {word}: {row[word]}")


def _step_key(number: int, part: Any) -> dict[str, Any]:
    action = part.solution or part.do
    return {
        "step": number,
        "title": part.title,
        "check": part.check.text if part.check else None,
        "do": action.label if action else None,
        "hint": part.hint,
    }


def _export(a: argparse.Namespace) -> None:
    x = named(a.lesson, _lessons(a.files))
    path = path_of(f"lesson-{x.id}.html" if a.out is None else a.out)
    require_writable(path, option="--out")
    from core.lessons.replay import play_lesson
    from dashboard.presentation.export.lesson_page import document

    replay = play_lesson(x, seed=a.seed if x.own_seed else x.setup.seed, tell=_printer(a.quiet))
    write(path, document(replay), option="--out")
    if replay.failed:
        print(
            f"laf: with seed {a.seed} the check of step {', '.join(map(str, replay.failed))} does not pass; the page says so",
            file=sys.stderr,
        )
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


def _printer(quiet: bool) -> Any:
    return None if quiet or not sys.stderr.isatty() else lambda text: print(text, file=sys.stderr)
