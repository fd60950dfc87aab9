"""The export for Judge has every model that Judge needs; judged from it, a run has the figures it had."""

from __future__ import annotations

import io
import zipfile

import pytest

from core.config import EvalConfig, LAFConfig, TrainConfig
from core.evaluation.checkpoint_files import CheckpointFiles, evaluate_checkpoints
from core.evaluation.evaluator import Evaluator
from core.methods import LAF
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.original_models import original
from core.runs.reference_models import references
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import read_run, record
from core.runtime.progress import run_to_end
from dashboard.cli.main import parser
from dashboard.presentation.export.judge_files import pack_models
from dashboard.presentation.export.run_files import as_judge
from tests import toys


def test_a_kept_run_is_judged_from_its_export_as_in_the_lab(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("dashboard.presentation.export.companions.load", lambda *a, **k: toys.dataset())
    monkeypatch.setattr("dashboard.presentation.export.companions.usual_count", lambda *_: 2)
    monkeypatch.setattr(TrainConfig, "preset", classmethod(lambda *_: toys.TRAIN))
    monkeypatch.setattr(LAFConfig, "preset", classmethod(lambda *_: toys.QUICK))
    split = toys.split()
    model = run_to_end(original(split, seed=0))
    known = references(split, model, count=2, seed=0)
    run = Run(
        LAF(), model, split, observer=Observer(split, model, EvalConfig(frames=3)), checkpoints=Checkpoints()
    )
    recorder = record(run, Setup(dataset="toy", classes=(1,), device="cpu"), token="mine")
    finish(run)
    recorder.close()
    with zipfile.ZipFile(io.BytesIO(as_judge(read_run(recorder.id)))) as archive:
        archive.extractall(tmp_path)
    names = sorted(p.name for p in tmp_path.glob("*.safetensors"))
    assert names == [
        "original.safetensors",
        "retrained-0.safetensors",
        "retrained-1.safetensors",
        "unlearned.safetensors",
    ]
    text = (tmp_path / "forget-ids.txt").read_text()
    ids = [int(line) for line in text.splitlines() if line and not line.startswith("#")]
    assert ids == split.train.ids[split.forget_rows].tolist()
    arch = (tmp_path / "how-to-judge.txt").read_text().split("--arch ")[1].split()[0]
    files = CheckpointFiles(
        arch,
        tmp_path / names[0],
        tmp_path / names[3],
        (tmp_path / names[1], tmp_path / names[2]),
    )
    found = run_to_end(evaluate_checkpoints(split, files)).unlearned.figures
    expected = run_to_end(Evaluator(split, model, known).judge(run.result)).figures
    assert {k: f.value for k, f in found.items()} == pytest.approx({k: f.value for k, f in expected.items()})
    assert found["train_f"].band == expected["train_f"].band


def test_the_command_beside_the_labs_models_needs_no_change():
    model = toys.model(toys.split())
    with zipfile.ZipFile(
        io.BytesIO(pack_models("lab:cnn", "digits", model, model, [model], [7, 3]))
    ) as archive:
        command = archive.read("judge.txt").decode()
        names = set(archive.namelist())
    words = parser().parse_args(command.split()[1:])
    assert (words.dataset, words.task, words.arch) == ("digits", "indices", "lab:cnn")
    assert {str(words.original), str(words.unlearned), *map(str, words.retrained)} < names
