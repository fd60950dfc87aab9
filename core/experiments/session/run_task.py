"""RunTask: a run as a task of the Scheduler, in slices, with its pace."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from core.experiments.session.turn_queue import Turn
from core.methods.step import Stage
from core.runs.run import Phase, Run

log = logging.getLogger(__name__)

PREPARING = 0.4  # of ``pace_s``, for slices of preparation, of which there are many


class Pace:
    """The speed of a stage by the wall clock, with frames, turns of other browsers and slow motion included."""

    def __init__(self) -> None:
        self._of: object = None
        self._begin = self._now = (0, 0.0)  # units done, and when

    def note(self, of: object, done: int, now: float) -> None:
        """Note the units of stage ``of`` that are done; the pace counts from its first note since the last rest."""
        if of != self._of or done < self._now[0]:
            self._of, self._begin = of, (done, now)
        self._now = (done, now)

    def rest(self) -> None:
        """Stop timing until the next note."""
        self._of = None

    def left_s(self, of: object, total: int) -> float | None:
        """Return the seconds until ``total`` at this pace; None before there is one."""
        (before, start), (done, now) = self._begin, self._now
        return (now - start) / (done - before) * (total - done) if of == self._of and done > before else None


class RunTask:
    """A Run as a task. There is one for the life of the run, so that the Scheduler never has it in two threads.

    ``pace_s``: seconds between two slices at least. In between it leaves the Scheduler, and a timer calls ``again``.
    ``seat``: it runs only when it is its turn. Until then it leaves the Scheduler, and the turn queue calls ``again``.
    """

    def __init__(
        self,
        run: Run,
        when_done: Callable[[Run], None],
        again: Callable[[RunTask], None] | None = None,
        seat: Turn | None = None,
    ) -> None:
        self._run = run
        self._when_done = when_done
        self._again = again
        self.seat = seat
        self._told = False
        self.pace_s = 0.0
        self._pace = Pace()
        self._due = 0.0
        self._timer: threading.Timer | None = None

    @property
    def account(self) -> object:
        """The same for the run and the frames made beside it: see Scheduler."""
        return self._run.watching or self

    @property
    def waits(self) -> bool:
        """True if a slice would only wait for a frame."""
        return self._run.phase is Phase.RUNNING and self._run.waits

    def tick(self) -> bool:
        """Do one slice of the run; call ``when_done`` after the last one. Return whether another is wanted."""
        if self._must_wait() or self._must_queue():
            return False
        before = len(self._run.steps)
        more = self._run.tick()
        stepped = len(self._run.steps) > before
        now = time.monotonic()
        self._due = now + (self.pace_s if stepped else PREPARING * self.pace_s)
        self._note(now)
        done = self._run.phase is Phase.DONE
        if done and not self._told:
            self._when_done(self._run)
        self._told = done  # a run that is rewound is done again later
        if not more:
            self.rest()
            if self.seat is not None:
                self.seat.rest(self)
        return more

    def rest(self) -> None:
        """Stop timing the run until its next slice."""
        self._pace.rest()

    def left_s(self, stage: Stage) -> float | None:
        """Return the seconds that ``stage`` still takes by the wall clock; None before there is a pace."""
        return self._pace.left_s((stage.key, self.pace_s), stage.total)

    def _note(self, now: float) -> None:
        for stage in self._run.stages:
            told = self._run.progress.get(stage.key)
            if told is not None and told.done < stage.total:
                self._pace.note((stage.key, self.pace_s), told.done, now)

    def _must_queue(self) -> bool:
        if self.seat is None or self._again is None or self._run.phase is not Phase.RUNNING:
            return False
        again = self._again
        return not self.seat.may_play(self, lambda: again(self))

    def _must_wait(self) -> bool:
        left = self._due - time.monotonic()
        if not self.pace_s or left <= 0 or self._again is None or self._run.phase is not Phase.RUNNING:
            return False
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(left, self._again, (self,))
            self._timer.daemon = True
            self._timer.start()
        return True
