"""The terminal's face: exit codes, one line for each mistake, and the JSON of the contract."""

from __future__ import annotations

import errno
import importlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core import config
from core.data import load
from core.errors import DataError, RequestError, StoreError
from core.runtime.content_cache import models
from dashboard.cli import dashboard, main, run, start
from dashboard.session import classroom_options


def laf(*argv: str) -> int:
    """The exit code of ``laf`` with these words."""
    try:
        return main.main(argv)
    except SystemExit as stop:
        return int(stop.code or 0)


@pytest.fixture
def quick(monkeypatch):
    """Presets so short that a whole run takes a second; what it finds means nothing."""
    monkeypatch.setenv("LAF_REFERENCES", "2")
    laf_class = config._LAF["digits", "class"]
    monkeypatch.setitem(config._TRAIN, "digits", replace(config._TRAIN["digits"], epochs=1))
    for task in ("class", "data", "noise", "indices"):
        short = replace(laf_class, epochs=1, vae=replace(laf_class.vae, epochs=1))
        monkeypatch.setitem(config._LAF, ("digits", task), short)


# a wrong request: 2, and one line that says what is wrong and what would be right

WRONG = [
    (["run", "--dataset", "mnst"], ["'mnst'", "digits, mnist"]),
    (["run", "--task", "klass"], ["'klass'", "class, data"]),
    (["run", "--method", "amnesia"], ["'amnesia'", "retrain", "laf, laf+r"]),
    (["run", "--classes", "11"], ["'11'", "numbers, ranges"]),
    (["run", "--classes", "zero"], ["'zero'", "names of"]),
    (["run", "--classes", "-1"], ["'-1'"]),
    (["run", "--classes", ""], ["class"]),
    (["run", "--classes", "9-5"], ["'9-5'"]),
    (["run", "--classes", "9" * 5000], ["unknown class"]),
    (["run", "--classes", "0-9"], ["nothing would remain"]),
    *[
        (["run", "--task", "data", "--fraction", f], ["between 0 and 1"])
        for f in ("0", "1", "1.5", "-0.2", "nan", "inf")
    ],
    (["run", "--task", "data", "--fraction", "0.0001"], ["at least one"]),
    (["run", "--fraction", "0.4"], ["--fraction", "--task data"]),
    (["run", "--task", "indices"], ["--indices FILE"]),
    (["run", "--task", "noise", "--fraction", "1"], ["between 0 and 1"]),
    (["run", "--task", "class", "--indices", "a.txt"], ["--task indices"]),
    (["run", "--indices", "/nowhere/ids.txt"], ["/nowhere/ids.txt", "ids"]),
    (["run", "--indices", __file__], ["line 1"]),
    (["run", "--plant", "tulips"], ["'tulips'", "canaries"]),
    (["run", "--plant", "canaries", "--task", "data"], ["--plant", "leave out"]),
    (["run", "--fraction", "half"], ["--fraction", "half"]),
    (["run", "--seed", "x"], ["--seed"]),
    (["run", "--device", "tpu"], ["'tpu'", "auto, cpu"]),
    (
        ["run", "--dataset", "mnist", "--data-dir", "/nowhere/at/all"],
        ["/nowhere/at/all", "does not exist", "train-images-idx3-ubyte"],
    ),
    (["run", "--json", "/nowhere/at/all.json"], ["/nowhere/at", "--json"]),
    (["run", "--json", "."], ["is a folder"]),
    (["run", "--json", ""], ["--json"]),
    (["run", "--nonsense"], ["--nonsense"]),
    (["run", "surplus"], ["surplus"]),
    (["fly"], ["fly", "run"]),
    ([], ["run | compare"]),
    (["compare", "--methods", "laf,amnesia"], ["'amnesia'", "retrain"]),
    (["compare", "--methods", ","], ["no method"]),
    (["compare", "--seeds", "2-0"], ["'2-0'", "0-2"]),
    (["compare", "--seeds", "x"], ["'x'", "0-2"]),
    (["compare", "--seeds", "0-1000000"], ["1000001 seeds", "100"]),
    (["compare", "--references", "-1"], ["--references", "from 0 to 50"]),
    (["dashboard", "--port", "0"], ["--port", "65535"]),
    (["dashboard", "--port", "70000"], ["--port", "65535"]),
    (["dashboard", "--port", "http"], ["--port"]),
    (["dashboard", "--host", "256.0.0.1"], ["--host"]),
    (["dashboard", "--base-path", "http://x/lab"], ["--base-path", "tools/lab"]),
    (["dashboard", "--players", "2"], ["--players", "--classroom"]),
]


