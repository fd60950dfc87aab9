"""The check of a GPU, on a CPU with the same code."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu_check
from benchmarks.gpu_check import Case, Size


@pytest.fixture(autouse=True)
def _one_small_case(monkeypatch, tmp_path):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr(gpu_check, "cases", lambda: [Case("CNN", "mnist", "cnn", "float32", 1)])


@pytest.mark.slow
def test_the_small_check_prints_both_tables_and_compiled_steps_lose_no_bit(capsys, monkeypatch):
    compiled = []

    def compiles(function, **how):  # torch's own takes seconds to load
        compiled.append(how)
        return lambda x: function(x)

    monkeypatch.setattr(torch, "compile", compiles)
    gpu_check.main(["--device", "cpu", "--small", "--backend", "eager", "--whole"])
    out = capsys.readouterr().out
    row = next(
        line for line in out.splitlines() if line.startswith("| CNN | float32 | ") and "same bits" in line
    )
    numbers = [cell.strip().rstrip("×") for cell in row.strip("|").split("|")[2:6]]
    assert all(float(number) > 0 for number in numbers)
    assert compiled == [{"backend": "eager", "mode": None}]
    assert "digits, test_r" in out
    assert "Left out for want of time: nothing" in out


def test_what_does_not_fit_into_the_budget_is_named(capsys, monkeypatch):
    monkeypatch.setattr(gpu_check, "same_end", lambda *_: [])
    gpu_check.main(["--device", "cpu", "--small", "--budget", "0"])
    assert "Left out for want of time: CNN in float32" in capsys.readouterr().out


def test_patterns_have_the_shape_and_classes_of_the_dataset_they_stand_for():
    found = gpu_check.patterns("cifar10", Size(100, 1, None, None))
    assert (found.shape, len(found.train), len(found.test), found.family) == ((3, 32, 32), 100, 20, "cifar10")
    assert torch.bincount(found.train.y).tolist() == [10] * 10
    assert not set(found.train.ids.tolist()) & set(found.test.ids.tolist())


def test_losses_that_differ_are_called_off():
    assert gpu_check.agreement({"eager": [1.0, 2.0], "compiled": [1.0, 2.2]}) == "OFF BY 1e-01"
    assert gpu_check.agreement({"eager": [1.0], "compiled": [1.0]}) == "same bits"
    assert gpu_check.agreement({"eager": [1.0]}) == "–"
