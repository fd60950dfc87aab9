"""Datasets, and what of them must be forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import ForgetRequest, LabelledImages, forget_classes, forget_fraction, forget_indices, load
from core.errors import RequestError
from core.runs.setup import Setup
from core.training.supervised import train

# digits


def test_digits_are_scikit_learns_own_images(digits):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    for part in (digits.train, digits.test):
        np.testing.assert_array_equal(part.x[:, 0].numpy(), bunch.images[part.ids])
        np.testing.assert_array_equal(part.y, bunch.target[part.ids])
        x = part.floats(slice(0, 5))
        assert part.x.dtype == torch.uint8
        assert (x.dtype, float(x.min()), float(x.max())) == (torch.float32, 0, 1)
        assert torch.bincount(part.y).min() >= 0.09 * len(part)  # stratified
    assert len(digits.train) + len(digits.test) == 1797
    assert digits.shape == (1, 8, 8)
    assert digits.classes == tuple("0123456789")


def test_ids_are_stable_and_train_and_test_never_meet(digits):
    from core.data.registry import DATASETS

    again = DATASETS["digits"].load(Path())
    assert torch.equal(again.train.ids, digits.train.ids)
    ids = torch.cat([digits.train.ids, digits.test.ids])
    assert ids.unique().tolist() == list(range(1797))
    assert again.fingerprint == digits.fingerprint


def test_digits_to_a_report_need_none_of_the_slow_imports():
    slow = ("torchvision", "umap", "numba", "streamlit", "sklearn", "pandas", "scipy.stats", "platformdirs")
    code = f"""
