"""The check of a GPU, on a CPU with the same code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

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


def test_on_a_slower_device_the_estimates_grow_and_what_no_longer_fits_is_named(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(gpu_check, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(gpu_check, "same_end", lambda *_: [])
    monkeypatch.setattr(gpu_check, "train", lambda *_, **__: None)

    def four_times_as_long(case, *_):
        now[0] += 4 * case.seconds
        return f"| {case.title} |"

    monkeypatch.setattr(gpu_check, "measure", four_times_as_long)
    cases = [Case(title, "mnist", "cnn", "float32", 20) for title in ("first", "second", "third")]
    monkeypatch.setattr(gpu_check, "cases", lambda: cases)
    gpu_check.main(["--device", "cpu", "--small", "--budget", "170"])
    out = capsys.readouterr().out
    assert "| second |" in out
    assert "Left out for want of time: third in float32" in out


ALONE = """
import sys
from importlib.machinery import PathFinder
allowed = {"benchmarks", "core", "torch", "torchvision", "numpy", "sklearn", "safetensors"}
allowed |= {"PIL", "scipy", "joblib", "threadpoolctl", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe"}
allowed |= {"filelock", "fsspec", "packaging", "setuptools", "functorch", "torchgen", *sys.stdlib_module_names}

class Only:
    @staticmethod
    def find_spec(name, path=None, target=None):
        top = name.partition(".")[0]
        return PathFinder.find_spec(name, path, target) if top in allowed or top.startswith("_") else None

sys.meta_path[:] = [*sys.meta_path[:2], Only]
sys.path.insert(0, ".")
import benchmarks.gpu_check
from core.models.registry import build
build("resnet18", (3, 32, 32), 10, seed=0)
"""


@pytest.mark.slow
def test_it_needs_no_more_packages_than_it_says():
    """Packages that torch, torchvision and scikit-learn bring are there too."""
    subprocess.run([sys.executable, "-c", ALONE], check=True, cwd=Path(gpu_check.__file__).parents[1])


def test_patterns_have_the_shape_and_classes_of_the_dataset_they_stand_for():
    found = gpu_check.patterns("cifar10", Size(100, 1, None, None))
    assert (found.shape, len(found.train), len(found.test), found.family) == ((3, 32, 32), 100, 20, "cifar10")
    assert torch.bincount(found.train.y).tolist() == [10] * 10
    assert not set(found.train.ids.tolist()) & set(found.test.ids.tolist())


def test_losses_that_differ_are_called_off():
    assert gpu_check.agreement({"eager": [1.0, 2.0], "compiled": [1.0, 2.2]}) == "OFF BY 1e-01"
    assert gpu_check.agreement({"eager": [1.0], "compiled": [1.0]}) == "same bits"
    assert gpu_check.agreement({"eager": [1.0], "compiled": [1.02]}, "bf16") == "within 2e-02"
    assert gpu_check.agreement({"eager": [1.0]}) == "–"
