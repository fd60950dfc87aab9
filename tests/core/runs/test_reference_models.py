"""Retrained models: the same whether they are trained alone or beside each other."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
import torch

from core.errors import LabError
from core.models.registry import build
from core.runs import reference_models
from core.runs.reference_models import RetrainedBeside, gains_beside, references


@pytest.fixture
def nothing_cached(monkeypatch):
    """Each training is done, as without a cache."""
    monkeypatch.setattr(reference_models.models, "get", lambda key: None)
    monkeypatch.setattr(reference_models.models, "put", lambda *a, **k: None)


def test_models_trained_beside_each_other_have_the_bits_they_have_alone(toy_split, toy_model, nothing_cached):
    told = []
    beside = references(toy_split, toy_model, count=3, seed=2, workers=2, progress=told.append)
    alone = references(toy_split, toy_model, count=3, seed=2, workers=1)
    assert [r.number for r in beside] == [0, 1, 2]
    for one, other in zip(beside, alone, strict=True):
        for name, value in one.model.state_dict().items():
            assert torch.equal(value, other.model.state_dict()[name]), name
    assert not torch.equal(*(next(r.model.parameters()) for r in beside[:2]))
    assert [p.done for p in told] == sorted(p.done for p in told)  # one bar that only grows
    assert 0 < told[-1].done <= told[-1].total


def test_an_error_of_one_stops_the_others_and_reaches_the_caller(toy_split, toy_model, monkeypatch):
    from core.runtime.progress import Progress

    begun, ended = threading.Barrier(2), []

    def endless(split, model, *, seed, number):
        yield Progress("retrain", 0, 1)
        begun.wait(30)
        if number == 1:
            raise LabError("retraining failed: on purpose")
        try:
            while True:
                yield Progress("retrain", 0, 1)
        finally:
            ended.append(number)

    monkeypatch.setattr(reference_models, "retraining", endless)
    with pytest.raises(LabError, match="on purpose"):
        references(toy_split, toy_model, count=2, workers=2)
    assert ended == [0]


def test_a_model_retrained_beside_other_work_has_the_bits_it_has_alone(toy_split, toy_model, nothing_cached):
    alone = references(toy_split, toy_model, count=1, seed=2, workers=1)[0]
    torch.set_num_threads(2)
    try:
        with RetrainedBeside(toy_split, toy_model, seed=2) as beside:
            assert torch.get_num_threads() == 1
            told = []
            found = beside.result(told.append)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert beside.is_trained
    assert told
    for name, value in alone.model.state_dict().items():
        assert torch.equal(value, found.model.state_dict()[name]), name


def test_its_thread_ends_with_the_work_it_is_beside(toy_split, toy_model, monkeypatch):
    from core.runtime.progress import Progress

    ended = threading.Event()

    def endless(split, model, *, seed):
        try:
            while True:
                yield Progress("retrain", 0, 1)
        finally:
            ended.set()

    monkeypatch.setattr(reference_models, "retraining", endless)
    with pytest.raises(KeyboardInterrupt), RetrainedBeside(toy_split, toy_model):
        raise KeyboardInterrupt
    assert ended.is_set()


@pytest.mark.parametrize(
    ("net", "shape", "gains"), [("cnn", (1, 28, 28), True), ("digits-cnn", (1, 8, 8), False)]
)
def test_only_a_net_whose_steps_are_long_gains_by_a_second_thread(net, shape, gains):
    split = SimpleNamespace(dataset=SimpleNamespace(shape=shape))
    assert gains_beside(build(net, shape, 10, seed=0), split) == gains
