"""The map of a later request begins where the request before ended."""

from types import SimpleNamespace

import numpy as np
import torch

from core.experiments.chain.carried_map import carried_map
from core.runs.setup import EarlierRequest, Setup
from core.runs.storage.chain import hold
from tests.toys import Flat

AFTER = Setup(earlier=(EarlierRequest("", "of this test", "class", (0,)),))


def held_frame(positions):
    e = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    hold("of this test", None, SimpleNamespace(positions=positions, representations=e.numpy()))
    return e


def test_points_that_were_there_stay_where_they_were():
    positions = np.arange(24, dtype=np.float32).reshape(12, 2)
    e = held_frame(positions)
    found = carried_map(AFTER, e[3:9], Flat())
    assert np.allclose(found.positions, positions[3:9], atol=1e-3)


def test_without_an_earlier_map_there_is_none_to_carry():
    e = held_frame(None)
    assert carried_map(AFTER, e, Flat()) is None
    held_frame(np.zeros((12, 2), np.float32))
    assert carried_map(AFTER, e[:, :3], Flat()) is None  # a net of another width
