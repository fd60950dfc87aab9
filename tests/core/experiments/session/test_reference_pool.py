"""Two tasks retrain the models of one Experiment: each model once, in the order of their numbers."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from core.errors import LabError
from core.evaluation.reference_band import Retrained
from core.experiments.session import reference_pool
from core.experiments.session.reference_pool import ReferencePool
from core.runtime.progress import Progress
from core.runtime.scheduler import SlicedTask


class Tasks:
    """Tasks whose slices the test takes, in an order of its own."""

    closed = False

    def __init__(self, workers: int) -> None:
        self.runner = SimpleNamespace(workers=workers)
        self.work: dict[str, Progress] = {}
        self.given: list[SlicedTask] = []

    def give_slices(self, slices, failed, weight=1.0):
        self.given.append(SlicedTask(slices, failed, weight))
        return self.given[-1]


@pytest.fixture
def make(monkeypatch):
    """Return a function that makes a pool of ``count`` models on ``workers``, with its tasks and what was trained."""
    trained: list[int] = []
    broken: set[int] = set()

    def retraining(split, model, *, seed, number):
        trained.append(number)
        for step in range(4):
            yield Progress("retrain", step, 4)
            if number in broken:
                broken.discard(number)
                raise LabError("on purpose")
        return Retrained(number, None, 1.0)

    monkeypatch.setattr(reference_pool, "retraining", retraining)
    monkeypatch.setattr(reference_pool, "gains_beside", lambda model, split: True)
    monkeypatch.setattr(reference_pool.time, "sleep", lambda s: None)

    def pool_of(count: int, workers: int):
        tasks, claim = (
            Tasks(workers),
            SimpleNamespace(get=lambda: None, claim=lambda f: True, release=lambda: None),
        )
        pool = ReferencePool(SimpleNamespace(seed=0), tasks, claim, lambda: None, count)
        monkeypatch.setattr(pool, "_add", lambda made, _: pool.references.append(made))
        monkeypatch.setattr(pool, "_start_measuring_noise", lambda: None)
        pool._prepared = SimpleNamespace(split=None, model=None)
        pool.start()
        return pool, tasks, trained, broken

    return pool_of


def play(tasks: Tasks, order: random.Random) -> int:
    """Take slices in a random order to the end; return their number."""
    taken = 0
    while alive := [t for t in tasks.given if t.alive]:
        order.choice(alive).tick()
        taken += 1
        assert taken < 10_000
    return taken


@pytest.mark.parametrize("seed", range(30))
def test_each_model_is_retrained_once_and_shown_in_order(make, seed):
    order = random.Random(seed)
    count = order.randint(1, 6)
    pool, tasks, trained, _ = make(count, 2)
    play(tasks, order)
    assert [r.number for r in pool.references] == list(range(count))
    assert sorted(trained) == list(range(count))
    assert pool.error is None


def test_the_second_task_takes_the_last_models(make):
    pool, tasks, trained, _ = make(4, 2)
    tasks.given[0].tick()  # begins with the first
    for _ in range(6):
        tasks.given[1].tick()
    assert trained == [0, 3, 2]
    assert pool.references == []


def test_a_single_worker_has_one_task(make):
    _, tasks, trained, _ = make(3, 1)
    play(tasks, random.Random(0))
    assert len(tasks.given) == 1
    assert trained == [0, 1, 2]


def test_a_model_that_the_second_task_failed_on_is_retrained_by_the_first(make):
    pool, tasks, trained, broken = make(3, 2)
    broken.add(2)
    tasks.given[0].tick()
    while tasks.given[1].alive:
        tasks.given[1].tick()
    play(tasks, random.Random(0))
    assert [r.number for r in pool.references] == [0, 1, 2]
    assert sorted(trained) == [0, 1, 2, 2]
