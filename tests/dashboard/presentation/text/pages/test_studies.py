"""The English of the page Studies: numbers and nouns agree."""

from __future__ import annotations

import pytest

from dashboard.presentation.text.pages import studies as say


@pytest.mark.parametrize(
    ("variants", "values", "seeds", "told"),
    [
        (1, [3], 1, "3 settings × 1 seed."),
        (1, [], 2, "1 setting × 2 seeds."),
        (2, [3, 4], 2, "2 variants × 3 × 4 settings × 2 seeds."),
    ],
)
def test_the_size_of_a_study_agrees_in_number(variants, values, seeds, told):
    assert f"**: {told}" in say.explained("name", 12, variants, values, seeds)
