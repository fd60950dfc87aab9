"""Exit codes of every command: 2 for what the user gave and cannot be used, 1 where the program failed; one line, and nothing is lost.

Commands, arguments and options come from the parser: a new one without rows here fails the first test.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from core import config, errors, load
from core.experiments.studies import parameters
from core.lessons.library import SHIPPED
from core.models.registry import build
from dashboard.cli import main, terminal
from dashboard.presentation.text import numbers

HUGE = "9" * 5000
PAST = str(2**31)  # the first number that is no seed


def laf(*argv: str) -> int:
    """The exit code of ``laf`` with these words."""
    try:
        return main.main(argv)
    except SystemExit as stop:
        return int(stop.code or 0)


def leaves(
    parser: argparse.ArgumentParser | None = None, name: str = ""
) -> dict[str, argparse.ArgumentParser]:
    """Every command that does something, by its words: "runs list"."""
    parser = main.parser() if parser is None else parser
    inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not inner:
        return {name: parser}
    return {
        leaf: found
        for word, sub in inner[0].choices.items()
        for leaf, found in leaves(sub, f"{name} {word}".strip()).items()
    }


# what cannot be used; @name stands for a file or folder of the fixture ``place``

FILES = [
    "@missing",
    "@folder",
    "@below",
    "@loop",
    "@long",
    "@unreadable",
    "~nosuchuser/x",
    "",
]  # where a file is to be read
TARGETS = [
    "@missing/out",
    "@folder",
    "@below",
    "@loop",
    "@long",
    "@unreadable",
    "@closed/out",
    "~nosuchuser/x",
    "",
]  # where a file is to be written
NUMBERS = ["x", "", "-1", "1.5", "nan", "1e3", HUGE]  # where a whole number is wanted
SHARES = ["x", "", "-0.2", "0", "1.5", "nan", "inf", "-inf", HUGE]
WEIGHTS = [*FILES, "@empty", "@text", "@cut.safetensors", "@foreign.safetensors"]
IDS = [*FILES, "@empty", "@text", "@noise", "@foreign.txt", "@backwards.txt", "@range.txt", "@endless"]
LESSONS = [*FILES, "@empty", "@text", "@noise", "@cut.toml", "@other.toml"]
DATASETS = [
    "mnst",
    "",
    "own-0000",
    HUGE,
    "@missing.zip",
    "@missing.npz",
    "@folder.zip",
    "@loop.zip",
    "@long.zip",
    "@below.zip",
    "@folder",
    "@empty.zip",
    "@text.zip",
    "@cut.zip",
    "@none.zip",
    "@text.npz",
    "@cut.npz",
    "@pickled.npz",
    "@other.npz",
    "@text.csv",
    "@holes.csv",
    "@one.csv",
]

OPTIONS: dict[str, list[str]] = {
    "--after": ["nonsense", "", "@missing", "@folder", "@text", "20200101-000000-000000", HUGE],
    "--arch": ["nonsense", "", "resnet18", HUGE],
    "--backend": ["cloud", ""],
    "--base-path": ["http://x/lab", "a b", "../x", "é"],
    "--by": ["beauty", ""],
    "--classes": ["", ",", "11", "-1", "9-5", "zero", "0,,1", "0-99999999999", "0-9", HUGE, "0-" + HUGE],
    "--client": [*NUMBERS, "5", "100"],
    "--clients": [*NUMBERS, "0", "1", "101"],
    "--data-dir": ["@missing", "@text", "@below", "@loop", "@long", ""],
    "--dataset": DATASETS,
    "--datasets": [*NUMBERS, "10000000"],
    "--device": ["tpu", "", "cpu:x", HUGE],
    "--disk-mb": [*NUMBERS, "0", "1000000000"],
    "--format": ["docx", ""],
    "--fraction": [*SHARES, "1", "0.0001"],
    "--frame-origin": [
        "",
        "school.example",
        "https://school.example/lab",
        "javascript:alert(1)",
        "https://a b",
        HUGE,
    ],
    "--html": [*TARGETS, "-"],
    "--host": ["", "256.0.0.1", "no such host", "a..b", "::1::", "192.0.2.1", HUGE],
    "--ids": IDS,
    "--indices": IDS,
    "--json": TARGETS,
    "--keep-runs": [*NUMBERS, "10000000"],
    "--layer": ["nonsense", HUGE],
    "--lesson": LESSONS,
    "--local-epochs": [*NUMBERS, "0", "101"],
    "--method": ["amnesia", "", HUGE],
    "--methods": ["amnesia", "", ",", "laf,amnesia", HUGE],
    "--model": WEIGHTS,
    "--models": [*NUMBERS, "10000000"],
    "--net": ["alexnet", "", "tv:vgg11@flatten", HUGE],
    "--original": WEIGHTS,
    "--out": TARGETS,
    "--partition": ["", "fair", "IID", HUGE],
    "--plant": ["tulips", ""],
    "--players": [*NUMBERS, "0", "100000"],
    "--port": [*NUMBERS, "0", "65536", "@taken"],
    "--precision": ["int3", ""],
    "--set": [
        "",
        "lr_ra",
        "=1",
        "lr_ra=",
        "nonsense=1",
        "lr_ra=fast",
        "lr_ra=-1",
        "lr_ra=nan",
        f"epochs={HUGE}",
        "vae.latent=0",
        "threads=0",
    ],
    "--references": [*NUMBERS, "51"],
    "--resize": [*NUMBERS, "0", "100000"],
    "--retrained": WEIGHTS,
    "--run-mb": [*NUMBERS, "63", "100000000"],
    "--scheduler": ["", "nonsense", "tcp://", "tcp://127.0.0.1:1", "tcp://127.0.0.1:99999999"],
    "--seed": [*NUMBERS, PAST],
    "--seeds": [
        "",
        ",",
        "x",
        "-1",
        "2-0",
        "1.5",
        "0-1000000",
        "0-999999999",
        "0-99999999999",
        PAST,
        HUGE,
        "0-" + HUGE,
    ],
    "--session-mb": [*NUMBERS, "7", "100000000"],
    "--server": ["", "nothing", "Images", HUGE],
    "--sessions": [*NUMBERS, "0", "100000"],
    "--settings": ["", "auto", "Automatic", "nonsense", HUGE],
    "--share": SHARES,
    "--received": [HUGE],
    "--requester": [HUGE, "two\nlines"],
    "--number": [HUGE],
    "--subjects": [*FILES, "@empty", "@text", "@noise", "@ids.txt", "@endless"],
    "--subject": ["", "Nobody", HUGE],
    "--task": ["klass", "", "CLASS", "indices"],
    "--turn": ["x", "", "-1", "0", "nan", "inf", "1e9", HUGE],
    "--unlearned": WEIGHTS,
    "--upload-mb": [*NUMBERS, "0", "10000000"],
    "--workers": [*NUMBERS, "0", "1025"],
}
FLAGS = {  # take no value
    "--auto",
    "--check",
    "--classroom",
    "--debug",
    "--dry-run",
    "--exact",
    "--fast",
    "--full",
    "--help",
    "--no-replay",
    "--quiet",
    "--remove-datasets",
    "--retry",
    "--save",
    "--yes",
}

STUDIES = [
    *FILES,
    "nonsense",
    "@cut.toml",
    "@other.toml",
    "@seeds.toml",
    "@folder.toml",
    "@missing.toml",
    "@noise.toml",
    HUGE,
]
KEPT = ["nonsense", "", "../runs", ".", "@folder", "20200101-000000-000000", HUGE]
ARGUMENTS: dict[tuple[str, str], list[str]] = {
    ("runs show", "id"): KEPT,
    ("runs export", "id"): KEPT,
    ("runs rm", "id"): KEPT,
    ("study run", "study"): STUDIES,
    ("study show", "study"): ["nonsense", "", "..", "../x", "@missing.toml", HUGE],
    ("study export", "study"): ["nonsense", "", "..", "../x", "@missing.toml", HUGE],
    ("lesson check", "file"): LESSONS,
    ("lesson key", "lesson"): ["nonsense", "", "0", "-1", HUGE],
    ("lesson export", "lesson"): ["nonsense", "", "0", "-1", HUGE],
    ("grade", "folder"): ["@missing", "@text", "@folder", "@below", "@loop", "@long", ""],
}

JUDGED = ["--original", "@good.safetensors", "--unlearned", "@good.safetensors", "--arch", "lab:digits-cnn"]
RIGHT: dict[str, list[str]] = {  # each command with what it needs, all of it right
    "run": [],
    "compare": ["--seeds", "0", "--methods", "nothing"],
    "judge": JUDGED,
    "audit": [],
    "runs list": [],
    "runs show": ["@run"],
    "runs export": ["@run"],
    "runs rm": ["@run"],
    "purge": ["--dataset", "digits", "--ids", "@ids.txt"],
    "study run": ["@study.toml"],
    "study list": [],
    "study show": ["begun"],
    "study export": ["begun"],
    "lesson list": [],
    "lesson check": ["@lesson.toml"],
    "lesson key": ["1"],
    "lesson export": ["1"],
    "grade": ["@handed-in"],
    "dashboard": ["--port", "@free"],
}
BESIDE: dict[str, list[str]] = {  # what an option goes with
    "--after": ["--classes", "1"],
    **{option: ["--clients", "5"] for option in ("--client", "--local-epochs", "--partition", "--server")},
    "--fraction": ["--task", "data"],
    "--share": ["--method", "laf+r"],
    "--model": ["--arch", "lab:digits-cnn"],
    "--arch": ["--model", "@good.safetensors"],
    "--layer": ["--model", "@good.safetensors", "--arch", "lab:digits-cnn"],
    "--resize": ["--model", "@good.safetensors", "--arch", "lab:digits-cnn"],
    "--scheduler": ["--backend", "dask"],
    **{
        limit: ["--classroom"]
        for limit in ("--players", "--turn", "--keep-runs", "--upload-mb", "--session-mb")
    },
}

ALSO: dict[str, list[list[str]]] = {  # options that do not go together, and surplus words
    "run": [
        ["--exact", "--fast"],
        ["--after", "@run"],  # and nothing to forget next
        ["--after", "@run", "--classes", "0"],  # forgotten already
        ["--after", "@run", "--classes", "1", "--dataset", "mnist"],
        ["--after", "@run", "--classes", "1", "--task", "noise"],
        ["--after", "@run", "--classes", "1", "--method", "sisa"],
        ["--after", "@run", "--plant", "canaries"],
        ["--after", "@run", "--classes", "1", "--model", "@good.safetensors", "--arch", "lab:digits-cnn"],
        ["--save", "--model", "@good.safetensors", "--arch", "lab:digits-cnn"],
        ["--model", "@good.safetensors"],
        ["--arch", "lab:digits-cnn"],
        ["--model", "@good.safetensors", "--arch", "lab:digits-cnn", "--net", "vit"],
        ["--net", "vit", "--method", "sisa"],
        ["--clients", "5", "--method", "sisa"],
        ["--clients", "5", "--client", "0", "--classes", "1"],
        ["--client", "0"],
        ["--partition", "class"],
        ["--server", "representations"],
        ["--clients", "5", "--server", "representations", "--method", "finetune"],
        ["--clients", "5", "--server", "representations", "--auto"],
        ["--clients", "5", "--server", "representations", "--set", "learns=all"],
        ["--after", "@run", "--client", "0"],  # of a run without clients
        ["--after", "@run", "--classes", "1", "--clients", "5"],
        ["--clients", "100", "--partition", "class", "--seed", "119"],  # a client without images
        ["--fraction", "0.4"],
        ["--share", "0.5"],
        ["--plant", "canaries", "--classes", "1"],
        ["--indices", "@ids.txt", "--classes", "0"],
        ["--indices", "@ids.txt", "--task", "class"],
        ["--method", "nothing", "--precision", "bf16"],
        ["--method", "nothing", "--fast"],
        ["--auto", "--settings", "preset"],
        ["--settings", "automatic", "--fast"],
        ["--settings", "paper"],  # digits are not the paper's
        ["--settings", "paper", "--method", "finetune"],
        ["--auto", "--fast"],
        ["--auto", "--precision", "bf16"],
        ["--auto", "--method", "finetune"],
        ["--dataset", "mnist", "--data-dir", "@folder"],
        ["--dataset", "mnist", "--data-dir", "@broken-mnist"],
        ["surplus"],
        ["two\nlines"],
        ["--nonsense"],
        ["--seed"],
    ],
    "compare": [["--device", "tpu", "--methods", "laf"], ["--dataset", "mnist", "--data-dir", "@folder"]],
    "audit": [
        ["--subjects", "@ids.txt", "--classes", "0"],
        ["--clients", "5", "--client", "5"],
        ["--fraction", "0.4"],
        ["--references", "1"],
        ["--dataset", "mnist", "--data-dir", "@folder"],
    ],
    "runs rm": [["nonsense", "@run"], ["@run", "nonsense"]],
    "lesson check": [["@lesson.toml", "@cut.toml"]],
    "study run": [["--scheduler", "tcp://127.0.0.1:8786"], ["--backend", "dask"]],
    "dashboard": [["--players", "2"], ["--host", "0.0.0.0", "--port", "@taken"]],
}


def rows() -> dict[tuple[str, str], list[list[str]]]:
    """Every command with every value that it cannot use, by command and argument or option."""
    found: dict[tuple[str, str], list[list[str]]] = {}
    for leaf, parser in leaves().items():
        right = RIGHT.get(leaf, [])
        for action in parser._actions:
            if not action.option_strings:
                found[leaf, action.dest] = [[v, *right[1:]] for v in ARGUMENTS.get((leaf, action.dest), [])]
                continue
            option = next(o for o in action.option_strings if o.startswith("--"))
            beside = [*right, *BESIDE.get(option, [])]
            found[leaf, option] = [
                [*beside, f"{option}={v}"] if v.startswith("-") else [*beside, option, v]
                for v in OPTIONS.get(option, [])
            ]
        whole = leaf in ("runs rm", "lesson check")
        found[leaf, "together"] = [more if whole else [*right, *more] for more in ALSO.get(leaf, [])]
    return {name: argvs for name, argvs in found.items() if argvs}


def test_every_command_argument_and_option_has_rows():
    found = leaves()
    assert set(RIGHT) == set(found), "give each command a line in RIGHT"
    for leaf, parser in found.items():
        for action in parser._actions:
            if not action.option_strings:
                assert ARGUMENTS.get((leaf, action.dest)), f"give {leaf} {action.dest} a line in ARGUMENTS"
                continue
            for option in (o for o in action.option_strings if o.startswith("--")):
                rows_of = option in FLAGS if action.nargs == 0 else OPTIONS.get(option)
                assert rows_of, (
                    f"give {option} of laf {leaf} a line in {'FLAGS' if action.nargs == 0 else 'OPTIONS'}"
                )


# a home with a run and a study, and files of every broken kind


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Name of a file or folder -> its path; and the home that all commands here have."""
    root = tmp_path_factory.mktemp("given")
    found = {
        name: str(root / name)
        for name in ("missing", "missing.zip", "missing.npz", "missing.toml", "missing/out")
    }

    def put(name: str, data: bytes) -> None:
        (root / name).write_bytes(data)
        found[name] = str(root / name)

    for name in ("folder", "folder.zip", "folder.toml", "handed-in", "broken-mnist"):
        (root / name).mkdir()
        found[name] = str(root / name)
    for name in ("loop", "loop.zip"):
        (root / name).symlink_to(name)
        found[name] = str(root / name)
    for name in ("empty", "empty.zip"):
        put(name, b"")
    for name in ("text", "text.zip", "text.npz", "text.csv"):
        put(name, b"What is this?\n")
    put("holes.csv", b"a,b,label\n" + b"1,,x\n2,3,y\n" * 20)
    put("one.csv", b"a\n1\n2\n")
    put("unreadable", b"0")
    (root / "unreadable").chmod(0)
    (root / "closed").mkdir(mode=0o555)
    found["closed/out"] = str(root / "closed" / "out")
    for name in ("noise", "noise.toml"):
        put(name, bytes(range(256)))
    found |= {"long": str(root / ("n" * 5000)), "long.zip": str(root / ("n" * 5000 + ".zip"))}
    found |= {"below": found["text"] + "/a", "below.zip": found["text"] + "/a.zip", "endless": "/dev/zero"}
    put("ids.txt", "\n".join(map(str, load("digits").train.ids[:9].tolist())).encode())
    put("foreign.txt", b"1\n99999999\n")
    put("backwards.txt", b"9-5\n")
    put("range.txt", b"0-99999999999\n")

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("cat/a.txt", "no picture")
    put("none.zip", archive.getvalue())
    put("cut.zip", archive.getvalue()[:-30])
    arrays = io.BytesIO()
    np.savez(arrays, x_train=np.zeros((4, 2, 2), np.uint8), y_train=np.array([0, 1, 0, 1]))
    put("cut.npz", arrays.getvalue()[:-60])
    for name, given_arrays in (
        ("pickled", {"x_train": np.array([{}], object)}),
        ("other", {"a": np.zeros(3)}),
    ):
        np.savez(root / f"{name}.npz", **given_arrays)
        found[f"{name}.npz"] = str(root / f"{name}.npz")

    net = build("digits-cnn", (1, 8, 8), 10, seed=0)
    weights = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(weights, root / "good.safetensors")
    put("good.safetensors", (root / "good.safetensors").read_bytes())
    put("cut.safetensors", (root / "good.safetensors").read_bytes()[:-100])
    save_file({"a": torch.zeros(3)}, root / "foreign.safetensors")
    found["foreign.safetensors"] = str(root / "foreign.safetensors")
    (root / "broken-mnist" / "MNIST" / "raw").mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (root / "broken-mnist" / "MNIST" / "raw" / f"{name}-ubyte").write_bytes(b"\0\0\x08\x03half")

    put(
        "lesson.toml",
        next(iter(sorted(SHIPPED.glob("*.toml")))).read_bytes(),
    )
    put("cut.toml", b'title = "a')
    put("other.toml", b'[package]\nname = "x"\n')
    put("study.toml", b"seeds = [0]\n[grid]\ntemperature = [5.0, 20.0]\n")
    put("seeds.toml", b"seeds = [-1]\n[grid]\ntemperature = [5.0]\n")
    (root / "handed-in" / "a.json").write_text("{}")

    home = tmp_path_factory.mktemp("home")
    here = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAF_HOME", str(home))
        patch.setenv("LAF_REFERENCES", "1")
        patch.chdir(here)
        laf_class = config._LAF["digits", "class"]
        patch.setitem(config._TRAIN, "digits", replace(config._TRAIN["digits"], epochs=1))
        patch.setitem(
            config._LAF,
            ("digits", "class"),
            replace(laf_class, epochs=1, vae=replace(laf_class.vae, epochs=1)),
        )
        assert laf("run", "--save", "--quiet", "--settings", "preset", "--set", "steps=2") == 0
        from core.experiments.studies import ResultsTable, parse_study

        ResultsTable("begun").describe(parse_study(Path(found["study.toml"]).read_text(), "begun"))
        found["run"] = next((home / "runs").iterdir()).name
        yield found
    for cached in (parameters.preset_cached, parameters.train_preset):  # they hold the settings of above
        cached.cache_clear()


