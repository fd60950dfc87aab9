"""The backward pass over winners against autograd's own, which nets it is for, and LAF with it against the plain loop."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d, interpolate, max_pool2d

from benchmarks.plain_loop import plain_laf
from core.config import LAFConfig
from core.data import forget_classes
from core.methods import LAF
from core.models import pooled_conv
from core.models.pooled_conv import PooledConv, extract_blocks, find_blocks
from core.models.registry import build
from core.runs.run import Run
from core.runtime.device import torch_threads

ROOT = Path(__file__).parents[3]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**31 - 1),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 7),
    st.sampled_from([1, 2, 3, 5]),
    st.integers(0, 2),
    st.integers(6, 9),
    st.integers(6, 9),
    st.booleans(),
    st.booleans(),
)
def test_its_gradients_are_those_of_autograd(
    seed, n, channels, count, kernel, padding, height, width, first, last
):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, channels, height, width, generator=g)
    weight, bias = torch.randn(count, channels, kernel, kernel, generator=g), torch.randn(count, generator=g)
    if last:
        x, weight = (t.to(memory_format=torch.channels_last) for t in (x, weight))
    x.requires_grad_(not first)
    given = [t.requires_grad_() for t in (weight, bias)] + ([] if first else [x])
    wanted = max_pool2d(conv2d(x, weight, bias, padding=padding), 2).relu()
    found = PooledConv.apply(x, weight, bias, padding)
    assert torch.equal(found, wanted)
    slope = torch.randn(wanted.shape, generator=g)
    for a, b in zip(
        torch.autograd.grad(found, given, slope), torch.autograd.grad(wanted, given, slope), strict=True
    ):
        assert a.shape == b.shape
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-4)


def test_a_pool_of_equals_gives_its_gradient_to_one_as_autograd_does():
    x, weight, bias = torch.ones(2, 1, 6, 6, requires_grad=True), torch.ones(3, 1, 3, 3), torch.ones(3)
    wanted = torch.autograd.grad(max_pool2d(conv2d(x, weight, bias, padding=1), 2).relu().sum(), x)[0]
    assert torch.equal(torch.autograd.grad(PooledConv.apply(x, weight, bias, 1).sum(), x)[0], wanted)


def test_a_graph_that_is_kept_goes_back_twice_to_the_same_bits():
    net = build("cnn", (1, 28, 28), 10, seed=0)
    x = torch.rand(3, 1, 28, 28)
    with torch_threads(1):
        e = extract_blocks(find_blocks(net.extractor, x), x)
    first = torch.autograd.grad(e.sum(), list(net.extractor.parameters()), retain_graph=True)
    assert all(
        torch.equal(a, b)
        for a, b in zip(first, torch.autograd.grad(e.sum(), list(net.extractor.parameters())), strict=True)
    )


def kept(extractor: nn.Module, x: torch.Tensor, count: int = 1) -> bool:
    with torch_threads(count):
        return find_blocks(extractor, x) is not None


def test_it_is_for_larger_nets_of_such_layers_on_one_thread_only():
    x = torch.rand(2, 1, 28, 28)
    cnn = build("cnn", (1, 28, 28), 10, seed=0).extractor
    assert kept(cnn, x)
    assert not kept(cnn, x, count=2)
    assert not kept(cnn, x.double())
    assert not kept(build("digits-cnn", (1, 8, 8), 10, seed=0).extractor, torch.rand(2, 1, 8, 8))
    assert not kept(nn.Linear(3, 3), x)
    changed = {
        "stride": (2, 2),
        "dilation": (2, 2),
        "groups": 2,
        "padding_mode": "reflect",
        "padding": (1, 2),
        "bias": None,
    }
    for name, value in changed.items():
        other = copy.deepcopy(cnn)
        for layer in other:
            if isinstance(layer, nn.Conv2d):
                setattr(layer, name, value)
        assert not kept(other, x), name
    for pool in (
        nn.MaxPool2d(3),
        nn.MaxPool2d(2, stride=1),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.AvgPool2d(2),
    ):
        assert not kept(
            nn.Sequential(*[copy.deepcopy(pool) if isinstance(m, nn.MaxPool2d) else m for m in cnn]), x
        )


@pytest.mark.slow
def test_laf_on_larger_images_has_the_losses_of_the_plain_loop(digits):
    """Digits as large as MNIST's, so that the paper's CNN can be used without MNIST."""
    large = replace(digits, train=_enlarged(digits.train), test=_enlarged(digits.test))
    split = forget_classes(large, [0])
    model = build("cnn", large.shape, 10, seed=0)
    config = LAFConfig(steps=40, batch_size=16, vae=replace(LAFConfig().vae, epochs=1))
    plain = plain_laf(model, split, config, seed=3)
    run = Run(LAF(config), model, split, seed=3)
    asked = []
    usual = pooled_conv.extract_blocks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pooled_conv, "extract_blocks", lambda found, x: asked.append(len(x)) or usual(found, x))
        while run.advance():
            pass
    assert len(asked) == 80
    for name, wanted in zip(("ue", "ra"), zip(*plain.losses, strict=True), strict=True):
        found = torch.tensor([s.losses[name] for s in run.steps])
        off = (found - torch.tensor(wanted)).abs() / torch.tensor(wanted).abs().mean()
        assert float(off[:10].max()) < 1e-3
        assert float(off.max()) < 2e-2


def _enlarged(images):
    x = interpolate(images.x.float(), size=28, mode="bilinear").round().to(images.x.dtype)
    return replace(images, x=x)


@pytest.mark.slow
def test_where_nothing_can_be_written_it_is_compiled_all_the_same(tmp_path):
    """A package folder and a home that are read-only: numba has nowhere to keep what it compiled."""
    code = (
        "from core.models import pooled_conv_kernels as kernels\n"
        "from numba.core import caching\n"
        "for kind in vars(caching).values():\n"
        "    if hasattr(kind, '_locator_classes'): kind._locator_classes = []\n"
        "import numpy as np, numba\n"
        "def double(x):\n"
        "    for i in range(len(x)): x[i] *= 2\n"
        "x = np.full(4, 9.0, np.float32)\n"
        "kernels._compiled('(float32[::1],)')(double)(x); print(x.sum())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "72.0"
