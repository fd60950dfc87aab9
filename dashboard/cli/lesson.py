"""`laf lesson`: lessons listed, checked, exported, and their key; `laf grade`: a folder of what students handed in, as a table."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from core.errors import RequestError
from dashboard.cli.terminal import path_of, require_writable, target_of, write
from dashboard.presentation.text import numbers


def add(commands: Any) -> tuple[argparse.ArgumentParser, ...]:
    """`lesson` with its moves, and `grade`."""
    lesson: argparse.ArgumentParser = commands.add_parser(
        "lesson", help="guided tours: list, check, key, export"
    )
    moves = lesson.add_subparsers(dest="move", required=True, metavar="list | check | key | export")
    listed = moves.add_parser("list", help="all lessons that the page shows")
    checked = moves.add_parser("check", help="read a lesson of your own and say what is wrong with it")
    key = moves.add_parser("key", help="the answers, and what each check wants")
    exported = moves.add_parser(
        "export", help="play a lesson and write it as one HTML file that needs no server"
    )
    checked.add_argument("file", nargs="+", help="files to read")
    for command in (key, exported):
        command.add_argument("lesson", help="its number or its file's name without .toml")
    exported.add_argument("--out", default=None, metavar="FILE", help="file to write (default: named after the lesson, here)")  # fmt: skip
    exported.add_argument(
        "--seed", type=numbers.whole(0, numbers.SEED), default=0, help="seed to play it with (default: 0)"
    )
    exported.add_argument("--quiet", action="store_true", help="no progress")
    marked: argparse.ArgumentParser = commands.add_parser("grade", help="mark the submissions in a folder")
    marked.add_argument("folder", help="folder with the JSON files that students handed in")
    marked.add_argument("--out", default=None, metavar="FILE", help="CSV to write (default: standard output)")
    marked.add_argument(
        "--no-replay", action="store_true", help="do not play the runs again; only read the files"
    )
    marked.add_argument("--quiet", action="store_true", help="no progress")
    for command in (listed, key, exported, marked):
        command.add_argument("--lesson", dest="files", action="append", default=[], metavar="FILE", help="a lesson of your own, too")  # fmt: skip
    for command in (listed, key):
        command.add_argument("--json", default=None, metavar="FILE", help="write it as json; - for standard output")  # fmt: skip
    return lesson, listed, checked, key, exported, marked


def lesson(a: argparse.Namespace) -> None:
    """One of the moves. Raises LabError."""
    {"list": _list, "check": _check, "key": _key, "export": _export}[a.move](a)


def grade(a: argparse.Namespace) -> None:
    """A row for each submission. Raises LabError."""
    target = target_of(a.out, option="--out")
    from core.lessons.assessment.grading import as_csv
    from core.lessons.assessment.grading import grade as mark

    grades = mark(path_of(a.folder), _lessons(a.files), replay=not a.no_replay, tell=_teller(a.quiet))
    if target is None:
        print(as_csv(grades), end="")
        return
    write(target, as_csv(grades), option="--out")
    edited = sum(g.edited for g in grades)
    print(f"{target}: {len(grades)} submissions, {edited} of them edited")


def show_too(files: list[str]) -> None:
    """Have the page show these files, which must be lessons. Raises DataError, naming the one that is not."""
    import os

    from core.lessons import read_lesson
    from core.lessons.library import EXTRA

    for file in files:
        read_lesson(path_of(file))
    os.environ[EXTRA] = os.pathsep.join(str(path_of(f).resolve()) for f in files)


def named(text: str, lessons: list[Any]) -> Any:
    """The lesson of this number or name. Raises RequestError."""
    found = next((x for x in lessons if text in (x.id, str(x.number))), None)
    if found is None:
        raise RequestError(
            f"there is no lesson {text!r}; there are: {', '.join(f'{x.number} ({x.id})' for x in lessons)}"
        )
    return found


def _lessons(files: list[str]) -> list[Any]:
    """All of them; what cannot be read is told, and is an error where it was named."""
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
    if _told(a.json, rows):
        return
    for x in lessons:
        print(f"{x.number:>3}  {x.id:24} {x.title}  ({len(x.parts)} steps, {x.minutes} minutes)")


def _check(a: argparse.Namespace) -> None:
    from core.lessons import read_lesson

    for file in a.file:
        x = read_lesson(path_of(file))
        checks = sum(p.check is not None for p in x.parts)
        print(
            f"{file}: lesson {x.number}, {x.title!r}: {len(x.parts)} steps, {checks} of them checked; it can be used"
        )


def _key(a: argparse.Namespace) -> None:
    target_of(a.json)
    x = named(a.lesson, _lessons(a.files))
    asked = [("prediction", x.prediction)]
    asked += [(f"step {i}", p.question) for i, p in enumerate(x.parts, 1) if p.question is not None]
    steps = [
        {"step": i, "title": p.title, "check": p.check.text if p.check else None,
         "do": (p.solution or p.do).label if (p.solution or p.do) else None, "hint": p.hint}
        for i, p in enumerate(x.parts, 1)
    ]  # fmt: skip
    answers = [
        {"of": where, "question": q.text, "answer": q.answer, "says": q.choices[q.answer - 1] if q.answer else None, "why": q.why}
        for where, q in asked
    ]  # fmt: skip
    if _told(a.json, {"lesson": x.id, "title": x.title, "answers": answers, "steps": steps}):
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


def _export(a: argparse.Namespace) -> None:
    x = named(a.lesson, _lessons(a.files))
    path = path_of(f"lesson-{x.id}.html" if a.out is None else a.out)
    require_writable(path, option="--out")
    from core.lessons.replay import play_lesson
    from dashboard.presentation.export.lesson_page import document

    replay = play_lesson(x, seed=a.seed if x.own_seed else x.setup.seed, tell=_teller(a.quiet))
    write(path, document(replay), option="--out")
    if replay.failed:
        print(
            f"laf: with seed {a.seed} the check of step {', '.join(map(str, replay.failed))} does not pass; the page says so",
            file=sys.stderr,
        )
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


def _teller(quiet: bool) -> Any:
    return None if quiet or not sys.stderr.isatty() else lambda text: print(text, file=sys.stderr)


def _told(target: str | None, values: Any) -> bool:
    """As json where it was asked for; whether standard output is taken."""
    if target == "-":
        print(json.dumps(values, ensure_ascii=False))
    elif target is not None:
        write(path_of(target), json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    return target == "-"
