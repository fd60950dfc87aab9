"""The comparison of methods that one tab runs, and the maps of two of them, for the page Compare."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.errors import LabError
from core.experiments.comparison import RETRAIN, Comparison, load_compared_model
from core.experiments.session.experiment import Experiment
from core.methods import METHODS
from core.methods.base import has_own_original
from core.runs.reference_models import usual_count
from core.runs.setup import Setup
from core.runtime.progress import Progress, Work
from core.runtime.purge_watch import purge_generation
from core.runtime.scheduler import Scheduler
from dashboard.presentation.text.durations import spoken_time
from dashboard.presentation.text.pages import compare as say
from dashboard.presentation.wire.comparison import Side, pair_packet, title_of
from dashboard.session.jobs.base import BackgroundJob

FIRST = ("laf", "nothing")  # shown until the user picks other methods
MOST_KEPT = 20  # browsers
GRACE_S = (
    60.0  # a comparison goes on for so long after its page was closed, since a reload closes the page first
)


@dataclass(frozen=True, eq=False)
class _Kept:
    """The last comparison of a browser, which a reloaded page shows again."""

    comparison: Comparison
    owner: ComparisonJob
    purges: int  # when it was started; a later purge may concern its images


_kept: dict[str, _Kept] = {}  # by browser
_lock = threading.Lock()


class SideJob(BackgroundJob[None]):
    """The end of each method's run as a frame on the original model's map."""

    def _reset(self) -> None:
        super()._reset()
        self.sides: dict[str, Side | str] = {}  # by method; a sentence where a method has no map

    def want(self, e: Experiment, methods: Sequence[str]) -> bool:
        """Return whether the sides of all ``methods`` are there; else compute them, unless that is in progress or failed."""
        missing = [m for m in methods if m not in self.sides]
        if missing and not self.busy and self.error is None:
            self.start(self._compute(e, missing))
        return not missing

    def _compute(self, e: Experiment, methods: Sequence[str]) -> Work[None]:
        for number, name in enumerate(methods):
            try:
                self.sides[name] = _side(e, name)
            except LabError as error:
                self.sides[name] = say.method_has_no_map(title_of(name), error)
            yield Progress("map", number + 1, len(methods))


def _side(e: Experiment, name: str) -> Side:
    """Return the frame of the method ``name``, with its accuracies as a note. Raises LabError where the method failed."""
    assert e.observer is not None
    _, _, made = load_compared_model(replace(e.setup, method=name, settings="preset"), name)
    fit = None
    if has_own_original(METHODS[name]):
        frame, fit = e.observer.look_turned(made.model)
    else:
        frame = e.observer.look(made.model)
    return Side(title_of(name), say.map_note(frame.reading.train_f, frame.reading.test, fit), frame)


class ComparisonJob:
    """One tab's comparison.

    ``open_experiment`` returns an Experiment of a Setup, and whether this job must close it. A job takes over the last
    comparison of its ``browser``, so that a reload loses nothing.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        open_experiment: Callable[[Setup], tuple[Experiment, bool]],
        browser: str | None = None,
    ) -> None:
        self._scheduler = scheduler
        self._open = open_experiment
        self._sides = SideJob(scheduler)
        self._experiment: Experiment | None = None
        self._owns_experiment = False
        self._packet: tuple[tuple[str, str], bytes] | None = None  # the last pair of maps
        self.comparison: Comparison | None = None
        self.chosen: list[str] = []
        self.number = 0  # comparisons started; the page gives each a form of its own
        self._browser = browser
        self._take_over()

    def start(self, setup: Setup, methods: Sequence[str], seeds: Sequence[int], references: int) -> None:
        """Start a comparison; an earlier one stops. Raises RequestError for what cannot be compared."""
        setup = replace(setup, settings="preset")  # each method with its own preset
        made = Comparison(setup, methods, seeds, references=references)
        self._close_maps()
        self._cancel_unless_taken_over()
        self._packet, self._experiment = None, None
        self.comparison, self.number = made, self.number + 1
        self._keep(made)
        made.start(self._scheduler)

    def _keep(self, comparison: Comparison) -> None:
        if self._browser is None:
            return
        with _lock:
            _kept.pop(self._browser, None)
            _kept[self._browser] = _Kept(comparison, self, purge_generation())
            while len(_kept) > MOST_KEPT:
                _kept.pop(next(iter(_kept)))

    def _take_over(self) -> None:
        if self._browser is None:
            return
        with _lock:
            kept = _kept.get(self._browser)
            if kept is not None and kept.purges != purge_generation():
                del _kept[self._browser]
            elif kept is not None:
                self.comparison = kept.comparison
                _kept[self._browser] = replace(kept, owner=self)

    def _was_taken_over(self) -> bool:
        """Return True if a later page of the browser shows this job's comparison."""
        with _lock:
            kept = _kept.get(self._browser or "")
            return kept is not None and kept.comparison is self.comparison and kept.owner is not self

    def close(self) -> None:
        """Stop the work on maps, and the comparison unless a page of the browser takes it over within GRACE_S."""
        self._close_maps()
        if self.comparison is None or self.comparison.over:
            return
        if self._is_kept():
            timer = threading.Timer(GRACE_S, self._cancel_unless_taken_over)
            timer.daemon = True
            timer.start()
        else:
            self._cancel_unless_taken_over()

    def _is_kept(self) -> bool:
        with _lock:
            kept = _kept.get(self._browser or "")
            return (
                kept is not None and kept.comparison is self.comparison and kept.purges == purge_generation()
            )

    def _cancel_unless_taken_over(self) -> None:
        if self.comparison is not None and not self._was_taken_over():
            self.comparison.cancel()

    def _close_maps(self) -> None:
        self._sides.close()
        if self._experiment is not None and self._owns_experiment:
            self._experiment.close()

    def pick(self, method: str) -> None:
        """Show ``method`` as A; the method that was A becomes B."""
        self.chosen = [method, *[m for m in self.chosen if m != method]][:2]

    def two(self, ready: Sequence[str]) -> tuple[str, str]:
        """Return the two methods to show, out of those that are ``ready``."""
        names = list(dict.fromkeys(m for m in (*self.chosen, *FIRST, *ready) if m in ready))
        return names[0], names[min(1, len(names) - 1)]

    def maps(self, a: str, b: str) -> bytes | str:
        """Return the packet of two maps, or a sentence that says why there is none yet."""
        comparison = self.comparison
        assert comparison is not None
        if self._experiment is None:
            setup = replace(comparison.setup, seed=comparison.seeds[0], method="laf")
            self._experiment, self._owns_experiment = self._open(setup)
        e = self._experiment
        if e.error is not None:
            return say.no_map(e.error)
        if e.run is None or e.split is None or e.observer is None or e.projection is None:
            return say.LAYING_OUT
        if not self._sides.want(e, (a, b)):
            error = self._sides.error
            return say.EVALUATING if error is None else say.no_map(error)
        sides = [self._sides.sides[m] for m in (a, b)]
        for side in sides:
            if isinstance(side, str):
                return side
        if self._packet is None or self._packet[0] != (a, b):
            first, second = (s for s in sides if isinstance(s, Side))
            self._packet = (a, b), pair_packet(e.split, e.observer, e.projection, first, second)
        return self._packet[1]