@pytest.fixture
def port(place):
    """A port in use and a free one, as @taken and @free."""
    import socket

    with socket.socket() as taken, socket.socket() as free:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free.bind(("127.0.0.1", 0))
        place |= {"taken": str(taken.getsockname()[1]), "free": str(free.getsockname()[1])}
        free.close()
        yield


WORK = [  # what begins once all that was given is right
    "dashboard.cli.run._play",
    "dashboard.cli.evidence.compare._drive",
    "dashboard.cli.evidence.audit._measure",
    "core.evaluation.evaluator.Evaluator.judge",
    "core.experiments.studies.StudyRun.run",
    "core.lessons.replay.play_lesson",
    "streamlit.web.bootstrap.run_asgi_app",
]


@pytest.fixture
def no_work(monkeypatch):
    """Fail where a command begins to work."""

    def work(*args, **kwargs):
        pytest.fail("the work began")

    for name in WORK:
        monkeypatch.setattr(name, work)

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr("core.experiments.studies.backends.CONNECT_S", 0.3)
    from dashboard.session import classroom_options

    yield
    classroom_options.begin(None)


def snapshot(*folders: str) -> dict[str, tuple[int, int, int]]:
    """Every file below, with what changes when it is written; locks do not count."""
    return {
        str(p): (p.stat().st_ino, p.stat().st_size, p.stat().st_mtime_ns)
        for folder in folders
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def words(argv: list[str], place: dict[str, str]) -> list[str]:
    """``argv`` with the paths of ``place``."""
    return [place[w[1:]] if w.startswith("@") else w for w in argv]


ROWS = rows()


@pytest.mark.usefixtures("port", "no_work")
@pytest.mark.parametrize(("leaf", "name"), ROWS)
def test_what_cannot_be_used_is_one_line_and_2(capsys, place, leaf, name):
    everything = (os.environ["LAF_HOME"], str(Path.cwd()), str(Path(place["text"]).parent))
    before = snapshot(*everything)
    for argv in ROWS[leaf, name]:
        if os.getuid() == 0 and {"@unreadable", "@closed/out"} & set(argv):
            continue  # the superuser may read and write everything
        code = laf(*leaf.split(), *words(argv, place))
        out, err = capsys.readouterr()
        told = (code, err.count("\n"), err[:5], err[-1:])
        assert told == (2, 1, "laf: ", "\n"), (argv, code, out, err)
        assert not re.search("[a-z]Error", err), (argv, "an exception's name says nothing to a user", err)
        assert len(err) < 3000, argv
    assert snapshot(*everything) == before


@pytest.mark.usefixtures("no_work")
def test_a_home_that_is_a_file_is_one_line_and_2_for_every_command(capsys, monkeypatch, place, port):
    for home in ("text", "below", "loop", "long"):
        monkeypatch.setenv("LAF_HOME", place[home])
        for leaf in leaves():
            assert laf(*leaf.split(), *words(RIGHT[leaf], place)) == 2, (leaf, home)
            err = capsys.readouterr().err
            assert (err.count("\n"), "LAF_HOME" in err) == (1, True), err


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("said", ["yes", "--players 0", "--players", "--turn nan", "--nonsense 1"])
def test_classroom_limits_from_the_environment_are_checked_before_the_page_starts(
    capsys, monkeypatch, place, port, said
):
    monkeypatch.setenv("LAF_CLASSROOM", said)
    assert laf("dashboard", "--port", place["free"]) == 2
    err = capsys.readouterr().err
    assert (err.count("\n"), "LAF_CLASSROOM" in err) == (1, True), err


@pytest.mark.parametrize("data", [b"\xff\xfe", b"", b"abc"], ids=["no text", "nothing", "no id"])
def test_ids_from_standard_input_that_are_none_are_one_line_and_2(capsys, monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    assert laf("run", "--indices", "-") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_one_unknown_id_deletes_no_run(capsys, place):
    assert laf("runs", "rm", place["run"], "20200101-000000-000000") == 2
    assert "20200101" in capsys.readouterr().err
    assert laf("runs", "show", place["run"], "--json", "-") == 0


# 1: the program failed

INSIDE = {  # what each command calls to do its work
    "run": "dashboard.cli.run._play",
    "compare": "dashboard.cli.evidence.compare._drive",
    "judge": "core.evaluation.checkpoint_files.evaluate_checkpoints",
    "audit": "dashboard.cli.evidence.audit._measure",
    "runs list": "core.runs.storage.list_runs",
    "runs show": "core.runs.storage.read_run",
    "runs export": "core.runs.storage.read_run",
    "runs rm": "core.runs.storage.remove_run",
    "purge": "core.experiments.purge.purge",
    "study run": "core.experiments.studies.predicted",
    "study list": "core.experiments.studies.kept_studies",
    "study show": "core.experiments.studies.joined",
    "study export": "core.experiments.studies.joined",
    "lesson list": "core.lessons.read_lessons",
    "lesson check": "core.lessons.read_lesson",
    "lesson key": "core.lessons.read_lessons",
    "lesson export": "core.lessons.replay.play_lesson",
    "grade": "core.lessons.assessment.grading.grade",
    "dashboard": "streamlit.web.bootstrap.run_asgi_app",
}


def raising(error: BaseException):
    def work(*args, **kwargs):
        raise error

    return work


@pytest.mark.parametrize("leaf", leaves())
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("a\nb"), "failed: ZeroDivisionError: a (--debug shows where)"),
        (MemoryError(), "failed: MemoryError:  (--debug shows where)"),
        (
            OSError(errno.EIO, "Input/output error"),
            "failed: OSError: [Errno 5] Input/output error (--debug shows where)",
        ),
        (errors.StoreError("the disk is full;\nfree some space"), "the disk is full; free some space"),
        (KeyboardInterrupt(), "stopped"),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, BaseException) else "",
)
def test_a_failure_of_every_command_is_one_line_and_1(capsys, monkeypatch, place, port, leaf, error, said):
    monkeypatch.setattr("streamlit.web.bootstrap.load_config_options", lambda flag_options: None)
    monkeypatch.setattr(INSIDE[leaf], raising(error))
    argv = (*leaf.split(), *words(RIGHT[leaf], place))
    assert laf(*argv) == 1
    assert capsys.readouterr().err == f"laf: {said}\n"
    assert laf(*argv, "--debug") == 1
    err = capsys.readouterr().err
    assert err.endswith(f"laf: {said}\n")
    assert ("Traceback" in err) is (not isinstance(error, KeyboardInterrupt))


