"""A net's graph cut at a layer: both parts together are the net, and what cannot be cut names the layers that can."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core.errors import RequestError
from core.models.own_modules.cut import Reshaped, cut


class Skip(nn.Module):
    """Two layers whose inputs are added, so that only the sum can be a cut; ``spare`` is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.side = nn.Linear(4, 6)
        self.sum = nn.Identity()
        self.spare = nn.Linear(6, 6)
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        return self.last(self.sum(self.first(x) + self.side(x)).relu())


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Skip().eval()


def test_both_parts_together_give_the_nets_answers_and_share_its_weights(net):
    x = torch.randn(5, 4)
    halves = cut(net, "sum")
    torch.testing.assert_close(halves.back(halves.front(x)), net(x), rtol=0, atol=0)
    torch.testing.assert_close(halves.front(x), net.first(x) + net.side(x), rtol=0, atol=0)
    with torch.no_grad():
        net.last.bias.add_(1)
    torch.testing.assert_close(halves.back(halves.front(x)), net(x), rtol=0, atol=0)


def test_a_cut_leaves_the_nets_mode(net):
    for training in (True, False):
        cut(net.train(training), "sum")
        assert net.training is training


def test_the_code_differs_where_the_computation_does(net):
    other = Skip()
    other.sum = nn.Dropout(0.5)
    assert cut(net, "sum").code == cut(Skip(), "sum").code
    assert cut(net, "sum").code != cut(other, "sum").code


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("first", "possible layers are: sum"),
        ("last", "weights before and after"),
        ("spare", "is used 0 times"),
        ("nowhere", "has no layer 'nowhere'; there are: first, side, sum, spare, last"),
        ("", "has no layer ''"),
    ],
)
def test_a_layer_that_cannot_be_a_cut_names_those_that_can(net, layer, said):
    with pytest.raises(RequestError, match=said):
        cut(net, layer)


class Reads(nn.Module):
    """A module with a forward that torch.fx cannot follow, for one of several reasons."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = self.first(x)
        if self.how == "len":
            x = x.reshape(len(x), 6)
        if self.how == "training" and self.training:
            x = x * 2
        if self.how == "values" and x.sum() > 0:
            x = -x
        return self.last(x)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("len", r"write x\.shape\[0\]"),
        ("training", r"reads self\.training"),
        ("values", "cannot be traced"),
    ],
)
def test_a_forward_that_cannot_be_followed_says_what_to_change(how, said):
    with pytest.raises(RequestError, match=said) as raised:
        cut(Reads(how), "first")
    assert "\n" not in str(raised.value)


def test_a_reshaped_head_gets_its_layers_shape():
    class Sees(nn.Module):
        def forward(self, x):
            self.shape = tuple(x.shape)
            return x.sum((2, 3))

    body = Sees()
    e = torch.arange(24.0).reshape(2, 12)
    out = Reshaped(body, (3, 2, 2))(e)
    assert body.shape == (2, 3, 2, 2)
    assert out.tolist() == [[sum(range(s, s + 4)) for s in range(b, b + 12, 4)] for b in (0, 12)]
