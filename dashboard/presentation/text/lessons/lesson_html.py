"""Parts of a lesson as HTML: checks, tables of numbers, VAE curves, answers and the class's predictions."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from core.lessons import Lesson, Question
from core.lessons.checks import Clause, Verdict
from core.lessons.fact_names import MEASURED, READINGS
from dashboard.presentation.templating import macros
from dashboard.presentation.text.lessons.check_words import PLACES, in_words

TEMPLATE = "lesson_parts.html"
LABELS = {
    "train_r": ("remaining, train", "Train_r"),
    "train_f": ("forgotten, train", "Train_f"),
    "newest_f": ("newest request, train", "newest_f"),
    "test": ("test", "Test"),
    "test_r": ("remaining, test", "Test_r"),
    "test_f": ("forgotten, test", "Test_f"),
    "clean_f": ("true labels of D_f", "clean_f"),
    "one_answer": ("most common answer", "one_answer"),
    "auc": ("AUC, learned", "auc"),
    "auc_low": ("AUC, lower end", "auc_low"),
    "auc_high": ("AUC, upper end", "auc_high"),
    "js": ("distance to retrained", "js"),
    "naive_auc": ("AUC against all digits", "naive_auc"),
    "fair_auc": ("AUC, same classes", "fair_auc"),
    "neighbours": ("neighbours of one class", "neighbours"),
    "probe": ("linear probe", "probe"),
}
SHARES = (
    "train_r",
    "train_f",
    "newest_f",
    "test",
    "test_r",
    "test_f",
    "clean_f",
    "one_answer",
    "neighbours",
    "probe",
)
TWO_DECIMALS = ("auc", "auc_low", "auc_high", "naive_auc", "fair_auc")
COLUMNS = (("original.", "before"), ("", "now"), ("retrained.", "retrained"))
VAES = {"vae": ("VAE of D", "#3a86e0"), "vae_f": ("VAE of D_f", "#e8762b")}  # legible on dark and on light


def value(name: str, found: Any) -> str:
    """Return the value ``found`` of the fact ``name`` with its unit and a sensible number of digits."""
    if found is None:
        return "not known yet"
    if isinstance(found, str):
        return found
    fact = name.rpartition(".")[2]
    if fact in SHARES:
        return f"{100 * found:.1f} %"
    if fact in TWO_DECIMALS:
        return f"{found:.2f}"
    if fact == "js":
        return f"{found:.3f}"
    if float(found).is_integer() and abs(found) < 1e6:
        return f"{found:.0f}"
    return f"{found:.3g}"


def clauses(verdict: Verdict, passed: bool) -> Markup:
    """Return a check as a list of clauses: whether each holds, and the run's values."""
    return Markup(macros(TEMPLATE).check([_clause(c) for c in verdict.clauses], passed))


def _clause(clause: Clause) -> dict[str, Any]:
    redundant = clause.holds is True and "==" in clause.text  # the clause itself states the value
    return {
        "sign": {True: "✓", False: "✗", None: "·"}[clause.holds],
        "word": {True: "holds", False: "does not hold", None: "not known yet"}[clause.holds],
        "text": in_words(clause.text).replace(" %", "\u00a0%"),  # a number and its unit stay in one line
        "code": clause.text,
        "facts": [] if redundant else [(_place(k), value(k, v)) for k, v in clause.values.items()],
    }


def _place(name: str) -> str:
    prefix = name.rpartition(".")[0]
    return PLACES[prefix] if prefix else "now"


def numbers(names: Sequence[str], facts: Mapping[str, Any]) -> Markup:
    """Return a table of the facts ``names``: before unlearning, now, and in retrained models."""
    rows = []
    for name in names:
        label, symbol = LABELS[name]
        found = [facts.get(prefix + name) for prefix, _ in COLUMNS]
        rows.append(
            {
                "name": name,
                "label": label,
                "symbol": symbol,
                "help": (READINGS | MEASURED)[name],
                "cells": ["–" if f is None else value(name, f) for f in found],
            }
        )
    return Markup(macros(TEMPLATE).numbers([title for _, title in COLUMNS], rows))


def vae_curves(curves: Mapping[str, Sequence[float]]) -> Markup:
    """Return both VAEs' loss by epoch on a logarithmic axis, or a sentence before either has begun.

    A loss that is not finite is drawn at the top.
    """
    known = {k: v for k, v in curves.items() if v}
    legend = [{"key": k, "title": VAES[k][0], "last": _loss(v[-1])} for k, v in known.items()]
    # an <img>, since st.html removes inline SVG
    picture = base64.b64encode(_picture(known).encode()).decode() if known else ""
    return Markup(macros(TEMPLATE).vae_curves(legend, picture))


def _picture(curves: Mapping[str, Sequence[float]]) -> str:
    finite = [max(x, 1e-3) for v in curves.values() for x in v if math.isfinite(x)] or [1.0]
    low, high = math.floor(math.log10(min(finite))), math.ceil(math.log10(max(finite)))
    high = max(high, low + 1)
    width, height, left, bottom = 300, 120, 34, 16
    longest = max(len(v) for v in curves.values())

    def row(exponent: float) -> float:
        return 6 + (height - bottom - 6) * (1 - (exponent - low) / (high - low))

    def point(epoch: int, loss: float) -> str:
        up = math.log10(max(loss, 1e-3)) if math.isfinite(loss) else float(high)
        return f"{left + (width - left - 6) * epoch / max(1, longest - 1):.1f},{row(up):.1f}"

    ticks = [
        (round(row(at), 1), f"{10.0**at:g}" if -3 < at < 5 else f"10^{at}")
        for at in sorted({low, (low + high) // 2, high})
    ]
    lines = [(VAES[k][1], " ".join(point(i, x) for i, x in enumerate(v))) for k, v in curves.items()]
    return str(macros(TEMPLATE).vae_picture(width, height, left, bottom, ticks, lines, longest))


def _loss(x: float) -> str:
    return f"{x:.3g}" if math.isfinite(x) else "no number"


def verdict_on(question: Question, choice: int) -> Markup:
    """Return the given answer, whether it is right, and why; ``choice`` counts from 1."""
    return Markup(macros(TEMPLATE).answer(question, choice))


def tally_bars(question: Question, counts: Sequence[int]) -> Markup:
    """Return the class's predictions as bars, one for each choice."""
    total = sum(counts)
    rows = [
        (choice, n, round(100 * n / total) if total else 0)
        for choice, n in zip(question.choices, counts, strict=True)
    ]
    return Markup(macros(TEMPLATE).tally(rows, total))


def steps_bar(lesson: Lesson, at: int, passed: Sequence[str]) -> Markup:
    """Return a dot for each part of ``lesson`` and the position ``at`` in words."""
    tones = [
        "at" if i == at else "done" if i < at or str(i) in passed else ""
        for i in range(len(lesson.parts) + 2)
    ]
    if at == 0:
        position = "prediction"
    elif at > len(lesson.parts):
        position = "summary"
    else:
        position = f"step {at} of {len(lesson.parts)}"
    return Markup(macros(TEMPLATE).steps(at, tones, position))
