"""Kept runs as links of a chain: the next original, the list of links, and what deletion does to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import RequestError
from core.methods import LAF
from core.runs.checkpoints import Checkpoints
from core.runs.original_models import original
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import (
    chain_links,
    chain_original,
    later_runs,
    open_run,
    record,
    remove_run,
    run_info,
    setup_after,
    stop_run,
)
from core.runs.storage.folder import run_folder
from core.runs.storage.serialization import setup_dict, setup_from
from core.runtime.progress import run_to_end
from tests import toys

FIRST = Setup(dataset="toy", classes=(1,), device="cpu")
DATA = toys.dataset()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr("core.data.registry.load", lambda *_, **__: toys.dataset())
    monkeypatch.setattr(Setup, "config", lambda self, split: toys.QUICK)  # the toy has no preset
    return tmp_path


def kept(setup, model, *, steps=None):
    """Play a run of ``setup`` and keep it; return its id."""
    run = Run(LAF(toys.QUICK), model, setup.split(DATA), seed=setup.seed, checkpoints=Checkpoints())
    recorder = record(run, setup)
    if steps is None:
        finish(run)
    else:
        for _ in range(steps):
            run.advance()
    stop_run(run)
    return recorder.id


@pytest.fixture
def first(toy_model):
    return kept(FIRST, toy_model)


def next_setup(run_id, *classes):
    return replace(setup_after(run_id), classes=classes)


@pytest.fixture
def second(first):
    setup = next_setup(first, 2)
    return kept(setup, chain_original(setup, setup.split(DATA), "cpu"))


def test_the_next_original_is_the_result_with_the_first_originals_training(first, toy_model):
    setup = next_setup(first, 2)
    model = chain_original(setup, setup.split(DATA), "cpu")
    assert toys.same(toys.weights(model), toys.weights(open_run(first).result))
    assert model.provenance == toy_model.provenance


def test_a_run_is_opened_with_its_own_original_where_the_cache_has_it_under_other_settings_than_the_presets():
    split = FIRST.split(DATA)
    mine = run_to_end(original(split, config=toys.TRAIN, seed=5))
    opened = open_run(kept(FIRST, mine, steps=2))
    finish(opened)
    straight = Run(LAF(toys.QUICK), mine, split, seed=FIRST.seed)
    finish(straight)
    assert toys.same(toys.weights(opened.result), toys.weights(straight.result))


def test_a_setup_with_earlier_requests_is_written_and_read_again(first):
    setup = next_setup(first, 2)
    assert setup_from(setup_dict(setup)) == setup
    assert "earlier" not in setup_dict(FIRST)


def test_a_later_request_is_opened_again_in_another_process(second):
    run = open_run(second)
    assert {*run.stepper.split.train.y[run.stepper.split.forget_rows].tolist()} == {1, 2}
    assert run.steps == open_run(second).steps
    stop_run(run)


def test_the_links_are_listed_first_to_last(first, second):
    assert [(k.number, k.run, k.forget) for k in chain_links(second)] == [
        (1, first, "class b"),
        (2, second, "class c"),
    ]
    assert later_runs(first) == [second]
    assert later_runs(second) == []


def test_a_run_that_a_later_request_follows_is_deleted_after_it(first, second):
    with pytest.raises(
        RequestError, match=f"earlier request of a chain; delete the later ones first: {second}"
    ):
        remove_run(first)
    remove_run(second)
    remove_run(first)


def test_a_run_that_is_not_finished_has_no_next_request(toy_model):
    half = kept(FIRST, toy_model, steps=2)
    with pytest.raises(RequestError, match=r"not finished.*play it to its end"):
        setup_after(half)


def change(run_id, **values):
    folder = run_folder(run_id)
    folder.write_about({**folder.read_about(), **values})


def test_a_chain_whose_earlier_run_was_purged_cannot_go_on(first, second):
    setup = run_info(second).setup
    change(first, purged=3)
    for ask in (lambda: setup_after(second), lambda: chain_original(setup, setup.split(DATA), "cpu")):
        with pytest.raises(RequestError, match="request 1 of this chain was purged of images"):
            ask()
    with pytest.raises(RequestError, match="was purged of images, so no request can follow it"):
        setup_after(first)


def test_a_chain_whose_earlier_run_is_gone_says_so(first, second, home):
    (home / "runs" / first).rename(home / "elsewhere")
    with pytest.raises(
        RequestError, match=f"request 1 of this chain is gone: run {first} was deleted or purged"
    ):
        setup_after(second)
    assert [k.phase is None for k in chain_links(second)] == [True, False]


def test_a_result_that_changed_after_the_next_request_began_is_refused(first):
    setup = next_setup(first, 2)
    earlier = (replace(setup.earlier[0], weights="0" * 24),)
    changed = replace(setup, earlier=earlier)
    with pytest.raises(RequestError, match="was changed after this request began"):
        chain_original(changed, changed.split(DATA), "cpu")
