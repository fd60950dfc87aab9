"""A small trained model of torchvision's, as tests upload it; helpers and fixtures."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchvision
from safetensors.torch import save
from torch.nn import functional

from tests import toys

ARCH = "shufflenet_v2_x0_5"  # small, and takes images of 32x32


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def data():
    """The toy's four patterns, in colour and 32x32."""
    small = toys.dataset(per_class=20, per_class_test=10)

    def larger(part):
        x = part.x.repeat_interleave(4, 2).repeat_interleave(4, 3).repeat(1, 3, 1, 1)
        return replace(part, x=x)

    return replace(small, train=larger(small.train), test=larger(small.test), family="own-colour")


@pytest.fixture(scope="module")
def trained(data):
    """torchvision's own net, trained by a plain loop that knows nothing of the Lab."""
    torch.manual_seed(0)
    net = torchvision.models.get_model(ARCH, num_classes=4)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    x, y = data.train.x.float() / 16, data.train.y
    for _ in range(12):
        for rows in torch.randperm(len(x)).split(20):
            loss = functional.cross_entropy(net(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return net.eval()


@pytest.fixture(scope="module")
def weights(trained):
    return save(trained.state_dict())
