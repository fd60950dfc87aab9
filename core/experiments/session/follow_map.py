"""Follow maps of a run and its fork: each frame laid out from the one before, as frames come."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence

import numpy as np

from core.errors import LabError
from core.experiments.session.background import BackgroundTasks
from core.experiments.session.preparation import Preparation
from core.experiments.session.preparation_cache import Reference
from core.experiments.session.reference_pool import ReferencePool
from core.experiments.session.run_player import RunPlayer
from core.projection.projection import Projection
from core.runs.run import Run
from core.runtime.scheduler import SlicedTask

log = logging.getLogger(__name__)

LAYOUTS = 10  # for the retrained model: one short layout does not settle a jump as large as another model


class FollowMap:
    """The follow map of one run.

    ``past``: the positions of the first frames, of a fork that shares them with its parent; default that of frame 0.
    """

    def __init__(self, projection: Projection, past: Sequence[np.ndarray] = ()) -> None:
        self._projection = projection
        self.positions: list[np.ndarray] = list(past) or [projection.positions]  # one (N, 2) for each frame
        self.retrained: np.ndarray | None = None

    def is_behind(self, run: Run, reference: Reference | None) -> bool:
        """Return whether a frame of ``run``, or the retrained model, is not laid out yet."""
        return len(self.positions) < len(run.frames) or (reference is not None and self.retrained is None)

    def extend(self, run: Run, reference: Reference | None) -> bool:
        """Lay out one more frame, or the retrained model; return whether there is more to do now."""
        start = time.monotonic()
        if len(self.positions) < len(run.frames):
            e = run.frames[len(self.positions)].representations.astype(np.float32)
            self.positions.append(self._projection.follow(self.positions[-1], e))
        elif reference is not None and self.retrained is None:
            e = reference.frame.representations.astype(np.float32)
            now = self._projection.positions
            for _ in range(LAYOUTS):
                now = self._projection.follow(now, e)
            self.retrained = now
        if run.watching is not None:
            run.watching.charge(time.monotonic() - start)
        return self.is_behind(run, reference)


class FollowMaps:
    """The follow maps of an Experiment's run and fork, laid out in the background once they are wanted.

    A map belongs to one life of one run: after a reset or a rewind it begins anew.
    """

    def __init__(
        self, tasks: BackgroundTasks, preparation: Preparation, player: RunPlayer, pool: ReferencePool
    ) -> None:
        self._tasks = tasks
        self._preparation = preparation
        self._player = player
        self._pool = pool
        self._map: tuple[Run | None, int, FollowMap] | None = None  # run and life that it is of, and it
        self._fork_map: tuple[Run, FollowMap] | None = None
        self._task: SlicedTask | None = None

    @property
    def of_run(self) -> FollowMap | None:
        """The follow map of the run, once it was wanted."""
        if self._map is None or self._map[0] is not self._player.run or self._map[1] != self._player.life:
            return None
        return self._map[2]

    @property
    def of_fork(self) -> FollowMap | None:
        """The follow map of the fork, which begins with its parent's; None before the parent's is there."""
        parent, fork, projection = self.of_run, self._player.fork_run, self._preparation.projection
        if parent is None or fork is None or projection is None:
            return None
        if self._fork_map is None or self._fork_map[0] is not fork:
            shared = sum(f.step <= self._player.fork_from for f in fork.frames)
            if len(parent.positions) < shared:
                return None
            self._fork_map = fork, FollowMap(projection, parent.positions[:shared])
        return self._fork_map[1]

    def want(self) -> None:
        """Lay out the follow maps for all frames there are; call it again as frames come."""
        projection, run = self._preparation.projection, self._player.run
        if projection is None or run is None or self._tasks.closed:
            return
        follow = self.of_run
        if follow is None:
            follow = FollowMap(projection)
            self._map = run, self._player.life, follow
        busy = self._task is not None and self._task.alive
        if not busy and (follow.is_behind(run, self._reference) or self._is_fork_behind()):
            self._task = self._tasks.give_map_slices(self._lay_out(follow, run), self._fail)

    @property
    def _reference(self) -> Reference | None:
        return next(iter(self._pool.references), None)

    def _is_fork_behind(self) -> bool:
        fork, beside = self._player.fork_run, self.of_fork
        return fork is not None and (beside is None or beside.is_behind(fork, None))

    def _lay_out(self, follow: FollowMap, run: Run) -> Iterator[None]:
        while follow is self.of_run and follow.extend(run, self._reference):
            yield
        while (fork := self._player.fork_run) is not None and (beside := self.of_fork) is not None:
            if follow is not self.of_run or not beside.extend(fork, None):
                return
            yield

    def _fail(self, error: LabError) -> None:
        log.warning("the follow map failed: %s", error)
