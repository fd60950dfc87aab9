"""`watch` in a notebook: what it plays, its page, its errors."""

from __future__ import annotations

import re

import numpy as np
import pytest

from core.errors import DivergedError, RequestError
from core.methods import METHODS
from core.runs.run import Phase
from dashboard.presentation.export import notebook as watch_module
from tests import toys


def watched(unlearner, **more):
    return watch_module.watch(unlearner, dataset="toy", classes=[1], device="cpu", progress=False, **more)


@pytest.mark.parametrize("kind", ["object", "class", "name"])
def test_watch_plays_what_it_is_given_and_draws_each_frame(kind, toy_world, flat):
    unlearner = {"object": toys.quick("neggrad+"), "class": METHODS["neggrad"], "name": "nothing"}[kind]
    from laf_lab import watch

    assert watch is watch_module.watch
    seen = watched(unlearner)
    figure, frames = seen.figure, seen.run.frames
    assert seen.run.phase is Phase.DONE
    assert len(figure.frames) == len(frames) == len(seen.run.steps) + 1
    assert len(figure.layout.sliders[0].steps) == len(frames)
    last = figure.frames[-1].data
    is_forget = seen.run.observer.evaluator.is_forget.numpy()
    np.testing.assert_array_equal(last[0].x, frames[-1].positions[~is_forget, 0])
    np.testing.assert_array_equal(last[1].y, frames[-1].positions[is_forget, 1])
    assert list(last[3].y) == [100 * f.reading.train_f for f in frames]
    assert len(figure.layout.shapes) == 3, "a line of the retrained model for each curve"


def test_watchs_page_fetches_nothing(toy_world, flat):
    seen = watched(toys.quick("nothing"))
    for page in (seen._repr_html_(), seen.html(full=True)):
        assert not re.search(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=""", page)
        assert "Plotly.newPlot" in page
        assert len(page) > 1_000_000, "plotly itself is inside"


def test_watch_with_a_method_that_trains_its_own_original(toy_world, flat):
    assert len(watched(toys.quick("sisa")).figure.frames) > 1


class Nearly:
    name = title = "nearly"
    needs_labels = False


class Wants(METHODS["finetune"]):
    def __init__(self, needed):
        super().__init__()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            Nearly,
            "Nearly is not a method of unlearning: it lacks configure, stages, start, prepare, step, result",
        ),
        (Nearly(), "an object of Nearly is not a method of unlearning: it lacks configure"),
        (42, "an object of int is not a method of unlearning"),
        ("nope", "unknown method 'nope'"),
        (Wants, "Wants cannot be created without arguments"),
    ],
    ids=["class", "object", "number", "name", "arguments"],
)
def test_watch_says_in_one_sentence_what_is_wrong(given, words, toy_world, flat):
    with pytest.raises(RequestError) as caught:
        watched(given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_watch_lets_the_methods_own_error_through(toy_world, flat):
    with pytest.raises(DivergedError):
        watched(toys.quick("neggrad", lr=1e30, optimiser="sgd"))
