"""LAF on the last layer alone: it reads features that were computed once, and no image after that."""

from __future__ import annotations

from dataclasses import replace

import torch

from core.methods import LAF
from core.methods.laf.last_layer import features, last_layer
from tests import toys


def played(model, split, *, without_images):
    """Return the losses of ten steps, and the model; ``without_images``: all pixels are gone before the VAEs are fitted."""
    laf = LAF(replace(toys.QUICK, learns="last"))
    seen = split.unlabelled()
    seen = replace(seen, train=replace(seen.train, x=seen.train.x.clone()))
    state = laf.start(model, seen, seed=0)
    while state.filled < len(state.representations):
        laf.prepare(state, laf.config)
    if without_images:
        state.split.train.x.zero_()
    while laf.prepare(state, laf.config) is not None:
        pass
    return [laf.step(state, laf.config).losses for _ in range(10)], laf.result(state)


def test_a_server_that_holds_features_only_takes_the_same_steps(toy_split, toy_model):
    losses, model = played(toy_model, toy_split, without_images=False)
    others, other = played(toy_model, toy_split, without_images=True)
    assert losses == others
    assert toys.same(model.state_dict(), other.state_dict())


def test_only_the_layer_that_outputs_the_representation_moves(toy_split, toy_model):
    model = played(toy_model, toy_split, without_images=True)[1]
    moved = {
        name
        for name, value in model.state_dict().items()
        if not torch.equal(value, toy_model.state_dict()[name])
    }
    x = toy_split.train.floats(slice(0, 4))
    layer = last_layer(toy_model, x)
    names = {name for name, module in toy_model.named_modules() if module is layer}
    assert moved == {f"{next(iter(names))}.{part}" for part in ("weight", "bias")}
    assert torch.equal(layer(features(toy_model, layer, x)), toy_model.extract(x))
