"""The page Studies: a study is chosen or put together, its size is said, it starts, and what it found opens in the Lab."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import RequestError
from core.experiments.studies import (
    ResultsTable,
    StudyRun,
    counts,
    groups,
    joined,
    kept_studies,
    parse_study,
    ready_names,
)
from dashboard.presentation.charts import studies, study_lines
from dashboard.session.jobs import study as studying

QUICK = """
references = 1
seeds = [0, 1]
[fixed]
"train.epochs" = 1
"vae.epochs" = 1
steps = 2
[grid]
temperature = [5.0, 20.0]
lr_ra = [1e-3, 2e-3]
"""


@pytest.fixture(scope="module")
def finished():
    study = parse_study(QUICK, "page-study")
    driven = StudyRun(study, workers=1)
    driven.run()
    return study, joined(study, driven.table.rows)


def test_values_are_read_as_the_field_takes_them():
    fixed = {"dataset": "digits", "task": "class", "method": "laf"}
    assert studying.values_of("temperature", "5, x2, 1e1", fixed) == [5, "x2", 10.0]
    assert studying.values_of("bounded", "true, false", fixed) == [True, False]
    assert studying.values_of("schedule", "alternate,joint", fixed) == ["alternate", "joint"]
    with pytest.raises(RequestError, match="has no values"):
        studying.values_of("lr_ue", " , ", fixed)


def test_what_is_put_together_is_the_file_that_is_offered():
    fixed = {"dataset": "digits", "task": "class", "method": "laf"}
    study = studying.written(
        name="mine",
        title='a "name"',
        fixed=fixed,
        grid={"temperature": "x0.5, x2", "vae.latent": "4, 8"},
        seeds="0-2",
        references=2,
    )
    again = parse_study(study.source, "mine")
    assert again == study
    assert again.size == 2 * 2 * 3
    assert again.title == 'a "name"'
    with pytest.raises(RequestError, match="at least one field"):
        studying.written(name="mine", title="x", fixed=fixed, grid={}, seeds="0", references=1)


def test_a_heat_map_shows_the_mean_of_each_pair(finished):
    study, rows = finished
    figure = studies.heat(
        groups(rows), "temperature", "lr_ra", "train_f", study.grid["temperature"], study.grid["lr_ra"]
    )
    for i, lr in enumerate(study.grid["lr_ra"]):
        for j, t in enumerate(study.grid["temperature"]):
            mine = [r["figures"]["train_f"] for r in rows if r["point"] == {"temperature": t, "lr_ra": lr}]
            assert figure.data[0].z[i][j] == pytest.approx(100 * sum(mine) / 2)


def test_lines_have_a_band_over_seeds_and_the_front_a_point_for_each_setting(finished):
    study, rows = finished
    lines = study_lines.lines(groups(rows), "temperature", "lr_ra", "test", study.grid["temperature"])
    assert [t.name for t in lines.data if t.mode == "lines+markers"] == ["0.001", "0.002"]
    front = study_lines.front(groups(rows), study.varied)
    shown = sum(len(t.x) for t in front.data if t.name in ("on the front", "a setting"))
    assert shown == 4
    assert any(t.name == "do nothing" for t in front.data)


def test_a_point_opens_as_the_settings_it_had(finished):
    study, rows = finished
    found = studying.opened_in_lab(study, rows[0])
    assert "The Lab trains in its own way" in found, "its original was trained for one epoch"
    plain = parse_study("[grid]\ntemperature = [5.0]\n", "plain")
    cell = next(plain.cells())
    setup, settings = studying.opened_in_lab(plain, {"key": cell.key})
    assert (setup.dataset, setup.method, setup.seed) == ("digits", "laf", 0)
    assert settings == {"temperature": 5.0}
    several = parse_study("[fixed]\nsequence = [0, 3]\n", "several")
    assert "several requests" in studying.opened_in_lab(several, {"key": next(several.cells()).key})


def script():
    from dashboard.session import resources
    from dashboard.views.studies import page

    page(resources.lab())


@pytest.fixture
def app():
    import streamlit as st

    st.cache_resource.clear()
    yield AppTest.from_function(script, default_timeout=60)
    st.cache_resource.clear()


def test_every_ready_study_has_a_button_and_says_its_size_before_anything_starts(app):
    app.run()
    assert not app.exception
    before = kept_studies()
    shown = {b.key for b in app.button}
    first = app.selectbox[0].value
    assert {f"ready-{n}" for n in ready_names() if n != first} <= shown
    app.button(key="ready-schedule-digits").click().run()
    assert not app.exception
    assert app.selectbox[0].value == "schedule-digits"
    assert any("27 runs" in h.body for h in app.get("html"))
    assert kept_studies() == before


def test_a_finished_study_is_drawn_and_says_its_seeds(app, finished):
    app.run()
    app.selectbox[0].set_value("page-study").run()
    assert not app.exception
    assert app.get("plotly_chart")
    assert any("over seeds 0, 1" in c.value for c in app.caption)
    for kind in studies.KINDS:
        app.session_state["study-kind-page-study"] = kind
        app.run()
        assert not app.exception


def test_a_study_of_ones_own_is_refused_in_a_sentence_or_started(app):
    app.run()
    app.selectbox[0].set_value("＋ a study of my own").run()
    assert not app.exception
    app.text_input(key="own-seeds").set_value("x").run()
    assert any("is no seed" in w.value for w in app.warning)
    app.text_input(key="own-seeds").set_value("0").run()
    assert any("9 runs" in h.body for h in app.get("html")), "two fields of three values on one seed"


@pytest.mark.slow
def test_it_is_started_from_the_page_cancelled_and_gone_on_with():
    study = parse_study(QUICK.replace("[5.0, 20.0]", "[6.5, 7.5, 8.5, 9.5]"), "from-the-page")
    studying.start(study, workers=1)
    assert "from-the-page" in kept_studies()
    with pytest.raises(RequestError, match="is running already"):
        studying.start(study)
    driven = studying.driven("from-the-page")
    until = time.monotonic() + 120
    while driven.now != "runs" and time.monotonic() < until:
        time.sleep(0.02)
    driven.cancel()
    assert driven.wait(60)
    assert driven.state == "cancelled"
    kept = counts(study, driven.table.rows)["done"]
    assert 0 < kept < study.size
    studying.start(study, workers=1)
    assert studying.driven("from-the-page").wait(120)
    table = ResultsTable("from-the-page")
    table.refresh()
    assert counts(study, table.rows)["done"] == study.size


def test_the_studies_are_packaged():
    assert (
        Path(studying.__file__)
        .parents[3]
        .joinpath("core", "experiments", "studies", "builtin", "digits", "ablation-digits.toml")
        .is_file()
    )
