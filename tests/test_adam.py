"""The library's Adam against torch's, and what must not be imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from core.adam import Adam, adam


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


def test_a_step_does_not_bring_the_compiler_along():
    code = (
        "import sys, torch; from core.models import build; from core.adam import adam; from core.vae import VAE\n"
        "model = build('digits-cnn', (1, 8, 8), 10, seed=0); VAE.build(16, 4, 'linear', seed=0, name='vae')\n"
        "optimiser = adam(model.parameters(), 1e-3, torch.device('cpu'))\n"
        "model(torch.rand(2, 1, 8, 8)).sum().backward(); optimiser.step(); optimiser.zero_grad()\n"
        "print([name for name in ('torch._dynamo', 'sympy') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