@pytest.mark.parametrize(
    ("argv", "words"),
    WRONG,
    ids=lambda v: " ".join(v)[:60] if v and v[0] in ("run", "compare", "dashboard", "fly") else None,
)
def test_a_wrong_request_is_one_line_and_2(capsys, quick, argv, words):
    code = laf(*argv)
    out, err = capsys.readouterr()
    assert code == 2, err
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    assert err.startswith("laf: ")
    assert all(word in err for word in words), err


def test_a_port_in_use_is_one_line_and_2(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert laf("dashboard", "--port", str(port)) == 2
    err = capsys.readouterr().err
    assert err == f"laf: port {port} is in use; stop what uses it, or choose another with --port\n"


def test_a_file_for_json_is_refused_before_the_work_not_after(capsys, monkeypatch, tmp_path):
    def work(*args):
        pytest.fail("it worked first")

    monkeypatch.setattr(run, "_play", work)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert laf("run", "--json", str(tmp_path / "a.json")) == 2
    assert "cannot be written" in capsys.readouterr().err


# it failed: 1

FAILURES = [
    (StoreError("the disk is full; free some space"), "laf: the disk is full; free some space\n"),
    (KeyboardInterrupt(), "laf: stopped\n"),
    (ZeroDivisionError("a\nb"), "laf: failed: ZeroDivisionError: a (--debug shows where)\n"),
    (RuntimeError(), "laf: failed: RuntimeError:  (--debug shows where)\n"),
    (
        OSError(errno.ENOSPC, "No space left on device"),
        "laf: standard output cannot be written (No space left on device)\n",
    ),
]


def raising(error):
    def work(*args, **kwargs):
        raise error

    return work


def test_ctrl_c_while_the_command_is_imported_is_one_line_and_1(capsys, monkeypatch):
    monkeypatch.setattr(main, "main", raising(KeyboardInterrupt()))
    assert start() == 1
    assert capsys.readouterr() == ("", "laf: stopped\n")


@pytest.mark.parametrize(("error", "line"), FAILURES, ids=lambda v: type(v).__name__)
def test_a_failure_is_one_line_and_1(capsys, monkeypatch, error, line):
    monkeypatch.setattr(run, "_play", raising(error))
    assert laf("run") == 1
    assert capsys.readouterr() == ("", line)


def test_a_loss_that_is_no_number_is_one_line_and_1(capsys, monkeypatch, quick):
    preset = replace(config._LAF["digits", "class"], lr_ue=1e30)
    monkeypatch.setitem(config._LAF, ("digits", "class"), preset)
    assert laf("run", "--quiet", "--settings", "preset") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "no longer a number at step" in err


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    "error",
    [DataError("broken"), RequestError("wrong"), ZeroDivisionError("bug")],
    ids=lambda e: type(e).__name__,
)
def test_debug_adds_the_traceback(capsys, monkeypatch, error, place):
    monkeypatch.setattr(run, "_play", raising(error))
    argv = ["--debug", "run"] if place == "before" else ["run", "--debug"]
    assert laf(*argv) == (1 if isinstance(error, ZeroDivisionError) else 2)
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "test_main.py" in err
    assert err.splitlines()[-1].startswith("laf: ")


# done: 0, and the contract

