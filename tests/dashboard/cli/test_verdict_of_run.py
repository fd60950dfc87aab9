"""`laf run` ends with a verdict; `--check` makes it an exit code; `--set` changes what happens."""

from __future__ import annotations

import json

import pytest

from dashboard.cli import main


def run(capsys, *words: str) -> tuple[int, dict]:
    code = main.main(["run", "--quiet", "--json", "-", *words])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("check", "code"), [((), 0), (("--check",), 3)])
def test_a_run_that_forgot_nothing_says_so_and_fails_the_check(capsys, check, code):
    found, result = run(capsys, "--set", "lr_ue=1e-9", "--set", "lr_ra=1e-9", "--set", "steps=2", *check)
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


def test_automatic_settings_forget_a_class_and_are_recorded_with_their_trials(capsys):
    code, result = run(capsys, "--auto", "--classes", "3", "--seed", "5", "--check")
    found = result["automatic"]
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
