"""The paths of trials: words, curves, and where each trial's best model puts the points of the map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.config import LAFConfig
from core.experiments.outcome.trial_paths import settings_in_words, trial_paths
from core.methods.laf.automatic.signals import Signals
from core.methods.laf.automatic.trials import AutomaticSettings, Trial
from core.models.base import outputs
from core.projection.projection import Projection
from core.runs.observer import Observer
from tests import toys

CONFIG = LAFConfig(steps=4, lr_ue=1e-3, lr_ra=3e-3, temperature=15)


def found(*trials: Trial, chosen: int = 0) -> AutomaticSettings:
    return AutomaticSettings("class", 0, CONFIG, trials, chosen, True, False, "a reason")


@pytest.fixture(scope="module")
def place(toy_split, toy_model):
    """Return an Observer of the toy, and a map of its own representations."""
    observer = Observer(toy_split, toy_model, seed=0)
    return observer, Projection.fit(observer.original.train.representations, umap=toys.Flat())


def trial(model_state=None, reason="it met the aim") -> Trial:
    readings = (Signals(2, 0.5, 1.0, 0.9, 0.8, distance=0.3), Signals(4, 0.0, 0.75, 0.8, 0.7, distance=0.2))
    return Trial(CONFIG, readings, readings[1], 0.25, reason, 1.5, model_state=model_state)


def test_a_trials_positions_are_those_of_its_model_on_the_map(place, toy_split, toy_model):
    observer, projection = place
    state = {name: value * 1.1 for name, value in toy_model.state_dict().items()}
    (path,) = trial_paths(found(trial(state)), toy_model, observer, projection)
    other = toys.model(toy_split)
    other.load_state_dict(state)
    e = outputs(other, toy_split.train.take(observer.rows)).representations
    assert path.positions.dtype == np.float32
    assert np.array_equal(path.positions, projection.place(e).positions)
    assert not np.array_equal(path.positions, projection.positions)


def test_a_path_has_the_trials_words_and_curves(place, toy_model):
    one, two = trial_paths(found(trial(), trial(reason="too slow"), chosen=1), toy_model, *place)
    assert [(p.number, p.is_chosen, p.reason) for p in (one, two)] == [
        (1, False, "it met the aim"),
        (2, True, "too slow"),
    ]
    assert (one.steps, one.score, one.seconds) == ((2, 4), 0.25, 1.5)
    assert one.signals["forget_agreement"] == (0.5, 0.0)
    assert one.signals["remain_agreement"] == (1.0, 0.75)
    assert one.signals["neighbours"] == (None, None)
    assert one.settings == settings_in_words(CONFIG) == "lr_UE 0.001, lr_RA 0.003, τ 15, 4 steps"


def test_a_trial_without_a_model_or_with_a_broken_one_has_no_place(place, toy_model):
    broken = {name: torch.full_like(value, torch.nan) for name, value in toy_model.state_dict().items()}
    paths = list(trial_paths(found(trial(), trial(broken)), toy_model, *place))
    assert [p.positions for p in paths] == [None, None]


def test_the_original_itself_lies_where_the_map_has_it(place, toy_model):
    observer, projection = place
    (path,) = trial_paths(found(trial(toy_model.state_dict())), toy_model, observer, projection)
    assert np.allclose(path.positions, projection.positions, atol=1e-4 * projection.span)
