"""A chain of requests in one Lab: asked, gone back to, forked, branched and opened again, on quick settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core import config
from core.config import EvalConfig
from core.experiments.session.preparation_cache import PreparationCache
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runs.storage import read_run, run_info
from core.runtime.scheduler import Scheduler
from dashboard.presentation.charts.chain import chain_rows
from dashboard.session.chain import NextRequest
from dashboard.session.lab import Lab
from tests.toys import Flat
from tests.waiting import until, until_prepared


def played(lab):
    until_prepared(lab.experiment)
    lab.experiment.play()
    until(lambda: lab.experiment.phase is Phase.DONE and lab.experiment.verdict is not None)


def new_lab():
    return Lab(Scheduler(workers=1), Flat(), Scheduler(workers=1), PreparationCache(), browser="0" * 32)


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAF_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr("core.runs.reference_models.usual_count", lambda *_: 1)
        patch.setattr("core.experiments.session.reference_pool.usual_count", lambda *_: 1)
        patch.setattr(EvalConfig, "preset", lambda *_: EvalConfig(frames=4))
        patch.setitem(config._TRAIN, "digits", replace(config._TRAIN["digits"], epochs=1))
        laf = config._LAF["digits", "class"]
        quick = replace(laf, epochs=1, vae=replace(laf.vae, epochs=1))
        for task in ("class", "indices", "data"):
            patch.setitem(config._LAF, ("digits", task), quick)
        yield


@pytest.fixture(scope="module")
def lab(quick):
    """Return a Lab after three requests: classes 0, 1 and 2."""
    made = new_lab()
    made.open(Setup(device="cpu"))
    played(made)
    for c in (1, 2):
        assert made.chain.forget_more(NextRequest("class", (c,))) is None
        played(made)
    yield made
    made.close()


def test_the_strip_lists_all_requests_with_their_figures(lab):
    links = lab.chain.links
    assert [(k.number, k.forget) for k in links] == [(1, "class 0"), (2, "class 1"), (3, "class 2")]
    assert all(k.verdict is not None for k in links)
    rows = chain_rows(links)
    assert [row["request"] for row in rows] == ["1", "2", "3", "retrained"]
    assert rows[0]["newest, %"] == rows[0]["Train_f, %"]  # of a first request it is the whole
    last = lab.experiment.run.frames[-1].reading
    assert rows[2]["newest, %"] == round(100 * last.newest_f, 1)
    assert rows[2]["Train_f, %"] == round(100 * last.train_f, 1)


def test_the_balance_has_the_losses_of_all_requests_once_the_user_asks(lab):
    assert lab.chain.balance is None
    lab.chain.show_balance()
    links, found = lab.chain.links, lab.chain.balance
    assert [(r["run"], r["open"]) for r in found] == [(k.run, k.number == 3) for k in links]
    kept = read_run(links[0].run).steps
    assert [r["step"] for r in found[0]["readings"]] == [s.number for s in kept]
    assert found[0]["readings"][-1]["loss"]["cosine"] == pytest.approx(kept[-1].grad_cosine, rel=1e-3)


def test_a_chain_gone_back_to_and_asked_again_equals_one_made_straight(lab):
    links = lab.chain.links
    assert lab.chain.go(links[1].run) is None
    assert lab.chain.open_run == links[1].run  # while it is opened
    until_prepared(lab.experiment)
    until(lambda: lab.experiment.phase is Phase.DONE)
    assert [k.run for k in lab.chain.links] == [k.run for k in links]
    lab.experiment.fork(2)
    until(lambda: lab.experiment.fork_run.phase is Phase.PAUSED)
    lab.experiment.play()
    until(lambda: lab.experiment.fork_run.phase is Phase.DONE)
    until(lambda: lab.chain.why_not is None)  # the button is enabled once the result is kept
    assert lab.chain.forget_more(NextRequest("class", (2,))) is None
    played(lab)
    branch = lab.chain.links
    assert branch[1].run != links[1].run
    straight, again = read_run(links[2].run), read_run(branch[2].run)
    assert again.steps == straight.steps
    assert again.about["original"] == straight.about["original"]
    assert lab.chain.go(links[2].run) is None
    until_prepared(lab.experiment)
    until(lambda: lab.experiment.phase is Phase.DONE)


def test_going_on_in_an_earlier_request_leaves_the_chain_as_it_was(lab):
    links = lab.chain.links
    lab.chain.go(links[0].run)
    until_prepared(lab.experiment)
    until(lambda: lab.experiment.phase is Phase.DONE)
    steps = len(lab.experiment.run.steps)
    lab.experiment.rewind(1)
    until(lambda: lab.experiment.phase is Phase.PAUSED)
    assert lab.run_id != links[0].run
    assert run_info(links[0].run).steps == steps
    assert lab.chain.go(links[2].run) is None
    until_prepared(lab.experiment)
    until(lambda: lab.experiment.phase is Phase.DONE)


def test_what_cannot_follow_is_told_and_changes_nothing(lab):
    token = lab.token
    said = lab.chain.forget_more(NextRequest("class", (1,)))
    assert said.startswith("class 1 is already forgotten by an earlier request")
    assert "no class is chosen" in lab.chain.forget_more(NextRequest("class"))
    assert "no image is chosen" in lab.chain.forget_more(NextRequest("indices"))
    assert lab.token == token


def test_a_request_waits_for_the_end_of_the_run(lab):
    other = new_lab()
    try:
        other.open(Setup(device="cpu"))
        until_prepared(other.experiment)
        assert "play this one to its end" in other.chain.forget_more(NextRequest("class", (1,)))
        assert other.chain.links == []
    finally:
        other.close()


def test_a_new_process_opens_the_chain_again(lab):
    links = lab.chain.links
    again = new_lab()
    try:
        assert again.take_up(links[1].run, as_copy=True) is None
        until_prepared(again.experiment)
        assert again.experiment.take_up_error is None
        assert again.chain.number == 2
    finally:
        again.close()
