"""Pictures of images, vectors and series, counted by hand."""

from __future__ import annotations

import itertools

import torch

from core.data.images import Images
from core.data.pictures import BACKGROUND, DRAWN, INK, MOST_LANES, SIDE, pictures


def of(x: torch.Tensor, white: int = 1) -> torch.Tensor:
    return pictures(Images(x, torch.arange(len(x)), white))


def drawing(x: torch.Tensor) -> torch.Tensor:
    """Return the picture of one sample without its margin, (DRAWN, DRAWN)."""
    picture = of(x)[0, 0]
    margin = picture.clone()
    margin[1:-1, 1:-1] = BACKGROUND
    assert (margin == BACKGROUND).all()
    return picture[1:-1, 1:-1]


def test_an_image_is_drawn_by_its_own_pixels():
    x = torch.tensor([[[[0, 8], [16, 4]]]], dtype=torch.uint8)
    assert of(x, 16).tolist() == [[[[0, 127], [255, 63]]]]


def test_a_bar_goes_up_above_the_mean_and_down_below_it():
    picture = drawing(torch.tensor([[1.5, -1.5, 0.0]]))
    up, down, flat = (picture[:, 16 * i + 4] == INK for i in range(3))
    above, below = DRAWN // 2, DRAWN // 2
    assert int(up[:above].sum()) in (DRAWN // 4, DRAWN // 4 + 1)
    assert int(up[above + 1 :].sum()) == 0
    assert int(down[below:].sum()) in (DRAWN // 4 - 1, DRAWN // 4)
    assert int(down[: below - 1].sum()) == 0
    assert int(flat.sum()) <= 2


def test_bars_have_gaps_and_values_beyond_the_reach_end_at_the_edge():
    picture = drawing(torch.full((1, 4), 50.0))
    assert (picture[0] == INK).sum() == DRAWN - 3  # one free column between two bars
    assert of(torch.randn(3, 500)).shape == (3, 1, SIDE, SIDE)


def test_a_series_is_one_unbroken_line_where_its_values_lie():
    time = torch.linspace(-2, 2, 31)
    picture = drawing(time.reshape(1, 1, -1))
    columns = [(picture[:, c] == INK).nonzero().flatten() for c in range(DRAWN)]
    assert all(len(rows) for rows in columns)
    for before, after in itertools.pairwise(columns):  # it rises, so its rows fall, without a hole
        assert after.min() <= before.min()
        assert after.max() >= before.min() - 1
    middle = columns[DRAWN // 2].float().mean()
    assert abs(float(middle) - DRAWN / 2) < 2


def test_channels_lie_below_each_other_and_many_are_averaged():
    x = torch.zeros(1, 2, 40)
    x[0, 0], x[0, 1] = 3.0, -3.0
    rows = (drawing(x) == INK).any(1).nonzero().flatten().tolist()
    assert rows == [0, DRAWN - 1]
    many = of(torch.randn(2, 40, 10))
    assert many.shape == (2, 1, SIDE, SIDE)
    assert (many[0, 0, 1 + DRAWN // MOST_LANES * MOST_LANES :] == BACKGROUND).all()


def test_a_series_of_one_value_and_no_sample_at_all_can_be_drawn():
    assert (of(torch.zeros(1, 1, 1)) == INK).any()
    assert len(of(torch.zeros(0, 5))) == 0
