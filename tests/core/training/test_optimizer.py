"""The library's Adam against torch's, and what must not be imported for it."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from core.training.flat_parameters import FlatParameters
from core.training.optimizer import Adam, FlatAdam, adam


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)).to(
        memory_format=torch.channels_last
    )


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_ten_steps_are_those_of_torch_to_the_bit(fused, decay):
    draw = torch.Generator().manual_seed(1)
    x = torch.rand(10, 8, 1, 8, 8, generator=draw)
    mine, yours = net(), net()
    ours = Adam(mine.parameters(), lr=3e-3, weight_decay=decay, fused=fused)
    theirs = torch.optim.Adam(yours.parameters(), lr=3e-3, weight_decay=decay, fused=fused, foreach=False)
    for k in range(10):
        for model, optimiser in ((mine, ours), (yours, theirs)):
            optimiser.zero_grad()
            loss = model(x[k]).square().mean()
            loss.backward()
            if k == 4:
                model[3].bias.grad = None  # a parameter that nothing reached
            optimiser.step()
    for a, b in zip(mine.parameters(), yours.parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(ours.state_dict()["state"].values(), theirs.state_dict()["state"].values(), strict=True):
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_it_is_fused_where_the_device_has_it():
    assert adam(net().parameters(), 1e-3, torch.device("cpu")).param_groups[0]["fused"]


@pytest.mark.parametrize("fused", [True, False])
def test_on_parameters_in_one_vector_it_takes_the_same_steps(fused):
    mine, yours = net(), net()
    flat = FlatParameters(mine.parameters())
    ours = FlatAdam(flat, 3e-3)
    ours._fused = fused
    theirs = torch.optim.Adam(yours.parameters(), lr=3e-3, fused=fused, foreach=False)
    for gradient, parts in slopes(flat, yours, 10):
        ours.step(gradient)
        for p, part in zip(yours.parameters(), parts, strict=True):
            p.grad = part
        theirs.step()
    for a, b in zip(mine.parameters(), yours.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-7)


def slopes(flat, model, count):
    """Gradients of ``model``, as a Vector and one by one."""
    draw = torch.Generator().manual_seed(1)
    for _ in range(count):
        loss = model(torch.rand(8, 1, 8, 8, generator=draw)).square().mean()
        parts = torch.autograd.grad(loss, list(model.parameters()))
        gradient = flat.gradient()
        gradient.put(parts)
        yield gradient, parts


def test_its_state_goes_on_to_the_bit_and_that_of_torch_does_too():
    first, second, third = net(), net(), net()
    ours = FlatAdam(FlatParameters(first.parameters()), 3e-3)
    theirs = torch.optim.Adam(third.parameters(), lr=3e-3, fused=True)
    before = list(slopes(ours.flat, second, 4))
    for gradient, parts in before:
        ours.step(gradient)
        for p, part in zip(third.parameters(), parts, strict=True):
            p.grad = part
        theirs.step()
    for state, of, close in ((ours.state_dict(), first, 0.0), (theirs.state_dict(), third, 1e-6)):
        kept = copy.deepcopy(state)
        twin = copy.deepcopy(of)
        again = FlatAdam(FlatParameters(twin.parameters()), 3e-3)
        again.load_state_dict(kept)
        assert again.number == 4
        expected = copy.deepcopy(first)
        straight = FlatAdam(FlatParameters(expected.parameters()), 3e-3)
        straight.load_state_dict(copy.deepcopy(ours.state_dict()))
        again.step(before[0][0])
        straight.step(before[0][0])
        for a, b in zip(twin.parameters(), expected.parameters(), strict=True):
            assert torch.allclose(a, b, rtol=close, atol=close)


def test_a_run_of_laf_does_not_bring_the_compiler_along():
    code = (
        "import sys; from tests import toys\n"
        "run = toys.laf_run()\n"
        "while run.advance(): pass\n"
        "print(len(run.steps) > 3, [name for name in ('torch._dynamo', 'sympy') if name in sys.modules])"
    )
    tests = Path(__file__).parents[3]
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tests)
    assert said.stdout.strip() == "True []"


def test_a_step_does_not_bring_the_compiler_along():
    code = (
        "import sys, torch; from core.models.registry import build; from core.training.optimizer import adam; from core.models.vae import VAE\n"
        "model = build('digits-cnn', (1, 8, 8), 10, seed=0); VAE.build(16, 4, 'linear', seed=0, name='vae')\n"
        "optimiser = adam(model.parameters(), 1e-3, torch.device('cpu'))\n"
        "model(torch.rand(2, 1, 8, 8)).sum().backward(); optimiser.step(); optimiser.zero_grad()\n"
        "build('small-resnet', (3, 32, 32), 10, seed=0)\n"
        "print([name for name in ('torch._dynamo', 'sympy') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
