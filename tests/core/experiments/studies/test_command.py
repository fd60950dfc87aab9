"""`laf study`: size and time first, then rows, tables and exports."""

from __future__ import annotations

import json
import time

from core.experiments.studies import (
    kept_studies,
)
from dashboard.cli.main import main
from tests.core.experiments.studies.quick import QUICK


def test_the_command_says_size_and_time_and_does_not_begin_what_is_large(tmp_path, capsys, monkeypatch):
    path = tmp_path / "huge.toml"
    path.write_text(
        "seeds = [0]\n[sample]\ncount = 1_000_000\n[sample.fields]\ntemperature = {low = 1, high = 50}\n"
    )
    began = time.perf_counter()
    code = main(["study", "run", str(path), "--workers", "1"])
    told = capsys.readouterr()
    assert code == 2
    assert "1,000,000 runs" in told.out
    assert " days" in told.out
    assert "add --yes" in told.err
    assert "huge" not in kept_studies(), "something was begun"
    assert time.perf_counter() - began < 200


def test_the_command_runs_shows_and_exports(tmp_path, capsys):
    path = tmp_path / "small.toml"
    path.write_text(QUICK.format(seeds="[0]", values="[5.0, 20.0]"))
    assert main(["study", "run", str(path), "--workers", "1"]) == 0
    assert "2 runs (2 left)" in capsys.readouterr().out
    assert main(["study", "list", "--json", "-"]) == 0
    begun = {s["name"]: s for s in json.loads(capsys.readouterr().out)["begun"]}
    assert begun["small"]["done"] == 2
    assert main(["study", "show", "small", "--json", "-"]) == 0
    assert len(json.loads(capsys.readouterr().out)["groups"]) == 2
    assert main(["study", "export", "small", "--out", "-"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("temperature,seed,role,state")
    assert main(["study", "show", "small"]) == 0
    assert "±" not in capsys.readouterr().out, "one seed has no deviation"
    for form, begins in (
        ("markdown", "| temperature | Train_r, % |"),
        ("latex", "% Seed 0; accuracies in %."),
    ):
        assert main(["study", "export", "small", "--format", form, "--out", "-"]) == 0
        assert capsys.readouterr().out.startswith(begins)
    assert main(["study", "export", "small", "--format", "latex", "--by", "beauty", "--out", "-"]) == 2
    assert "unknown figure 'beauty'; there are: average_gap" in capsys.readouterr().err
    assert main(["study", "show", "nothing-of-that-name"]) == 2
