"""Markdown tables of models measured beside retraining: means over requests and seeds with their spread, request by request, and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean, stdev

from core.evaluation.metrics import Reading

ROWS = {
    "original": "original (do nothing)",
    "retrained": "retrained",
    "laf": "LAF",
    "laf+r": "LAF+R, all labels",
}
ACCURACIES = ("train_r", "train_f", "clean_f", "test", "test_r", "test_f", "planted")


@dataclass(frozen=True)
class Measured:
    """One model on one split, and the CPU seconds it took to make: wall-clock would count who else was busy."""

    reading: Reading
    js: float | None  # mean nats on D_f to the models retrained with other seeds
    train: float | None = None
    vae: float | None = None
    unlearn: float | None = None
    steps: int = 0

    def figure(self, name: str) -> float | None:
        """Return one number by its name; accuracies and shares in percent."""
        if name in (*ACCURACIES, "commonest_share"):  # planted is a probability
            value = getattr(self.reading, name)
            return None if value is None else 100 * value
        return getattr(self.reading.attack if name.startswith("auc") else self, name)


Request = tuple[int, ...]  # classes; the number of chosen images; the number of the plant
Case = tuple[Request, int]  # (request, seed)
Cases = dict[Case, dict[str, Measured]]  # by the row of the table


def average(cases: Cases, row: str, name: str) -> float | None:
    """Mean over requests and seeds; None where nothing was measured."""
    values = [v for case in cases.values() if (v := case[row].figure(name)) is not None]
    return mean(values) if values else None


def worst(cases: Cases, row: str) -> str:
    """Return the largest Train_f of a single run, in percent."""
    return show(max(case[row].figure("train_f") or 0.0 for case in cases.values()), 1)


def cell(cases: Cases, row: str, name: str, digits: int = 1) -> str:
    """Mean, ± the standard deviation over seeds of the mean over requests."""
    seeds = {seed for _, seed in cases}
    means = [average({k: v for k, v in cases.items() if k[1] == seed}, row, name) for seed in seeds]
    known = [m for m in means if m is not None]
    spread = f" ± {stdev(known):.{digits}f}" if len(known) > 1 else ""
    return show(average(cases, row, name), digits) + spread


COLUMNS = {
    "train_r": "Train_r",
    "train_f": "Train_f",
    "worst": "worst",
    "clean_f": "true labels of D_f",
    "planted": "planted sign",
    "test": "Test",
    "test_r": "Test_r",
    "test_f": "Test_f",
    "commonest_share": "most common answer",
}


def overview(cases: Cases) -> str:
    """Return one line for each model, without columns that were not measured."""
    some = [k for k in COLUMNS if k == "worst" or average(cases, "original", k) is not None]
    head = [*(COLUMNS[k] for k in some), "JS to retrained", "attack AUC (95 % of one run)"]
    lines = [["", *head, "train, CPU s", "VAEs", "unlearn"]]
    for row in rows(cases):
        line = [ROWS[row], *(worst(cases, row) if k == "worst" else cell(cases, row, k) for k in some)]
        auc, low, high = (show(average(cases, row, name), 2) for name in ("auc", "auc_low", "auc_high"))
        line += [cell(cases, row, "js", 3), f"{auc} ({low}–{high})"]
        lines.append(line + [show(average(cases, row, name), 1) for name in ("train", "vae", "unlearn")])
    return markdown(lines)


def rows(cases: Cases) -> list[str]:
    """Return the rows that were measured."""
    return [row for row in ROWS if all(row in case for case in cases.values())]


def by_request(cases: Cases, names: dict[Request, str], first: str) -> str:
    """Request by request (class by class): does the preset hold for each of them?"""
    head = f"{first}|Train_f|worst|Test_r|retrained|most common answer|retrained|JS|retrained"
    planted = any(case["laf"].reading.planted is not None for case in cases.values())
    lines = [head.split("|") + ["planted sign: before", "LAF", "retrained"] * planted]
    for request, name in names.items():
        mine = {k: v for k, v in cases.items() if k[0] == request}
        line = [name, show(average(mine, "laf", "train_f"), 1), worst(mine, "laf")]
        for figure, digits in (("test_r", 1), ("commonest_share", 1), ("js", 3)):
            line += [show(average(mine, row, figure), digits) for row in ("laf", "retrained")]
        line += [show(average(mine, row, "planted"), 1) for row in ("original", "laf", "retrained")] * planted
        lines.append(line)
    return markdown(lines)


def doing_nothing(cases: Cases) -> str:
    """Return the figures in which the untouched original is nearer to retraining than LAF is."""
    said = []
    for name in (*ACCURACIES, "commonest_share", "js", "auc"):
        before, gold, laf = (average(cases, row, name) for row in ("original", "retrained", "laf"))
        if before is None or gold is None or laf is None:
            continue
        if (before < laf) if name == "js" else (abs(before - gold) < abs(laf - gold)):
            said.append(f"{name} ({before:.3g}; LAF {laf:.3g}, retrained {gold:.3g})")
    return "Doing nothing is nearer to retraining than LAF in: " + ("; ".join(said) or "none of these") + "."


def gaps(cases: Cases) -> str:
    """Return the distances of LAF's mean accuracies from the retrained models', in points."""
    known = [(n, average(cases, "laf", n), average(cases, "retrained", n)) for n in ACCURACIES]
    return "LAF less retrained, points: " + ", ".join(
        f"{name} {laf - gold:+.2f}" for name, laf, gold in known if laf is not None and gold is not None
    )


def show(value: float | None, digits: int) -> str:
    """Return a figure as text, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def markdown(lines: list[list[str]]) -> str:
    """Return a Markdown table; the first line is its head."""
    rows = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]])
