"""The nouns of images, vectors and series."""

from __future__ import annotations

import pytest

from dashboard.presentation.text.pages import nouns


@pytest.mark.parametrize(
    ("text", "vectors", "series"),
    [
        ("5 % of the forgotten images", "5 % of the forgotten vectors", "5 % of the forgotten series"),
        ("Each dot is an image.", "Each dot is a vector.", "Each dot is a series."),
        (
            "An image moved; mean per image",
            "A vector moved; mean per vector",
            "A series moved; mean per series",
        ),
        ("Images to forget", "Vectors to forget", "Series to forget"),
        ("<img src='data:image/png;base64,x'>", *["<img src='data:image/png;base64,x'>"] * 2),
        ("an imaginary example", *["an imaginary example"] * 2),
    ],
)
def test_a_text_about_images_becomes_one_about_vectors_or_series(text, vectors, series):
    assert nouns.in_kind(text, "images") == text
    assert nouns.in_kind(text, "vectors") == vectors
    assert nouns.in_kind(text, "series") == series


def test_every_text_of_a_record_is_changed_and_nothing_else():
    record = {"images": ["an image", 3, None, {"help": "images"}], "done": True}
    assert nouns.in_kind(record, "vectors") == {
        "images": ["a vector", 3, None, {"help": "vectors"}],
        "done": True,
    }


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [(1, "images", "1 image"), (1437, "vectors", "1,437 vectors"), (1, "series", "1 series")],
)
def test_a_number_of_them_has_the_right_form(number, kind, words):
    assert nouns.counted(number, kind) == words
