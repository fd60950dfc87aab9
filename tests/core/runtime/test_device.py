"""Denormal numbers count as zero while the Lab computes, in each thread, and the setting is restored."""

from __future__ import annotations

from threading import Thread

import pytest
import torch

from core import LAF, Run
from core.models.base import outputs
from core.runtime.device import denormals_as_zero, torch_threads
from core.training.supervised import copy_of
from tests import toys

TINY = 1e-39


def kept() -> bool:
    """Return whether a denormal number survives a multiplication in this thread."""
    return bool(torch.tensor(TINY) * 0.5)


@pytest.fixture(autouse=True)
def _usual():
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot take denormal numbers as zero")
    torch.set_flush_denormal(False)
    yield
    torch.set_flush_denormal(False)


def test_they_are_zero_inside_and_as_before_afterwards_even_after_an_error():
    with denormals_as_zero():
        assert not kept()
        with denormals_as_zero():
            assert not kept()
        assert not kept()
    assert kept()
    with pytest.raises(ZeroDivisionError), torch_threads(1):
        1 / 0  # noqa: B018
    assert kept()


def test_who_wanted_them_zero_anyway_finds_them_so_afterwards():
    torch.set_flush_denormal(True)
    with denormals_as_zero():
        assert not kept()
    assert not kept()


def test_other_threads_keep_theirs():
    found = []
    with denormals_as_zero():
        other = Thread(target=lambda: (torch.set_flush_denormal(False), found.append(kept())))
        other.start()
        other.join()
        assert not kept()
    assert found == [True]


@pytest.mark.parametrize("name", ["laf", "finetune", "retrain"])
def test_no_step_computes_with_them(name, toy_split, toy_model, monkeypatch):
    seen = []
    made = toys.quick(name)
    step = made.step
    monkeypatch.setattr(made, "step", lambda *a, **k: (seen.append(kept()), step(*a, **k))[1])
    run = Run(made, toy_model, toy_split, seed=0)
    while not seen and not run.phase.over:
        run.advance()
    assert seen[0] is False
    assert kept()


def test_an_evaluation_takes_a_weight_so_small_for_none(toy_split, toy_model):
    """Its answer is that of the model whose weight is zero, bit by bit."""
    small, zero = copy_of(toy_model), copy_of(toy_model)
    for model, value in ((small, TINY), (zero, 0.0)):
        first = next(p for p in model.parameters() if p.dim() == 4)
        with torch.no_grad():
            first.fill_(value)
            for p in model.parameters():
                if p.dim() == 1:
                    p.zero_()
    with torch.no_grad():  # e is of the order of 1e-39 where it is not flushed
        x = toy_split.test.floats(slice(0, 8))
        assert bool((small.eval().extract(x) != 0).any())
    a, b = outputs(small, toy_split.test), outputs(zero, toy_split.test)
    assert torch.equal(a.representations, b.representations)


def test_a_run_is_the_same_in_a_thread_that_had_them_zero_before(toy_split, toy_model):
    def played():
        run = Run(LAF(toys.QUICK), toy_model, toy_split, seed=0)
        while run.advance():
            pass
        return toys.weights(run.result)

    a = played()
    torch.set_flush_denormal(True)
    assert toys.same(a, played())
