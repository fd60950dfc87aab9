"""Ids and masks as callers write them: lists, tensors, arrays; anything else is one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.forget_selection.chosen_ids import chosen_ids
from core.errors import RequestError
from tests import toys


@pytest.fixture(scope="module")
def dataset():
    return toys.dataset(per_class=3, per_class_test=1)  # 12 training images with the ids 0 to 11


@pytest.mark.parametrize(
    "ids",
    [
        [7, 2, 7],
        (2, 7),
        {7, 2},
        [2.0, 7.0],
        np.array([7, 2]),
        torch.tensor([2, 7]),
        [torch.tensor(7), np.int64(2)],
        iter([7, 2]),
    ],
    ids=["repeats", "tuple", "set", "floats", "array", "tensor", "scalars", "iterator"],
)
def test_ids_are_whole_numbers_in_any_container_rising_and_once(dataset, ids):
    found = chosen_ids(ids, dataset)
    assert found == [2, 7]
    assert all(type(i) is int for i in found)


def test_one_number_and_none(dataset):
    assert chosen_ids(torch.tensor(5), dataset) == [5]
    assert chosen_ids([], dataset) == []


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_a_mask_names_the_ids_of_its_true_places(dataset, kind):
    mask = kind([k in (1, 4) for k in range(12)])
    assert chosen_ids(mask, dataset) == dataset.train.ids[[1, 4]].tolist()


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ("12", "got the text '12'"),
        (b"1", "got the text"),
        (None, "a list of whole numbers or a mask, got None"),
        ([1.5], "got 1.5"),
        ([float("nan")], "got nan"),
        ([2**63], "got 9223372036854775808"),
        ([True, 3], "all of them true or false, got True"),
        (["3"], "got '3'"),
        ([True] * 11, "one value for each of the 12 training images of Toy, got 11"),
    ],
)
def test_anything_else_is_one_sentence_that_quotes_it(dataset, ids, said):
    with pytest.raises(RequestError) as raised:
        chosen_ids(ids, dataset)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
