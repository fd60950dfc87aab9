"""What lessons show as HTML: checks with their values, numbers before and now, the VAEs' curves, the class's predictions; pure, no screen."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.lessons import Lesson, Question
from core.lessons.checks import Clause, Verdict
from core.lessons.fact_names import MEASURED, READINGS

LABELS = {
    "train_r": ("remaining, train", "Train_r"),
    "train_f": ("forgotten, train", "Train_f"),
    "test": ("test", "Test"),
    "test_r": ("remaining, test", "Test_r"),
    "test_f": ("forgotten, test", "Test_f"),
    "clean_f": ("true labels of D_f", "clean_f"),
    "one_answer": ("one answer", "one_answer"),
    "auc": ("attack AUC", "auc"),
    "auc_low": ("AUC, lower end", "auc_low"),
    "auc_high": ("AUC, upper end", "auc_high"),
    "js": ("distance to retrained", "js"),
    "naive_auc": ("AUC against all digits", "naive_auc"),
    "fair_auc": ("AUC, same classes", "fair_auc"),
    "neighbours": ("neighbours of one class", "neighbours"),
    "probe": ("linear probe", "probe"),
}
SHARES = ("train_r", "train_f", "test", "test_r", "test_f", "clean_f", "one_answer", "neighbours", "probe")
TO_HUNDREDTHS = ("auc", "auc_low", "auc_high", "naive_auc", "fair_auc")
COLUMNS = (("original.", "before"), ("", "now"), ("retrained.", "retrained"))


def value(name: str, found: Any) -> str:
    """A fact as a person reads it."""
    if found is None:
        return "not known yet"
    if isinstance(found, str):
        return found
    if name.rpartition(".")[2] in SHARES:
        return f"{100 * found:.1f} %"
    if name.rpartition(".")[2] in TO_HUNDREDTHS:
        return f"{found:.2f}"
    if name.rpartition(".")[2] == "js":
        return f"{found:.3f}"
    if float(found).is_integer() and abs(found) < 1e6:
        return f"{found:.0f}"
    return f"{found:.3g}"


def clauses(verdict: Verdict, passed: bool) -> str:
    """The clauses of a check, each with whether it holds and what the run says."""
    rows = "".join(_clause(c) for c in verdict.clauses)
    tone = "passed" if passed else "open"
    said = "Check passed" if passed else "The run is checked for"
    return f"<div class='lesson-check {tone}' data-passed='{str(passed).lower()}'><p>{said}</p><ul>{rows}</ul></div>"


def _clause(clause: Clause) -> str:
    sign = {True: "✓", False: "✗", None: "·"}[clause.holds]
    word = {True: "holds", False: "does not hold", None: "not known yet"}[clause.holds]
    now = ", ".join(
        f"{html.escape(_short(k))} <b>{html.escape(value(k, v))}</b>" for k, v in clause.values.items()
    )
    if clause.holds and "==" in clause.text:
        now = ""  # it is what it says
    return (
        f"<li class='{word.split()[0]}'><i role='img' aria-label='{word}'>{sign}</i><code>{html.escape(clause.text)}</code>"
        f"<span>{now}</span></li>"
    )


def _short(name: str) -> str:
    prefix, _, rest = name.rpartition(".")
    return f"{prefix}.{rest}" if prefix else "now"


def numbers(names: Sequence[str], facts: Mapping[str, Any]) -> str:
    """A small table: before, now, retrained."""
    head = "".join(f"<th scope='col'>{title}</th>" for _, title in COLUMNS)
    rows = ""
    for name in names:
        label, symbol = LABELS[name]
        says = html.escape((READINGS | MEASURED)[name])
        cells = "".join(
            f"<td>{html.escape(_cell(name, facts.get(prefix + name)))}</td>" for prefix, _ in COLUMNS
        )
        rows += f"<tr title='{says}' data-name='{name}'><th scope='row'>{label} <small>{symbol}</small></th>{cells}</tr>"
    return (
        f"<table class='lesson-numbers'><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell(name: str, found: Any) -> str:
    return "–" if found is None else value(name, found)


BLUE, ORANGE, GREY = (
    "#3a86e0",
    "#e8762b",
    "#8390ad",
)  # seen on dark and on light: a picture does not know the theme


def vae_curves(curves: Mapping[str, Sequence[float]]) -> str:
    """Loss of both VAEs by epoch on a logarithmic axis; a loss that is no number stands at the top. A sentence without any."""
    known = {k: v for k, v in curves.items() if v}
    if not known:
        return "<p class='lesson-empty'>The VAEs have not been trained in this run yet.</p>"
    said = {"vae": "VAE of D", "vae_f": "VAE of D_f"}
    legend = "".join(f"<span class='{k}'>{said[k]} <b>{_loss(v[-1])}</b></span>" for k, v in known.items())
    # as a picture: a page may take drawings out of what it is given as HTML
    packed = base64.b64encode(_svg(known).encode()).decode()
    return (
        f"<figure class='lesson-curves'><figcaption>Loss by epoch {legend}</figcaption>"
        f"<img alt='loss of the VAEs by epoch, logarithmic' src='data:image/svg+xml;base64,{packed}'></figure>"
    )


def _svg(known: Mapping[str, Sequence[float]]) -> str:
    finite = [max(x, 1e-3) for v in known.values() for x in v if math.isfinite(x)] or [1.0]
    low, high = math.floor(math.log10(min(finite))), math.ceil(math.log10(max(finite)))
    high = max(high, low + 1)
    width, height, left, bottom = 300, 120, 34, 16
    longest = max(len(v) for v in known.values())

    def place(i: int, x: float) -> str:
        up = (math.log10(min(max(x, 1e-3), 10.0**high)) - low) / (high - low) if math.isfinite(x) else 1.0
        across = left + (width - left - 6) * (i / max(1, longest - 1))
        return f"{across:.1f},{6 + (height - bottom - 6) * (1 - up):.1f}"

    text = f"fill='{GREY}' font-family='sans-serif' font-size='9' text-anchor='end'"
    drawn = ""
    for at in sorted({low, (low + high) // 2, high}):
        y = 6 + (height - bottom - 6) * (1 - (at - low) / (high - low))
        label = f"{10.0**at:g}" if -3 < at < 5 else f"10^{at}"
        drawn += (
            f"<line x1='{left}' x2='{width}' y1='{y:.1f}' y2='{y:.1f}' stroke='{GREY}' stroke-opacity='0.4'/>"
        )
        drawn += f"<text x='{left - 4}' y='{y + 3:.1f}' {text}>{label}</text>"
    for k, v in known.items():
        points = " ".join(place(i, x) for i, x in enumerate(v))
        drawn += f"<polyline points='{points}' fill='none' stroke='{BLUE if k == 'vae' else ORANGE}' stroke-width='1.8'/>"
    drawn += f"<text x='{width}' y='{height - 3}' {text}>epoch {longest}</text>"
    return f"<svg xmlns='http://www.w3.org/2000/svg' width='{2 * width}' height='{2 * height}' viewBox='0 0 {width} {height}'>{drawn}</svg>"


def _loss(x: float) -> str:
    return f"{x:.3g}" if math.isfinite(x) else "no number"


def verdict_on(question: Question, choice: int) -> str:
    """What a question says once it was answered."""
    given = html.escape(question.choices[choice - 1])
    if question.answer is None:
        return f"<div class='lesson-answer'><p>You said: {given}</p></div>"
    right = choice == question.answer
    tone, word = ("right", "✓ Right") if right else ("wrong", "✗ Not so")
    known = "" if right else f"<p>It is: {html.escape(question.choices[question.answer - 1])}</p>"
    return (
        f"<div class='lesson-answer {tone}'><p><b>{word}.</b> You said: {given}</p>{known}"
        f"<p>{html.escape(question.why)}</p></div>"
    )


def tally_bars(question: Question, counts: Sequence[int]) -> str:
    """The class's predictions."""
    total = sum(counts)
    rows = ""
    for choice, n in zip(question.choices, counts, strict=True):
        share = 100 * n / total if total else 0
        rows += f"<li data-count='{n}'><span>{html.escape(choice)}</span><div><div style='width:{share:.0f}%'></div></div><b>{n}</b></li>"
    word = "prediction" if total == 1 else "predictions"
    return f"<div class='lesson-tally'><p><b>{total}</b> {word} of the class</p><ol>{rows}</ol></div>"


def steps_bar(lesson: Lesson, at: int, passed: Sequence[str]) -> str:
    """Where one is: a dot for each part."""
    dots = ""
    for i in range(len(lesson.parts) + 2):
        done = str(i) in passed
        tone = "at" if i == at else "done" if i < at or done else ""
        dots += f"<li class='{tone}'></li>"
    where = (
        "prediction"
        if at == 0
        else "summary"
        if at > len(lesson.parts)
        else f"step {at} of {len(lesson.parts)}"
    )
    return f"<div class='lesson-steps' data-at='{at}'><ol aria-hidden='true'>{dots}</ol><span>{where}</span></div>"
