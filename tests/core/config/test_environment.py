"""What the environment sets: the number of frames and of retrained models, or one sentence."""

from __future__ import annotations

import pytest

from core.config import EvalConfig, environment
from core.errors import RequestError
from core.runs.reference_models import usual_count
from dashboard.cli.main import main


def test_without_it_digits_have_a_frame_for_each_step_and_five_retrained_models():
    assert EvalConfig.preset("digits").cadence(55) == 1
    assert (usual_count("digits"), usual_count("mnist")) == (5, 3)
    assert (environment.frames(), environment.reference_count()) == (None, None)


@pytest.mark.parametrize("family", ["digits", "mnist", "own-small"])
def test_it_sets_both_for_all_data(monkeypatch, family):
    monkeypatch.setenv("LAF_FRAMES", "11")
    monkeypatch.setenv("LAF_REFERENCES", "0")
    assert EvalConfig.preset(family).cadence(55) == 5
    assert usual_count(family) == 0


@pytest.mark.parametrize("variable", ["LAF_FRAMES", "LAF_REFERENCES"])
@pytest.mark.parametrize("said", ["x", "-1", "1.5", "nan", "1e3", "9" * 5000, "²", "10001"])
def test_what_is_no_number_within_the_bounds_is_one_line_and_2(monkeypatch, capsys, variable, said):
    monkeypatch.setenv(variable, said)
    with pytest.raises(RequestError, match=f"{variable} must be a whole number from "):
        environment.require_usable()
    assert main(["runs", "list"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"laf: {variable} must be ")
    assert err.count("\n") == 1
    assert len(err) < 200


def test_no_frames_at_all_are_none(monkeypatch):
    monkeypatch.setenv("LAF_FRAMES", "0")
    with pytest.raises(RequestError, match="from 1 to 10,000, not '0'"):
        EvalConfig.preset("digits")
