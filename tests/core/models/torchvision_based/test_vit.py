"""The small transformer: its class token by the formula, padding, the layers it is watched at, and what it costs."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from core.data.images import Images
from core.evaluation.representations.similarity import layer_features
from core.models.base import multiply_adds
from core.models.registry import build
from core.models.torchvision_based.vit import DEPTH, GRID, HEADS, HIDDEN, WIDTH


def by_formula(weights: dict[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the class token of images x and those after each block, as Dosovitskiy et al. (2020) write them."""
    size = weights["conv_proj.weight"].shape[-1]
    patches = x.unfold(2, size, size).unfold(3, size, size)  # (B, C, GRID, GRID, size, size)
    patches = patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    tokens = patches @ weights["conv_proj.weight"].flatten(1).T + weights["conv_proj.bias"]
    z = (
        torch.cat([weights["class_token"].expand(len(x), -1, -1), tokens], 1)
        + weights["encoder.pos_embedding"]
    )
    after = []

    def normed(name: str, value: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(
            value, (WIDTH,), weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-6
        )

    for number in range(DEPTH):
        at = f"encoder.layers.encoder_layer_{number}"
        n = normed(f"{at}.ln_1", z)
        q, k, v = (
            n @ weights[f"{at}.self_attention.in_proj_weight"].T
            + weights[f"{at}.self_attention.in_proj_bias"]
        ).chunk(3, -1)
        heads = [
            torch.softmax(a @ b.mT / math.sqrt(WIDTH // HEADS), -1) @ c
            for a, b, c in zip(*(t.chunk(HEADS, -1) for t in (q, k, v)), strict=True)
        ]
        out = f"{at}.self_attention.out_proj"
        z = z + torch.cat(heads, -1) @ weights[f"{out}.weight"].T + weights[f"{out}.bias"]
        hidden = functional.gelu(
            normed(f"{at}.ln_2", z) @ weights[f"{at}.mlp.0.weight"].T + weights[f"{at}.mlp.0.bias"]
        )
        z = z + hidden @ weights[f"{at}.mlp.3.weight"].T + weights[f"{at}.mlp.3.bias"]
        after.append(z[:, 0])
    return normed("encoder.ln", z)[:, 0], after


def test_the_representation_is_the_class_token_of_the_papers_formula():
    net = build("vit", (1, 8, 8), 10, seed=0).eval()
    weights = {name: value.detach() for name, value in net.extractor.body.state_dict().items()}
    pictures = Images(
        torch.randint(0, 256, (5, 1, 8, 8), generator=torch.Generator().manual_seed(0)).byte(),
        torch.arange(5),
    )
    token, after = by_formula(weights, pictures.floats(slice(None)))
    features = layer_features(net, pictures)
    assert list(features) == ["patches", *(f"block {i}" for i in range(1, DEPTH + 1)), "representation"]
    torch.testing.assert_close(features["representation"], token, rtol=1e-4, atol=1e-5)
    for number, expected in enumerate(after, 1):
        torch.testing.assert_close(features[f"block {number}"], expected, rtol=1e-4, atol=1e-5)


def test_the_stem_gives_the_transformer_tokens_of_overlapping_patches():
    """Each of the 16 tokens sees a patch, half of one to each side of it, and a pixel more by the 3×3 convolution."""
    net = build("vit-conv", (1, 16, 16), 10, seed=0).eval()
    x = torch.rand(1, 1, 16, 16, requires_grad=True)
    patches = net.extractor.body.conv_proj(x)
    assert patches.shape == (1, WIDTH, GRID, GRID)
    patches[0, :, 1, 2].sum().backward()
    seen = (x.grad[0, 0] != 0).nonzero()
    assert seen.amin(0).tolist() == [4 - 3, 8 - 3]
    assert seen.amax(0).tolist() == [7 + 3, 11 + 3]
    body = {k: v for k, v in net.extractor.body.state_dict().items() if not k.startswith("conv_proj")}
    plain = build("vit", (1, 16, 16), 10, seed=0).extractor.body.state_dict()
    assert {k: v.shape for k, v in body.items()} == {
        k: v.shape for k, v in plain.items() if not k.startswith("conv_proj")
    }


@pytest.mark.parametrize("name", ["vit", "vit-conv"])
@pytest.mark.parametrize("shape", [(1, 7, 10), (3, 13, 9), (1, 2, 3)])
def test_images_that_are_no_square_of_whole_patches_are_padded_with_zeros(shape, name):
    net = build(name, shape, 3, seed=0).eval()
    x = torch.rand(2, *shape, requires_grad=True)
    side = GRID * math.ceil(max(shape[1:]) / GRID)
    padded = torch.zeros(2, shape[0], side, side)
    padded[:, :, : shape[1], : shape[2]] = x.detach()
    e = net.extract(x)
    torch.testing.assert_close(e, net.extractor.body(padded))
    e[:, 0].sum().backward()  # the sum of all is constant after a layer norm
    assert bool((x.grad != 0).flatten(1).any(1).all())
    assert net(x).shape == (2, 3)


def test_its_arithmetic_is_counted_with_every_token_and_with_attention():
    tokens = GRID**2 + 1
    block = tokens * (4 * WIDTH**2 + 2 * WIDTH * HIDDEN) + 2 * tokens**2 * WIDTH
    expected = GRID**2 * 4 * WIDTH + DEPTH * block + 10 * WIDTH
    assert multiply_adds(build("vit", (1, 8, 8), 10, seed=0), (1, 8, 8)) == expected
