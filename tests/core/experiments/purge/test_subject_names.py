"""Names of subjects in text."""

from __future__ import annotations

import pytest

from core.experiments.purge.subject_names import SubjectNames


@pytest.mark.parametrize(
    ("name", "text", "sure", "perhaps"),
    [
        ("Ann Lee", "for ANN  LEE, who asked", True, True),
        ("Ann Lee", "ann_lee-2", True, True),
        ("Ann Lee", "annlee", True, False),
        ("Ann Lee", "Joann Leeds", False, False),
        ("Ann Lee", "Lee's", False, True),
        ("Zoë", "Zoe\u0308!", True, True),
        ("Zoë", "ZOE", True, True),
        ("山田", "山田の写真", True, False),
        ("p1", "class p1 looks good", False, True),
        ("7", "step 7", False, True),
        ("a.b*c", "of a.b*c", True, True),
    ],
)
def test_a_name_is_found_as_a_person_would_read_it(name, text, sure, perhaps):
    names = SubjectNames([name])
    assert (names.is_in(text), names.may_hold(text)) == (sure, perhaps)
    assert names.is_one(name)
    assert (names.without(text) == text) >= (not sure)
