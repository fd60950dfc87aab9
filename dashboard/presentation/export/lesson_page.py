"""A lesson as one HTML file: text, prediction, questions and the recorded runs; the file makes no network requests."""

from __future__ import annotations

from typing import Any

from core.lessons.replay import PlayedRun, Replay, Scene
from dashboard.presentation.export.run_page import POSITION_BYTES, page_data
from dashboard.presentation.templating import render
from dashboard.presentation.text.formula import formula_or_source, prose
from dashboard.presentation.text.hyperparameters import describe_changes, laf_config
from dashboard.presentation.text.lessons import lesson_html
from dashboard.presentation.text.pages import nouns


def document(replay: Replay, *, home: str | None = None) -> str:
    """Return the page; long runs keep every n-th frame, so that the page stays below 8 MB.

    ``home``: a link to the list of lessons, where the page is part of a site.
    """
    lesson, first = replay.lesson, replay.runs[0]
    position_bytes = POSITION_BYTES // max(1, len(replay.runs))
    runs = [page_data(played, position_bytes, played.retrained) for played in replay.runs]
    kind = nouns.kind_of_run(first.about)
    return render(
        "lesson.html",
        kind=kind,
        one=nouns.one(kind),
        home=home,
        title=f"{lesson.number} · {lesson.title}",
        lesson=lesson,
        steps=[_step(replay, i) for i in range(len(lesson.parts))],
        summary=prose(lesson.summary),
        formulas=[formula_or_source(line, display=True) for line in lesson.formulas]
        if lesson.formula
        else [],
        facts=[
            (kind, first.title),
            ("forgotten", first.forget),
            ("seed", replay.seed),
            ("runs", len(runs)),
        ],
        seed=replay.seed,
        data={"runs": runs, "scenes": _scenes(replay, runs)},
    )


def _step(replay: Replay, index: int) -> dict[str, Any]:
    part, scene = replay.lesson.parts[index], replay.scenes[index]
    verdict = scene.verdict
    return {
        "part": part,
        "text": prose(part.text),
        "action": part.solution or part.do,
        "numbers": lesson_html.numbers(part.numbers, scene.facts) if part.numbers else "",
        "vae_curves": lesson_html.vae_curves(scene.curves) if part.vae_curves else "",
        "check": lesson_html.clauses(verdict, verdict.passed) if verdict is not None else "",
    }


def _scenes(replay: Replay, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for each part its run, the first and last frame to play on the page, and a line about the run."""
    found: list[dict[str, Any]] = [{"run": 0, "from": 0, "frame": 0, "says": _run_line(replay.runs[0])}]
    before: Scene | None = None
    for scene in replay.scenes:
        kept = runs[scene.run]["frames"]
        last = _nearest(kept, replay.runs[scene.run].frames[scene.frame].number)
        begin = 0
        if before is not None and before.run == scene.run:
            begin = _nearest(kept, replay.runs[scene.run].frames[before.frame].number)
        found.append(
            {"run": scene.run, "from": begin, "frame": last, "says": _run_line(replay.runs[scene.run])}
        )
        before = scene
    return [*found, {**found[-1], "from": found[-1]["frame"]}]


def _nearest(frames: list[int], number: int) -> int:
    return min(range(len(frames)), key=lambda i: abs(frames[i] - number)) if frames else 0


def _run_line(played: PlayedRun) -> str:
    """Return a line about the run: what it forgets, its method, and settings that differ from the preset."""
    run, setup = played.run, played.setup
    line = f"Run: {run.unlearner.title}, forgetting {played.forget}"
    if laf_config(run.config_at(1)) is not None:
        unlearner = type(run.unlearner)()
        unlearner.configure(run.stepper.model, run.stepper.split)
        changed = describe_changes(unlearner.config, run.config_at(1))
        line += "; the preset's settings" if changed == "nothing changed" else f"; {changed}"
    line += "".join(f"; after step {c.after}: {describe_changes(c.before, c.now)}" for c in run.changes)
    return line + (f"; seed {setup.seed}." if setup.seed else ".")
