"""The chart of kept runs, and the example of it on an empty page."""

from __future__ import annotations

from types import SimpleNamespace

from dashboard.presentation.charts.runs import curves, example_curves
from dashboard.presentation.text.pages import runs as say


def kept(steps):
    readings = [SimpleNamespace(train_r=1.0, train_f=1 - s / 10, test=0.9) for s in steps]
    frames = [SimpleNamespace(step=s, reading=r) for s, r in zip(steps, readings, strict=True)]
    return SimpleNamespace(frames=frames, about={"name": "mine"}, id="id")


def test_curves_are_percent_over_steps():
    figure = curves([kept([0, 5, 10])])
    forgotten = next(line for line in figure.data if line.name == "Train_f")
    assert list(forgotten.x) == [0, 5, 10]
    assert list(forgotten.y) == [100, 50, 0]


def test_the_example_has_the_lines_of_a_real_run_and_forgets():
    real, example = curves([kept([0, 10])]), example_curves()
    assert [line.name for line in example.data] == [line.name for line in real.data]
    assert example.layout.yaxis == real.layout.yaxis
    forgotten = example.data[1].y
    assert forgotten[0] > 99
    assert forgotten[-1] < 1


def test_the_example_list_has_the_three_lines_that_a_real_one_has():
    first, *_ = say.example_lines()
    assert first.startswith("**Forget the zeros** · done at step 22 of 22")
    assert len(first.split("  \n")) == 3
