"""ESC: the projection against NumPy's singular value decomposition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import RequestError
from core.methods.baselines.training_free.esc import erase, projected_layer
from core.models.base import Net
from tests import toys
from tests.core.methods.baselines.plays import played


def representations(model, split, rows):
    with torch.no_grad():
        return model.extract(split.train.floats(rows)).double().numpy()


@pytest.mark.parametrize("count", [1, 3])
def test_representations_lose_the_first_left_singular_vectors_of_d_f(count, toy_split, toy_model):
    e_f = representations(toy_model, toy_split, toy_split.forget_rows)
    u = np.linalg.svd(e_f.T, full_matrices=False)[0][:, :count]  # (d, p), not centred
    run = played("esc", toy_model, toy_split, share=count / toy_model.width)
    e = representations(toy_model, toy_split, slice(None))
    expected = e - e @ u @ u.T
    found = representations(run.result, toy_split, slice(None))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert len(run.steps) == count
    head = toy_model.head.weight.detach().numpy(), toy_model.head.bias.detach().numpy()
    with torch.no_grad():
        logits = run.result(toy_split.train.floats(slice(None))).numpy()
    np.testing.assert_allclose(logits, expected @ head[0].T + head[1], atol=1e-3)


def test_each_step_tells_its_directions_share_of_the_squared_length(toy_split, toy_model):
    lengths = (
        np.linalg.svd(representations(toy_model, toy_split, toy_split.forget_rows), compute_uv=False) ** 2
    )
    run = played("esc", toy_model, toy_split, share=2 / toy_model.width)
    shares = [s.losses["erased_share"] for s in run.steps]
    np.testing.assert_allclose(shares, (lengths / lengths.sum())[:2], rtol=1e-4)


def test_it_forgets_the_class_without_training(toy_split, toy_model):
    result = played("esc", toy_model, toy_split, share=1 / toy_model.width).result
    right = result(toy_split.train.floats(slice(None))).argmax(1) == toy_split.train.y
    assert right[toy_split.forget_rows].float().mean() < 0.2
    assert right[toy_split.remain_rows].float().mean() > 0.8


def test_all_directions_leave_only_the_heads_bias(toy_split, toy_model):
    result = played("esc", toy_model, toy_split, share=1.0).result
    logits = result(toy_split.train.floats(slice(None)))
    torch.testing.assert_close(logits, toy_model.head.bias.expand_as(logits), atol=1e-3, rtol=0)


class Pooled(Net):
    """A net whose representation no linear layer outputs."""

    def __init__(self, head):
        super().__init__()
        self.extractor, self.head, self.width = nn.Sequential(nn.Flatten(), nn.ReLU()), head, 12


def test_without_a_linear_output_the_layer_that_reads_the_representation_is_projected():
    torch.manual_seed(0)
    net = Pooled(nn.Sequential(nn.Dropout(0.5), nn.Linear(12, 4))).eval()
    x, u = torch.rand(5, 1, 3, 4), torch.nn.functional.normalize(torch.rand(12).double(), dim=0)
    layer, side = projected_layer(net, x)
    e = net.extract(x).double()
    expected = net.head((e - (e @ u)[:, None] * u).float()).detach()
    erase(layer, side, u)
    assert side == "input"
    torch.testing.assert_close(net(x), expected)


def test_a_net_without_such_a_layer_is_one_sentence():
    with pytest.raises(RequestError, match="this net has no such layer; choose another method"):
        projected_layer(Pooled(nn.Sequential(nn.Tanh(), nn.Linear(12, 4))), torch.rand(2, 1, 3, 4))


def test_the_quick_settings_take_one_step_at_least(toy_split, toy_model):
    assert len(played("esc", toy_model, toy_split, share=1e-6).steps) == 1
    assert toys.quick("esc").config.share == 0.015
