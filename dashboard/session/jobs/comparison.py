"""What one tab's Compare page holds: the comparison that runs or ran, the two methods looked at, and their maps; no screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.errors import LabError
from core.experiments.comparison import Comparison, end_of
from core.experiments.session.experiment import Experiment
from core.methods import METHODS
from core.methods.base import has_own_original
from core.runs.reference_models import usual_count
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler, SlicedTask
from dashboard.presentation.wire.comparison import Side, pair_packet, title_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


FIRST = ("laf", "nothing")  # what is looked at unless somebody chose


class ComparisonJob:
    """One tab's comparison. ``open_experiment`` gives an Experiment of a Setup, and whether it is ours to close."""

    def __init__(
        self, runner: Scheduler, open_experiment: Callable[[Setup], tuple[Experiment, bool]]
    ) -> None:
        self._runner = runner
        self._open = open_experiment
        self._owned = False
        self._experiment: Experiment | None = None
        self._sides: dict[str, Side | str] = {}  # by method; a sentence where there is none
        self._packet: tuple[tuple[str, str], bytes] | None = None
        self._task: SlicedTask | None = None
        self.comparison: Comparison | None = None
        self.chosen: list[str] = []
        self.number = 0  # comparisons begun; a form of another number is closed

    def start(self, setup: Setup, methods: Sequence[str], seeds: Sequence[int], references: int) -> None:
        """Begin anew; what ran before stops. Raises RequestError for what cannot be compared."""
        made = Comparison(setup, methods, seeds, references=references)
        self.close()
        self._sides, self._packet, self._experiment = {}, None, None
        self.comparison, self.number = made, self.number + 1
        made.start(self._runner)

    def close(self) -> None:
        """The tab is gone, or compares something else."""
        if self.comparison is not None:
            self.comparison.cancel()
        if self._experiment is not None and self._owned:
            self._experiment.close()

    def pick(self, method: str) -> None:
        """Look at ``method`` as A; what was A becomes B."""
        self.chosen = [method, *[m for m in self.chosen if m != method]][:2]

    def two(self, ready: Sequence[str]) -> tuple[str, str]:
        """The two methods to look at, of those that are ``ready``."""
        order = dict.fromkeys(m for m in (*self.chosen, *FIRST, *ready) if m in ready)
        names = list(order)
        return names[0], names[min(1, len(names) - 1)]

    def maps(self, a: str, b: str) -> bytes | str:
        """The packet of two maps, or a sentence while there is none."""
        comparison = self.comparison
        assert comparison is not None
        if self._experiment is None:
            setup = replace(comparison.setup, seed=comparison.seeds[0], method="laf")
            self._experiment, self._owned = self._open(setup)
        e = self._experiment
        if e.error is not None:
            return f"There is no map: {e.error}"
        if e.run is None or e.split is None or e.observer is None or e.projection is None:
            return "The original model's map is being laid out."
        wanted = [m for m in (a, b) if m not in self._sides]
        if wanted:
            if self._task is None or not self._task.alive:
                self._task = SlicedTask(self._look(e, wanted), lambda error: None)
                self._runner.submit(self._task)
            return "The two models are being looked at."
        sides = [self._sides[m] for m in (a, b)]
        for side in sides:
            if isinstance(side, str):
                return side
        if self._packet is None or self._packet[0] != (a, b):
            first, second = (s for s in sides if isinstance(s, Side))
            self._packet = (a, b), pair_packet(e.split, e.observer, e.projection, first, second)
        return self._packet[1]

    def _look(self, e: Experiment, names: Sequence[str]) -> Iterator[None]:
        assert e.observer is not None
        for name in names:
            try:
                _, _, made = end_of(replace(e.setup, method=name), name)
                fit = None
                if has_own_original(METHODS[name]):
                    frame, fit = e.observer.look_turned(made.model)
                else:
                    frame = e.observer.look(made.model)
                r = frame.reading
                note = f"Train_f {100 * r.train_f:.1f} %, Test {100 * r.test:.1f} %"
                if fit is not None:
                    note += f", turned to fit {fit:.2f}"
                self._sides[name] = Side(title_of(name), note, frame)
            except LabError as error:
                self._sides[name] = f"{title_of(name)} has no map: {error}"
            yield


def usual(experiment: Experiment) -> int:
    """Retrained models for each seed unless told."""
    split = experiment.split
    return usual_count(split.dataset.family if split is not None else experiment.setup.dataset)


def now(comparison: Comparison) -> str:
    """What goes on, in a line."""
    parts = [
        f"seed {s}: {what}, {100 * p.done // max(1, p.total)} %"
        for s, (what, p) in sorted(comparison.progress.items())
    ]
    return f"{comparison.done} of {len(comparison.cells)} · " + "; ".join(parts[:3])


def ended(comparison: Comparison) -> str:
    """What became of it, in a line."""
    failed = sum(c.state == "failed" for c in comparison.cells.values())
    text = f"{comparison.done} of {len(comparison.cells)} done in {comparison.seconds:.0f} s"
    if comparison.cancelled:
        text = f"Stopped: {text}"
    if failed:
        text += f", {failed} of them failed"
    for seed, why in comparison.errors.items():
        text += f"; seed {seed}: {why}"
    return text