import sys
from core import evaluate, forget_classes, load
from core.models.registry import build
split = forget_classes(load("digits"), [0])
evaluate(build("digits-cnn", (1, 8, 8), 10, seed=0), split)
print([m for m in {slow} if m in sys.modules])
"""
    env = os.environ | {"LAF_HOME": "."}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "[]"


# splits


@settings(max_examples=25, deadline=None)
@given(classes=st.sets(st.integers(0, 9), min_size=1, max_size=9), seed=st.integers(0, 99))
def test_class_removal_forgets_every_image_of_the_classes_and_no_other(digits, classes, seed):
    split = forget_classes(digits, sorted(classes), seed=seed)
    expected = np.isin(digits.train.y, list(classes)).nonzero()[0]
    np.testing.assert_array_equal(split.forget_rows, expected)
    assert_union(split)
    np.testing.assert_array_equal(split.test_is_touched, np.isin(digits.test.y, list(classes)))


@settings(max_examples=25, deadline=None)
@given(
    classes=st.sets(st.integers(0, 9), min_size=1), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 99)
)
def test_data_removal_forgets_a_share_of_each_class(digits, classes, fraction, seed):
    split = forget_fraction(digits, sorted(classes), fraction, seed=seed)
    assert_union(split)
    have, gone = torch.bincount(digits.train.y), torch.bincount(split.forget.y, minlength=10)
    for c in range(10):
        assert int(gone[c]) == (round(fraction * int(have[c])) if c in classes else 0)


def assert_union(split):
    rows = torch.cat([split.remain_rows, split.forget_rows])
    assert torch.equal(rows.sort().values, torch.arange(len(split.train)))
    assert torch.equal(split.remain.ids, split.train.ids[split.remain_rows])
    assert torch.equal(split.forget.x, split.train.x[split.forget_rows])


def test_the_seed_decides_which_images_go(digits):
    a, b, c = (forget_fraction(digits, [5, 6], 0.4, seed=s).forget_rows for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    # and a class loses the same images whatever other classes are chosen with it
    assert set(forget_fraction(digits, [6], 0.4, seed=1).forget_rows.tolist()) <= set(a.tolist())


@pytest.mark.parametrize("classes", [[3, 1], ["1", 3], ("3", "1", 1), [1, 3, 3]])
def test_classes_are_numbers_or_names_in_any_order(digits, classes):
    assert forget_classes(digits, classes).request == ForgetRequest("class", (1, 3))


def test_requests_describe_themselves(digits):
    assert forget_classes(digits, [0]).request.describe(digits.classes) == "class 0"
    words = forget_fraction(digits, [5, 6], 0.4).request.describe(digits.classes)
    assert words == "40 % of classes 5, 6"


def test_the_unlabelled_split_has_no_labels_anywhere(class_split):
    blind = class_split.unlabelled()
    found = {
        f"{holder}.{k}": v
        for holder, value in (("split", blind), ("train", blind.train))
        for k, v in vars(value).items()
    }
    assert set(found) == {
        "split.train",
        "split.remain_rows",
        "split.forget_rows",
        "train.x",
        "train.ids",
        "train.white",
        "train.norm",
    }
    assert not isinstance(blind.train, LabelledImages)
    assert not hasattr(blind.train, "y")
    for value in (found["train.x"], found["train.ids"], blind.remain_rows, blind.forget_rows):
        assert value.shape != class_split.train.y.shape or not torch.equal(value, class_split.train.y)


def without(digits, c):
    from core.data import Dataset

    keep = digits.train.y != c
    return Dataset("digits", "Digits", digits.classes, digits.train.take(keep), digits.test)


BAD = [
    (lambda d: load("mnst"), ["'mnst'", "digits, mnist"]),
    (lambda d: forget_classes(d, [10]), ["10", "Digits has", "0, 1, 2"]),
    (lambda d: forget_classes(d, [-1]), ["-1", "Digits has"]),
    (lambda d: forget_classes(d, ["zero"]), ["'zero'", "Digits has"]),
    (lambda d: forget_classes(d, [1.5]), ["1.5"]),
    (lambda d: forget_classes(d, [True]), ["True"]),
    (lambda d: forget_classes(d, []), ["no class"]),
    (lambda d: forget_classes(d, range(10)), ["nothing would remain", "leave"]),
    (lambda d: forget_classes(without(d, 4), [4]), ["'4'", "no training images"]),
    *[
        (lambda d, f=f: forget_fraction(d, [5], f), [repr(f), "between 0 and 1"])
        for f in (0, 1, -0.1, 1.5, float("nan"), float("inf"))
    ],
    (lambda d: forget_fraction(d, [5], 1e-4), ["picks 0", "at least one"]),
    (lambda d: forget_fraction(d, [5], 0.9999), ["picks", "at least one"]),
    (lambda d: forget_fraction(d, [11], 0.4), ["11"]),
    (lambda d: forget_fraction(d, 0.4, 0.4), ["0.4", "numbers or names of classes"]),
    (lambda d: Setup(task="undo").split(d), ["'undo'", "class, data, noise, indices"]),
]


@pytest.mark.parametrize(("ask", "words"), BAD)
def test_a_bad_request_says_what_is_wrong_and_what_would_be_right(digits, ask, words):
    with pytest.raises(RequestError) as caught:
        ask(digits)
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert "\n" not in text


# chosen images


def test_any_set_of_ids_can_be_forgotten_from_one_up(digits):
    ids = digits.train.ids.tolist()
    for chosen in ([ids[5]], ids[::3], ids[:-1]):
        split = forget_indices(digits, [*chosen, chosen[0]])
        assert sorted(split.forget.ids.tolist()) == sorted(chosen)
        assert len(split.remain) + len(split.forget) == len(ids)
    assert forget_indices(digits, [ids[5]]).request.describe(digits.classes) == "1 chosen image"


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([], ["no image", "at least one"]),
        ([-1], ["-1", "no training image"]),
        (lambda d: [d.test.ids[0].item()], ["no training image"]),
        (lambda d: d.train.ids.tolist(), ["nothing would remain"]),
        (range(10**6, 10**6 + 9), ["9 of the ids", "…"]),
    ],
)
def test_ids_that_cannot_be_forgotten_are_named(digits, ids, words):
    with pytest.raises(RequestError) as caught:
        forget_indices(digits, ids(digits) if callable(ids) else ids)
    assert all(word in str(caught.value) for word in words)


# ids and masks, in every form a caller may hold them


FORMS = {
    "torch": torch.tensor,
    "NumPy": np.array,
    "a list": list,
    "a tuple": tuple,
    "NumPy scalars": lambda values: list(np.array(values)),
    "torch scalars": lambda values: list(torch.tensor(values)),
    "a generator": iter,
}


@settings(max_examples=30)
@given(data=st.data(), form=st.sampled_from(sorted(FORMS)))
def test_a_mask_forgets_the_images_where_it_is_true_in_every_form(data, form, toy_split):
    dataset = toy_split.dataset
    mask = data.draw(st.lists(st.booleans(), min_size=len(dataset.train), max_size=len(dataset.train)))
    if not any(mask) or all(mask):
        return
    wanted = {i for i, chosen in zip(dataset.train.ids.tolist(), mask, strict=True) if chosen}
    assert set(forget_indices(dataset, FORMS[form](mask)).forget.ids.tolist()) == wanted


@settings(max_examples=30)
@given(data=st.data(), form=st.sampled_from(sorted(FORMS)))
def test_ids_are_read_alike_in_every_form(data, form, toy_split):
    dataset = toy_split.dataset
    ids = data.draw(st.lists(st.sampled_from(dataset.train.ids.tolist()), min_size=1, max_size=50))
    split = forget_indices(dataset, FORMS[form](ids))
    assert split.forget.ids.tolist() == sorted(set(ids))
    assert split.request.ids == tuple(sorted(set(ids)))


def test_a_mask_of_a_class_forgets_that_class(digits):
    assert torch.equal(
        forget_indices(digits, digits.train.y == 0).forget_rows, forget_classes(digits, [0]).forget_rows
    )


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100)
@given(ids=ANYTHING)
def test_whatever_is_given_as_ids_gives_a_split_or_one_sentence(ids, toy_split):
    told = None
    try:
        split = forget_indices(toy_split.dataset, ids)
    except RequestError as error:
        told = str(error)
    assert 0 < len(split.forget_rows) < len(split.train) if told is None else "\n" not in told


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([True, False], "a mask needs one value for each of the 160 training images of Toy, got 2"),
        ([True] * 159 + [3], "ids must be whole numbers, or all of them true or false, got True"),
        ([1.5], "ids must be whole numbers, or all of them true or false, got 1.5"),
        ("12", "ids must be whole numbers, got the text '12'"),
        (torch.zeros(160, 2, dtype=torch.bool), "ids must be whole numbers"),
        (7, None),
        (object, "ids must be a list of whole numbers or a mask"),
        ([False] * 160, "no image is chosen"),
        ([True] * 160, "all 160 images are chosen"),
    ],
    ids=str,
)
def test_a_mask_or_ids_that_cannot_be_used_are_told(ids, words, toy_split):
    if words is None:
        ids, words = object(), "ids must be a list of whole numbers or a mask"
    with pytest.raises(RequestError, match=words.replace("(", r"\(")):
        forget_indices(toy_split.dataset, ids)


MISUSED = {
    "a name as dataset": (
        lambda s: forget_classes("digits", [0]),
        r"a forget request takes a Dataset, got 'digits'; load\(",
    ),
    "a split as dataset": (lambda s: forget_classes(s, [0]), "takes a Dataset, got Split: Toy"),
    "ids of a split": (lambda s: forget_indices(s, [0]), "takes a Dataset, got Split: Toy"),
    "a mask as classes": (
        lambda s: forget_classes(s.dataset, s.train.y == 0),
        r"got a mask; forget_indices\(dataset, mask\)",
    ),
    "a fraction as text": (lambda s: forget_fraction(s.dataset, [0], "0.4"), "both excluded, got '0.4'"),
    "a negative seed": (
        lambda s: forget_classes(s.dataset, [0], seed=-1),
        "seed must be a whole number of at least 0, got -1",
    ),
    "a seed as text": (lambda s: forget_fraction(s.dataset, [0], seed="0"), "seed must be .* got '0'"),
    "no name to load": (lambda s: load(None), "load takes the name of a dataset or a path, got None"),
    "a dataset to train": (lambda s: train(s.dataset), r"train takes a Split, got Dataset: Toy"),
    "a seed to train": (lambda s: train(s, seed=0.5), "seed must be .* got 0.5"),
    "no listener": (lambda s: train(s, progress=True), "progress must be a function"),
}


@pytest.mark.parametrize(("ask", "words"), MISUSED.values(), ids=MISUSED)
def test_an_argument_of_another_kind_is_told_in_one_sentence(ask, words, toy_split):
    with pytest.raises(RequestError, match=words) as caught:
        ask(toy_split)
    assert "\n" not in str(caught.value)


def test_classes_may_be_an_array_or_a_tensor(toy_split):
    wanted = forget_classes(toy_split.dataset, [1, 3]).forget_rows
    for classes in (np.array([1, 3]), torch.tensor([3, 1]), [np.int64(1), torch.tensor(3)], ("b", "d")):
        assert torch.equal(forget_classes(toy_split.dataset, classes).forget_rows, wanted)


def test_data_and_splits_show_themselves_on_one_line(toy_split):
    dataset = toy_split.dataset
    assert repr(dataset) == "Dataset: Toy, 160 training and 80 test images of 1x8x8, 4 classes"
    assert repr(toy_split) == "Split: Toy, forget class b: 40 of 160 training images, 80 test images"
    assert repr(dataset.train) == "LabelledImages: 160 of 1x8x8"
