"""A lesson as one HTML file: text, prediction, questions and the recorded runs of every step. It asks nobody for anything. No screen."""

from __future__ import annotations

import html
import json
from typing import Any

from core.lessons import Question
from core.lessons.replay import Played, Replay, Scene
from dashboard.presentation.export.run_page import FRONTEND, ROOM, page_data
from dashboard.presentation.text import lesson_html
from dashboard.presentation.text.formula import formula_or_source, prose
from dashboard.presentation.text.hyperparameters import described, laf_of


def document(replay: Replay) -> str:
    """The page; long runs keep every n-th frame, so that all of them together stay below 8 MB."""
    lesson = replay.lesson
    room = ROOM // max(1, len(replay.runs))
    runs = [page_data(played, room) for played in replay.runs]
    scenes = _scenes(replay, runs)
    packed = json.dumps({"runs": runs, "scenes": scenes}, separators=(",", ":")).replace("<", "\\u003c")
    parts = [_beginning(replay), *(_step(replay, i) for i in range(len(lesson.parts))), _end(replay)]
    first = replay.runs[0]
    facts = [
        ("images", first.title),
        ("forgotten", first.forget),
        ("seed", str(replay.seed)),
        ("runs", str(len(runs))),
    ]
    values = {
        "TITLE": html.escape(f"{lesson.number} · {lesson.title}"),
        "DOTS": "<li></li>" * len(parts),
        "PARTS": "".join(
            f"<article{'' if i == 0 else ' hidden'}>{part}</article>" for i, part in enumerate(parts)
        ),
        "FACTS": "".join(f"<div><dt>{k}</dt><dd>{html.escape(v)}</dd></div>" for k, v in facts),
        "SEED": str(replay.seed),
        "STYLE": (FRONTEND / "page.css").read_text() + (FRONTEND / "lesson.css").read_text(),
        "SCRIPT": (FRONTEND / "page.js").read_text() + (FRONTEND / "lesson.js").read_text(),
        "DATA": packed,
    }
    page = (FRONTEND / "lesson.html").read_text()
    for name, value in values.items():
        page = page.replace(f"@@{name}@@", value)
    return page


def _scenes(replay: Replay, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each part: which run, from which to which of its frames on the page, and what its settings are."""
    found: list[dict[str, Any]] = [{"run": 0, "from": 0, "frame": 0, "says": _says(replay.runs[0])}]
    before: Scene | None = None
    for scene in replay.scenes:
        kept = runs[scene.run]["frames"]
        last = _nearest(kept, replay.runs[scene.run].frames[scene.frame].number)
        begin = 0
        if before is not None and before.run == scene.run:
            begin = _nearest(kept, replay.runs[scene.run].frames[before.frame].number)
        found.append({"run": scene.run, "from": begin, "frame": last, "says": _says(replay.runs[scene.run])})
        before = scene
    return [*found, {**found[-1], "from": found[-1]["frame"]}]


def _nearest(frames: list[int], number: int) -> int:
    return min(range(len(frames)), key=lambda i: abs(frames[i] - number)) if frames else 0


def _says(played: Played) -> str:
    """The run in a line: what it forgets, by which method, and what of its settings is not the preset's."""
    run, setup = played.run, played.setup
    said = f"Run: {run.unlearner.title}, forgetting {played.forget}"
    if laf_of(run.config_at(1)) is not None:
        unlearner = type(run.unlearner)()
        unlearner.configure(run._model, run._labelled)
        changed = described(unlearner.config, run.config_at(1))
        said += "; the preset's settings" if changed == "nothing changed" else f"; {changed}"
    said += "".join(f"; after step {c.after}: {described(c.before, c.now)}" for c in run.changes)
    return said + (f"; seed {setup.seed}." if setup.seed else ".")


def _beginning(replay: Replay) -> str:
    lesson = replay.lesson
    return (
        f"<h2 tabindex='-1'>{html.escape(lesson.title)}</h2><p><b>Goal.</b> {html.escape(lesson.goal)}</p>"
        f"<p><b>First, predict.</b></p>{_field(lesson.prediction, 'prediction', 'This is my prediction', later=True)}"
    )


def _step(replay: Replay, index: int) -> str:
    part, scene = replay.lesson.parts[index], replay.scenes[index]
    body = f"<h2 tabindex='-1'>{html.escape(part.title)}</h2>{prose(part.text)}"
    do = part.solution or part.do
    if do is not None:
        body += f"<button type='button' class='do'>▶ {html.escape(do.label)}</button>"
    if part.look:
        body += f"<p class='lesson-look'><b>Where to look in the Lab:</b> {html.escape(part.look)}</p>"
    if part.numbers:
        body += lesson_html.numbers(part.numbers, scene.facts)
    if part.vae_curves:
        body += lesson_html.vae_curves(scene.curves)
    if scene.verdict is not None:
        body += lesson_html.clauses(scene.verdict, scene.verdict.passed)
    if part.question is not None:
        body += _field(part.question, f"question-{index}", "Answer")
    return body


def _end(replay: Replay) -> str:
    lesson = replay.lesson
    formula = ""
    if lesson.formula:
        lines = "".join(formula_or_source(line, display=True) for line in lesson.formulas)
        formula = f"<div class='formula'>{lines}</div><p>{html.escape(lesson.formula_says)}</p>"
    return (
        f"<h2 tabindex='-1'>What you have seen</h2><p id='predicted'><b></b><span></span></p><p>{html.escape(_right(lesson.prediction))}</p>"
        f"{prose(lesson.summary)}{formula}"
    )


def _right(question: Question) -> str:
    if question.answer is None:
        return question.why
    return f"{question.text} It is: {question.choices[question.answer - 1]}. {question.why}"


def _field(question: Question, name: str, button: str, *, later: bool = False) -> str:
    """A question with its choices; ``later``: what is right is said at the end."""
    rows = "".join(
        f"<label><input type='radio' name='{name}' value='{i}'>{html.escape(choice)}</label>"
        for i, choice in enumerate(question.choices, 1)
    )
    known = (
        "" if question.answer is None else f"It is: {html.escape(question.choices[question.answer - 1])}. "
    )
    why = "" if later else f"<p class='why' hidden><b></b>{known}{html.escape(question.why)}</p>"
    return (
        f"<fieldset data-answer='{question.answer or 0}'{' data-later=1' if later else ''}><legend>{html.escape(question.text)}</legend>{rows}"
        f"<button type='button' disabled>{button}</button>{why}</fieldset>"
    )
