"""Study files: valid ones, and the sentence for each mistake."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import TrainConfig
from core.errors import RequestError
from core.experiments.studies import (
    parse_study,
    read_study,
    ready_names,
    ready_study,
)

BAD = [
    ("colour = 1", "the study has no key 'colour'; it can have: title, question"),
    ("[grid]\nlr_xx = [1]", "'lr_xx' is no setting of laf; its settings are: epochs"),
    ("[grid]\nlr_ue = []", "lr_ue must be a list of values, or a range"),
    ("[grid]\nlr_ue = [-1.0]", "lr_ue must be a finite number > 0, got -1.0"),
    ("[grid]\nlr_ue = {low = 3, high = 1, count = 3}", "the range of lr_ue must rise, and 3 is not below 1"),
    ("[grid]\nlr_ue = {low = 0, high = 1, count = 3, log = true}", "must begin above 0"),
    ("[grid]\nlr_ue = {low = 1, high = 2}", "the range of lr_ue lacks 'count'"),
    ("[grid]\nschedule = {low = 1, high = 2, count = 2}", "schedule is a word and cannot be 1"),
    ("[grid]\nschedule = ['slow']", "schedule must be one of alternate"),
    ("[grid]\nepochs = [1.5]", "epochs is a whole number and cannot be 1.5"),
    ("[grid]\nlr_ue = [0.1, 0.1]", "lr_ue has the value 0.1 twice"),
    ("[fixed]\ndataset = 'cats'", "unknown dataset 'cats'"),
    ("[fixed]\nclasses = [11]", "class 11"),
    ("[fixed]\nmethod = 'magic'", "unknown method 'magic'"),
    ("[grid]\nmethod = ['laf', 'scrub']\nlr_ue = [1e-3]", "'lr_ue' is no setting of scrub"),
    ("[grid]\nnet = ['brain']", "unknown net 'brain'"),
    ("[fixed]\nlr_ue = 1e-3\n[grid]\nlr_ue = [1e-3]", "lr_ue is given twice"),
    ("[seeds]\nchosen = [1]\nreported = [1, 2]", "seed 1 is both chosen on and reported on"),
    ("seeds = 'many'", "seeds must be whole numbers"),
    ("references = 0", "'references' of the study must be a whole number from 1 to 20, got 0"),
    ("[[variants]]\nlosses = 'ue'", "variant 1 lacks 'label'"),
    (
        "[sample]\ncount = 0\n[sample.fields]\nlr_ue = [1e-3]",
        "'count' of sample must be a whole number from 1 to 10,000,000, got 0",
    ),
    ("[grid", "it is not TOML"),
    (
        "seeds = [0]\n[sample]\ncount = 9_000_000\n[sample.fields]\nlr_ue = [1e-3, 1e-4]\n[grid]\nepochs = [1, 2]",
        "18,000,000 runs",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[said for _, said in BAD])
def test_what_makes_no_sense_is_told_in_one_sentence_that_names_the_file(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RequestError, match=re.escape(said)) as caught:
        read_study(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


FIELD = st.sampled_from(
    ["lr_ue", "temperature", "schedule", "vae.latent", "bounded", "net", "classes", "share", "nonsense"]
)


VALUE = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.text(max_size=6),
    st.sampled_from(["x2", "alternate", "digits-cnn"]),
    st.lists(st.integers(-2, 12), max_size=3),
)


def toml(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value).replace("\\u007f", "?").replace("\x7f", "?")
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(FIELD, st.lists(VALUE, max_size=3), max_size=3),
    st.dictionaries(FIELD, VALUE, max_size=2),
    st.one_of(VALUE, st.lists(st.integers(-1, 5), max_size=4)),
)
def test_any_text_is_a_study_whose_cells_can_all_be_made_or_one_sentence(grid, fixed, seeds):
    text = f"seeds = {toml(seeds)}\n[fixed]\n" + "".join(f'"{k}" = {toml(v)}\n' for k, v in fixed.items())
    text += "[grid]\n" + "".join(f'"{k}" = {toml(v)}\n' for k, v in grid.items())
    try:
        study = parse_study(text, "any")
    except RequestError as error:
        said = str(error)
        assert said.startswith("the study any: ")
        return
    cells = list(study.cells())
    assert len(cells) == study.size
    assert all(isinstance(c.train, TrainConfig) and c.key for c in cells)


def test_all_ready_studies_can_be_read_and_have_a_question():
    assert len(ready_names()) >= 15
    for name in ready_names():
        study = ready_study(name)
        assert study.title
        assert study.question.endswith("?")
        assert sum(1 for _ in study.cells()) == study.size <= 250
    with pytest.raises(RequestError, match="no ready study is called 'x'"):
        ready_study("x")
