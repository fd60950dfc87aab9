"""Made-up results that show what a page will look like before it has real ones; they are labelled as an example where shown."""

from __future__ import annotations

import functools

import numpy as np

from core.evaluation.attacks.result import AttackResult, Scores, attack_result
from core.evaluation.metric_specs import make_metric, metric_band
from core.experiments.comparison_summary import Entry, Line, Summary
from dashboard.presentation.text.pages import compare as say

LABEL = "Example with made-up numbers"
KEYS = ("train_r", "train_f", "test_r", "js", "auc_learned")
_SHAPES = {  # mean and spread of each key, over three seeds
    "references": ("Retrained models", (0.99, 0.0, 0.98, 0.07, 0.50)),
    "nothing": ("Do nothing", (0.995, 0.99, 0.985, 0.60, 0.56)),
    "laf": (say.FORGETS, (0.985, 0.0, 0.975, 0.12, 0.51)),
    "finetune": (say.DOES_NOT, (0.995, 0.61, 0.98, 0.45, 0.54)),
}
_SPREAD = (0.003, 0.004, 0.005, 0.02, 0.02)


@functools.cache
def attack_example() -> AttackResult:
    """Return an attack on scores drawn from two normal distributions that lie a little apart."""
    rng = np.random.default_rng(0)

    def scores(shift: float) -> Scores:
        return Scores(rng.normal(shift, 1, 400), rng.normal(0, 1, 200))

    return attack_result("loss", scores(0.8), scores(1.6), [scores(0.0) for _ in range(5)], 400, 200)


@functools.cache
def summary_example() -> Summary:
    """Return the table of an invented comparison."""
    rng = np.random.default_rng(0)
    values = {
        name: {k: np.clip(rng.normal(mean[i], _SPREAD[i], 3), 0, 1) for i, k in enumerate(KEYS)}
        for name, (_, mean) in _SHAPES.items()
    }
    columns = {k: make_metric(k, None, metric_band(k, list(values["references"][k]))) for k in KEYS}

    def entry(name: str, key: str) -> Entry:
        found, figure = values[name][key], columns[key]
        assert figure.band is not None
        inside = sum(bool(figure.band.place(float(v)).inside) for v in found)
        return Entry(float(found.mean()), float(found.std(ddof=1)), tuple(map(float, found)), inside)

    lines = tuple(
        Line(name, title, {k: entry(name, k) for k in KEYS}, {}) for name, (title, _) in _SHAPES.items()
    )
    return Summary(columns, lines, (0, 1, 2))
