"""Helpers of the tests of this folder: the names of the methods, and runs on the toy data."""

from __future__ import annotations

from core.methods import METHODS
from core.methods.base import has_own_original
from core.runs.run import Run, finish
from tests import toys

NAMES = list(METHODS)
OWN_ORIGINAL = [name for name in NAMES if has_own_original(METHODS[name])]
SGD = {"optimiser": "sgd", "momentum": 0.0, "weight_decay": 0.0}


def played(name, model, split, seed=0, **settings):
    run = Run(toys.quick(name, **settings), model, split, seed=seed)
    finish(run)
    return run


def same_run(a, b):
    assert a.steps == b.steps
    assert toys.same(a.result.state_dict(), b.result.state_dict())


def images(split, rows):
    return split.train.floats(rows), split.train.y[rows]
