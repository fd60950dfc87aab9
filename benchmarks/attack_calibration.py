"""Check that the attacks find planted leaks and report none where there is none. On digits, pooled and split anew each time.

    python -m benchmarks.attack_calibration [--repeats 100]

1. Models retrained without D_f, attacked as if they were unlearned: how often the AUC's 95 % interval covers 0.5.
2. A model that was overfitted on few, partly mislabelled images.
3. Planted duplicates and canaries: before unlearning, and after retraining.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import torch

from benchmarks.machine import machine
from core import METHODS, Run, finish, forget_classes, forget_fraction, forget_noisy, load, plant, train
from core.config import EvalConfig, TrainConfig
from core.data import Dataset, LabelledImages, Split
from core.evaluation.attacks.result import AttackResult, attack_result
from core.evaluation.attacks.scores import ATTACKS
from core.evaluation.evaluator import Evaluator
from core.evaluation.measuring.measurements import answers_of, scores_of
from core.evaluation.measuring.sample import EvaluationSample
from core.evaluation.reference_band import band
from core.models.base import Net, outputs
from core.runs.reference_models import references
from core.runtime import seeding
from core.runtime.progress import run_to_end

QUICK = replace(TrainConfig.preset("digits"), epochs=10)  # as right on test images as 20 to a point
TASKS: dict[str, Callable[[Dataset, int], Split]] = {
    "class removal": lambda d, i: forget_classes(d, [i % 10], seed=i),
    "data removal": lambda d, i: forget_fraction(d, range(5, 10), 0.4, seed=i),
}


def resplit(dataset: Dataset, seed: int, train_count: int | None = None) -> Dataset:
    """Train and test set pooled and drawn anew; ``train_count`` images to train on, as many as before unless given."""
    a, b = dataset.train, dataset.test
    pool = [torch.cat([getattr(a, n), getattr(b, n)]) for n in ("x", "ids", "y")]
    order = torch.randperm(len(pool[0]), generator=seeding.generator(seed, "pool"))
    count = len(a) if train_count is None else train_count
    parts = [
        LabelledImages(pool[0][rows], pool[1][rows], a.white, pool[2][rows], norm=a.norm)
        for rows in (order[:count], order[count:])
    ]
    return replace(dataset, train=parts[0], test=parts[1])


def retrained(split: Split, seed: int, config: TrainConfig = QUICK) -> Net:
    """Return a model trained on D_r alone, from its own initial weights."""
    rest = replace(split, dataset=replace(split.dataset, train=split.remain), remain_rows=torch.arange(0))
    return train(rest, seed=seed, config=config)


def attacked(split: Split, models: list[Net], seed: int) -> dict[str, AttackResult]:
    """Run every attack on the first of ``models``; the others are its retrained references."""
    sample, size = EvaluationSample(split, seed), EvalConfig().batch_size
    scores = []
    for model in models:
        parts = {
            "remain": split.train.take(sample.remain),
            "forget": split.train.take(sample.forget),
            "test": split.test.take(sample.test),
        }
        said = {k: outputs(model, v, batch_size=size).probabilities for k, v in parts.items()}
        scores.append(scores_of(answers_of(model, sample, said, size)))
    counts = len(sample.sets.members), len(sample.sets.non_members)
    return {
        name: attack_result(name, scores[0][name], None, [s for o in scores[1:] if (s := o[name])], *counts)
        for name in ATTACKS
    }


def null(
    task: str, repeats: int, *, others: int = 2, config: TrainConfig = QUICK
) -> tuple[Counter[str], Counter[str]]:
    """Count the repeats in which the interval covers 0.5, by attack: with the variance between models, and without."""
    digits = load("digits")
    covers: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for i in range(repeats):
        split = TASKS[task](resplit(digits, i), i)
        models = [retrained(split, seeding.derive_seed(i, "model", j), config) for j in range(1 + others)]
        for found, known in ((covers, models), (alone, models[:1])):
            for name, result in attacked(split, known, i).items():
                found[name] += result.sees_a_leak is False
    return covers, alone


def overfitted(seed: int = 0, epochs: int = 60) -> dict[str, AttackResult]:
    """Attack a model that learned its wrong labels by heart: 200 images, 60 % mislabelled, many epochs, no weight decay."""
    data = resplit(load("digits"), seed, 200)
    split = forget_noisy(data, range(10), 0.6, seed=seed)
    config = TrainConfig("digits-cnn", epochs=epochs, batch_size=32, lr=3e-3, weight_decay=0.0)
    return attacked(split, [train(split, seed=seed, config=config)], seed)


def planted(
    kind: str, count: int, seed: int = 0, config: TrainConfig | None = None
) -> list[tuple[str, float, float, float, float]]:
    """Return rows of (figure, before unlearning, of a model retrained once more, low and high end of the band of ``count`` retrained).

    ``config``: of all models; default the preset.
    """
    split = plant(load("digits"), kind, seed=seed)
    model = train(split, seed=seed, config=config)
    known = references(split, model, count=count, seed=seed)
    fresh = finish(Run(METHODS["retrain"](begin=seeding.derive_seed(seed, "fresh")), model, split, seed=99))
    judge = Evaluator(split, model, known, seed=seed)
    before, after = run_to_end(judge.judge(model)), run_to_end(judge.judge(fresh))
    rows = []
    for key in ("planted", "train_f", "auc_loss", "auc_correctness"):
        a, b = before.figures[key], after.figures[key]
        if a.value is not None and b.value is not None and b.band is not None:
            rows.append((key, a.value, b.value, b.band.low, b.band.high))
    if before.per_image is not None and after.per_image is not None:
        found = [float(per.z.mean()) for per in (before.per_image, after.per_image)]
        others = [run_to_end(judge.judge(r.model, reference=r.number)).per_image for r in known]
        of = band([float(o.z.mean()) for o in others if o is not None], bounds=(-math.inf, math.inf))
        assert of is not None
        rows.append(("mean z of the images", *found, of.low, of.high))
    return rows


def main() -> None:
    """Read the command line, print the tables."""
    parser = argparse.ArgumentParser(description="attacks where there is nothing to see, and where there is")
    parser.add_argument("--repeats", type=int, default=100)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"digits, train and test pooled and split anew in each of {args.repeats} repeats; {machine()}\n")
    names = list(ATTACKS)
    found = overfitted()
    print("| overfitted model | " + " | ".join(ATTACKS[n].title for n in names) + " |")
    print("|---" * (len(names) + 1) + "|")
    cells = [f"{r.auc:.2f} [{r.low:.2f}, {r.high:.2f}]" if r.auc is not None else "–" for r in found.values()]
    print("| AUC | " + " | ".join(cells) + " |", flush=True)
    print(
        "\n| planted | figure | before unlearning | retrained once more | band of 5 retrained |\n|---|---|---|---|---|"
    )
    for kind in ("duplicates", "canaries"):
        for key, before, after, low, high in planted(kind, 5):
            print(f"| {kind} | {key} | {before:.2f} | {after:.2f} | {low:.2f} to {high:.2f} |", flush=True)
    print("\n| AUC interval covers 0.5 | " + " | ".join(ATTACKS[n].title for n in names) + " |")
    print("|---" * (len(names) + 1) + "|", flush=True)
    for task in TASKS:
        print(task, file=sys.stderr, flush=True)
        covers, alone = null(task, args.repeats)
        print(f"| {task} | " + " | ".join(str(covers[n]) for n in names) + " |")
        print(f"| {task}, one model alone | " + " | ".join(str(alone[n]) for n in names) + " |", flush=True)


if __name__ == "__main__":
    main()
