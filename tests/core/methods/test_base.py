"""What a method says that it reads, checked by changing what it says it does not read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.data import LabelledImages
from core.methods import METHODS
from core.methods.base import ALL_READ, IMAGES_F, IMAGES_R, LABELS_F, LABELS_R, has_own_original, reads_of
from tests import toys
from tests.core.methods.baselines.plays import played

NAMES = [name for name in METHODS if not has_own_original(METHODS[name])]


def changed(split, what):
    """The split with other images, or other labels, of one of its two parts."""
    x, y = split.train.x.clone(), split.train.y.clone()
    rows = split.forget_rows if what in (IMAGES_F, LABELS_F) else split.remain_rows
    if what in (LABELS_F, LABELS_R):
        y[rows] = (y[rows] + 1) % 4
    else:
        x[rows] = 16 - x[rows]
    train = LabelledImages(x, split.train.ids, split.train.white, y)
    return replace(split, dataset=replace(split.dataset, train=train))


@pytest.mark.parametrize("name", NAMES)
def test_a_method_reads_what_it_says_and_nothing_else(name, toy_split, toy_model):
    straight = played(name, toy_model, toy_split).result.state_dict()
    found = tuple(
        what
        for what in ALL_READ
        if not toys.same(played(name, toy_model, changed(toy_split, what)).result.state_dict(), straight)
    )
    assert found == reads_of(METHODS[name])


@pytest.mark.parametrize("name", list(METHODS))
def test_labels_are_read_by_those_that_need_labels_only(name):
    kinds = reads_of(METHODS[name])
    assert METHODS[name].needs_labels == bool({LABELS_F, LABELS_R} & set(kinds))


@pytest.mark.parametrize("name", NAMES)
def test_the_steps_of_a_method_are_known_without_a_model_as_an_estimate_of_the_time_needs(name, toy_split):
    unlearner = toys.quick(name)
    unlearner.configure(None, toy_split)
    data = toy_split if unlearner.needs_labels else toy_split.unlabelled()
    assert all(stage.total > 0 for stage in unlearner.stages(data, unlearner.config))


class Silent:
    needs_labels = False


def test_a_plug_in_that_does_not_say_counts_as_one_that_reads_all_images():
    assert reads_of(Silent) == (IMAGES_F, IMAGES_R)
    assert reads_of(object()) == ALL_READ
