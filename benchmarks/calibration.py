"""Measure how often a retrained model lies inside the band of other retrained models. On digits, for each figure.

    python -m benchmarks.calibration [--models 20] [--draws 6]

Prints Markdown: how often one of ``--models`` models lies inside the 95 % band of 5, and of 3, others drawn by chance.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator

import torch

from benchmarks.machine import machine
from core.data import Split, forget_classes, forget_fraction, forget_noisy, load
from core.evaluation.evaluator import Evaluator
from core.evaluation.metric_specs import METRIC_SPECS
from core.runs.original_models import original
from core.runs.reference_models import references
from core.runtime import seeding
from core.runtime.progress import run_to_end

BAND_OF = (5, 3)


def splits() -> Iterator[tuple[str, Split]]:
    """Yield class removal of two classes, data removal and noisy labels, as in the paper."""
    digits = load("digits")
    for c in (0, 3):
        yield f"class {c}", forget_classes(digits, [c], seed=0)
    yield "data", forget_fraction(digits, range(5, 10), 0.4, seed=0)
    yield "noise", forget_noisy(digits, range(5), 0.6, seed=0)


def coverage(split: Split, models: int, draws: int, *, seed: int = 0) -> dict[tuple[str, int], list[bool]]:
    """Return by figure and size of the band whether a retrained model lay inside, ``draws`` times for each model."""
    model = run_to_end(original(split, seed=seed))
    known = references(split, model, count=models, seed=seed)
    judge = Evaluator(split, model, known, seed=seed)
    for one in known:
        run_to_end(judge.judge(one.model, reference=one.number))  # measures them
    found = defaultdict(list)
    generator = seeding.generator(seed, "calibration")
    for number in range(models):
        for _ in range(draws):
            order = torch.randperm(models, generator=generator).tolist()
            others = [n for n in order if n != number]
            for k in BAND_OF:
                for key, figure in judge.figures_of(number, others[:k]).items():
                    if figure.place is not None and figure.place.inside is not None:
                        found[key, k].append(figure.place.inside)
    return found


def main() -> None:
    """Read the command line, print the table."""
    parser = argparse.ArgumentParser(description="how often a retrained model lies inside the band of others")
    parser.add_argument("--models", type=int, default=20, help="retrained models of each split")
    parser.add_argument("--draws", type=int, default=6, help="bands that each of them is held against")
    args = parser.parse_args()
    torch.set_num_threads(1)
    by_split = {}
    for name, split in splits():
        print(name, file=sys.stderr, flush=True)
        by_split[name] = coverage(split, args.models, args.draws)
    print(f"\ndigits, {args.models} retrained models a split, each against {args.draws} bands; {machine()}\n")
    names = list(by_split)
    print("| figure | inside the band of 5, % | of 3, % | worst split, of 5 |\n|---|---|---|---|")
    total: dict[int, list[bool]] = defaultdict(list)
    for key in METRIC_SPECS:
        cells = [METRIC_SPECS[key].label]
        for k in BAND_OF:
            hits = [x for name in names for x in by_split[name].get((key, k), [])]
            total[k] += hits
            cells.append(share(hits))
        each = {n: by_split[n].get((key, BAND_OF[0]), []) for n in names}
        each = {n: h for n, h in each.items() if h}
        if not each:
            continue
        worst = min(each, key=lambda n: sum(each[n]) / len(each[n]))
        print("| " + " | ".join([*cells, f"{share(each[worst])} ({worst})"]) + " |", flush=True)
    print(f"| **all** | **{share(total[5])}** | **{share(total[3])}** | |")


def share(hits: list[bool]) -> str:
    """Return a share in percent, or a dash."""
    return f"{100 * sum(hits) / len(hits):.1f}" if hits else "–"


if __name__ == "__main__":
    main()
