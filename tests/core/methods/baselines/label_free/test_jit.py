"""JiT: its loss and the gradient of it by hand, and the noise of a step."""

from __future__ import annotations

import numpy as np
import torch

from core.methods.baselines.label_free.jit import lipschitz_loss
from tests import toys
from tests.core.methods.baselines.linear import Linear


def test_the_loss_of_a_linear_model_is_the_stretch_of_the_noise():
    """f(x) − f(x + ε) = −Wε, whatever x is; the gradient holds f(x) only, since f(x + ε) is a constant."""
    g = np.random.default_rng(0)
    w, x, noise = g.normal(size=(5, 12)), g.normal(size=(3, 12)), g.normal(size=(4, 3, 12))
    change = -noise @ w.T  # (N, B, K)
    sizes, lengths = np.linalg.norm(noise, axis=2), np.linalg.norm(change, axis=2)
    net = Linear(w)
    loss = lipschitz_loss(
        net,
        torch.as_tensor(x, dtype=torch.float32).reshape(3, 1, 3, 4),
        torch.as_tensor(noise, dtype=torch.float32).reshape(4, 3, 1, 3, 4),
    )
    np.testing.assert_allclose(float(loss.detach()), (lengths / sizes).mean(), rtol=1e-5)
    loss.backward()
    direction = change / (lengths * sizes)[..., None] / 12  # dL/df(x), by copy and image
    expected = np.einsum("nbk,bd->kd", direction, x)
    np.testing.assert_allclose(net.head.weight.grad, expected, rtol=1e-3, atol=1e-6)


def test_a_step_draws_the_stated_number_of_copies(toy_split, toy_model, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "core.methods.baselines.label_free.jit.lipschitz_loss",
        lambda model, x, noise: (seen.append((tuple(noise.shape), float(noise.std()))), model(x).sum())[1],
    )
    unlearner = toys.quick("jit", copies=7, deviation=2.0)
    state = unlearner.start(toy_model, toy_split.unlabelled(), seed=0)
    unlearner.update(state, unlearner.config)
    ((shape, spread),) = seen
    assert shape == (7, 16, 1, 8, 8)
    assert 1.9 < spread < 2.1
