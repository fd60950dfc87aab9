"""Studies: cells and their keys, samples, and the networks of the ready studies."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.config import LAFConfig, LAFRConfig
from core.errors import RequestError
from core.experiments.studies import (
    parse_study,
)
from core.experiments.studies.cell import make_cell
from core.experiments.studies.jobs import jobs_of


def test_a_grid_is_every_combination_for_every_seed():
    study = parse_study(
        'seeds = [3, 4]\n[grid]\nlr_ue = [1e-4, 1e-3, 1e-2]\nschedule = ["alternate", "joint"]\nvae.latent = [4]',
        "a",
    )
    cells = list(study.cells())
    assert study.size == len(cells) == 3 * 2 * 1 * 2
    seen = {(c.config.lr_ue, c.config.schedule, c.config.vae.latent, c.setup.seed) for c in cells}
    assert seen == {
        (lr, s, 4, n) for lr in (1e-4, 1e-3, 1e-2) for s in ("alternate", "joint") for n in (3, 4)
    }
    assert len({c.key for c in cells}) == 12


def test_multiples_are_of_the_preset_of_each_task():
    study = parse_study('[grid]\ntask = ["class", "data"]\nlr_ue = ["x0.5"]\nepochs = ["x2"]', "a")
    for cell in study.cells():
        preset = LAFConfig.preset("digits", cell.setup.task)
        assert cell.config == replace(preset, lr_ue=preset.lr_ue / 2, epochs=2 * preset.epochs)


def test_ranges_are_even_or_even_in_the_logarithm():
    study = parse_study(
        "[grid]\nlr_ue = {low = 1e-4, high = 1e-2, count = 3, log = true}\nepochs = {low = 2, high = 6, count = 3}",
        "a",
    )
    assert study.grid["lr_ue"] == pytest.approx((1e-4, 1e-3, 1e-2))
    assert study.grid["epochs"] == (2, 4, 6)


def test_a_sample_is_the_same_each_time_and_another_for_another_seed():
    def points(seed):
        text = f"[sample]\ncount = 50\nseed = {seed}\n[sample.fields]\ntemperature = {{low = 2, high = 50, log = true}}\nschedule = ['alternate', 'joint']"
        return [c.point for c in parse_study(text, "a").cells()]

    assert points(0) == points(0) != points(1)
    assert all(2 <= p["temperature"] <= 50 for p in points(0))
    assert {p["schedule"] for p in points(0)} == {"alternate", "joint"}


def test_fields_of_laf_do_for_laf_r_and_a_share_of_nothing_is_laf():
    cell = make_cell({"method": "laf+r", "temperature": 3.0, "share": 0.25}, 0, references=1)
    assert isinstance(cell.config, LAFRConfig)
    assert cell.config.laf.temperature == 3.0
    assert cell.config.repair.share == 0.25
    assert (
        make_cell({"method": "laf+r", "share": 0}, 0, references=1).key == make_cell({}, 0, references=1).key
    )


def test_a_key_is_of_the_content_and_of_nothing_else():
    a = make_cell({"temperature": "x1"}, 0, references=2, label="a", shown={"x": 1})
    assert a.key == make_cell({}, 0, references=2, role="chosen").key
    others = [
        {"temperature": 3.0},
        {"net": "digits-cnn-wide"},
        {"classes": [1]},
        {"task": "data"},
        {"method": "nothing"},
        {"sequence": [0]},
        {"train.epochs": 3},
    ]
    keys = {make_cell(p, 0, references=2).key for p in others}
    assert (
        len(keys | {a.key, make_cell({}, 1, references=2).key, make_cell({}, 0, references=3).key})
        == len(others) + 3
    )


def test_models_are_made_once_for_all_cells_that_share_them():
    study = parse_study(
        "references = 2\nseeds = [0, 1]\n[grid]\ntemperature = [5.0, 10.0, 20.0]\nclasses = [0, 3]", "a"
    )
    originals, retrained, yardsticks = jobs_of(study.cells())
    assert len(originals) == 2, "an original does not depend on what is forgotten of it"
    assert len(retrained) == 2 * 2 * 2
    assert len(yardsticks) == 4
    assert [j.key for j in jobs_of(study.model_cells())[1]] == [j.key for j in retrained]


def test_some_cells_of_a_large_study_are_cells_of_it():
    study = parse_study(
        "seeds = [0, 1]\n[grid]\ntemperature = {low = 1, high = 50, count = 20}\nepochs = {low = 1, high = 20, count = 20}",
        "a",
    )
    some = study.some_cells(60)
    assert 40 <= len(some) <= 60
    assert {c.key for c in some} < {c.key for c in study.cells()}


@pytest.mark.parametrize(
    "net", ["digits-cnn-narrow", "digits-cnn-wide", "digits-cnn-shallow", "digits-cnn-deep", "cnn-deep"]
)
def test_nets_of_other_depth_and_width_extract_what_they_say(net):
    import torch

    from core.models.registry import build

    shape = (1, 8, 8) if net.startswith("digits") else (1, 28, 28)
    model = build(net, shape, 10, seed=0)
    before = torch.get_rng_state()
    twin = build(net, shape, 10, seed=0)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))
    e = model.extract(torch.rand(2, *shape))
    assert e.shape == (2, model.width)
    assert model.classify(e).shape == (2, 10)


def test_clients_are_fields_of_a_study_and_decide_its_models():
    text = 'seeds = [0]\n[fixed]\nclient = 0\n[grid]\nclients = [5, 10]\npartition = ["iid", "shards"]\nlocal_epochs = [1, 2]'
    study = parse_study(text, "a")
    cells = list(study.cells())
    assert {(c.setup.task, c.setup.classes, c.setup.client) for c in cells} == {("indices", (), 0)}
    assert all(c.config == LAFConfig.preset("digits", "indices") for c in cells)
    for keys in ({c.key for c in cells}, {c.original_key for c in cells}, {c.yardstick_key for c in cells}):
        assert len(keys) == 8
    assert len(list(study.model_cells())) == 8
    one = make_cell({"clients": 5, "client": 0}, 0, references=2)
    other = make_cell({"clients": 5, "client": 1}, 0, references=2)
    assert one.original_key == other.original_key
    assert one.yardstick_key != other.yardstick_key


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("clients = [1]", "clients must be a whole number of at least 2, got 1"),
        ('clients = [5]\npartition = ["fair"]', "unknown partition 'fair'"),
        ('partition = ["iid"]', "partition needs clients"),
        ("client = [0]", "client needs clients"),
        ("clients = [5]\nclient = [0]\nclasses = [1]", "client decides what is forgotten"),
        ("clients = [5]\nsequence = [[0, 1]]", "sequence does not go with clients"),
    ],
)
def test_clients_of_a_study_that_cannot_be_are_refused_before_it_starts(fields, said):
    with pytest.raises(RequestError, match=said):
        list(parse_study(f"[grid]\n{fields}", "a").cells())
