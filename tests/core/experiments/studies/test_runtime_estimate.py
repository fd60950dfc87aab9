"""Runtime estimates: what is known of a study's runs before the first of them."""

from __future__ import annotations

import pytest

from core.experiments.studies.cell import make_cell
from core.experiments.studies.jobs import split_of
from core.experiments.studies.runtime_estimate import _steps_by_stage
from core.methods import METHODS


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_steps_of_every_method_are_known_before_there_is_a_model(name):
    steps = _steps_by_stage(make_cell({"method": name}, 0, references=1))
    assert steps
    assert all(count >= 1 for count in steps.values())


def test_the_steps_of_sisa_are_those_of_an_original_that_it_trained():
    fields = {"method": "sisa", "shards": 3, "slices": 2, "train.epochs": 1}
    cell = make_cell(fields, 0, references=1)
    split = split_of(cell)
    unlearner = METHODS["sisa"](cell.config)
    own = unlearner.train_original(split, seed=0, device="cpu")
    while own.tick() is not None:
        pass
    unlearner.configure(own.result, split)
    (stage,) = unlearner.stages(split, unlearner.config)
    assert _steps_by_stage(cell) == {"unlearn": stage.total}
