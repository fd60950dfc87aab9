"""Neighbours by angle against cosines worked out one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import ConfigError
from core.projection.neighbours import nearest_by_angle


def cosine(a, b) -> float:
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_rows_of_the_largest_cosines_come_first_and_never_the_row_itself(dtype):
    e = np.random.default_rng(3).normal(size=(40, 7)).astype(dtype)
    rows, cosines = nearest_by_angle(e, 11, 6)
    wanted = sorted((k for k in range(40) if k != 11), key=lambda k: -cosine(e[11].tolist(), e[k].tolist()))[
        :6
    ]
    assert rows.tolist() == wanted
    np.testing.assert_allclose(cosines, [cosine(e[11].tolist(), e[k].tolist()) for k in wanted], atol=1e-6)


def test_the_length_of_a_representation_does_not_count():
    e = np.array([[1, 0], [100, 1], [0.9, 0.5], [0, 3]], np.float32)
    assert nearest_by_angle(e, 0, 2)[0].tolist() == [1, 2]


def test_twins_keep_their_order_and_fewer_rows_give_fewer_neighbours():
    e = np.array([[1, 1], [2, 2], [3, 3]], np.float32)
    rows, cosines = nearest_by_angle(e, 1, 6)
    assert rows.tolist() == [0, 2]
    np.testing.assert_allclose(cosines, 1, atol=1e-6)


def test_a_row_of_zeros_has_no_direction():
    rows, cosines = nearest_by_angle(np.array([[0, 0], [1, 0], [0, 1]], np.float32), 0, 2)
    assert sorted(rows.tolist()) == [1, 2]
    assert cosines.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("row", "count", "said"), [(3, 1, "row must be in"), (-1, 1, "row"), (0, -1, "count")]
)
def test_what_is_no_row_or_count_is_refused(row, count, said):
    with pytest.raises(ConfigError, match=said):
        nearest_by_angle(np.eye(3, dtype=np.float32), row, count)
