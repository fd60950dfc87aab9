"""Analysis of a study's rows: distances to retrained models, means over seeds, the best point and the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.config import as_dict
from core.evaluation.metric_specs import METRIC_SPECS, average, summaries
from core.experiments.studies.cell import Cell
from core.experiments.studies.jobs import SUMMED, Job
from core.experiments.studies.spec import Study

# figure -> title, unit, whether less is better; None: nearer to the retrained models is better
MEASURES: dict[str, tuple[str, str, bool | None]] = {
    "average_gap": ("average gap to retrained", "%", True),
    "forget_gap": ("Train_f, distance to retrained", "%", True),
    "utility_gap": ("Test_r (or Test), distance to retrained", "%", True),
    "utility": ("Test_r (or Test)", "%", False),
    "js": ("JS to retrained on D_f", "nats", True),
    "train_f": ("Train_f", "%", None),
    "train_r": ("Train_r", "%", None),
    "test": ("Test", "%", None),
    "test_r": ("Test_r", "%", None),
    "test_f": ("Test_f", "%", None),
    "clean_f": ("true labels of D_f", "%", None),
    "commonest_share": ("most common answer", "%", None),
    "spread": ("spread of answers", "nats", None),
    "auc": ("AUC, learned", "", None),
    "seconds": ("seconds", "s", True),
}


@dataclass(frozen=True)
class Group:
    """Cells that differ only in their seed."""

    point: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]  # of ``joined``, of the requested role
    failed: int

    def values(self, measure: str) -> list[float]:
        """Return the values by seed, without missing ones."""
        return [v for r in self.rows if (v := r["figures"].get(measure)) is not None]

    def mean(self, measure: str) -> float | None:
        """Return the mean over seeds; None without values."""
        return average(self.values(measure))

    def rank(self, measure: str) -> float | None:
        """Return a number that is lower for better groups; None without values.

        It is the mean, its negative where more is better, or the mean distance to the retrained models where they are best.
        """
        less = MEASURES[measure][2]
        if less is None:
            pairs = [(r["figures"].get(measure), r["yardstick"].get(measure)) for r in self.rows]
            return average([abs(a - b) for a, b in pairs if a is not None and b is not None])
        mean = self.mean(measure)
        return mean if mean is None or less else -mean

    def spread(self, measure: str) -> float | None:
        """Return the standard deviation over seeds; None for fewer than two values."""
        found = self.values(measure)
        if len(found) < 2:
            return None
        mean = math.fsum(found) / len(found)
        return math.sqrt(math.fsum((v - mean) ** 2 for v in found) / (len(found) - 1))


def joined(study: Study, rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of ``study``, each with its point, its settings and its distances to the retrained models.

    "yardstick" has the means of the retrained models, "original" the figures of doing nothing; {} where they are unknown.
    """
    found = []
    for cell in study.cells():
        row = rows.get(cell.key)
        if row is None:
            continue
        yardstick = rows.get(Job("yardstick", cell).key) or {}
        retrained = list(yardstick.get("retrained", ()))
        found.append(
            {
                **row,
                "point": dict(cell.point or {}),
                "role": cell.role,
                "seed": cell.setup.seed,
                "label": cell.label,
                "setup": _setup_values(cell),
                "settings": as_dict(cell.config) if hasattr(cell.config, "__dataclass_fields__") else None,
                "figures": distances(row.get("figures") or {}, retrained) | {"seconds": _seconds(row)},
                "yardstick": means(retrained),
                "original": distances(yardstick.get("original") or {}, retrained),
                "retrain_s": (yardstick.get("seconds") or {}).get("retrain"),
            }
        )
    return found


def _setup_values(cell: Cell) -> dict[str, Any]:
    return {
        "dataset": cell.setup.dataset,
        "task": cell.setup.task,
        "classes": list(cell.setup.classes),
        "fraction": cell.setup.fraction,
        "method": cell.setup.method,
        "net": cell.train.net,
        "sequence": list(cell.sequence),
    }


