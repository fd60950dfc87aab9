"""Fixtures that all tests share: a LAF_HOME, one torch thread, and models that are trained once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import HealthCheck, settings

from core import LAF, METHODS, Run, finish, forget_classes, forget_fraction, load
from core.runs.original_models import original
from core.runtime.progress import run_to_end
from tests import toys

# A busy machine is slow: no example may fail for its time alone.
settings.register_profile("laf", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laf")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """Return a folder that all pytest workers share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory, shared_folder):
    """Keep tests out of the user's own folder, on one thread, and away from waiting for the disk.

    Each worker has a LAF_HOME, and all have the models and maps of one: an entry's key decides its content to the bit.
    """
    home = tmp_path_factory.mktemp("laf-home")
    for kind in ("models", "maps"):
        (shared_folder / kind).mkdir(exist_ok=True)
        (home / kind).symlink_to(shared_folder / kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAF_HOME", str(home))
        patch.setattr(os, "fsync", lambda _: None)  # only a power cut would show the difference
        torch.set_num_threads(1)
        yield


@pytest.fixture(autouse=True)
def _main(monkeypatch):
    """Put ``__main__`` back: Streamlit's AppTest leaves its script there, and a process that a later test spawns would run it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(scope="session")
def digits():
    return load("digits")


@pytest.fixture(scope="session")
def class_split(digits):
    """Return digits, class 0 to be forgotten."""
    return forget_classes(digits, [0], seed=0)


@pytest.fixture(scope="session")
def data_split(digits):
    """Return digits, 40 % of classes 5 to 9 to be forgotten."""
    return forget_fraction(digits, range(5, 10), 0.4, seed=0)


@pytest.fixture(scope="session")
def digits_model(class_split):
    """Return the preset's original model of digits, which ships with the package. It is shared: do not change it."""
    return run_to_end(original(class_split))


@pytest.fixture(scope="session")
def unlearned(digits_model, class_split):
    """Return the finished run of LAF's preset on class 0."""
    run = Run(LAF(), digits_model, class_split, seed=0)
    finish(run)
    return run


@pytest.fixture(scope="session")
def retrained(digits_model, class_split):
    """Return the model that was retrained without class 0."""
    return finish(Run(METHODS["retrain"](), digits_model, class_split, seed=0))


@pytest.fixture(scope="session")
def toy_split():
    return toys.split()


@pytest.fixture(scope="session")
def toy_model(toy_split):
    """Return a model of the toy data. It is shared: do not change it."""
    return toys.model(toy_split)
