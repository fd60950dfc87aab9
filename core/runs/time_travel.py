"""Time travel of a Run: back to any step, and forks. Bit for bit, since a method is explicit state and each step's settings are known."""

from __future__ import annotations

import copy
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from core.errors import IllegalMoveError
from core.runs.checkpoints import Checkpoints
from core.runs.records import Phase

if TYPE_CHECKING:
    from core.runs.run import Run

log = logging.getLogger(__name__)


def rewind(run: Run, step: int) -> None:
    """Back to where ``run`` stood after ``step``; what came later is dropped, changes of settings with it.

    The nearest earlier state is taken up and played on, with the settings of the time, in the next slices: the run is RUNNING
    until it is at ``step``, then PAUSED. Raises IllegalMoveError when it runs, or no state is kept from there.
    """
    if run.watching is not None and run.phase is not Phase.RUNNING:
        run.watching.settle()
    with run._lock:
        run._require("rewind", Phase.PAUSED, Phase.DONE, Phase.FAILED)
        checkpoints, at, state = _state_before(run, step)
        checkpoints.forget_after(step)
        run._state.load_state_dict(copy.deepcopy(state))
        _cut(run, step)
        run.error = None
        head_for(run, step, at)


def fork(run: Run, step: int, config: Any = None) -> Run:
    """Another run that shares the history of ``run`` up to ``step``; ``run`` is left as it is.

    The fork is RUNNING until it has played back to ``step``, then PAUSED, from then on with ``config`` where one is given. Raises as
    ``rewind`` and ``Run.change`` do.
    """
    from core.runs.run import Run

    if run.watching is not None and run.phase is not Phase.RUNNING:
        run.watching.settle()
    with run._lock:
        checkpoints, at, state = _state_before(run, step)
        unlearner = copy.copy(run.unlearner)
        unlearner.config = run.config_at(0)
        twin = Run(unlearner, run._model, run._labelled, seed=run.seed)
        twin.observer, twin.checkpoints = run.observer, checkpoints.copy_until(step)
        twin.watching = run.watching.another() if run.watching is not None else None
        twin.steps, twin.frames, twin.changes = list(run.steps), list(run.frames), list(run.changes)
        twin.config = run.config
        twin.progress = dict(run.progress)
        twin.seconds = defaultdict(float, run.seconds)
        twin._begin()
        share = getattr(run._state, "share_with", None)
        if share is not None:
            share(twin._state)
    twin._state.load_state_dict(copy.deepcopy(state))
    _cut(twin, step)
    if config is not None:
        _check(twin, config)
        twin._then = config
    head_for(twin, step, at)
    return twin


def catch_up(run: Run) -> None:
    """One step that was taken before; nothing is recorded twice."""
    assert run._target is not None
    number = run._state.number
    step = run.unlearner.step(run._state, run.config_at(number + 1))
    if step != run.steps[number]:
        log.warning("step %d was not repeated to the bit", step.number)
    with run._lock:
        if step.number >= run._target:
            _arrive(run)


def _state_before(run: Run, step: int) -> tuple[Checkpoints, int, dict[str, Any]]:
    found = run.checkpoints.before(step) if run.checkpoints is not None else None
    if found is None or not 0 <= step <= len(run.steps):
        raise IllegalMoveError(
            f"the run cannot be taken back to step {step}: it was never there, or no state is kept from so early"
        )
    assert run.checkpoints is not None
    return run.checkpoints, *found


def _cut(run: Run, step: int) -> None:
    """Histories as they stood after ``step``; seconds are those of the steps that are left."""
    for dropped in run.steps[step:]:
        run.seconds[dropped.stage] = max(0.0, run.seconds[dropped.stage] - dropped.seconds)
    run.config = run.config_at(step + 1)  # a change made at ``step`` itself stays: it belongs to what follows
    run.changes = [c for c in run.changes if c.after <= step]
    run.steps = run.steps[:step]
    run.frames = [f for f in run.frames if f.step <= step]
    run.progress.pop(run.stages[-1].key, None)
    run._ending = None
    run._restage()
    if run.recorder is not None:
        run.recorder.cut(run)


def _check(run: Run, config: Any) -> None:
    from core.errors import RequestError
    from core.methods.base import refused_change

    why = refused_change(run.unlearner, run.config, config)
    if why is not None:
        raise RequestError(why)


def head_for(run: Run, step: int, at: int) -> None:
    """On from the state after step ``at`` to where it stood after ``step``, in the next slices."""
    run._left = None
    if at < step:
        run._target, run.phase = step, Phase.RUNNING
    else:
        run.phase = Phase.PAUSED
        _arrive(run)


def _arrive(run: Run) -> None:
    """Played back to where it was wanted. Whoever paused or cancelled it on the way is heard."""
    run._target = None
    if not run.phase.over:
        run.phase = Phase.DONE if len(run.steps) >= run.total_steps and run._then is None else Phase.PAUSED
    config, run._then = run._then, None
    if config is not None and run.phase is Phase.PAUSED:
        run.change(config)