NUMBER = (int, float)
ATTACK = dict.fromkeys(("asr", "auc", "auc_low", "auc_high", "tpr_at_1pct_fpr"), (*NUMBER, type(None)))
CONTRACT = {
    "schema": int,
    "dataset": str,
    "task": str,
    "method": str,
    "seed": int,
    "device": str,
    "steps": int,
    "metrics": dict,
    "seconds": dict,
    "peak_memory_mb": float,
}


def check_contract(result, **expected):
    for key, kind in CONTRACT.items():
        assert type(result[key]) is kind, key
    assert result["schema"] == 1
    for key, value in expected.items():
        assert result[key] == value
    assert set(result["metrics"]) == {"original", "retrained", "unlearned"}
    for numbers in result["metrics"].values():
        for name in ("train_r", "train_f", "test", "test_f"):
            assert 0 <= numbers[name] <= 1
        assert {k: isinstance(numbers["attack"][k], kind) for k, kind in ATTACK.items()} == dict.fromkeys(
            ATTACK, True
        )
    assert set(result["seconds"]) >= {
        "train",
        "search",
        "vae",
        "unlearn",
        "frames",
        "map",
        "retrain",
        "evaluate",
    }
    assert set(result["from_cache"]) <= {"train", "retrain"}
    assert set(result["shipped"]) <= {"train"}
    spent = {
        k: s
        for k, s in result["seconds"].items()
        if k not in ("total", *result["from_cache"], *result["beside"])
    }
    assert sum(spent.values()) == pytest.approx(result["seconds"]["total"], abs=0.05)
    assert all(isinstance(s, float) and s >= 0 for s in result["seconds"].values())
    assert result["seconds"]["train"] > 0
    assert result["seconds"]["retrain"] > 0
    assert 50 < result["peak_memory_mb"] < 100_000


def test_json_to_a_file_beside_the_table(capsys, tmp_path, quick):
    path = tmp_path / "out.json"
    words = ("--classes", "3", "--seed", "5", "--device", "cpu", "--settings", "preset")
    assert laf("run", *words, "--json", str(path)) == 0
    out, err = capsys.readouterr()
    assert err == ""  # no bar where there is no terminal
    assert "Digits: forget class 3 (146 of 1,437 images), seed 5" in out
    for word in ("original", "retrained", "unlearned", "Train_f", "Test_r", "AUC", "peak memory"):
        assert word in out
    result = json.loads(path.read_text())
    check_contract(result, dataset="digits", task="class", method="laf", seed=5, device="cpu", steps=5)
    assert result["metrics"]["retrained"]["train_f"] == 0
    assert result["seconds"]["vae"] > 0


def test_json_to_standard_output_is_all_there_is(capsys, quick):
    argv = ("run", "--task", "data", "--classes", "5-9", "--settings", "preset", "--json", "-")
    assert laf(*argv, "--quiet") == 0
    out, err = capsys.readouterr()
    assert err == ""
    check_contract(json.loads(out), task="data", method="laf")
    assert laf(*argv) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["metrics"] == json.loads(out)["metrics"]  # the same seed, the same numbers


def test_ids_come_from_a_file(capsys, quick, tmp_path):
    ids = tmp_path / "ids.txt"
    chosen = sorted(load("digits").train.ids.tolist())[:40]
    ids.write_text("# mine\n" + "\n".join(map(str, chosen)))
    assert laf("run", "--indices", str(ids), "--settings", "preset") == 0
    assert "forget 40 chosen images (40 of 1,437 images)" in capsys.readouterr().out


def test_noisy_labels_lead_with_the_true_ones(capsys, quick):
    assert laf("run", "--task", "noise", "--method", "laf+r", "--json", "-") == 0
    result = json.loads(capsys.readouterr().out)
    check_contract(result, task="noise", method="laf+r")
    assert result["metrics"]["original"]["clean_f"] < 1


def test_a_plant_is_reported(capsys, quick):
    assert laf("run", "--plant", "trigger", "--settings", "preset", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)["metrics"]
    assert all(0 <= model["planted"] <= 1 for model in found.values())


