"""The form of the next request offers only what remains, and the strip tells each verdict."""

from dataclasses import replace

import pytest
import torch

from core.runs.records import Phase
from core.runs.storage import ChainLink
from dashboard.forms.forget.chain import _remaining, _told, subject_ids
from tests import toys


def test_images_that_are_forgotten_already_are_left_out():
    rest = toys.dataset().with_train(toys.dataset().train.y != 1)
    assert _remaining(rest, [0, 1, 4, 5, 8]) == (0, 4, 8)  # 1 and 5 are of class 1
    assert _remaining(rest, []) == ()


def test_a_subjects_images_are_those_that_remain():
    data = toys.dataset()
    named = replace(data, subjects=("Ann", "Ben"), subject_of=torch.arange(len(data.train)) % 2)
    rest = named.with_train(torch.arange(8, 13))
    assert subject_ids(rest, [0]) == (8, 10, 12)
    assert subject_ids(rest, []) == ()
    assert subject_ids(data, [0]) == ()  # a dataset without subjects


@pytest.mark.parametrize(
    ("phase", "verdict", "said"),
    [
        (None, None, "This run was deleted or purged"),
        (Phase.PAUSED, None, "This run is paused"),
        (Phase.DONE, None, "There is no verdict yet"),
        (Phase.DONE, {"success": True, "text": "Forgotten: all."}, "Forgotten: all."),
    ],
)
def test_a_link_tells_its_verdict_or_why_there_is_none(phase, verdict, said):
    assert _told(ChainLink(2, "run", "class 1", phase, verdict, None), "images") == said
