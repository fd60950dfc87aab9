"""An Experiment with automatic settings: what is found, what the run does with it, and bad data."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.data.images import Dataset, LabelledImages
from core.errors import DivergedError
from core.experiments.session.experiment import Experiment
from core.experiments.session.preparation_cache import PreparationCache
from core.methods.laf.automatic.trials import LONGEST
from core.methods.laf.laf import LAF
from core.runs.original_models import original
from core.runs.reference_models import retraining
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runs.storage import list_runs, open_run, read_run, stop_run
from core.runtime.content_cache import models
from core.runtime.progress import Progress
from core.runtime.scheduler import Scheduler
from dashboard.cli import main
from tests import toys
from tests.waiting import until

SETUP = Setup("bands", classes=(1,), device="cpu", settings="automatic")


def bands(*counts: int, seed: int = 0, noise: int = 60) -> LabelledImages:
    """Return ``counts`` images of each class: noise under a bright band at the height of the class."""
    chance = torch.Generator().manual_seed(seed)
    y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    y = y[torch.randperm(len(y), generator=chance)]
    x = torch.randint(0, noise, (len(y), 1, 9, 9), generator=chance)
    for row, label in enumerate(y.tolist()):
        x[row, 0, 3 * label : 3 * label + 3] += 150
    return LabelledImages(x.to(torch.uint8), torch.arange(len(y)) + 10_000 * seed, 255, y)


def dataset(train: LabelledImages, test: LabelledImages) -> Dataset:
    names = ("top", "middle", "bottom")
    return Dataset("bands", "Bands", names, train, test, family="own-small")


USUAL = dataset(bands(50, 50, 50, seed=1), bands(20, 20, 20, seed=2))


@pytest.fixture(scope="module")
def start():
    """Return a function that prepares an Experiment on a dataset, and closes all at the end."""
    made = []
    with pytest.MonkeyPatch.context() as patch:

        def begin(data: Dataset, setup: Setup = SETUP, **told) -> Experiment:
            patch.setattr("core.experiments.session.preparation.load", lambda *a, **k: data)
            e = Experiment(setup, Scheduler(workers=1), toys.Flat(), reference_count=1, **told)
            made.append(e)
            e.start()
            until(lambda: e.run is not None or e.error)
            return e

        yield begin
    for e in made:
        e.close()


def judged(e: Experiment) -> Experiment:
    """Play an Experiment to its verdict."""
    e.play()
    until(lambda: e.phase.over and (e.verdict or e.run.error))
    return e


@pytest.fixture(scope="module")
def finished(start):
    """An Experiment that was played to its verdict and kept on disk, never to be changed, and the cache that it was prepared in."""
    kept = PreparationCache()
    return judged(start(USUAL, kept=kept, token="0" * 32)), kept


def test_the_run_repeats_the_chosen_trial_to_the_bit_and_says_why_it_stops(finished):
    e, _ = finished
    (chosen,) = [path for path in e.trials if path.is_chosen]
    assert e.run.config == e.config == e.preset() == e.automatic.settings.config == chosen.config
    assert len(e.run.steps) == chosen.config.steps
    assert np.array_equal(e.run.frames[-1].positions, chosen.positions)
    (mark,) = e.run.marks
    assert (mark.step, mark.text) == (len(e.run.steps), f"LAF stopped here: {chosen.reason}")


def test_original_and_references_follow_the_recipe_which_is_kept_for_another_process(finished):
    e, _ = finished
    assert e.automatic.recipe.config == e.model.provenance.config == e.references[0].model.provenance.config
    assert e.automatic.recipe.config != replace(SETUP, settings="preset").config(e.split)
    assert ("training recipe", "bands") in [
        (source["kind"], source["dataset"]) for _, source in models.entries()
    ]
    assert "%" in e.learning.reason


def test_the_trials_models_are_dropped_once_they_are_on_the_map(finished):
    e, _ = finished
    assert all(path.positions.shape == (len(e.observer.rows), 2) for path in e.trials)
    assert all(trial.model_state is None for trial in e.automatic.settings.trials)


def test_the_verdict_and_the_record_of_the_settings_are_kept_with_the_run(finished):
    e, _ = finished
    assert e.verdict.findings[0].code == "forgotten"
    kept = read_run(e.run.recorder.id)
    assert kept.verdict["text"] == e.verdict.describe()
    assert kept.automatic == json.loads(json.dumps(e.automatic.as_dict()))
    assert kept.training == e.automatic.recipe.config
    assert kept.setup == SETUP


def test_a_fork_is_kept_with_the_record_too_and_says_where_it_stops(finished, start):
    e = judged(start(USUAL, kept=finished[1], token="1" * 32))
    twin = e.fork(len(e.run.steps) - 2)
    until(lambda: e.phase is Phase.DONE or e.fork_run.phase is Phase.PAUSED)
    e.play()
    until(lambda: twin.phase is Phase.DONE)
    assert read_run(twin.recorder.id).training == e.automatic.recipe.config
    assert twin.marks[-1] == e.run.marks[-1]


def test_another_page_of_the_setup_has_all_at_once_and_one_with_presets_nothing_of_it(finished, start):
    e, kept = finished
    assert kept.get(replace(SETUP, settings="preset")) is None
    other = start(USUAL, kept=kept)
    assert (other.automatic, other.trials) == (e.automatic, e.trials)
    assert other.verdict is None
    assert judged(other).run.steps == e.run.steps


def test_references_are_retrained_while_the_original_still_is_and_are_those_of_a_later_one(
    start, monkeypatch
):
    waited = []

    def slow(*args, **kwargs):
        while not waiting.pool._early:
            waited.append("original")
            yield Progress("train", 0, 1)
        return (yield from original(*args, **kwargs))

    monkeypatch.setattr("core.experiments.session.preparation.original", slow)
    monkeypatch.setattr("core.experiments.session.preparation.load", lambda *a, **k: USUAL)
    setup = replace(SETUP, seed=3)
    waiting = Experiment(setup, Scheduler(workers=2), toys.Flat(), reference_count=2)
    waiting.start()
    until(lambda: len(waiting.references) == 2 or waiting.error)
    waiting.close()
    assert waited
    for number, reference in enumerate(waiting.references):
        later = retraining(waiting.split, waiting.model, seed=3, number=number)
        with pytest.raises(StopIteration) as end:  # at once: it is in the cache
            next(later)
        assert toys.same(toys.weights(end.value.value.model), toys.weights(reference.model))


def test_laf_run_finds_the_same_settings_and_keeps_them_with_a_run_that_can_be_opened(
    finished, monkeypatch, capsys, tmp_path
):
    e, _ = finished
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr("core.data.registry.load", lambda *a, **k: USUAL)
    monkeypatch.setattr("core.projection.projection.InProcessUmap", toys.Flat)
    words = [
        "run",
        "--quiet",
        "--save",
        "--json",
        "-",
        "--dataset",
        "bands",
        "--classes",
        "1",
        "--device",
        "cpu",
    ]
    assert main.main(words) == 0
    found = json.loads(capsys.readouterr().out)

    def untimed(record):
        trials = [{**trial, "seconds": 0} for trial in record["trials"]]
        return {**record, "seconds": 0, "trials": trials, "training": record["training"]["config"]}

    assert found["settings"] == "automatic"
    assert untimed(found["automatic"]) == untimed(json.loads(json.dumps(e.automatic.as_dict())))
    assert found["steps"] == len(e.run.steps)
    assert found["metrics"]["unlearned"]["test"] == pytest.approx(e.run.frames[-1].reading.test)
    (kept,) = list_runs()[0]
    assert read_run(kept.id).automatic == found["automatic"]
    assert read_run(kept.id).verdict == found["verdict"]
    again = open_run(kept.id)
    assert toys.same(toys.weights(again.result), toys.weights(e.run.result))
    assert again.marks == e.run.marks
    stop_run(again)


def test_a_run_that_plays_on_has_no_verdict_until_its_new_end(finished, start):
    e = judged(start(USUAL, kept=finished[1]))
    steps, first = len(e.run.steps), e.verdict
    e.play_on(3)
    assert e.verdict is None or len(e.run.steps) == steps + 3
    until(lambda: e.phase is Phase.DONE and e.verdict is not None)
    assert (len(e.run.steps), e.run.frames[-1].step) == (steps + 3, steps + 3)
    assert len(e.run.marks) == 1
    assert first.findings[0].code == "forgotten"
    e.begin_with(replace(e.run.config, steps=2))
    assert e.verdict is None
    assert judged(e).run.marks == []  # set by hand: no search said that it should stop there


def test_settings_that_the_method_does_not_have_are_told_before_anything_is_prepared(start):
    e = start(USUAL, replace(SETUP, method="finetune"))
    assert "exact LAF in float32 only" in str(e.error)
    assert e.model is None


FEW = dataset(bands(20, 20, 20, seed=1), bands(10, 10, 10, seed=2))
SAYS_NOTHING = FEW.train.y.clone()  # a third of the images under each band has each label
for label in range(3):
    SAYS_NOTHING[FEW.train.y == label] = torch.arange(20) % 3
BAD = {
    "D_f larger than D_r": dataset(bands(15, 40, 10, seed=1), FEW.test),
    "a class with two images": dataset(bands(20, 2, 20, seed=1), FEW.test),
    "a class with one image": dataset(bands(20, 1, 20, seed=1), FEW.test),
    "labels that say nothing": replace(FEW, train=replace(FEW.train, y=SAYS_NOTHING)),
    "images that are all alike": dataset(
        replace(FEW.train, x=torch.full_like(FEW.train.x, 7)),
        replace(FEW.test, x=torch.full_like(FEW.test.x, 7)),
    ),
}
UNLEARNABLE = ("labels that say nothing", "images that are all alike")


@pytest.mark.parametrize("what", BAD)
def test_bad_data_end_in_a_verdict_that_names_what_is_wrong(start, monkeypatch, what):
    monkeypatch.setattr("core.training.recipe.MOST_EPOCHS", 3)
    monkeypatch.setitem(LONGEST, "class", 20)
    e = judged(start(BAD[what]))
    assert e.error is None
    assert e.run.phase is Phase.DONE
    assert all(path.reason for path in e.trials)
    codes = [finding.code for finding in e.verdict.findings]
    assert e.verdict.describe().endswith(".")
    if what in UNLEARNABLE:
        assert "original" in codes
        assert not e.learning.learnt
        assert "has not learnt" in e.learning.reason


def test_trials_that_diverge_leave_an_experiment_that_says_so(start, monkeypatch):
    def diverge(self, state, config):
        raise DivergedError("a weight or gradient", stage="unlearn", step=1, advice="lower lr_UE and lr_RA")

    monkeypatch.setattr(LAF, "step", diverge)
    e = start(USUAL)
    assert e.error is None
    assert all(path.positions is None and "lower lr_UE" in path.reason for path in e.trials)
    judged(e)
    assert e.run.phase is Phase.FAILED
    assert "lower lr_UE" in str(e.run.error)
    assert e.verdict is None
