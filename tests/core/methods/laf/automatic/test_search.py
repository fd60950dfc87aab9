"""Automatic settings: blind to labels, deterministic, true to the run they are for, and they forget."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from core.data.split import UnlabelledSplit, forget_classes, forget_fraction, forget_noisy
from core.errors import DivergedError, RequestError
from core.methods import LAF
from core.methods.laf.automatic import search as module
from core.methods.laf.automatic.cautions import AS_A_CLASS
from core.methods.laf.automatic.search import automatic, find
from core.methods.laf.automatic.signals import (
    SignalProbe,
)
from core.methods.laf.automatic.stopping import StoppingRule
from core.methods.laf.laf import LAF as Method
from core.models.base import outputs
from core.runs.run import Run, finish
from core.runtime.progress import run_to_end
from tests import toys


@pytest.fixture(scope="module")
def split(toy_split):
    return toy_split


@pytest.fixture(scope="module")
def model(toy_model):
    return toy_model


@pytest.fixture(scope="module")
def found(split, model):
    return automatic(model, split.unlabelled(), "class", unseen=split.test.unlabelled(), seed=3)


@pytest.mark.parametrize("task", ["class", "data", "noise"])
def test_permuted_labels_change_no_choice(task, monkeypatch):
    monkeypatch.setitem(module.LONGEST, "noise", 40)
    of = {
        "class": lambda: toys.split(),
        "data": lambda: forget_fraction(toys.dataset(), [0, 1], 0.4),
        "noise": lambda: forget_noisy(toys.dataset(), [0, 1], 0.4),
    }[task]()
    net = toys.model(of)
    t = of.train
    shuffled = t.y[torch.randperm(len(t), generator=torch.Generator().manual_seed(5))]
    test = of.test
    permuted = replace(
        of, dataset=replace(of.dataset, train=replace(t, y=shuffled), test=replace(test, y=test.y.flip(0)))
    )
    first, second = (
        automatic(net, s.unlabelled(), task, unseen=s.test.unlabelled(), seed=1) for s in (of, permuted)
    )
    assert first == second


def test_the_same_seed_finds_the_same_and_the_global_generator_is_neither_read_nor_moved(split, model, found):
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert automatic(model, split.unlabelled(), "class", unseen=split.test.unlabelled(), seed=3) == found
    assert torch.equal(torch.get_rng_state(), before)


def test_chosen_images_that_are_a_whole_class_are_forgotten_as_a_class_is(split, model):
    bare = split.unlabelled()
    taken = outputs(model, bare.train).predictions == 1
    asked = replace(bare, forget_rows=taken.nonzero().flatten(), remain_rows=(~taken).nonzero().flatten())
    chosen, of_class = (
        automatic(model, asked, task, unseen=split.test.unlabelled(), seed=3) for task in ("indices", "class")
    )
    assert (chosen.config, chosen.trials) == (of_class.config, of_class.trials)
    assert AS_A_CLASS in chosen.reason
    assert AS_A_CLASS not in of_class.reason


def test_images_that_are_to_be_forgotten_as_a_class_are_and_the_reason_says_why(split, model, found):
    asked, why = split.unlabelled(), "They left"
    chosen = run_to_end(find(model, asked, "indices", unseen=split.test.unlabelled(), seed=3, as_class=why))
    assert (chosen.config, chosen.trials) == (found.config, found.trials)
    assert chosen.reason.endswith(why)


def test_a_run_with_these_settings_repeats_the_chosen_trial(split, model, found):
    run = Run(LAF(found.config), model, split, seed=3)
    result = finish(run)
    best = found.trials[found.chosen].best
    assert best is not None
    assert len(run.steps) == found.config.steps == best.step
    assert (
        SignalProbe(model, split.unlabelled(), "class", unseen=split.test.unlabelled(), seed=3).read(
            result, best.step
        )
        == best
    )


def test_each_trial_keeps_the_model_of_its_best_reading(split, model, found):
    probe = SignalProbe(model, split.unlabelled(), "class", unseen=split.test.unlabelled(), seed=3)
    for trial in found.trials:
        net = copy.deepcopy(model)
        net.load_state_dict(trial.model_state)
        assert probe.read(net, trial.config.steps) == trial.shown


def test_the_class_is_forgotten_and_the_others_are_kept(split, model, found):
    result = finish(Run(LAF(found.config), model, split, seed=3))
    forget, remain = (outputs(result, i).predictions == i.y for i in (split.forget, split.remain))
    assert found.met
    assert float(forget.double().mean()) <= 0.03
    assert float(remain.double().mean()) >= 0.95


def test_a_model_is_not_changed(split, model):
    before = toys.weights(model)
    automatic(model, split.unlabelled(), "class")
    assert toys.same(before, toys.weights(model))


def test_trials_are_recorded_with_scores_and_the_lowest_is_chosen(found):
    scores = [t.score for t in found.trials if t.score is not None]
    assert scores
    assert found.trials[found.chosen].score == min(scores)
    assert all(t.signals and t.reason for t in found.trials)
    assert found.config == found.trials[found.chosen].config


def test_a_trial_that_diverges_is_recorded_and_the_next_one_is_made(split, model, monkeypatch):
    step = Method.step

    def fails(self, state, config):
        if config.lr_ra == module.FIRST["class"][0]:
            raise DivergedError("L_RA", stage="unlearn", step=1, advice="lower lr_RA")
        return step(self, state, config)

    monkeypatch.setattr(Method, "step", fails)
    found = automatic(model, split.unlabelled(), "class", seed=3)
    assert found.trials[0].best is None
    assert "no longer a number" in found.trials[0].reason
    assert found.chosen != 0


def test_where_every_trial_diverges_the_settings_say_so(split, model, monkeypatch):
    def fails(self, state, config):
        raise DivergedError("L_RA", stage="unlearn", step=1, advice="lower lr_RA")

    monkeypatch.setattr(Method, "step", fails)
    found = automatic(model, split.unlabelled(), "class", seed=3)
    assert not found.met
    assert found.config.steps == 1
    assert all(t.shown is None and t.model_state is None for t in found.trials)
    assert "no longer a number" in found.reason


def test_a_bound_of_no_step_is_refused_and_others_hold(split, model):
    with pytest.raises(RequestError, match="at least 1 step, got a bound of 0"):
        automatic(model, split.unlabelled(), "class", most_steps=0)
    found = automatic(model, split.unlabelled(), "class", most_steps=3)
    assert max(t.length for t in found.trials) == 3
    assert found.config.steps <= 3


def test_where_doing_nothing_is_as_near_a_run_changes_no_answer(model, monkeypatch):
    monkeypatch.setattr(module._Search, "_nothing", lambda self: "doing nothing is as near")
    of = forget_fraction(toys.dataset(), [0, 1], 0.4)
    chance = torch.Generator().manual_seed(0)
    strange = of.test.unlabelled()  # pictures of nothing, of which the model is less sure than of D_f
    x = torch.randint(0, strange.white + 1, strange.x.shape, generator=chance, dtype=torch.uint8)
    found = automatic(model, of.unlabelled(), "data", unseen=replace(strange, x=x))
    assert len(found.trials) > 1
    assert found.nothing_to_do
    assert_harmless(found, of)


def assert_harmless(found, of):
    """A run with the settings ``found`` gives every image the answer of the original."""
    net = toys.model(of)
    result = finish(Run(LAF(found.config), net, of, seed=found.seed))
    for images in (of.train, of.test):
        assert torch.equal(outputs(result, images).predictions, outputs(net, images).predictions)


def test_noisy_labels_of_images_that_are_all_noise_say_that_nothing_was_seen_to_mend():
    """Random pixels have no neighbours that get the same answer."""
    data = toys.dataset()
    chance = torch.Generator().manual_seed(0)
    x = torch.randint(0, data.train.white + 1, data.train.x.shape, generator=chance, dtype=torch.uint8)
    of = forget_noisy(replace(data, train=replace(data.train, x=x)), [0, 1], 0.4)
    found = automatic(toys.model(of), of.unlabelled(), "noise")
    assert not found.met
    assert not found.nothing_to_do
    assert found.reason.startswith("On this data LAF was not seen to mend the answers")
    assert_harmless(found, of)


@pytest.mark.parametrize("sure", [True, False])
def test_noisy_labels_meet_the_aim_only_where_the_votes_can_count_what_was_mended(sure, monkeypatch):
    monkeypatch.setattr(SignalProbe, "is_sure", property(lambda self: sure))
    monkeypatch.setattr(SignalProbe, "can_tell", property(lambda self: True))
    monkeypatch.setattr(SignalProbe, "_mended", lambda self, agreed: 1.0)
    monkeypatch.setitem(module.LONGEST, "noise", 40)
    of = forget_noisy(toys.dataset(), [0, 1], 0.4)
    rule = StoppingRule(kept=0.01)
    found = automatic(toys.model(of), of.unlabelled(), "noise", rule=rule)
    assert found.met == sure
    assert found.reason.startswith("On this data it was not seen how many") != sure


def test_settings_that_reach_no_aim_say_so(split, model, monkeypatch):
    monkeypatch.setitem(module.LONGEST, "class", 2)
    found = automatic(model, split.unlabelled(), "class")
    assert not found.met
    assert "reached the aim" in found.reason


def test_trials_that_lose_cost_no_more_than_the_bound_or_the_longest(split, model, monkeypatch):
    monkeypatch.setattr(module, "WORK", 0.0)
    monkeypatch.setattr("core.methods.laf.automatic.trials.ENOUGH", (-1.0, 2.0))
    found = automatic(model, split.unlabelled(), "class")
    lengths = [t.length for t in found.trials]
    assert sum(lengths) - max(lengths) <= 1.1 * max(lengths)  # readings cost as well


def test_an_original_that_is_no_surer_of_forgotten_images_needs_nothing(split, model):
    """Unseen images that are D_f itself cannot be told from it."""
    of = forget_fraction(toys.dataset(), [0, 1], 0.4)
    found = automatic(model, of.unlabelled(), "data", unseen=of.forget.unlabelled())
    assert found.nothing_to_do
    assert len(found.trials) == 1
    assert_harmless(found, of)


def test_an_unknown_task_and_an_empty_forget_set_are_refused(split, model):
    bare = split.unlabelled()
    with pytest.raises(RequestError, match="unknown task 'klass'"):
        automatic(model, bare, "klass")
    empty = UnlabelledSplit(bare.train, bare.remain_rows, bare.forget_rows[:0])
    with pytest.raises(RequestError, match="at least one image each"):
        automatic(model, empty, "class")


def test_a_class_of_one_image_gets_settings(model):
    data = toys.dataset()
    keep = torch.cat([(data.train.y != 1).nonzero().flatten(), (data.train.y == 1).nonzero().flatten()[:1]])
    of = forget_classes(replace(data, train=data.train.take(keep.sort().values)), [1])
    found = automatic(model, of.unlabelled(), "class", most_steps=20)
    assert found.config.steps >= 1
    assert found.reason.endswith("D_f has only 1 image, so its accuracies move in large steps")
