"""RunKeeping: which runs of an Experiment are kept on disk, and the kept run that it continues."""

from __future__ import annotations

from typing import Any

from core.errors import LabError
from core.experiments.automatic_run import AutomaticRecord
from core.experiments.session.limits import SessionLimits
from core.experiments.session.preparation import Preparation
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.storage import Recorder, later_runs, read_run, record, restore


class RunKeeping:
    """Keeps runs for the browser with ``token``; None: it keeps none.

    ``take_up`` is the id of a kept run to continue instead of a new one, ``as_copy``: to continue a copy of it.
    """

    def __init__(
        self,
        setup: Setup,
        token: str | None = None,
        classroom: SessionLimits | None = None,
        *,
        take_up: str | None = None,
        as_copy: bool = False,
    ) -> None:
        self.setup = setup
        self.token = token
        self.take_up = take_up
        self.as_copy = as_copy
        self.not_kept: str | None = None  # why no run is kept, where a classroom keeps no more
        self.take_up_error: LabError | None = None  # why the kept run was not continued; a new one is there
        self.automatic: AutomaticRecord | None = None  # of the settings, kept with each run and fork
        self._classroom = classroom

    def keep(self, run: Run, **about: Any) -> None:
        """Keep ``run`` on disk where runs are kept; ``about`` as for ``core.runs.storage.record``."""
        if self.token is None:
            return
        self.not_kept = None if self._classroom is None else self._classroom.why_not_kept(self.token)
        if self.not_kept is None:
            found = None if self.automatic is None else self.automatic.as_dict()
            record(run, self.setup, token=self.token, automatic=found, **about)

    def branch(self, run: Run) -> None:
        """Keep ``run`` as a new one from now on where later requests begin with its result, since it is about to change.

        Their chain keeps the run as it was.
        """
        recorder = run.recorder
        if not isinstance(recorder, Recorder) or not recorder.is_kept or not later_runs(recorder.id):
            return
        recorder.note(run)
        recorder.close()
        if run.checkpoints is not None:
            run.checkpoints = run.checkpoints.copy_until(len(run.steps))
        run.recorder = None
        self.keep(run, parent=recorder.id, step=len(run.steps))

    def continue_kept(self, preparation: Preparation) -> Run | None:
        """Return the kept run that was asked for, the first time; None where there is none or it cannot be continued."""
        run_id, self.take_up = self.take_up, None
        if run_id is None:
            return None
        assert preparation.model is not None
        assert preparation.split is not None
        try:
            kept = read_run(run_id, self.token)
            run = restore(
                kept, preparation.split, preparation.model, preparation.observer, as_copy=self.as_copy
            )
            if self.as_copy:
                self.keep(run, parent=run_id, step=len(run.steps))
            return run
        except LabError as error:
            self.take_up_error = error
            return None
