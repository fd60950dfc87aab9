"""Vectors and series in an npz, and where the line to images lies."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.registry import load
from core.data.uploads.store import keep
from core.errors import DataError
from tests.core.data.uploads.builders import assert_one_sentence, labels, look, npz

DRAW = np.random.default_rng(5)
VECTORS = DRAW.normal(3, 2, (30, 6))
SERIES = DRAW.normal(0, 2, (30, 2, 40))


def read(**arrays):
    return look(npz(**arrays), "mine.npz")


@pytest.mark.parametrize(
    ("arrays", "kind", "shape"),
    [
        ({"x": VECTORS}, "vectors", (6,)),
        ({"x": VECTORS.astype(np.float32)}, "vectors", (6,)),
        ({"x": DRAW.integers(-9, 9, (30, 5))}, "vectors", (5,)),
        ({"x": SERIES}, "series", (2, 40)),
        ({"series": DRAW.uniform(0, 1, (30, 9, 40))}, "series", (9, 40)),
        ({"series": DRAW.integers(0, 9, (30, 12, 40))}, "series", (12, 40)),
        ({"x": DRAW.uniform(0, 1, (30, 9, 40))}, "images", (1, 9, 40)),
        ({"x": DRAW.integers(0, 255, (30, 9, 9), dtype=np.uint8)}, "images", (1, 9, 9)),
    ],
)
def test_the_kind_follows_from_shape_type_and_name(arrays, kind, shape, own_home):
    data = load(keep(read(**arrays, y=labels(30))))
    assert (data.kind, data.shape) == (kind, shape)


def test_a_given_test_set_stays_and_the_scale_is_that_of_the_training_set(own_home):
    data = read(x_train=VECTORS, y_train=labels(30), x_test=VECTORS[:8] + 1, y_test=labels(8)).dataset()
    assert (len(data.train), len(data.test)) == (30, 8)
    np.testing.assert_allclose(data.scale.mean, VECTORS.mean(0))
    np.testing.assert_allclose(data.test.x, (VECTORS[:8] + 1 - VECTORS.mean(0)) / VECTORS.std(0), atol=1e-5)


def with_hole(value: float) -> np.ndarray:
    x = SERIES.copy()
    x[7, 1, 3] = value
    return x


UNEQUAL = np.empty(30, object)
UNEQUAL[:] = [np.zeros(3 + i % 2) for i in range(30)]
WRONG = {
    "a missing value": ({"x": with_hole(np.nan)}, "no number (NaN or infinite) in row 7, place (1, 3)"),
    "an infinite value": ({"x": with_hole(np.inf)}, "no number (NaN or infinite) in row 7, place (1, 3)"),
    "series of unequal length": ({"x": UNEQUAL}, "rows of unequal length"),
    "text": ({"x": np.full((30, 2), "a")}, "wanted numbers"),
    "constant channels": ({"x": np.ones((30, 2, 9))}, "only constant channels"),
    "too few": ({"x": VECTORS[:12]}, "12 vectors only; at least 20"),
    "large whole numbers in three dimensions": ({"x": DRAW.integers(0, 999, (30, 9, 9))}, "outside 0 to 255"),
    "large numbers in three dimensions": ({"x": 9 * DRAW.normal(0, 9, (30, 9, 9))}, "call the array series"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_in_one_sentence(what, own_home):
    arrays, says = WRONG[what]
    with pytest.raises(DataError) as error:
        read(**arrays, y=labels(len(arrays["x"])))
    assert says in str(error.value)
    assert_one_sentence(error.value)


def test_a_constant_channel_is_left_out_by_its_number(own_home):
    x = SERIES.copy()
    x[:, 0] = 1.0
    found = read(x=x, y=labels(30))
    assert found.shape == (1, 40)
    assert any("the same in all training samples: channel 1." in n for n in found.notes)


def test_more_values_than_can_be_read_are_refused(own_home, monkeypatch):
    monkeypatch.setattr("core.data.uploads.reading.value_rows.VALUES", 100)
    with pytest.raises(DataError, match="180 values; up to 100"):
        read(x=VECTORS, y=labels(30))
