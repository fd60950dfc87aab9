"""The form of the next request offers only what remains, and the strip tells each verdict."""

import pytest

from core.runs.records import Phase
from core.runs.storage import ChainLink
from dashboard.forms.forget.chain import _remaining, _told
from tests import toys


def test_images_that_are_forgotten_already_are_left_out():
    rest = toys.dataset().with_train(toys.dataset().train.y != 1)
    assert _remaining(rest, [0, 1, 4, 5, 8]) == (0, 4, 8)  # 1 and 5 are of class 1
    assert _remaining(rest, []) == ()


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
    assert _told(ChainLink(2, "run", "class 1", phase, verdict, None)) == said
