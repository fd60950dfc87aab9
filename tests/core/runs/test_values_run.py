"""Runs on vectors and series: every task, near-duplicates, similar samples and the exported scale, as with images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.config import TrainConfig
from core.data import forget_classes, forget_fraction, forget_indices, forget_noisy
from core.evaluation.forget_suggestions import gather_facts, near_duplicates
from core.evaluation.metrics import evaluate
from core.methods.baselines.label_free.mda import similar
from core.methods.laf.automatic.cautions import cautions
from core.methods.laf.automatic.signals import SignalProbe
from core.runs.run import Run, finish
from core.runtime.progress import run_to_end
from core.training.recipe import check_learnt
from core.training.supervised import train
from tests import toys

NETS = {"vectors": "mlp", "series": "series-cnn"}
TASKS = {
    "class": lambda data: forget_classes(data, [1]),
    "data": lambda data: forget_fraction(data, [0, 1], 0.4),
    "noise": lambda data: forget_noisy(data, [0, 1], 0.4),
    "indices": lambda data: forget_indices(data, [3, 7, 8, 20]),
}


@pytest.fixture(scope="module", params=NETS)
def made(request):
    """Return a toy dataset of each kind, and a model of it."""
    data = toys.values(request.param)
    config = TrainConfig(NETS[request.param], epochs=6, batch_size=16, lr=3e-3)
    return data, train(forget_classes(data, [1]), config=config)


@pytest.mark.parametrize("task", TASKS)
def test_laf_and_mda_run_on_every_task_and_are_measured(made, task):
    data, model = made
    split = TASKS[task](data)
    for name in ("laf", "mda"):
        run = Run(toys.quick(name), model, split, seed=0)
        report = evaluate(finish(run), split)
        assert 0 <= report.train_f <= 1
        assert report.attack.auc is None or 0 <= report.attack.auc <= 1  # None: too few to tell


@pytest.mark.parametrize("task", ["class", "data", "noise"])
def test_the_signals_of_automatic_settings_read_them(made, task):
    data, model = made
    split = TASKS[task](data).unlabelled()
    probe = SignalProbe(model, split, task, unseen=data.test.unlabelled(), seed=0)
    assert np.isfinite(probe.read(model, 0).forget_agreement)
    assert cautions(model, split) == ()


def test_the_net_learns_them_and_is_held_against_neighbours(made):
    data, model = made
    check = check_learnt(model, data)
    assert check.learnt, check.reason
    assert check.accuracy > 0.9
    assert f"test {data.kind} right" in check.reason


def test_similar_samples_are_the_nearest_by_numpy(made):
    data, _ = made
    split = forget_classes(data, [1])
    x = split.train.x.flatten(1).numpy()
    forget, remain = split.forget_rows.numpy(), split.remain_rows.numpy()
    distance = np.linalg.norm(x[forget][:, None] - x[remain][None], axis=2)
    nearest = remain[np.argsort(distance, axis=1)[:, :3]]
    assert similar(split, 3).numpy().tolist() == nearest.tolist()


def test_a_copy_is_found_as_near_duplicate(made):
    data, model = made
    x = data.train.x.clone()
    x[5] = x[4] + 1e-3
    copied = replace(data, train=replace(data.train, x=x))
    facts = run_to_end(gather_facts(model, copied))
    assert 5 in [
        twin.id for twin in run_to_end(near_duplicates(facts, copied, [4], cosine=0.99, pixels=2e-3))
    ]
    assert not run_to_end(near_duplicates(facts, data, [4], cosine=0.99, pixels=2e-3))
