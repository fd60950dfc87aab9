"""`laf judge`: finished checkpoints, their figures, and one line for what does not fit."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from core.models.registry import build
from core.models.uploads.weights import read
from dashboard.cli.main import main


def laf(*argv: str) -> int:
    try:
        return main(argv)
    except SystemExit as stop:
        return int(stop.code or 0)


@pytest.fixture(scope="module")
def files(tmp_path_factory, digits_model, unlearned, retrained):
    """The digits' models of class 0 as files, and three that do not fit."""
    folder = tmp_path_factory.mktemp("checkpoints")
    other = build("digits-cnn", (1, 8, 8), 10, seed=5)
    small = build("digits-cnn", (1, 8, 8), 4, seed=5)
    named = {
        "original": digits_model,
        "unlearned": unlearned.result,
        "r0": retrained,
        "r1": other,
        "small": small,
    }
    for name, model in named.items():
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / f"{name}.safetensors")
    (folder / "text.safetensors").write_text("no weights here")
    broken = {k: v.contiguous().clone() for k, v in digits_model.state_dict().items()}
    broken["head.bias"][0] = torch.nan
    save_file(broken, folder / "nan.safetensors")
    return folder


def judge(files, *more, original="original", unlearned="unlearned"):
    return laf(
        "judge",
        "--arch",
        "lab:digits-cnn",
        "--classes",
        "0",
        "--original",
        str(files / f"{original}.safetensors"),
        "--unlearned",
        str(files / f"{unlearned}.safetensors"),
        *more,
    )


def test_without_retrained_models_there_are_numbers_and_no_band(files, capsys):
    assert judge(files, "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    assert "no band" in found["about"]
    figures = found["unlearned"]["figures"]
    assert figures["train_f"]["value"] == 0
    assert figures["train_f"]["place"] is None
    assert figures["js"]["value"] is None
    assert "no retrained model" in figures["js"]["why"]
    assert found["original"]["figures"]["train_f"]["value"] == 1
    assert found["n_forget"] == 142


def test_with_retrained_models_every_figure_has_its_place(files, capsys):
    both = [str(files / f"{n}.safetensors") for n in ("r0", "r1")]
    assert judge(files, "--retrained", *both, "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)
    figures = found["unlearned"]["figures"]
    assert figures["train_f"]["place"]["count"] == 2
    assert figures["js"]["value"] > 0
    assert len(found["retrained"]) == 2
    assert found["retrained"][0]["references"] == 1
    assert found["unlearned"]["attacks"]["learned"]["reference_aucs"]


def test_the_table_says_what_was_held_against_what(files, capsys):
    assert judge(files, "--retrained", str(files / "r0.safetensors")) == 0
    out = capsys.readouterr().out
    assert "unlearned.safetensors beside original.safetensors and one retrained model" in out
    assert "Train_f" in out
    assert "finds a leak of AUC" in out


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (
            {"unlearned": "small"},
            2,
            ["small.safetensors", "does not fit", "head.weight is 4x128, not 10x128"],
        ),
        ({"unlearned": "text"}, 2, ["text.safetensors", "safetensors file"]),
        ({"original": "nan"}, 2, ["nan.safetensors", "not finite", "head.bias"]),
        ({"original": "nowhere"}, 2, ["nowhere.safetensors", "is not a file"]),
    ],
)
def test_a_file_that_does_not_fit_is_named_in_one_line(files, capsys, change, code, words):
    assert judge(files, **change) == code
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert all(word in told for word in words)


def test_a_layer_and_an_architecture_that_are_not_there(files, capsys):
    assert judge(files, "--layer", "conv9") == 2
    assert "conv9" in capsys.readouterr().err
    assert judge(files, "--arch", "resnet99") == 2
    assert "resnet99" in capsys.readouterr().err


def test_files_are_only_read(files, capsys):
    before = {p.name: p.read_bytes() for p in files.iterdir()}
    judge(files, "--json", "-")
    assert {p.name: p.read_bytes() for p in files.iterdir()} == before
    assert read(files / "original.safetensors", "x")