def test_quiet_is_silent(capsys, quick):
    assert laf("run", "--quiet", "--method", "retrain") == 0
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_a_bar_for_each_stage(capsys, monkeypatch, quick):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(models, "get", lambda key: None)  # what the cache has gets no bar
    assert laf("run", "--settings", "preset") == 0
    err = capsys.readouterr().err
    for title in ("\rtrain ", "VAE of D ", "VAE of D_f", "unlearn", "retrain"):
        assert title in err, title


def test_json_expands_the_home_folder_as_its_check_does(monkeypatch, tmp_path, quick):
    """A shell leaves the ~ of --json=~/out.json alone; the check before the work expands it, so must the writing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert laf("run", "--quiet", "--method", "retrain", "--json=~/out.json") == 0
    assert (tmp_path / "out.json").exists()


def test_a_disk_that_fills_up_while_writing_json_is_one_line_and_1(capsys, monkeypatch, tmp_path, quick):
    import errno

    monkeypatch.setattr(os, "fsync", raising(OSError(errno.ENOSPC, "No space left on device")))
    assert laf("run", "--quiet", "--method", "retrain", "--json", str(tmp_path / "a")) == 1
    assert "No space left" in capsys.readouterr().err


# help and settings


@pytest.mark.parametrize("argv", [["--help"], ["run", "--help"], ["dashboard", "--help"]])
def test_help_waits_for_neither_torch_nor_streamlit(argv):
    code = f"""
import sys
from dashboard.cli.main import main
try:
    main({argv!r})
except SystemExit as stop:
    assert stop.code == 0
print("IMPORTED", [m for m in ("torch", "streamlit", "numpy", "umap", "sklearn") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "IMPORTED []"
    assert "usage: laf" in done.stdout


def test_the_module_runs_as_the_command_does():
    done = subprocess.run(
        [sys.executable, "-m", "dashboard.cli", "run", "--task", "x"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "laf: unknown task 'x'; there are: class, data, noise, indices\n"


def test_the_dashboard_is_started_with_the_settings_host_and_port(monkeypatch):
    from streamlit.web import bootstrap

    seen = {}
    monkeypatch.setattr(bootstrap, "load_config_options", lambda flag_options: seen.update(flag_options))
    monkeypatch.setattr(
        bootstrap, "run_asgi_app", lambda app, server, *a, **k: seen.update(app=app, server=server)
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert laf("dashboard", "--port", str(port)) == 0
    assert seen["server.port"] == port
    assert seen["server.address"] == "127.0.0.1"
    assert seen["browser.gatherUsageStats"] is False
    assert os.path.basename(seen["app"]) == "app.py"
    assert os.path.exists(seen["app"])
    module, name = seen["server"].split(":")
    assert hasattr(importlib.import_module(module), name)
    assert "server.baseUrlPath" not in seen
    assert (
        laf("dashboard", "--port", str(port), "--base-path", "/tools/lab/", "--classroom", "--upload-mb", "7")
        == 0
    )
    assert (seen["server.baseUrlPath"], seen["server.maxUploadSize"]) == ("tools/lab", 7)
    classroom_options.begin(None)


def test_no_page_is_taken_apart_by_ast_when_it_is_first_opened(monkeypatch):
    """Two threads in ast at once end in a SystemError on Python 3.11, and the page stayed empty."""
    from streamlit import config
    from streamlit.runtime.scriptrunner.script_cache import ScriptCache

    for name, value in dashboard.settings().items():
        monkeypatch.setitem(config.get_config_options(), name, config.get_config_options()[name])
        config.set_option(name, value)

    def refuse(*_args, **_kwargs):
        raise SystemError("AST constructor recursion depth mismatch")

    monkeypatch.setattr("streamlit.runtime.scriptrunner.magic.add_magic", refuse)
    for path in sorted((Path(main.__file__).parents[1] / "views").glob("*.py")):
        assert ScriptCache().get_bytecode(str(path)) is not None
