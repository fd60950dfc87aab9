"""Requests one after another, beside all at once and retraining: python -m benchmarks.request_chain [DATASET] [--by class|image] [--data-dir DIR]

A row a request, means over seeds: Train_f over all images asked so far and over the newest, Test_r (Test by image), JS to retrained models
in nats, the AUC of the learned attack, and the seconds of all requests so far. "chain": each run begins with the result of the one before;
"at once": one run from the first original; "retrained": from scratch without all asked so far, again at each request. Below the table: from
which request on retraining is cheaper. By class: classes 0, 1, … in turn, as many as leave one. By image: a stand-in for one subject, two
images a request; see core.experiments.chain.example.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean

from benchmarks.machine import machine
from core import load
from core.config import LAFConfig
from core.data.images import Dataset
from core.data.split import Split, forget_classes, forget_indices
from core.evaluation.metrics import Report, evaluate
from core.experiments.automatic_run import find_settings
from core.experiments.chain import RequestChain
from core.experiments.chain.example import IMAGES, REQUESTS, example_subject
from core.methods import LAF
from core.models.base import Net
from core.runs.original_models import original
from core.runs.reference_models import references
from core.runs.run import Run, finish
from core.runtime.progress import run_to_end

ROLES = ("chain", "at once", "retrained")
Request = Callable[[Dataset], Split]


@dataclass(frozen=True)
class Figures:
    """What one way comes to after one request."""

    report: Report
    seconds: float  # of this request alone, with the search for its settings
    nothing_to_do: bool = False  # as the search found


def main() -> None:
    """Print the table and from which request on retraining is cheaper."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="?", default="digits", help="digits, mnist or fashion_mnist")
    parser.add_argument("--by", default="class", choices=["class", "image"])
    parser.add_argument("--requests", type=int, default=REQUESTS, metavar="N", help="at most")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--references", type=int, default=3, metavar="N", help="retrained models a request")
    parser.add_argument("--settings", default="preset", choices=["preset", "automatic"])
    parser.add_argument("--data-dir", metavar="DIR", help="folder of downloaded data")
    a = parser.parse_args()
    print(machine(), flush=True)
    dataset = load(a.dataset, data_dir=a.data_dir)
    asked = requests(dataset, a.by)[: a.requests]
    found = [list(rows(dataset, asked, seed, a)) for seed in range(a.seeds)]
    print(table(found, by=a.by))
    print(cheaper(found))
    if a.settings == "automatic":
        print(nothing_to_do(found))


def requests(dataset: Dataset, by: str) -> list[Request]:
    """Return the requests: each class in turn but the last, or the images of a subject two by two."""
    if by == "class":
        return [functools.partial(forget_classes, classes=[c]) for c in range(len(dataset.classes) - 1)]
    ids = example_subject(dataset)
    return [functools.partial(forget_indices, ids=ids[k : k + IMAGES]) for k in range(0, len(ids), IMAGES)]


def rows(
    dataset: Dataset, asked: list[Request], seed: int, a: argparse.Namespace
) -> Iterator[dict[str, Figures]]:
    """Yield the figures of each way after each request."""
    model = run_to_end(original(asked[0](dataset), seed=seed))
    chain = RequestChain(model, dataset, seed=seed)
    for request in asked:
        split = chain.split_after(request)
        begin = chain.runs[-1].result if chain.runs else model
        method, searched, nothing = laf(split, begin, seed, a.settings)
        run = chain.forget(request, method)
        finish(run)
        whole = chain.at_once
        method, searched_once, nothing_once = laf(whole, model, seed, a.settings)
        once = Run(method, model, whole, seed=seed)
        finish(once)
        gold = references(split, model, count=a.references, seed=seed)
        others = [g.model for g in gold]
        spent, spent_once = searched + sum(run.seconds.values()), searched_once + sum(once.seconds.values())
        yield {
            "chain": Figures(evaluate(run.result, split, references=others), spent, nothing),
            "at once": Figures(evaluate(once.result, split, references=others), spent_once, nothing_once),
            "retrained": Figures(evaluate(others[0], split, references=others[1:]), gold[0].seconds),
        }


def laf(split: Split, model: Net, seed: int, settings: str) -> tuple[LAF, float, bool]:
    """Return LAF with the preset of the split's task, or with settings found on it, the seconds of the search, and "nothing to do"."""
    if settings == "automatic":
        found = find_settings(split, model, seed=seed)
        return LAF(found.config), found.seconds, found.nothing_to_do
    return LAF(LAFConfig.preset(split.dataset.family, split.task)), 0.0, False


def nothing_to_do(found: list[list[dict[str, Figures]]]) -> str:
    """Return in how many requests the search found nothing to do, of the chain and at once."""
    of = {role: sum(row[role].nothing_to_do for seed in found for row in seed) for role in ROLES[:2]}
    asked = sum(map(len, found))
    return f"Nothing to do, as the search found: in {of['chain']} of {asked} requests of the chain, in {of['at once']} of {asked} at once."


def table(found: list[list[dict[str, Figures]]], *, by: str) -> str:
    """Return the means over seeds as a table in Markdown."""
    test = "Test_r" if by == "class" else "Test"
    lines = [
        f"| request | way | Train_r, % | Train_f, % | newest, % | {test}, % | JS | AUC | seconds so far |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for number in range(len(found[0])):
        for role in ROLES:
            figures = [seed[number][role] for seed in found]
            spent = fmean(so_far(seed, role, number) for seed in found)
            cells = [
                *(percent([getattr(f.report, name) for f in figures]) for name in ("train_r", "train_f")),
                percent([f.report.newest_f for f in figures]),
                percent([f.report.test_r if by == "class" else f.report.test for f in figures]),
                mean([f.report.js for f in figures]),
                mean([f.report.attack.auc for f in figures]),
                f"{spent:.1f}",
            ]
            lines.append(f"| {number + 1} | {role} | {' | '.join(cells)} |")
    return "\n".join(lines)


def so_far(rows_: list[dict[str, Figures]], role: str, number: int) -> float:
    """Return the seconds until request ``number`` (from 0); all at once is one run, however many requests there are."""
    if role == "at once":
        return rows_[number][role].seconds
    return sum(row[role].seconds for row in rows_[: number + 1])


def cheaper(found: list[list[dict[str, Figures]]]) -> str:
    """Return from which request on retraining costs less than the chain, at each request and once after all of them."""
    count = len(found[0])
    each = [fmean(s[n]["chain"].seconds - s[n]["retrained"].seconds for s in found) for n in range(count)]
    once = [fmean(so_far(s, "chain", n) - s[n]["retrained"].seconds for s in found) for n in range(count)]
    return (
        f"Retraining at each request costs less than the request's own run {_from(each)}.\n"
        f"One retraining, if it can wait until then, costs less than the whole chain so far {_from(once)}."
    )


def _from(differences: list[float]) -> str:
    at = next((n for n, d in enumerate(differences, 1) if d > 0), None)
    return "at none of these requests" if at is None else f"from request {at} on"


def percent(values: list[float | None]) -> str:
    """Return the mean of shares in percent; "–" where one is missing."""
    known = [v for v in values if v is not None]
    return "–" if len(known) < len(values) else f"{100 * fmean(known):.1f}"


def mean(values: list[float | None]) -> str:
    """Return the mean with two digits; "–" where one is missing."""
    known = [v for v in values if v is not None]
    return "–" if len(known) < len(values) else f"{fmean(known):.2f}"


if __name__ == "__main__":
    main()
