"""A run as the Runner takes it, in slices, and its pace."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from core.experiments.session.turn_queue import Turn
from core.methods.step import Stage
from core.runs.run import Phase, Run

log = logging.getLogger(__name__)

PREPARING = 0.4  # of the pace: slices of preparation are many


class Pace:
    """How fast a stage goes by the clock on the wall: what a person waits for, frames, others' turns and slow motion included."""

    def __init__(self) -> None:
        self._of: object = None
        self._begin = self._now = (0, 0.0)  # units done, and when

    def note(self, of: object, done: int, now: float) -> None:
        """So many units of the stage ``of`` are done; it counts from the first time that the same one was noted without a rest."""
        if of != self._of or done < self._now[0]:
            self._of, self._begin = of, (done, now)
        self._now = (done, now)

    def rest(self) -> None:
        """What passes from here on is nobody's."""
        self._of = None

    def left_s(self, of: object, total: int) -> float | None:
        """Seconds until ``total`` at this pace; None before there is one."""
        (before, start), (done, now) = self._begin, self._now
        return (now - start) / (done - before) * (total - done) if of == self._of and done > before else None


class RunTask:
    """A Run as a Task. One object for the life of the run, so that the Runner never has it in two threads.

    With ``pace_s`` it takes a slice that often at most: between two of them it leaves the Runner, and a timer asks ``again`` for it.
    With ``seat`` it takes one only when it is its turn; else it leaves the Runner until it is called.
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
        """One for the run and the frames made beside it: see Runner."""
        return self._run.watching or self

    @property
    def waits(self) -> bool:
        """Whether a slice would only wait for a frame."""
        return self._run.phase is Phase.RUNNING and self._run.waits

    def tick(self) -> bool:
        """A slice of the run; after its last one, ``when_done``."""
        if self._must_wait() or self._must_stand():
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
        self._told = done  # a run that is taken back is done again later
        if not more:
            self.rest()
            if self.seat is not None:
                self.seat.rest(self)
        return more

    def rest(self) -> None:
        """Time that passes until the next slice does not count as the run's."""
        self._pace.rest()

    def left_s(self, stage: Stage) -> float | None:
        """Seconds that ``stage`` still takes, by the clock on the wall and at the pace since it began or was played on; None before
        there is a pace."""
        return self._pace.left_s((stage.key, self.pace_s), stage.total)

    def _note(self, now: float) -> None:
        for stage in self._run.stages:
            told = self._run.progress.get(stage.key)
            if told is not None and told.done < stage.total:
                self._pace.note((stage.key, self.pace_s), told.done, now)

    def _must_stand(self) -> bool:
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
