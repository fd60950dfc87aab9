"""Work in slices, as a Runner takes it: a generator, a run, and the follow map that grows with a run's frames."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from core.errors import LabError
from core.models import Net
from core.projection import Projection
from core.records import Frame
from core.run import Phase, Run

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Reference:
    """A retrained model, looked at through the same Observer as the run."""

    model: Net
    frame: Frame
    seconds: float  # retraining took, when it was done
    fit: float | None = (
        None  # mean cosine to the original on held-out D_r once turned into its coordinates; None: not turned
    )


class Sliced:
    """A generator as a Task: each ``yield`` ends a slice. An error goes to ``on_error`` and ends it."""

    def __init__(self, work: Iterator[object], on_error: Callable[[LabError], None]) -> None:
        self._work = work
        self._on_error = on_error
        self.alive = True

    def tick(self) -> bool:
        """Run to the next ``yield``."""
        try:
            next(self._work)
            return True
        except StopIteration:
            pass
        except LabError as error:
            self._on_error(error)
        except Exception as error:
            log.exception("work behind an experiment failed")
            self._on_error(LabError(f"{type(error).__name__}: {error}".splitlines()[0]))
        self.alive = False
        return False


class Drive:
    """A Run as a Task. One object for the life of the run, so that the Runner never has it in two threads."""

    def __init__(self, run: Run, when_done: Callable[[Run], None]) -> None:
        self._run = run
        self._when_done = when_done
        self._told = False

    def tick(self) -> bool:
        """A slice of the run; after its last one, ``when_done``."""
        more = self._run.tick()
        if self._run.phase is Phase.DONE and not self._told:
            self._told = True
            self._when_done(self._run)
        return more


class Follow:
    """The follow map: each frame laid out from the one before, in order, as frames come."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection
        self.positions: list[np.ndarray] = [projection.positions]  # one (N, 2) for each frame, from frame 0
        self.retrained: np.ndarray | None = None

    def extend(self, run: Run, reference: Reference | None) -> bool:
        """Lay out one more frame, or the retrained model; whether there is more to do now."""
        if len(self.positions) < len(run.frames):
            e = run.frames[len(self.positions)].representations.astype(np.float32)
            self.positions.append(self._projection.follow(self.positions[-1], e))
        elif reference is not None and self.retrained is None:
            e = reference.frame.representations.astype(np.float32)
            now = self._projection.positions
            for _ in range(10):  # one short layout does not settle a jump as large as another model
                now = self._projection.follow(now, e)
            self.retrained = now
        return len(self.positions) < len(run.frames) or (reference is not None and self.retrained is None)