CODES = {
    errors.LabError: 1,
    errors.RequestError: 2,
    errors.ConfigError: 2,
    errors.IllegalMoveError: 2,
    errors.DataError: 2,
    errors.StoreError: 1,
    errors.DivergedError: 1,
    errors.CancelledError: 1,
}


def test_every_error_of_the_library_has_a_code_and_the_tree_in_its_module_says_it():
    def below(kind: type) -> set[type]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    ours = {kind for kind in below(errors.LabError) if kind.__module__ == "core.errors"}
    assert set(CODES) == ours
    tree = (errors.__doc__ or "").splitlines()
    for kind, code in CODES.items():
        made = kind("a loss", stage="s", step=1, advice="b") if kind is errors.DivergedError else kind("a")
        assert main.code_of(made) == code
        line = next((text for text in tree if kind.__name__ in text.split()), "")
        assert "exit code" not in line or f"(exit code {code})" in line, line


# the terminal


def command(*argv: str, **more) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dashboard.cli", *argv], stderr=subprocess.PIPE, text=True, **more
    )


def test_a_closed_pipe_ends_with_1_and_says_nothing(place):
    read, written = os.pipe()
    os.close(read)
    with os.fdopen(written) as out, command("lesson", "list", stdout=out) as done:
        assert (done.communicate()[1], done.returncode) == ("", 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_standard_output_that_takes_nothing_is_one_line_and_1(place):
    with open("/dev/full", "w") as out, command("lesson", "list", stdout=out) as done:
        err = done.communicate()[1]
    assert (done.returncode, err.count("\n"), "No space left on device" in err) == (1, 1, True), err


def test_the_help_and_the_documents_say_the_codes():
    root = Path(main.__file__).parents[2]
    for text in (
        main.parser().format_help(),
        (root / "README.md").read_text(),
        (root / "docs" / "troubleshooting.md").read_text(),
    ):
        assert all(
            words in " ".join(text.split())
            for words in ("2 an argument", "cannot be used", "1 the program failed", "3")
        ), text[:200]


# files that are written

CONTENT = "new" * 1000


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path):
    (tmp_path / "usual").write_text("")
    terminal.write(tmp_path / "a.json", CONTENT)
    assert (tmp_path / "a.json").read_text() == CONTENT
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "usual"]


