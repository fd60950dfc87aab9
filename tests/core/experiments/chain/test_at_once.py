"""All at once: one run from the chain's first original, which is made again from what a later original knows."""

from dataclasses import replace

import pytest

from core.data.later_request import forget_more
from core.data.split import forget_classes
from core.experiments.chain.at_once import run_at_once
from core.methods import LAF
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runtime.progress import run_to_end
from tests import toys

DATA = toys.dataset()


@pytest.fixture
def after(monkeypatch):
    monkeypatch.setattr(Setup, "config", lambda self, split: toys.QUICK)  # the toy has no preset
    first = forget_classes(DATA, [0])
    original = toys.model(first)
    result = finish(Run(LAF(toys.QUICK), original, first))
    return original, result, forget_more(first, lambda rest: forget_classes(rest, [1]))


def test_it_is_the_run_of_one_request_for_all_classes(after):
    original, result, split = after
    run = run_to_end(run_at_once(Setup(dataset="toy"), split, result))
    straight = Run(LAF(toys.QUICK), original, forget_classes(DATA, [0, 1]))
    finish(straight)
    assert run.steps == straight.steps
    assert toys.same(toys.weights(run.result), toys.weights(straight.result))


def test_settings_can_be_changed(after):
    _, result, split = after
    run = run_to_end(run_at_once(Setup(dataset="toy"), split, result, change=lambda c: replace(c, epochs=1)))
    assert len(run.steps) == run.total_steps
    assert run.config.epochs == 1
