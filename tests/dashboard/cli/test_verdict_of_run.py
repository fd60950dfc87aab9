"""`laf run` ends with a verdict; `--check` makes it an exit code; `--set` changes what happens."""

from __future__ import annotations

import json

import pytest

from core import LAF
from core.config import as_dict
from core.experiments.automatic_run import find_settings
from core.runs.original_models import original
from core.runtime.progress import run_to_end
from dashboard.cli import main

PRESET = ("--settings", "preset")  # no search before the run


def run(capsys, *words: str) -> tuple[int, dict]:
    code = main.main(["run", "--quiet", "--json", "-", *words])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("check", "code"), [((), 0), (("--check",), 3)])
def test_a_run_that_forgot_nothing_says_so_and_fails_the_check(capsys, check, code):
    found, result = run(
        capsys, "--set", "lr_ue=1e-9", "--set", "lr_ra=1e-9", "--set", "steps=2", *PRESET, *check
    )
    assert found == code
    assert result["set"] == ["lr_ue=1e-9", "lr_ra=1e-9", "steps=2"]
    assert result["steps"] == 2
    assert [f["code"] for f in result["verdict"]["findings"]] == ["not forgotten"]
    assert result["verdict"]["text"].startswith("Nothing was forgotten: ")


def test_doing_nothing_fails_the_check_and_retraining_passes_it(capsys):
    assert run(capsys, "--method", "nothing", "--check")[0] == 3
    assert run(capsys, "--method", "retrain", "--check")[0] == 0


def test_the_table_ends_with_the_verdict(capsys):
    assert main.main(["run", "--quiet", "--method", "retrain"]) == 0
    assert main.main(["run", "--method", "retrain", "--set", "epochs=15"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[-1].startswith("Forgotten: the model recognises 0.0 % of the forgotten images")
    assert any(line.endswith("; changed: epochs=15") for line in lines)


def test_automatic_settings_are_those_of_the_lab_forget_a_class_and_are_recorded(capsys, class_split):
    """The Lab takes the default's original from what ships with a clone; one trained here may differ by rounding."""
    code, result = run(capsys, "--auto", "--classes", "0", "--seed", "0", "--device", "cpu", "--check")
    found = result["automatic"]
    lab = find_settings(class_split, run_to_end(original(class_split, LAF())), seed=0)
    assert found["config"] == json.loads(json.dumps(as_dict(lab.config)))
    assert [t["score"] for t in found["trials"]] == [t.score for t in lab.trials]
    assert code == 0
    assert found["met"]
    assert found["training"] is None  # digits have a measured preset for the original
    assert result["steps"] == found["config"]["steps"] == found["trials"][found["chosen"]]["config"]["steps"]
    assert result["metrics"]["unlearned"]["train_f"] <= 0.02
    scores = [trial["score"] for trial in found["trials"]]
    assert scores[found["chosen"]] == min(score for score in scores if score is not None)


def test_a_run_that_failed_is_offered_automatic_settings(capsys):
    _, result = run(capsys, "--settings", "preset", "--set", "steps=1")
    assert result["settings"] == "preset"
    assert result["automatic"] is None
    assert result["verdict"]["text"].endswith("Or let --settings automatic find settings on this data.")
