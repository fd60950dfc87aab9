"""The shipped example: a stand-in for one subject, in requests that are played and kept one after another."""

from __future__ import annotations

import numpy as np
import pytest

from core.config import EvalConfig
from core.experiments.chain import example
from core.runs.setup import Setup
from core.runs.storage import chain_links, read_run
from core.runtime.progress import run_to_end
from tests import toys


def test_ten_requests_of_two_images_that_look_alike(digits):
    asked = example.example_requests(digits)
    assert [len(ids) for ids in asked] == [2] * 10
    ids = [i for request in asked for i in request]
    assert len(set(ids)) == 20
    x = digits.train.x.flatten(1).numpy().astype(float)
    apart = np.linalg.norm(x - x[0], axis=1)
    chosen = np.isin(digits.train.ids.numpy(), ids)
    assert apart[chosen].max() <= apart[~chosen].min()


@pytest.fixture
def toy(monkeypatch, tmp_path):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr(example, "load", lambda *_, **__: toys.dataset())
    monkeypatch.setattr(example, "usual_count", lambda *_: 1)
    monkeypatch.setattr(Setup, "config", lambda self, split: toys.QUICK)  # the toy has no preset
    monkeypatch.setattr("core.config.TrainConfig.preset", lambda *_: toys.TRAIN)
    monkeypatch.setattr(EvalConfig, "preset", lambda *_: EvalConfig(frames=2))


def test_each_request_is_kept_with_its_verdict_and_figures(toy):
    first = Setup(dataset="toy", task="indices", classes=(), device="cpu")
    last = run_to_end(example.play_requests(first, [(0, 4), (8, 12)], umap=toys.Flat()))
    links = chain_links(last)
    assert [k.forget for k in links] == ["2 chosen images", "2 chosen images"]
    assert all(k.verdict and k.ended for k in links)
    reading = read_run(last).frames[-1].reading
    assert links[1].ended["unlearned"]["newest_f"] == reading.newest_f
    assert links[0].ended["unlearned"]["newest_f"] is None
