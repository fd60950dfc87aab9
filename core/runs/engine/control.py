"""RunControl: the phase of a run, and where it stops next."""

from __future__ import annotations

import threading
from typing import Any

from core.errors import IllegalMoveError, LabError
from core.runs.records import Phase
from core.runtime.bounds import require_whole


class RunControl:
    """The moves that are possible now, and the step at which the run pauses or ends. Any thread may call it."""

    def __init__(self) -> None:
        self.phase = Phase.READY
        self.error: BaseException | None = None
        self.left: int | None = None  # steps to take before pausing
        self.ending: Phase | None = None  # DONE or PAUSED, once the pending frames are made
        self.target: int | None = None  # step that a rewound run plays back to
        self.then: Any = None  # settings for when a fork has played back
        self.lock = threading.RLock()

    def require(self, move: str, *allowed: Phase) -> None:
        """Raise IllegalMoveError unless the phase is one of ``allowed``."""
        if self.phase not in allowed:
            if self.phase is Phase.FAILED and self.error is not None:
                raise IllegalMoveError(
                    f"cannot {move} a run that has failed; make a new Run; it failed so: {self.error}"
                )
            names = " or ".join(str(p) for p in allowed)
            raise IllegalMoveError(f"cannot {move} a run that is {self.phase}; it must be {names}")

    def require_steps(self, steps: Any) -> None:
        """Raise IllegalMoveError for fewer than 1 step, ConfigError for what is no whole number."""
        if not isinstance(steps, int):
            require_whole("steps", steps, 1)
        if steps < 1:
            raise IllegalMoveError(f"a run plays for at least 1 step, not {steps}")

    def play(self, steps: int | None) -> None:
        """Begin to play, to the end or for ``steps`` steps. Raises IllegalMoveError unless READY or PAUSED."""
        with self.lock:
            self.require("play", Phase.READY, Phase.PAUSED)
            if steps is not None:
                self.require_steps(steps)
            self.left = steps
            self.phase = Phase.RUNNING

    def pause(self) -> None:
        """Pause now, or after the pending frames. Raises IllegalMoveError unless RUNNING."""
        with self.lock:
            self.require("pause", Phase.RUNNING)
            if self.ending is None:
                self.phase = Phase.PAUSED

    def count_step(self, *, finished: bool) -> bool:
        """Count a step that was taken; return whether it was the last one for now."""
        with self.lock:
            if self.left is not None:
                self.left -= 1
            if self.phase.over:
                return False
            if finished:
                self.ending = Phase.DONE
            elif self.left == 0:
                self.ending = Phase.PAUSED
            return self.ending is not None

    def end(self) -> Phase | None:
        """Take the phase that the last step led to, and return it."""
        with self.lock:
            ending, self.ending = self.ending, None
            if ending is Phase.PAUSED:
                self.left = None
            if ending is not None and not self.phase.over:
                self.phase = ending
            return ending

    def fail(self, error: LabError) -> None:
        """End the run with ``error``, unless it is over."""
        with self.lock:
            self.error = error
            if not self.phase.over:
                self.phase = Phase.FAILED

    def head_for(self, step: int, at: int) -> bool:
        """Play back from ``at`` to ``step``; return whether there is nothing to play back."""
        self.left = None
        if at < step:
            self.target, self.phase = step, Phase.RUNNING
            return False
        self.phase = Phase.PAUSED
        return True

    def arrive(self, *, finished: bool) -> Any:
        """End playing back, and return the settings to go on with; a run that is over stays so."""
        self.target = None
        if not self.phase.over:
            self.phase = Phase.DONE if finished and self.then is None else Phase.PAUSED
        config, self.then = self.then, None
        return config if self.phase is Phase.PAUSED else None
