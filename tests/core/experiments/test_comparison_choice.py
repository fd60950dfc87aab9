"""The choice of a comparison, as text and as lists; what cannot be compared is one sentence."""

from __future__ import annotations

import pytest

from core.errors import RequestError
from core.experiments.comparison import Comparison, parse_methods, parse_seeds
from core.methods import METHODS
from core.runs.setup import Setup


@pytest.mark.parametrize(
    ("text", "found"), [("0", (0,)), ("0-2", (0, 1, 2)), ("1,5, 7-8", (1, 5, 7, 8)), ("3,3,2", (3, 2))]
)
def test_seeds_are_numbers_and_ranges(text, found):
    assert parse_seeds(text) == found


@pytest.mark.parametrize("text", ["", ",", "x", "2-1", "-1", "1-", "1.5", "0-999999999", "٣"])
def test_what_is_no_seed_is_refused(text):
    if text == "1-":
        assert parse_seeds(text) == (1,)
        return
    with pytest.raises(RequestError):
        parse_seeds(text)


def test_methods_are_named_or_all():
    assert parse_methods("all") == tuple(m for m in METHODS if m != "retrain")  # has a row in any case
    assert parse_methods("retrain") == ("retrain",)
    assert parse_methods("laf, nothing,laf") == ("laf", "nothing")
    with pytest.raises(RequestError, match="'amnesia'"):
        parse_methods("laf,amnesia")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"methods": "laf"}, r"methods must be a list, got 'laf'; write methods=\["),
        ({"methods": []}, "needs at least one method"),
        ({"methods": ["lav"]}, "unknown method 'lav'"),
        ({"seeds": 0}, r"seeds must be a list, got 0; write seeds=\["),
        ({"seeds": []}, "needs at least one seed"),
        ({"seeds": ["a"]}, "seed must be a whole number of at least 0, got 'a'"),
        ({"references": -1}, "references must be a whole number of at least 0, got -1"),
        ({"references": [1]}, r"references must be a whole number of at least 0, got \[1\]"),
        ({"setup": "digits"}, "a comparison takes a Setup, got 'digits'"),
    ],
    ids=str,
)
def test_a_choice_that_cannot_be_compared_is_one_sentence(given, words):
    chosen = {"setup": Setup(), "methods": ["nothing"], "seeds": [0], **given}
    with pytest.raises(RequestError, match=words):
        Comparison(**chosen)
