"""The tour of a lesson: the moves of each step, made in an Experiment. The page and the export use it; it has no thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from core.errors import LabError
from core.experiments.session.experiment import Experiment
from core.lessons.facts import facts_of
from core.lessons.hyperparameters import settings_with
from core.lessons.measures import measure
from core.lessons.schema import END, Action, with_fields
from core.runs.records import Phase
from core.runs.setup import Setup
from core.runs.storage import setup_after_run

EARLIER = (
    "This step follows earlier requests of the lesson; go back to its first step and press the buttons again"
)

Move = tuple[str, Any]


class Tour:
    """The moves of a step; each waits until the experiment is ready for it.

    ``experiment`` returns the open experiment. ``change`` opens another Setup and returns None, or the reason for a failure.
    """

    def __init__(self, experiment: Callable[[], Experiment], change: Callable[[Setup], str | None]) -> None:
        self._experiment = experiment
        self._change = change
        self._moves: list[Move] = []
        self.problem: str | None = None  # why the last move failed
        self.measured: dict[str, float | None] = {}

    @property
    def busy(self) -> bool:
        """True if moves are waiting."""
        return bool(self._moves)

    def begin(self, setup: Setup, do: Action) -> None:
        """Begin the moves of ``do`` in an experiment of ``setup``; drop all waiting moves."""
        wanted = with_fields(setup, do.open or {})
        self.problem = None
        self._moves = [("setup", wanted)]
        names = [f.name for f in fields(Action) if f.name not in ("label", "open")]
        self._moves += [(name, value) for name in names if (value := getattr(do, name)) is not None]
        self.go_on()

    def stop(self) -> None:
        """Drop all waiting moves."""
        self._moves = []

    def go_on(self) -> bool:
        """Make all moves that are possible now; return whether there was one. Call again when the experiment has changed."""
        made = False
        while self._moves:
            name, value = self._moves[0]
            e = self._experiment()
            if name != "setup" and not _is_ready(e):
                if e.error is not None:
                    self._fail(str(e.error))
                break
            if name == "measure" and e.phase is Phase.RUNNING:
                break
            if name == "more" and not _is_done(e):  # the next request begins with the result
                break
            self._moves.pop(0)
            try:
                MOVES[name](self, e, value)
            except LabError as error:
                self._fail(str(error))
            made = True
        return made

    def facts(self) -> dict[str, Any]:
        """Return the facts about the current run for checks; {} before there is a run."""
        e = self._experiment()
        if e.run is None:
            return {}
        seconds = [r.seconds for r in e.references]
        return facts_of(
            e.run,
            e.setup,
            [r.frame.reading for r in e.references],
            retrain_seconds=sum(seconds) / len(seconds) if seconds else None,
            fork=e.fork_run,
            measured=self.measured,
        )

    def _setup(self, e: Experiment, wanted: Setup) -> None:
        # a lesson does not know the runs before; the same request at the same place of a chain is the one that it wants
        given = replace(wanted, data_dir=e.setup.data_dir, device=e.setup.device, earlier=e.setup.earlier)
        is_there = e.setup == given and len(e.setup.earlier) == len(wanted.earlier)
        if is_there and e.error is None:
            return
        if wanted.earlier:
            self._fail(EARLIER)
            return
        self.measured = {}
        problem = self._change(replace(wanted, data_dir=e.setup.data_dir, device=e.setup.device))
        if problem is not None:
            self._fail(problem)

    def _more(self, e: Experiment, values: Mapping[str, Any]) -> None:
        self.measured = {}
        after = with_fields(setup_after_run(e.setup, e.driven), values)
        problem = self._change(after)
        if problem is not None:
            self._fail(problem)

    def _begin(self, e: Experiment, values: Mapping[str, Any]) -> None:
        self.measured = {}
        assert e.split is not None
        e.begin_with(settings_with(e.setup.config(e.split), values))

    def _fork(self, e: Experiment, step: int) -> None:
        e.fork(step, by_eye=False)

    def _change_hyperparameters(self, e: Experiment, values: Mapping[str, Any]) -> None:
        e.change(settings_with(e.driven.config, values))

    def _slow(self, e: Experiment, slow: bool) -> None:
        e.set_slow(slow)

    def _play(self, e: Experiment, to: int | str) -> None:
        run = e.driven
        if to == END:
            if e.phase is not None and not e.phase.over:
                e.play()
        elif len(run.steps) < int(to) and not run.phase.over:
            e.play(int(to) - len(run.steps))

    def _measure(self, e: Experiment, what: str) -> None:
        assert e.run is not None
        assert e.split is not None
        assert e.model is not None
        has_begun = e.run.has_begun
        now = e.run.result if has_begun else e.model
        self.measured |= measure(what, e.split, e.model, now, [r.model for r in e.references])

    def _fail(self, problem: str) -> None:
        self.problem = problem
        self._moves = []


def _is_done(e: Experiment) -> bool:
    """Return whether the run is done; play it to its end where it is not."""
    if e.phase in (Phase.READY, Phase.PAUSED):
        e.play()
    return e.driven.phase.over


def _is_ready(e: Experiment) -> bool:
    """Return whether the run exists, and neither it nor its fork is being rewound."""
    if e.run is None:
        return False
    return all(r.control.target is None for r in (e.run, e.fork_run) if r is not None)


MOVES: dict[str, Callable[[Tour, Experiment, Any], None]] = {
    "setup": Tour._setup,
    "more": Tour._more,
    "begin": Tour._begin,
    "fork": Tour._fork,
    "change": Tour._change_hyperparameters,
    "slow": Tour._slow,
    "play": Tour._play,
    "measure": Tour._measure,
}
