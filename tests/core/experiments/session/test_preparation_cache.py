"""PreparationCache: one Experiment prepares a Setup, and a whole class shares the result."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.experiments.session.preparation_cache import PreparationCache
from core.runtime.purge_watch import purge_generation
from tests import toys
from tests.core.runtime.test_experiment_work import experiment  # noqa: F401 - a fixture
from tests.waiting import until


def made(**values):
    return SimpleNamespace(generation=purge_generation(), **values)


def test_one_makes_and_the_others_are_called_when_it_is_there():
    kept, called = PreparationCache(), []
    assert kept.claim("setup", "first", lambda: called.append("first"))
    assert kept.claim("setup", "first", lambda: called.append("first"))
    assert not kept.claim("setup", "second", lambda: called.append("second"))
    assert not kept.claim("setup", "third", lambda: called.append("third"))
    assert kept.claim("another", "second", lambda: None)
    kept.put("setup", made())
    assert called == ["second", "third"]
    kept.put("setup", made())
    assert called == ["second", "third"]  # once


def test_when_the_maker_goes_the_next_one_makes_it():
    kept, called = PreparationCache(), []
    assert kept.claim("setup", "first", lambda: None)
    assert not kept.claim("setup", "second", lambda: called.append("second"))
    assert not kept.claim("setup", "third", lambda: called.append("third"))
    kept.release("third")
    kept.release("first")
    assert called == ["second"]
    assert kept.claim("setup", "second", lambda: None)


@pytest.fixture
def class_of_twenty(experiment, monkeypatch):  # noqa: F811
    """Twenty Experiments of one setup, opened at once, and how often the original was asked for."""
    import core.experiments.session.experiment as module
    from core.runs import original_models, reference_models

    asked = []
    monkeypatch.setattr(type(experiment.setup), "config", lambda *a: toys.QUICK, raising=False)
    monkeypatch.setattr(module.EvalConfig, "preset", lambda *a: module.EvalConfig())

    def original(*args, **kwargs):
        asked.append("original")
        return original_models.original(*args, **kwargs)

    def retraining(*args, **kwargs):
        asked.append(f"retrained {kwargs['number']}")
        return reference_models.retraining(*args, **kwargs)

    monkeypatch.setattr("core.experiments.session.preparation.original", original)
    monkeypatch.setattr("core.experiments.session.reference_pool.retraining", retraining)
    kept = PreparationCache()
    tabs = [module.Experiment(experiment.setup, experiment.runner, kept=kept) for _ in range(20)]
    yield tabs, asked
    for tab in tabs:
        tab.close()


def test_twenty_that_open_one_setup_share_model_map_and_references(class_of_twenty):
    tabs, asked = class_of_twenty
    for tab in tabs:
        tab.start()
    until(lambda: all(len(tab.references) == 3 and not tab.work for tab in tabs))
    assert sorted(asked) == ["original", "retrained 0", "retrained 1", "retrained 2"]
    for name in ("model", "projection", "observer", "split"):
        assert len({id(getattr(tab, name)) for tab in tabs}) == 1
    assert len({tuple(id(r.model) for r in tab.references) for tab in tabs}) == 1
    assert len({id(tab.run) for tab in tabs}) == 20


def test_when_the_tab_that_prepares_is_closed_another_goes_on(class_of_twenty):
    tabs, _ = class_of_twenty
    for tab in tabs[:3]:
        tab.start()
    tabs[0].close()
    until(lambda: all(tab.run is not None for tab in tabs[1:3]))
    until(lambda: tabs[1].references)
    maker = tabs[1]
    maker.close()
    until(lambda: len(tabs[2].references) == 3 and not tabs[2].work)


def test_what_a_tab_with_other_settings_prepares_is_no_other_tabs(class_of_twenty):
    tabs, _ = class_of_twenty
    usual = tabs[0]
    other = type(usual)(usual.setup, usual.runner, config=replace(toys.QUICK, lr_ra=0.5), kept=kept_by(usual))
    other.start()
    until(lambda: len(other.references) == 3 and not other.work)
    other.close()
    usual.start()
    until(lambda: usual.run is not None)
    assert usual.run.config == toys.QUICK


def kept_by(tab):
    return tab.preparation._claim._cache
