"""A request with automatic settings beside retrained models: what is measured of it, its line, and the summary of many."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks.automatic_inside import Inside, inside_of
from core.data.split import Split
from core.evaluation.metrics import jensen_shannon
from core.methods import LAF, METHODS
from core.methods.laf.automatic.search import automatic
from core.models.base import Net, outputs
from core.runs.run import Run, finish


@dataclass(frozen=True)
class Row:
    """One request, in percent and nats."""

    name: str
    original: tuple[float, float]  # Train_f, Test_r (noisy labels: true labels of D_f, Test)
    unlearned: tuple[float, float]
    retrained: tuple[float, float]  # means
    js: float
    js_nothing: float
    way: (
        float | None
    )  # noisy labels: the share of the way from original to retrained in true labels of D_f; None: no way to go
    train_f: float  # against the labels trained on
    automatic_s: float
    run_s: float
    met: bool
    nothing_to_do: bool
    settings: str
    inside: Inside | None = None


def measure(name: str, split: Split, model: Net, seed: int, references: int, *, layers: bool = False) -> Row:
    """Return the Row of one request; with ``layers`` also how like the original each layer stayed."""
    began = time.process_time()
    found = automatic(model, split.unlabelled(), split.task, seed=seed, unseen=split.test.unlabelled())
    middle = time.process_time()
    unlearned = finish(Run(LAF(found.config), model, split, seed=seed))
    end = time.process_time()
    config = model.provenance.config if model.provenance else None
    gold = [
        finish(
            Run(
                METHODS["retrain"](config, begin=seed + 1000 * i if i else None),
                model,
                split,
                seed=seed + 1000 * i,
            )
        )
        for i in range(references)
    ]
    (f0, r0, t0, p0), (f, r, t, p), *g = (read(m, split) for m in (model, unlearned, *gold))
    noise = split.task == "noise"
    c = found.config
    return Row(
        name,
        (t0 if noise else f0, r0),
        (t if noise else f, r),
        (mean([x[2] if noise else x[0] for x in g]), mean([x[1] for x in g])),
        mean([jensen_shannon(p, x[3]) for x in g]),
        mean([jensen_shannon(p0, x[3]) for x in g]),
        share_of_way(t0, t, mean([x[2] for x in g])) if noise else None,
        f,
        middle - began,
        end - middle,
        found.met,
        found.nothing_to_do,
        f"{c.lr_ra:g} {c.lr_ue:g} {c.temperature:g} {c.steps}",
        inside_of(split, model, unlearned, gold[0]) if layers else None,
    )


def share_of_way(before: float, now: float, best: float) -> float | None:
    """Return how far ``now`` came from ``before`` to ``best`` (percent); None where they lie within 3 points."""
    return (now - before) / (best - before) if best - before > 3 else None


def read(model: Net, split: Split) -> tuple[float, float, float, torch.Tensor]:
    """Return Train_f, Test_r (Test where all classes stay), the true labels' share of D_f, and the answers on D_f."""
    answers = outputs(model, split.forget, batch_size=128)
    test = split.test.take(~split.test_is_touched) if split.task == "class" else split.test
    right = outputs(model, test, batch_size=128).predictions == test.y
    true = split.true_y[split.forget_rows]
    return (
        percent(answers.predictions == split.forget.y),
        percent(right),
        percent(answers.predictions == true),
        answers.probabilities,
    )


def line(row: Row) -> str:
    """Return a row of the table."""
    pairs = "  ".join(f"{a:5.1f} {b:5.1f}" for a, b in (row.original, row.unlearned, row.retrained))
    what = "" if row.met else "  aim not met"
    what += "  nothing to do" if row.nothing_to_do else ""
    return f"  {row.name:24} {pairs}  Train_f {row.train_f:4.1f}  JS {row.js:.2f} (nothing {row.js_nothing:.2f})  {row.automatic_s:4.1f} s + {row.run_s:4.1f} s  [{row.settings}]{what}"


def summary(rows: Sequence[Row]) -> str:
    """Return means and worst values, and how many requests reach each target."""
    gap_f = [r.unlearned[0] - r.retrained[0] for r in rows]
    gap_r = [r.unlearned[1] - min(r.original[1], r.retrained[1]) for r in rows]
    return (
        f"  {len(rows)} requests: Train_f mean {mean([r.train_f for r in rows]):.1f}, worst {max(r.train_f for r in rows):.1f};"
        f" Test(_r) mean {mean([r.unlearned[1] for r in rows]):.1f}, worst {min(r.unlearned[1] for r in rows):.1f};"
        f" JS mean {mean([r.js for r in rows]):.2f}, worst {max(r.js for r in rows):.2f}, nearer than nothing in {sum(r.js < r.js_nothing for r in rows)},"
        f" or said that nothing is as near in {sum(r.js < r.js_nothing or r.nothing_to_do for r in rows)};"
        f" first figure at most 3 above retrained in {sum(g <= 3 for g in gap_f)};"
        f" Test(_r) at most 2 below the lower of original and retrained in {sum(g >= -2 for g in gap_r)}; aim not met in {sum(not r.met for r in rows)};"
        f"{ways(rows)} cost at most the run or 10 s in {sum(r.automatic_s <= max(r.run_s, 10) for r in rows)};"
        f" settings {mean([r.automatic_s for r in rows]):.1f} s, worst {max(r.automatic_s for r in rows):.1f}"
    )


def ways(rows: Sequence[Row]) -> str:
    """Return how many requests on noisy labels came two thirds of the way, where there are any."""
    found = [r.way for r in rows if r.way is not None]
    return f" two thirds of the way in {sum(w >= 2 / 3 for w in found)} of {len(found)};" if found else ""


def percent(right: torch.Tensor) -> float:
    """Return the share of ``right`` that is true, in percent."""
    return 100 * float(right.double().mean())


def mean(values: Sequence[float]) -> float:
    """Return the mean, nan where there is none."""
    return sum(values) / len(values) if values else float("nan")
