"""The option --classes: numbers, ranges and names, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RequestError
from dashboard.cli.options.classes import parse_classes

NAMES = ("cat", "dog", "3", "0-1", "sea lion")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0", (0,)),
        ("1,4", (1, 4)),
        ("0-2", (0, 1, 2)),
        (" cat , dog ", (0, 1)),
        ("3", (2,)),
        ("0-1", (3,)),
        ("sea lion,1", (4, 1)),
        ("2-2", (2,)),
    ],
)
def test_classes_are_numbers_ranges_and_names_and_a_name_wins(text, found):
    assert parse_classes(text, NAMES) == found


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789-, catdog", max_size=12) | st.text(max_size=8))
def test_any_text_is_classes_or_a_wrong_request(text):
    try:
        found = parse_classes(text, NAMES)
    except RequestError:
        return
    assert found
    assert all(0 <= c < len(NAMES) for c in found)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted), min_size=1, max_size=5))
def test_ranges_and_numbers_are_what_they_say(ranges):
    names = tuple("abcdefghij")
    text = ",".join(f"{a}-{b}" if a != b else str(a) for a, b in ranges)
    assert parse_classes(text, names) == tuple(c for a, b in ranges for c in range(a, b + 1))


@pytest.mark.parametrize(
    ("text", "found"), [("1", (0,)), ("3", (2,)), ("1-3", (0, 1, 2)), ("2-10", (1, 2, 3)), ("10,1", (3, 0))]
)
def test_where_all_names_are_numbers_numbers_and_ranges_mean_names(text, found):
    assert parse_classes(text, ("1", "2", "3", "10")) == found


@pytest.mark.parametrize("text", ["0", "4", "0-2", "3-1"])
def test_a_number_that_no_class_has_is_no_place_among_numbered_classes(text):
    with pytest.raises(RequestError, match="unknown class"):
        parse_classes(text, ("1", "2", "3", "10"))
