"""Kept runs as files: tables that say what the run said, a model that answers as it did, a page below its size; and `laf runs`."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.config import EvalConfig
from core.errors import LabError, RequestError
from core.methods import LAF
from core.projection.projection import Projection
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import read_run, record
from dashboard.cli.main import main
from dashboard.presentation.export.run_files import as_csv, as_model, as_parquet
from dashboard.presentation.export.run_page import MOST_BYTES, document, page_data
from dashboard.session import url_params
from tests import toys


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the toy and what is kept of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAF_HOME", str(tmp_path_factory.mktemp("home")))
        split = toys.split()
        model = toys.model(split)
        observer = Observer(split, model, EvalConfig(frames=1000))
        observer.projection = Projection.fit(observer.original.train.representations, seed=0)
        run = Run(LAF(toys.QUICK), model, split, observer=observer, checkpoints=Checkpoints())
        recorder = record(run, Setup(dataset="toy", classes=(1,)), token="mine")
        finish(run)
        recorder.close()
        yield run, read_run(recorder.id)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_tables_say_what_the_run_said(finished):
    run, kept = finished
    files = members(as_csv(kept))
    steps = list(csv.DictReader(io.StringIO(files["steps.csv"].decode())))
    assert [float(r["loss_ue"]) for r in steps] == [s.losses["ue"] for s in run.steps]
    assert [float(r["grad_cosine"]) for r in steps] == [s.grad_cosine for s in run.steps]
    frames = list(csv.DictReader(io.StringIO(files["frames.csv"].decode())))
    assert [float(r["train_f"]) for r in frames] == [f.reading.train_f for f in run.frames]
    assert "owner" not in json.loads(files["run.json"])
    tables = {
        k: pq.read_table(io.BytesIO(v)) for k, v in members(as_parquet(kept)).items() if k != "run.json"
    }
    assert tables["steps.parquet"]["loss_ra"].to_pylist() == [s.losses["ra"] for s in run.steps]
    points = tables["points.parquet"]
    assert points.num_rows == len(run.frames) * len(run.frames[0].predictions)
    assert np.array_equal(points["x"].to_numpy(), np.concatenate([f.positions[:, 0] for f in run.frames]))


def test_the_exported_model_is_loaded_by_its_own_loader_and_answers_as_the_run(finished, tmp_path):
    run, kept = finished
    for name, data in members(as_model(kept)).items():
        (tmp_path / name).write_bytes(data)
    x = run.stepper.split.test.x[:9]
    want = run.result(run.stepper.split.test.floats(slice(0, 9))).argmax(1).tolist()
    code = f"from load_model import *; print(model(prepare(torch.tensor({x.tolist()}))).argmax(1).tolist())"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(told.stdout) == want


def test_an_unfinished_run_has_no_model(finished, tmp_path):
    _, kept = finished
    model = kept.folder.model
    model.rename(tmp_path / "model")
    try:
        with pytest.raises(RequestError, match="not finished"):
            as_model(kept)
    finally:
        (tmp_path / "model").rename(model)


def test_the_page_asks_nobody_and_holds_what_names_say_as_text(finished):
    _, kept = finished
    kept.about["name"] = "</script><img src=x onerror=alert(1)>"
    page = document(kept)
    assert len(page.encode()) < MOST_BYTES
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<img" not in page
    assert page.count("</script>") == 2


def test_a_long_run_on_many_points_stays_below_its_size(finished):
    run, kept = finished
    many = list(kept.frames) * 200  # 2,200 frames
    kept.frames[:] = many
    kept.points.update({k: np.resize(np.asarray(kept.points[k]), 2000) for k in ("ids", "forget")})
    try:
        assert len(page_data(kept)["steps"]) * 2000 * 4 < 5_000_000
    finally:
        kept.frames[:] = many[: len(run.frames)]
        vars(kept).pop("points")


def test_runs_from_the_terminal(finished, tmp_path, monkeypatch, capsys):
    _, kept = finished
    monkeypatch.setenv("LAF_HOME", str(kept.folder.path.parent.parent))
    (kept.folder.path.parent / "20260101-000000-abcdef").mkdir()
    assert main(["runs", "list"]) == 0
    said = capsys.readouterr()
    assert kept.id in said.out
    assert said.err.count("\n") == 1
    assert main(["runs", "list", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["steps"] == 10
    assert main(["runs", "show", kept.id[:12]]) == 0
    said = capsys.readouterr().out
    assert "10 of 10 steps" in said
    assert f"settings: {kept.setup.settings}" in said
    assert "verdict: none is kept" in said
    about = kept.folder.read_about()
    trials = {"description": "found on this data", "trials": [{}, {}, {}]}
    told = {"verdict": {"success": False, "text": "Nothing was forgotten: 99 %."}, "automatic": trials}
    kept.folder.write_about(
        {**about, **told, "setup": {**about["setup"], "settings": "automatic"}},
    )
    assert main(["runs", "show", kept.id]) == 0
    said = capsys.readouterr().out
    assert "settings: automatic, the best of 3 trials; found on this data" in said
    assert said.rstrip().endswith("Nothing was forgotten: 99 %.")
    assert main(["runs", "show", kept.id, "--json", "-"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["settings_kind"], shown["trials"]) == ("automatic", 3)
    assert shown["verdict"] == told["verdict"]
    assert "lr_ue" in shown["settings"]
    kept.folder.write_about(about)
    for form in ("html", "csv", "parquet", "safetensors"):
        assert main(["runs", "export", kept.id, "--format", form, "--out", str(tmp_path / form)]) == 0
        assert (tmp_path / form).stat().st_size > 1000
    assert main(["runs", "export", kept.id, "--format", "docx"]) == 2
    assert main(["runs", "export", "nobody"]) == 2
    assert main(["runs", "export", kept.id, "--out", "/nowhere/at/all"]) == 2
    assert "--out" in capsys.readouterr().err
    assert main(["runs", "rm", kept.id]) == 0
    assert main(["runs", "rm", kept.id]) == 2


def test_an_address_says_the_setup_and_back():
    preset = toys.QUICK
    changed = type(preset)(**{**vars(preset), "temperature": 3.0, "schedule": "joint"})
    for setup in (
        Setup(),
        Setup("mnist", "data", (5, "six"), 0.25, 7, method="laf+r", share=0.5),
        Setup("digits", "indices", (), ids=(3, 1, 2)),
        Setup("digits", classes=(), plant="canaries"),
    ):
        back = url_params.read_request(url_params.to_params(setup, preset, changed, "a-run", 3))
        assert (back.setup, back.run, back.step) == (setup, "a-run", 3)
        assert url_params.with_settings(preset, back.settings) == changed
    assert url_params.with_settings(preset, {}) is None
    for wrong in (
        {"temperature": "hot"},
        {"epochs": 1.5},
        {"warp": 9},
        {"vae": {"latent": -1}},
        {"bounded": 3},
    ):
        with pytest.raises(LabError):
            url_params.with_settings(preset, wrong)
    odd = {"dataset": "digits", "seed": "-", "step": "1e9", "settings": "{", "ids": "a,1"}
    assert url_params.read_request(odd).setup.ids == (1,)
