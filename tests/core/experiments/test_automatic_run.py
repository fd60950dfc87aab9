"""Training and settings found on data that no preset was measured on: recorded, repeatable, and blind to labels."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
import torch

from core import forget_classes, forget_fraction, forget_indices, method
from core.data.images import Dataset, LabelledImages
from core.data.later_request import forget_more
from core.experiments.automatic_run import (
    AutomaticRecord,
    find_settings,
    get_original,
    retrained_beside,
    settings_search,
)
from core.models.base import outputs
from core.runs.setup import Setup
from core.runtime.progress import Progress
from core.training.rehearsal import Rehearsal


def squares(count: int, seed: int) -> LabelledImages:
    """Return noisy images of three classes: a bright band at the top, in the middle or at the bottom."""
    chance = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 3
    x = torch.randint(0, 60, (count, 1, 9, 9), generator=chance)
    for row in range(count):
        x[row, 0, 3 * int(y[row]) : 3 * int(y[row]) + 3] += 150
    return LabelledImages(x.to(torch.uint8), torch.arange(count) + 1000 * seed, 255, y)


@pytest.fixture(scope="module")
def split():
    train, test = squares(150, 1), squares(60, 2)
    data = Dataset("bands", "Bands", ("top", "middle", "bottom"), train, test, family="own-grey")
    return forget_classes(data, [1], seed=0)


@pytest.fixture(scope="module")
def trained(split):
    return get_original(split, seed=0, device="cpu")


def test_an_unmeasured_dataset_gets_a_recipe_and_its_model_follows_it(trained):
    model, recipe = trained
    assert recipe is not None
    assert model.provenance.config == recipe.config


def test_settings_are_the_same_for_the_same_seed_and_whatever_the_labels(split, trained):
    model, _ = trained
    first = find_settings(split, model, seed=0)
    y = split.train.y[torch.randperm(len(split.train), generator=torch.Generator().manual_seed(3))]
    permuted = replace(split, dataset=replace(split.dataset, train=replace(split.dataset.train, y=y)))
    assert first == find_settings(split, model, seed=0) == find_settings(permuted, model, seed=0)


def test_a_later_request_searches_on_what_is_left_beside_test_images_of_its_kinds(
    split, trained, monkeypatch
):
    model, seen = trained[0], []

    def find(_, data, task, *, unseen, **__):
        seen.append((task, set(data.train.ids.tolist()), set(unseen.ids.tolist())))
        yield Progress("automatic", 1, 1)

    monkeypatch.setattr("core.experiments.automatic_run.automatic.find", find)
    later = forget_more(split, lambda rest: forget_fraction(rest, [0], 0.4))  # after the class in the middle
    for of in (forget_fraction(split.dataset, [0], 0.4), later):
        find_settings(of, model, seed=0)
    (_, everything, all_test), (task, left, unseen) = seen
    assert task == "data"
    assert everything == set(split.train.ids.tolist())
    assert left == everything - set(split.train.ids[split.forget_rows].tolist())
    answers = outputs(
        model, split.test.unlabelled()
    ).predictions  # of the first original, which is this model
    assert all_test == set(split.test.ids.tolist())
    assert unseen == set(split.test.ids[answers != 1].tolist())


@pytest.mark.parametrize("kept", [0.4, 0.97])
def test_a_client_whom_averaging_forgets_is_forgotten_as_a_class_is(split, trained, monkeypatch, kept):
    asked = forget_indices(split.dataset, split.train.ids[:10])
    seen, told = Rehearsal(kept, 0.9, apart=0.8), []

    def rehearsed(*_, **__):
        yield Progress("automatic", 0, 1)
        return seen

    def find(*_, as_class, **__):
        told.append(as_class)
        yield Progress("automatic", 1, 1)

    monkeypatch.setattr("core.experiments.automatic_run.rehearse", rehearsed)
    monkeypatch.setattr("core.experiments.automatic_run.automatic.find", find)
    for of in (asked, split):  # a class is one already
        find_settings(of, trained[0], seed=0)
    assert told == [seen.describe() if kept < 0.8 else "", ""]


def test_the_record_is_json_with_every_trial(split, trained):
    model, recipe = trained
    found = find_settings(split, model, seed=0)
    record = AutomaticRecord(found, recipe)
    values = json.loads(json.dumps(record.as_dict()))
    assert len(values["trials"]) == len(found.trials)
    assert values["config"]["steps"] == found.config.steps
    assert values["training"]["config"]["epochs"] == recipe.config.epochs
    assert found.reason in record.describe()


def test_a_search_in_slices_ends_one_at_each_reading_and_finds_the_same(split, trained):
    model, _ = trained
    work, told = settings_search(split, model, seed=0), []
    while True:
        try:
            told.append(next(work))
        except StopIteration as end:
            found = end.value
            break
    assert found == find_settings(split, model, seed=0)
    readings = [len(trial.signals) for trial in found.trials]
    for number, count in enumerate(readings):
        assert sum(progress.done == number for progress in told) >= count
    assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(told))


@pytest.mark.parametrize(
    ("method_name", "settings", "cores", "begins"),
    [
        ("laf", "preset", 2, True),
        ("laf", "automatic", 2, True),  # the training of digits was measured
        ("laf", "preset", 1, False),
        ("retrain", "preset", 2, False),  # its own run is the retrained model
        ("sisa", "preset", 2, False),  # trains an original of its own
    ],
)
def test_retraining_begins_early_only_where_a_core_is_free_and_the_training_is_known(
    class_split, monkeypatch, method_name, settings, cores, begins
):
    monkeypatch.setattr("core.experiments.automatic_run.usable_cores", lambda: cores)
    monkeypatch.setattr("core.runs.reference_models.LEAST", 0)
    setup = Setup(method=method_name, settings=settings)
    found = retrained_beside(class_split, method(method_name), setup, device="cpu")
    assert (found is not None) == begins


def test_retraining_waits_for_a_recipe(split, monkeypatch):
    monkeypatch.setattr("core.experiments.automatic_run.usable_cores", lambda: 2)
    monkeypatch.setattr("core.runs.reference_models.LEAST", 0)
    setup = Setup(settings="automatic")
    assert retrained_beside(split, method("laf"), setup, device="cpu") is None
