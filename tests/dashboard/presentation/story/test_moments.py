"""The story in three moments: its titles name the data, and its hint follows the run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from core.data import load
from core.data.split import forget_classes, forget_fraction, forget_noisy
from core.runs.records import Phase
from dashboard.presentation.story.moments import story


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def experiment(split=None, phase=None, references=0, error=None):
    return SimpleNamespace(split=split, phase=phase, references=[None] * references, error=error)


@pytest.mark.parametrize(
    ("make", "titles"),
    [
        (
            lambda d: forget_classes(d, (0,)),
            (
                "This model knows ten digits",
                "Make it forget the zeros",
                "Compare with models that never saw one",
            ),
        ),
        (
            lambda d: forget_classes(d, (1, 7)),
            (
                "This model knows ten digits",
                "Make it forget the ones and sevens",
                "Compare with models that never saw any of them",
            ),
        ),
        (
            lambda d: forget_noisy(d, (0, 1), 0.5),
            (
                "This model knows ten digits",
                "Make it forget its wrong labels",
                "Compare with models that never saw the wrong labels",
            ),
        ),
    ],
)
def test_the_titles_name_what_is_known_and_what_must_go(digits, make, titles):
    assert story(experiment(make(digits)), 5).titles == titles


def test_data_removal_names_how_many_images_must_go(digits):
    split = forget_fraction(digits, (5, 6), 0.4)
    assert story(experiment(split), 5).titles[1] == f"Make it forget {len(split.forget_rows):,} images"


def test_classes_of_other_names_are_quoted(digits):
    named = forget_classes(digits, (3,))
    names = tuple(f"kind {k}" for k in range(10))
    dataset = SimpleNamespace(classes=names)
    split = SimpleNamespace(
        dataset=dataset, task="class", train=named.train, forget_rows=torch.as_tensor(named.forget_rows)
    )
    found = story(experiment(split), 5)
    assert found.titles[:2] == ("This model knows ten classes", "Make it forget class “kind 3”")


@pytest.mark.parametrize(
    ("phase", "references", "at", "words"),
    [
        (None, 0, 0, "prepared"),
        (Phase.READY, 0, 0, "Press Play"),
        (Phase.RUNNING, 0, 1, "Watch"),
        (Phase.PAUSED, 0, 1, "go on"),
        (Phase.FAILED, 0, 1, "Reset"),
        (Phase.DONE, 3, 2, "3 of 5"),
        (Phase.DONE, 5, 2, "verdict"),
    ],
)
def test_the_hint_says_what_to_do_next(digits, phase, references, at, words):
    found = story(experiment(forget_classes(digits, (0,)), phase, references), 5)
    assert found.at == at
    assert words in found.hint