def offered() -> list[str]:
    """Return the methods to choose from; retraining is always in the table, as the row of the retrained models."""
    return [name for name in METHODS if name != RETRAIN]


def cost_in_words(experiment: Experiment, methods: int, seeds: int, references: int) -> str:
    """Return how long a comparison may take, from the trainings that the Lab has timed; what is kept costs nothing.

    A method is counted as one training, which most methods do not reach.
    """
    trained = [r.seconds for r in experiment.references]
    if experiment.model is not None and experiment.model.provenance is not None:
        trained.append(experiment.model.provenance.seconds)
    trained = [t for t in trained if t > 0]
    count = seeds * (1 + references + methods)
    work = say.work(seeds, references, methods)
    if not trained:
        return say.time_not_known(work, count)
    seconds = count * sum(trained) / len(trained)
    return say.cost(spoken_time(seconds), work)


def usual(experiment: Experiment) -> int:
    """Return the default number of retrained models for each seed."""
    split = experiment.split
    return usual_count(split.dataset.family if split is not None else experiment.setup.dataset)


def now(comparison: Comparison) -> str:
    """Describe the progress of a running comparison in one line."""
    parts = [
        say.seed_now(s, what, 100 * p.done // max(1, p.total))
        for s, (what, p) in sorted(comparison.progress.items())
    ]
    return say.so_far(comparison.done, len(comparison.cells), parts[:3])


def ended(comparison: Comparison) -> str:
    """Describe the outcome of an ended comparison in one line."""
    failed = sum(c.state == "failed" for c in comparison.cells.values())
    return say.outcome(
        comparison.done,
        len(comparison.cells),
        comparison.seconds,
        failed=failed,
        stopped=comparison.cancelled,
        errors=[say.seed_error(seed, why) for seed, why in comparison.errors.items()],
    )
