"""Reasons to expect little of unlearning, each one sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.data.split import forget_classes
from core.methods.laf.automatic.cautions import cautions, holds_whole_answers
from core.models.base import outputs
from core.models.registry import build
from tests import toys


@pytest.fixture(scope="module")
def split():
    return toys.split()


@pytest.fixture(scope="module")
def model(split):
    return toys.model(split)


def test_a_usual_request_needs_no_caution(split, model):
    assert cautions(model, split.unlabelled()) == ()


def test_few_images_to_forget_are_named(split, model):
    bare = split.unlabelled()
    (said,) = cautions(model, replace(bare, forget_rows=bare.forget_rows[:2]))
    assert said.startswith("D_f has only 2 images")


def test_a_forget_set_larger_than_the_rest_is_named(split, model):
    of = forget_classes(toys.dataset(), [0, 1, 2])
    (said,) = cautions(model, of.unlabelled())
    assert said.startswith(
        f"D_f has more images ({len(of.forget_rows):,}) than D_r ({len(of.remain_rows):,})"
    )


def test_images_all_alike_are_named(split, model):
    bare = split.unlabelled()
    alike = replace(bare, train=replace(bare.train, x=torch.full_like(bare.train.x, 9)))
    (said,) = cautions(model, alike)
    assert said.startswith("All training images are alike")


def test_an_original_with_one_answer_for_all_is_named(split):
    net = build("digits-cnn", split.dataset.shape, len(split.dataset.classes), seed=0).eval()
    with torch.no_grad():
        net.head.bias[2] += 1000
    (said,) = cautions(net, split.unlabelled())
    assert said.startswith("The original gives all images the same answer")


@pytest.mark.parametrize(
    ("of_first", "of_second", "whole"),
    [(1.0, 0.0, True), (1.0, 1.0, True), (0.5, 0.0, False), (1.0, 0.5, False)],
)
def test_all_images_with_an_answer_are_told_from_a_share_of_them(split, model, of_first, of_second, whole):
    bare = split.unlabelled()
    own = outputs(model, bare.train).predictions
    taken = torch.zeros(len(own), dtype=torch.bool)
    for answer, share in ((0, of_first), (1, of_second)):
        rows = (own == answer).nonzero().flatten()
        taken[rows[: int(share * len(rows))]] = True
    asked = replace(bare, forget_rows=taken.nonzero().flatten(), remain_rows=(~taken).nonzero().flatten())
    assert holds_whole_answers(model, asked) is whole
