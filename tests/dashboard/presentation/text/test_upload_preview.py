"""The preview of an upload escapes names and notes, and shows at most ROWS classes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from dashboard.presentation.text.durations import spoken_time
from dashboard.presentation.text.upload_preview import ROWS, preview

EVIL = "<img src=x onerror='alert(1)'>"


def upload(classes: int, notes: tuple[str, ...] = ()) -> SimpleNamespace:
    return SimpleNamespace(
        shape=(1, 8, 8),
        train=range(3),
        test=range(2),
        classes=tuple(f"{EVIL} {k}" for k in range(classes)),
        counts=((2, 1),) * classes,
        sizes=((8, 8, 4), (9, 9, 1)),
        subjects=("ada",),
        notes=notes,
        thumbnails=lambda columns: [[torch.zeros(1, 8, 8, dtype=torch.uint8)]] * classes,
    )


def test_names_and_notes_are_escaped():
    made = preview(upload(2, notes=(EVIL,)))
    assert "<img" not in made
    assert made.count("&lt;img") == 5  # name and tooltip of two classes, and the note
    assert "8×8 (4), 9×9 (1)" in made
    assert "5 (3 train, 2 test)" in made


def test_many_classes_are_cut_and_counted():
    made = preview(upload(ROWS + 3))
    assert made.count('class="own-strip"') == ROWS
    assert "and 3 more" in made
    assert "Nothing is resized or left out." in made


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (600, "10 min"), (7200, "2.0 h"), (864_000, "10 days")]
)
def test_a_duration_has_a_readable_unit(seconds, text):
    assert spoken_time(seconds) == text
