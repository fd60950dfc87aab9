"""A finished comparison of invented figures, for tests of its summary and its files."""

from __future__ import annotations

from core.evaluation.reference_band import band
from core.evaluation.report import Metric


def figure(key: str, value: float, *, unit: str = "%", theirs: list[float] | None = None) -> Metric:
    of = band(theirs) if theirs else None
    return Metric(key, key, key, unit, 1, value, of, of.place(value) if of else None, None, False, "")


class Made:
    """A finished Comparison of invented figures."""

    def __init__(self, values: dict[str, list[float]], theirs: list[float]) -> None:
        class Judgement:
            def __init__(self, value: float, references: list[float]) -> None:
                self.figures = {"test": figure("test", value, theirs=references)}

        class Cell:
            def __init__(self, value: float) -> None:
                self.judgement = Judgement(value, theirs)
                self.error, self.state, self.steps, self.seconds, self.seed = None, "done", 3, 1.5, 0

        self.methods = tuple(values)
        self.seeds = tuple(range(len(next(iter(values.values())))))
        self.cells = {(m, s): Cell(values[m][s]) for m in values for s in self.seeds}
        self.retrained = {
            s: tuple(Judgement(v, [w for w in theirs if w != v]) for v in theirs) for s in self.seeds
        }
        self.origins: dict[str, str] = {}


VALUES = {"nothing": [0.90, 0.92, 0.88], "laf": [0.97, 0.98, 0.96], "finetune": [0.80, 0.80, 0.81]}
THEIRS = [0.960, 0.970, 0.980]
