"""The models beside a kept run: taken from the caches, never trained, and all that Judge asks for in one file."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from core import config
from core.config import EvalConfig
from core.data.registry import load
from core.errors import RequestError
from core.methods import LAF
from core.projection.projection import Projection
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.original_models import original
from core.runs.reference_models import references
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import read_run, record
from core.runtime.content_cache import ContentCache
from core.runtime.progress import run_to_end
from dashboard.cli.main import main
from dashboard.presentation.export import companions as module
from dashboard.presentation.export.companions import companions, frames_beside
from dashboard.presentation.export.run_files import as_judge, obstacle
from tests import toys


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A finished run on digits; all training is one epoch, and no retrained model is there yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAF_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(
            "core.runs.reference_models.models", ContentCache("models")
        )  # others may have such models
        patch.setitem(config._TRAIN, "digits", replace(config._TRAIN["digits"], epochs=1))
        setup = Setup(device="cpu")
        split = setup.split(load("digits"))
        model = run_to_end(original(split, LAF()))
        observer = Observer(split, model, EvalConfig.preset("digits"))
        e0 = observer.original.train.representations
        observer.projection = Projection.fit(e0, umap=toys.Flat())
        run = Run(
            LAF(replace(toys.QUICK, steps=3)), model, split, observer=observer, checkpoints=Checkpoints()
        )
        recorder = record(run, setup, token="mine")
        finish(run)
        recorder.close()
        yield read_run(recorder.id)


def test_nothing_is_trained_for_an_export_and_what_is_cached_is_found(kept):
    assert companions(kept).retrained == ()
    assert frames_beside(kept) == ()
    found = companions(kept)
    made = references(found.split, found.original, count=2)
    again = companions(kept)
    assert [r.number for r in again.retrained] == [0, 1]
    for a, b in zip(made, again.retrained, strict=True):
        assert toys.same(toys.weights(a.model), toys.weights(b.model))
    frames = frames_beside(kept)
    assert len(frames) == 2
    # measured on the run's own points, so the page may draw them beside it
    assert np.asarray(frames[0].positions).shape == np.asarray(kept.map_positions).shape


def test_judge_reads_every_file_of_the_export(kept, tmp_path, capsys):
    found = companions(kept)
    references(found.split, found.original, count=2)
    with zipfile.ZipFile(io.BytesIO(as_judge(kept))) as archive:
        archive.extractall(tmp_path)
    told = (tmp_path / "how-to-judge.txt").read_text()
    command = next(line for line in told.splitlines() if line.startswith("laf judge "))
    words = [str(tmp_path / w) if w.endswith((".safetensors", ".txt")) else w for w in command.split()[1:]]
    assert main([*words, "--json", "-"]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert judged["n_forget"] == len(found.split.forget_rows)
    assert len(judged["retrained"]) == 2
    last = kept.frames[-1].reading
    assert judged["unlearned"]["figures"]["train_f"]["value"] == pytest.approx(last.train_f)


def test_an_original_or_images_that_are_gone_are_named(kept, monkeypatch):
    kept.about["original"], before = "another", kept.about["original"]
    try:
        with pytest.raises(RequestError, match="original model"):
            companions(kept)
        assert frames_beside(kept) == ()  # the page is made without them
    finally:
        kept.about["original"] = before
    monkeypatch.setattr(module, "load", lambda *_, **__: toys.dataset())
    with pytest.raises(RequestError, match="other images"):
        companions(kept)


def test_only_the_owner_exports_models_of_uploaded_images(kept):
    assert obstacle(kept, "judge") is None
    own = replace(kept, setup=replace(kept.setup, dataset="own-abc"))
    assert "owner" in obstacle(own, "judge", is_own=False)
    assert obstacle(own, "judge") is None
    assert obstacle(own, "csv", is_own=False) is None