def distances(
    values: Mapping[str, float | None], retrained: Sequence[Mapping[str, float | None]]
) -> dict[str, float | None]:
    """Return ``values`` with their distances to the retrained models. Utility is Test_r, or Test if Test_r is None."""
    if not values:
        return {}
    mean = means(retrained)
    utility = "test" if values.get("test_r") is None else "test_r"
    found = {**values, "utility": values.get(utility)}
    if mean:
        found |= {k: v for k, v in summaries(values, retrained).items() if k == "average_gap"}
        found["forget_gap"] = _distance(values.get("train_f"), mean.get("train_f"))
        found["utility_gap"] = _distance(values.get(utility), mean.get(utility))
    return found


def means(models: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Return the mean of each figure over ``models``; {} without models."""
    if not models:
        return {}
    return {k: average([v for m in models if (v := m.get(k)) is not None]) for k in models[0]}


def groups(rows: Sequence[Mapping[str, Any]], role: str | None = "reported") -> list[Group]:
    """Return rows grouped by point, in the order of first rows; of one role, or of all if ``role`` is None."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if role is None or row["role"] == role:
            found.setdefault(repr(row["point"]), []).append(row)
    return [
        Group(
            many[0]["point"],
            tuple(r for r in many if r["state"] == "done"),
            sum(r["state"] != "done" for r in many),
        )
        for many in found.values()
    ]


@dataclass(frozen=True)
class Best:
    """The point that was chosen on some seeds, and its results on other seeds."""

    point: Mapping[str, Any]
    measure: str
    chosen_on: tuple[int, ...]
    chosen_value: float
    reported_on: tuple[int, ...]
    reported: Group | None


def best(study: Study, rows: Sequence[Mapping[str, Any]], measure: str = "average_gap") -> Best | None:
    """Return the point with the best ``rank`` by ``measure`` on the seeds for choosing; None if there are none.

    A point that lacks or failed one of these seeds is not chosen.
    """
    complete = [
        g for g in groups(rows, "chosen") if not g.failed and len(g.values(measure)) == len(study.chosen)
    ]
    ranked = [(rank, i) for i, g in enumerate(complete) if (rank := g.rank(measure)) is not None]
    if not study.chosen or not ranked:
        return None
    chosen = complete[min(ranked)[1]]
    reported = next((g for g in groups(rows) if g.point == chosen.point), None)
    value = chosen.mean(measure)
    assert value is not None
    return Best(chosen.point, measure, study.chosen, value, study.reported, reported)


def pareto(points: Sequence[tuple[float, float]], *, less: tuple[bool, bool]) -> list[int]:
    """Return the numbers of the points on the Pareto front, ordered by the first figure.

    ``less`` says of each figure whether less is better.
    """
    signed = [tuple(v if low else -v for v, low in zip(p, less, strict=True)) for p in points]
    order = sorted(range(len(points)), key=lambda i: signed[i])
    found, lowest = [], math.inf
    for i in order:
        if signed[i][1] < lowest:
            found.append(i)
            lowest = signed[i][1]
    return found


def counts(study: Study, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return the number of cells by state: "done", "failed" and "left"."""
    found = {"done": 0, "failed": 0, "left": 0}
    for cell in study.cells():
        row = rows.get(cell.key)
        found["left" if row is None else str(row["state"])] += 1
    return found


def flat(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of plain values for a CSV: varied fields, seed, role, figures, seconds by stage, and error."""
    found = []
    for row in rows:
        one = {k: _plain(v) for k, v in row["point"].items()}
        one |= {k: row[k] for k in ("seed", "role", "state")}
        one |= {k: _plain(v) for k, v in row["setup"].items()}
        one |= {k: row["figures"].get(k) for k in MEASURES}
        one |= {f"retrained_{k}": row["yardstick"].get(k) for k in (*SUMMED, "test_r", "test_f")}
        one |= {f"s_{k}": v for k, v in (row.get("seconds") or {}).items()}
        found.append({**one, "error": row.get("error", "")})
    return found


def _plain(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _seconds(row: Mapping[str, Any]) -> float | None:
    stages = row.get("seconds") or {}
    return math.fsum(v for k, v in stages.items() if k != "own original") if stages else None


def _distance(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else abs(a - b)


def percent(measure: str) -> bool:
    """Return whether a page shows the figure in percent."""
    return (
        MEASURES.get(measure, ("", METRIC_SPECS[measure].unit if measure in METRIC_SPECS else "", None))[1]
        == "%"
    )


__all__ = ["MEASURES", "Best", "Group", "best", "counts", "flat", "groups", "joined", "pareto", "percent"]
