"""The names of wrapped modules and their factories in this process."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core import wrap
from core.data import forget_noisy
from core.errors import RequestError
from core.models.own_modules import build_wrapped, has_factory, require_fit, wrapped
from tests import toys


def small(width: int = 5, inputs: int = 64) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, 4))


@pytest.fixture
def model():
    return wrap(small(), "1", make=small)


def test_a_factory_builds_other_weights_that_the_generator_decides(model):
    net = model.provenance.net

    def built(seed):
        return toys.weights(build_wrapped(net, torch.Generator().manual_seed(seed)))

    state = torch.get_rng_state()
    assert toys.same(built(0), built(0))
    assert not toys.same(built(0), built(1))
    assert not toys.same(built(0), toys.weights(model))
    assert torch.equal(torch.get_rng_state(), state)  # the caller's own draws go on as before
    assert has_factory(net)


def test_without_a_factory_nothing_is_built_and_the_sentence_says_what_to_give():
    net = wrap(small(6), "1").provenance.net
    assert not has_factory(net)
    with pytest.raises(RequestError, match=r"without a factory.*make=FACTORY"):
        build_wrapped(net, torch.Generator())


def test_names_of_other_nets_and_of_unknown_modules():
    assert has_factory("digits-cnn")
    assert not has_factory("module:unknown")
    with pytest.raises(RequestError, match=r"no module is wrapped as 'module:unknown'.*core\.wrap again"):
        build_wrapped("module:unknown", torch.Generator())


def test_a_key_gives_a_copy_in_eval_mode(model):
    data = toys.dataset(per_class=2, per_class_test=1)
    found = wrapped(model.key, data)
    assert toys.same(toys.weights(found), toys.weights(model))
    assert not found.training
    with torch.no_grad():
        next(found.parameters()).zero_()
    assert not toys.same(toys.weights(found), toys.weights(model))
    with pytest.raises(RequestError, match="keep the model"):
        wrapped("module-unknown", data)


def test_a_model_for_other_images_or_changed_labels_is_refused(model, toy_split):
    require_fit(model.key, toy_split.dataset, toy_split)
    other = wrap(small(inputs=16), "1")
    with pytest.raises(RequestError, match="8"):
        require_fit(other.key, toy_split.dataset)
    noisy = forget_noisy(toy_split.dataset, [1], fraction=0.5, seed=0)
    with pytest.raises(RequestError, match="labels or images that the Lab changes"):
        require_fit(model.key, toy_split.dataset, noisy)
