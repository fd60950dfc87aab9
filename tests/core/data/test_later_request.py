"""A later request: what it forgets, what its method sees, and what it refuses."""

import pytest
import torch

from core.data.later_request import at_once, forget_more, require_not_forgotten
from core.data.split import forget_classes, forget_fraction, forget_indices, forget_noisy
from core.errors import RequestError
from tests import toys

DATA = toys.dataset()


def ids(split, rows):
    return set(split.train.ids[rows].tolist())


def of_classes(*classes):
    return set(DATA.train.ids[torch.isin(DATA.train.y, torch.tensor(classes))].tolist())


@pytest.fixture
def first():
    return forget_classes(DATA, [1])


def test_the_split_holds_all_images_asked_so_far(first):
    second = forget_more(first, lambda rest: forget_classes(rest, ["c"]))
    assert ids(second, second.forget_rows) == of_classes(1, 2)
    assert ids(second, second.remain_rows) == of_classes(0, 3)
    assert ids(second, second.earlier_rows) == of_classes(1)
    assert ids(second, second.newest_rows) == of_classes(2)


def test_the_method_never_sees_what_earlier_requests_forgot(first):
    second = forget_more(first, lambda rest: forget_classes(rest, [2]))
    third = forget_more(second, lambda rest: forget_indices(rest, [0, 4]))
    now, blind = third.present, third.unlabelled()
    assert set(now.train.ids.tolist()) == of_classes(0, 3)
    assert ids(now, now.forget_rows) == {0, 4}
    assert ids(now, now.remain_rows) == of_classes(0, 3) - {0, 4}
    assert torch.equal(blind.train.ids[blind.forget_rows], now.train.ids[now.forget_rows])
    assert torch.equal(now.remain.x, third.remain.x)
    assert torch.equal(now.remain.y, third.remain.y)


def test_a_share_is_drawn_from_the_images_that_remain():
    half = forget_fraction(DATA, [0], 0.5, seed=3)
    more = forget_more(half, lambda rest: forget_fraction(rest, [0], 0.5, seed=3))
    assert len(more.newest_rows) == 10
    assert len(more.forget_rows) == 30
    assert not ids(more, more.newest_rows) & ids(half, half.forget_rows)


def test_true_labels_of_wrong_ones_stay_with_their_images():
    noisy = forget_noisy(DATA, [0], 0.5)
    more = forget_more(noisy, lambda rest: forget_indices(rest, noisy.remain.ids[:3]))
    now = more.present
    assert torch.equal(now.true_y, DATA.train.y[torch.isin(DATA.train.ids, now.train.ids)])


def test_all_at_once_is_one_request_for_the_same_images(first):
    second = forget_more(first, lambda rest: forget_classes(rest, [2]))
    assert at_once(second).request == forget_classes(DATA, [1, 2]).request
    mixed = forget_more(second, lambda rest: forget_indices(rest, [0]))
    one = at_once(mixed)
    assert one.present is one
    assert one.task == "indices"
    assert set(one.request.ids) == of_classes(1, 2) | {0}


REFUSED = [
    (lambda rest: forget_classes(rest, [1]), "class 'b' has no training images that remain; .*: a, c, d"),
    (lambda rest: forget_classes(rest, [0, 2, 3]), "all 120 images that remain are chosen"),
    (lambda rest: forget_noisy(rest, [0], 0.5), "cannot plant images or mislabel them"),
    (lambda rest: forget_indices(rest, [1]), "no training image"),  # of class 1
]


@pytest.mark.parametrize(("request_", "sentence"), REFUSED)
def test_a_request_that_cannot_follow_is_refused(first, request_, sentence):
    with pytest.raises(RequestError, match=sentence):
        forget_more(first, request_)


def test_classes_and_images_that_are_forgotten_already_are_named(first):
    with pytest.raises(RequestError, match=r"class b is already forgotten by an earlier request.* a, c, d"):
        require_not_forgotten(first, (1,), ())
    with pytest.raises(RequestError, match="2 of the images are already forgotten"):
        require_not_forgotten(first, (), (0, 1, 5))
    require_not_forgotten(first, (0, "c"), (0, 2))
