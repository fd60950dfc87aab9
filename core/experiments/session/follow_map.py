"""The follow map of a run, which grows with the run's frames."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from core.experiments.session.preparation_cache import Reference
from core.projection.projection import Projection
from core.runs.run import Run


class FollowMap:
    """The follow map: each frame laid out from the one before, in order, as frames come.

    ``past``: the positions of the first frames, of a fork that shares them with its parent; default that of frame 0.
    """

    def __init__(self, projection: Projection, past: Sequence[np.ndarray] = ()) -> None:
        self._projection = projection
        self.positions: list[np.ndarray] = list(past) or [
            projection.positions
        ]  # one (N, 2) for each frame, from frame 0
        self.retrained: np.ndarray | None = None

    def extend(self, run: Run, reference: Reference | None) -> bool:
        """Lay out one more frame, or the retrained model; whether there is more to do now."""
        start = time.monotonic()
        if len(self.positions) < len(run.frames):
            e = run.frames[len(self.positions)].representations.astype(np.float32)
            self.positions.append(self._projection.follow(self.positions[-1], e))
        elif reference is not None and self.retrained is None:
            e = reference.frame.representations.astype(np.float32)
            now = self._projection.positions
            for _ in range(10):  # one short layout does not settle a jump as large as another model
                now = self._projection.follow(now, e)
            self.retrained = now
        if run.watching is not None:
            run.watching.charge(time.monotonic() - start)
        return len(self.positions) < len(run.frames) or (reference is not None and self.retrained is None)