def test_an_existing_file_is_replaced_whole_and_keeps_its_mode(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o640)
    with open(path) as reader:
        terminal.write(path, CONTENT)
        assert reader.read() == "old"
    assert (path.read_text(), path.stat().st_mode & 0o777) == (CONTENT, 0o640)


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    terminal.write(tmp_path / "link", CONTENT)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == CONTENT


def test_a_pipe_is_written_in_place(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    terminal.require_writable(tmp_path / "pipe")
    terminal.write(tmp_path / "pipe", CONTENT)
    assert os.read(reader, 10_000) == CONTENT.encode()
    os.close(reader)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_device_that_is_full_is_one_sentence_and_stays_a_device():
    with pytest.raises(errors.StoreError, match="No space left on device"):
        terminal.write(Path("/dev/full"), CONTENT)
    assert Path("/dev/full").is_char_device()


WRITERS = {
    ("runs list", "--json"),
    ("runs show", "--json"),
    ("runs export", "--out"),
    ("study list", "--json"),
    ("study show", "--json"),
    ("study export", "--out"),
    ("lesson list", "--json"),
    ("lesson key", "--json"),
    ("grade", "--out"),
    ("purge", "--json"),
}


@pytest.mark.parametrize(("leaf", "option"), sorted(WRITERS))
def test_a_disk_that_fills_up_leaves_the_old_file_and_is_one_line_and_1(
    capsys, monkeypatch, place, tmp_path, leaf, option
):
    (tmp_path / "out").write_text("old")
    beside = ["--dry-run"] if leaf == "purge" else []
    argv = (*leaf.split(), *words(RIGHT[leaf], place), *beside, option, str(tmp_path / "out"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", raising(OSError(errno.ENOSPC, "No space left on device")))
        assert laf(*argv) == 1
    err = capsys.readouterr().err
    assert (err.count("\n"), "No space left on device" in err, option in err) == (1, True, True), err
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("out", "old")]
    assert laf(*argv) == 0
    assert (tmp_path / "out").read_bytes() != b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("leaf", ["run", "compare", "judge", "lesson export", "grade"])
def test_a_full_disk_is_told_before_the_work_begins(capsys, monkeypatch, place, tmp_path, leaf):
    monkeypatch.setattr(
        terminal.tempfile, "TemporaryFile", raising(OSError(errno.ENOSPC, "No space left on device"))
    )
    option = "--out" if leaf in ("lesson export", "grade") else "--json"
    assert laf(*leaf.split(), *words(RIGHT[leaf], place), option, str(tmp_path / "out")) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_table_stands_where_the_file_cannot_be_written(capsys, monkeypatch, place, tmp_path):
    monkeypatch.setattr("dashboard.cli.run.write", raising(errors.StoreError("the disk is full")))
    assert laf("run", "--json", str(tmp_path / "a")) == 1
    assert "unlearned" in capsys.readouterr().out


# numbers: any text is a number within the bounds, or a sentence that names them

TEXT = (
    st.text(max_size=30)
    | st.from_regex(r"[+-]?[0-9_. ]{0,25}(e[0-9]{0,4})?", fullmatch=True)
    | st.integers().map(str)
    | st.floats().map(str)
)


def tried(read, text: str):
    """What ``read`` makes of ``text``, or None, and the sentence that refuses it."""
    try:
        return read(text), ""
    except (argparse.ArgumentTypeError, errors.RequestError) as error:
        return None, str(error)


FAST = settings(max_examples=200, deadline=None, derandomize=True)


@FAST
@given(text=TEXT, ends=st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)).map(sorted))
@example(text="１", ends=[0, 9])
@example(text="1_0", ends=[0, 99])
@example(text=HUGE, ends=[0, 9])
def test_any_text_is_a_whole_number_within_the_bounds_or_a_sentence(text, ends):
    low, high = ends
    value, said = tried(numbers.whole(low, high), text)
    if value is None:
        assert f"from {low} to {high}" in said
        assert not (text.isascii() and text.isdecimal() and len(text) < 30 and low <= int(text) <= high)
        return
    assert str(value) == text.strip().lstrip("0") or value == 0
    assert low <= value <= high


