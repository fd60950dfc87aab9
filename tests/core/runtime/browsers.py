"""Two browsers of one classroom, and items of each kind that they make; helpers and fixtures of the ownership tests."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.data.forget_selection import (
    Selection,
    load_list,
    remove_list,
    save_list,
    saved_lists,
    share_list,
)
from core.data.registry import load
from core.data.uploads import store
from core.experiments.session.limits import SessionLimits
from core.experiments.session.preparation_cache import PreparationCache
from core.experiments.studies import (
    ResultsTable,
    kept_studies,
    kept_study,
    parse_study,
    remove_study,
    share_study,
)
from core.methods import LAF
from core.models import uploads
from core.models.registry import build
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.storage import (
    list_runs,
    note_run,
    read_run,
    record,
    remove_run,
    rename_run,
    run_info,
    share_run,
    stop_run,
)
from core.runtime.ownership import owner
from core.runtime.scheduler import Scheduler
from dashboard.session import classroom_options, resources
from dashboard.session.jobs import study as studying
from dashboard.session.lab import Lab
from tests import toys
from tests.uploads import photos
from tests.waiting import until

A, B = "a" * 32, "b" * 32
MARK = "zebra"  # in every name that A gives
STUDY = "[fixed]\nsteps = 2\n[grid]\ntemperature = [5.0, 20.0]\n"


@pytest.fixture
def lab_home(tmp_path, monkeypatch):
    """Set a LAF_HOME for the test and begin a classroom."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(classroom_options, "_begun", None)
    monkeypatch.setattr(studying, "_driven", {})
    store._loaded.cache_clear()
    classroom_options.begin(SessionLimits())
    yield tmp_path / "home"
    classroom_options.begin(None)
    store._loaded.cache_clear()


def proposal(title: str, seed: int = 0) -> store.UploadPreview:
    return store.inspect(photos(seed), name=f"{title}.zip")


def a_model(title: str) -> uploads.UploadedModel:
    net = build("digits-cnn", (1, 8, 8), 10, seed=1)
    measured = uploads.Accuracy(0.5, (0.5,) * 10, 10, 10)
    about = uploads.ModelInfo(
        title, "digits-cnn", "Digits", 10, (1, 8, 8), 9, 128, None, "linear", measured, measured
    )
    return uploads.UploadedModel("0123456789abcdef", about, net, dict(net.state_dict()))


def begin_study(title: str, token: str | None) -> str:
    study = studying.mine(parse_study(STUDY, title), token)
    ResultsTable(study.name).describe(study, token)
    return study.name


@pytest.fixture
def a_run(toy_split, toy_model):
    """Return a function that keeps a short run for a browser and returns its id."""

    def make(title: str, token: str | None) -> str:
        run = Run(LAF(toys.QUICK), toy_model, toy_split)
        recorder = record(run, Setup(dataset="toy", classes=(1,)), token=token, name=title)
        run.advance()
        stop_run(run)
        return recorder.id

    return make


@pytest.fixture
def kinds(a_run):
    """For each kind: make (title, token) -> key, seen (token) -> keys, changes (key, token), share (key, shared, token), use (key, token)."""
    digits = load("digits")
    return {
        "run": SimpleNamespace(
            make=a_run,
            seen=lambda t: [i.id for i in list_runs(t)[0]],
            changes=[
                lambda k, t: rename_run(k, "other", t),
                lambda k, t: note_run(k, "other", t),
                lambda k, t: share_run(k, True, t),
                lambda k, t: remove_run(k, t),
            ],
            share=share_run,
            use=[run_info, read_run],
        ),
        "dataset": SimpleNamespace(
            make=lambda title, t: store.keep(proposal(title), t),
            seen=lambda t: [d.key for d in store.kept(t)],
            changes=[
                lambda k, t: store.rename(k, "other", t),
                lambda k, t: store.share(k, True, t),
                lambda k, t: store.remove(k, t),
            ],
            share=store.share,
            use=[store.about],
        ),
        "model": SimpleNamespace(
            make=lambda title, t: uploads.keep(a_model(title), t),
            seen=lambda t: list(uploads.kept_models(t)),
            changes=[lambda k, t: uploads.share_model(k, True, t), uploads.remove_model],
            share=uploads.share_model,
            use=[uploads.model_info],
        ),
        "list": SimpleNamespace(
            make=lambda title, t: save_list(title, digits, Selection([1, 2]), t).stem,
            seen=lambda t: [one.key for one in saved_lists(digits, t)],
            changes=[
                lambda k, t: share_list(k, digits, True, t),
                lambda k, t: remove_list(k, digits, t),
            ],
            share=lambda k, shared, t: share_list(k, digits, shared, t),
            use=[lambda k, t: load_list(k, digits, t)],
        ),
        "study": SimpleNamespace(
            make=begin_study,
            seen=kept_studies,
            changes=[lambda k, t: share_study(k, True, t), studying.cancel, remove_study],
            share=share_study,
            use=[kept_study],
        ),
    }


KINDS = ("run", "dataset", "model", "list", "study")


def files(home) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(home.rglob("*")) if p.is_file() and p.name != ".lock"}


def a_lab(token, asked=None, **limits):
    return Lab(
        Scheduler(workers=1),
        toys.Flat(),
        Scheduler(workers=1),
        PreparationCache(),
        browser=token,
        asked=asked,
        classroom=SessionLimits(**limits),
    )


PAGES = ("lab", "forget", "attack", "compare", "studies", "judge", "lessons", "runs", "audit", "guide")


def a_page(name: str, token: str, **address: str) -> AppTest:
    script = f"from dashboard.session import resources as cache\nfrom dashboard.views import {name}\n{name}.page(cache.lab())"
    if name == "guide":
        script = "import runpy\nfrom dashboard.views import guide\nrunpy.run_path(guide.__file__, run_name='__main__')"
    app = AppTest.from_string(script, default_timeout=120)
    app.session_state["laf-browser"] = token
    for key, value in address.items():
        app.query_params[key] = value
    return app.run()


@pytest.fixture
def pages(monkeypatch):
    """Return ``a_page``; wait for the end of the pages' work after the test."""
    st.cache_resource.clear()
    monkeypatch.setattr(st, "page_link", lambda *a, **k: None)  # a page alone knows no other page
    yield a_page
    st.cache_resource.clear()
    until(lambda: not len(resources.runner()) and not len(resources.map_runner()))


def said(app: AppTest) -> str:
    """Return the text of all elements of the page."""

    def walk(node):
        yield str(getattr(node, "proto", ""))
        for child in getattr(node, "children", {}).values():
            yield from walk(child)

    return "\n".join(walk(app._tree))


def settled(app: AppTest) -> AppTest:
    """Run the page until its Lab is prepared, with every popover open."""
    end = time.monotonic() + 120
    while "…</b>" in said(app) or "being read" in said(app) or "being prepared" in said(app):
        assert time.monotonic() < end
        time.sleep(0.1)
        app.run()
    for key in [k for k in app.session_state.keys() if k.split("-")[0] in ("data", "forget", "lists")]:  # noqa: SIM118
        if isinstance(app.session_state[key], bool):
            app.session_state[key] = True
    return app.run()


@pytest.fixture
def of_a(kinds):
    """Make an item of each kind for A; return the texts that B must never read."""
    keys = {kind: kinds[kind].make(f"{MARK} {kind}" if kind != "study" else MARK, A) for kind in KINDS}
    return {MARK, A, owner(A), *keys.values()}
