"""Checks what one browser may open in its Lab: datasets, models, settings and kept runs; and writes its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.data.images import Dataset
from core.data.registry import OWN, load, require_name
from core.data.uploads import store
from core.errors import LabError, RequestError
from core.experiments.automatic_run import has_measured_training
from core.experiments.session.experiment import Experiment
from core.experiments.session.limits import SessionLimits
from core.experiments.session.memory_estimate import require_room
from core.methods import METHODS, method
from core.methods.base import require_no_model
from core.models.uploads import model_info
from core.runs.original_models import net_training
from core.runs.records import Phase
from core.runs.setup import Setup, usual_classes
from core.runs.storage import run_folder, run_info
from core.runs.storage.folder import no_run
from core.runs.storage.serialization import config_like
from core.runtime.storage import home
from dashboard.session.url_params import to_params, with_settings


def shares_original(current: Experiment, setup: Setup) -> bool:
    """Return whether ``current`` has the images and the original model of ``setup``."""
    if current.run is None or current.split is None:
        return False
    if replace(current.setup, method=setup.method, settings=setup.settings) != setup:
        return False
    # automatic settings find their own training for an original whose training was not measured
    finds = setup.net is not None or not has_measured_training(current.split)
    return current.setup.settings == setup.settings or not finds


def address_of(e: Experiment, run_id: str | None) -> dict[str, str]:
    """Return the parameters of the address that opens ``e`` again; ``run_id``: of its kept run."""
    if e.run is None or e.split is None or e.model is None:
        return to_params(e.setup, None, None, None, None)
    step = len(e.run.steps) if e.run.phase is not Phase.RUNNING else None
    config = e.run.config_at(1)
    if config == e.preset():
        return to_params(e.setup, config, config, run_id, step)
    # Not against settings that were found: a browser that opens the address has not found them yet.
    usual = method(e.setup.method, e.setup.config(e.split))
    # Settings that follow from the model and the images are not the user's choice.
    usual.configure(e.model, e.split)
    return to_params(e.setup, usual.config, config, run_id, step)


@dataclass(frozen=True)
class Permissions:
    """The data, models and runs that a browser may open, within the limits of its classroom."""

    browser: str | None  # token; None: no run is kept
    classroom: SessionLimits | None

    def check_setup(
        self, setup: Setup, *, usual: bool = False, settings: Mapping[str, Any] | None = None
    ) -> tuple[Setup, Any]:
        """Return ``setup`` as this browser may open it, and the method's config with ``settings`` (None: the preset).

        With ``usual``, it forgets the default classes of its task and dataset. Raises LabError for what cannot be opened.
        """
        setup = self._allowed(setup)
        for request in (r for r in setup.earlier if r.run):
            if self.browser is None:
                raise RequestError(no_run(request.run))
            run_info(request.run, self.browser)
        dataset = self._images(setup)
        if usual:
            setup = replace(setup, classes=usual_classes(setup.task, len(dataset.classes)))
        split = setup.split(dataset)
        config = with_settings(setup.config(split), settings)
        setup.require_held(config)
        if setup.model is not None:
            require_no_model(METHODS[setup.method])
        net_training(setup, split, METHODS[setup.method])  # raises for a net that cannot be trained
        require_room(setup, split, config or setup.config(split), self.classroom)
        return setup, config

    def check_run(self, run_id: str) -> tuple[Setup, bool]:
        """Return the setup of a kept run, and whether the run is this browser's own. Raises LabError where it cannot be opened."""
        if self.browser is None:
            raise RequestError(no_run(run_id))
        info = run_info(run_id, self.browser)
        setup = self._allowed(info.setup)
        split = setup.split(self._images(setup))
        config = config_like(setup.config(split), run_folder(run_id).read_about()["config"])
        require_room(setup, split, config, self.classroom)
        return setup, info.is_of(self.browser)

    def message(self, error: LabError) -> str:
        """Return the error's message. In a classroom it does not show where the server keeps its files."""
        text = str(error)
        return text if self.classroom is None else text.replace(str(home()), "$LAF_HOME")

    def _allowed(self, setup: Setup) -> Setup:
        """Return ``setup`` as this browser may open it; in a classroom it uses the Lab's own data folder.

        Raises RequestError for an unknown dataset, and for data or a model that this browser may not see.
        """
        require_name(setup.dataset)
        if setup.dataset.startswith(OWN):
            store.about(setup.dataset, self.browser)
        if setup.model is not None:
            model_info(setup.model, self.browser)
        return setup if self.classroom is None else replace(setup, data_dir=None)

    def _images(self, setup: Setup) -> Dataset:
        """Return the images of ``setup``. Raises LabError where they are missing, or too many for a classroom."""
        require_name(setup.dataset)
        dataset = load(setup.dataset, data_dir=setup.data_dir, download=False)
        if self.classroom is not None:
            self.classroom.check_images(dataset)
        return dataset