@FAST
@given(text=TEXT)
def test_any_text_is_a_share_within_the_bounds_or_a_sentence(text):
    for read, inside in (
        (numbers.share, lambda v: 0 < v <= 1),
        (numbers.fraction, lambda v: 0 < v < 1),
        (numbers.seconds(1, 9), lambda v: 1 <= v <= 9),
    ):
        value, said = tried(read, text)
        assert "\n" not in said
        assert value is None or inside(value)


@FAST
@given(
    text=TEXT
    | st.lists(st.integers(0, 2**70).map(str), max_size=4).map("-".join)
    | st.text("0123456789-, ", max_size=60)
)
@example(text="0-999999999999999999")
@example(text=f"{2**31 - 1}")
@example(text=f"{2**31 - 3}-{2**31}")
def test_any_text_is_few_seeds_that_a_run_takes_or_a_sentence(text):
    from core.experiments.comparison import parse_seeds

    found, said = tried(parse_seeds, text)
    if found is None:
        assert len(said) < 300
        return
    assert 1 <= len(found) <= 100
    assert all(0 <= seed < 2**31 for seed in found)


@FAST
@given(text=st.text("0123456789-,", max_size=60))
@example(text="0-99999999999")
def test_any_text_is_classes_that_are_there_or_a_sentence(text):
    from dashboard.cli.options.classes import parse_classes

    found, said = tried(lambda t: parse_classes(t, tuple("abcdefghij")), text)
    assert said or all(0 <= c <= 9 for c in found)


@FAST
@given(
    words=st.lists(
        st.sampled_from(
            ["run", "compare", "runs", "list", "--seed", "--seeds", "--json", "--port", "--classes"]
        )
        | TEXT,
        min_size=1,
        max_size=4,
    )
)
def test_any_words_on_the_command_line_are_one_line_and_2_or_begin(words):
    """Only the parser is asked: no command begins."""
    err = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", err)
        patch.setattr(sys, "stdout", io.StringIO())
        code = 0
        try:
            main.parser().parse_args(words)
        except SystemExit as stop:
            code = int(stop.code or 0)
    assert (code, err.getvalue().count("\n")) in ((0, 0), (2, 1)), err.getvalue()
