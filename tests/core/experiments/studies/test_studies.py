"""Studies: what a file says, cells and keys, rows that survive everything, and predictions' sizes."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import LAFConfig, LAFRConfig, TrainConfig
from core.errors import CancelledError, DataError, LabError, RequestError
from core.experiments.studies import (
    ResultsTable,
    StudyRun,
    best,
    counts,
    flat,
    groups,
    is_running,
    joined,
    kept_studies,
    kept_study,
    pareto,
    parse_study,
    read_study,
    ready_names,
    ready_study,
)
from core.experiments.studies.backends import backend
from core.experiments.studies.cell import make_cell
from core.experiments.studies.jobs import Job, cell_jobs, do, jobs_of
from dashboard.cli.main import main
from tests import toys

QUICK = """
references = 1
seeds = {seeds}
[fixed]
"train.epochs" = 1
"vae.epochs" = 1
steps = 2
[grid]
temperature = {values}
"""


def quick(name: str, seeds="[0]", values="[5.0, 20.0]"):
    """A study of the real digits whose runs take a fraction of a second."""
    return parse_study(QUICK.format(seeds=seeds, values=values), name)


# the file


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
    others = [{"temperature": 3.0}, {"net": "digits-cnn-wide"}, {"classes": [1]}, {"task": "data"}, {"method": "nothing"},
              {"sequence": [0]}, {"train.epochs": 3}]  # fmt: skip
    keys = {make_cell(p, 0, references=2).key for p in others}
    assert (
        len(keys | {a.key, make_cell({}, 1, references=2).key, make_cell({}, 0, references=3).key})
        == len(others) + 3
    )


def test_models_are_made_once_for_all_cells_that_share_them():
    study = parse_study(
        "references = 2\nseeds = [0, 1]\n[grid]\ntemperature = [5.0, 10.0, 20.0]\nclasses = [0, 3]", "a"
    )
    originals, retrained, reference_bands_of = jobs_of(study.cells())
    assert len(originals) == 2, "an original does not depend on what is forgotten of it"
    assert len(retrained) == 2 * 2 * 2
    assert len(reference_bands_of) == 4
    assert [j.key for j in jobs_of(study.model_cells())[1]] == [j.key for j in retrained]


BAD = [
    ("colour = 1", "a study has no 'colour'"),
    ("[grid]\nlr_xx = [1]", "'lr_xx' is no setting of laf; its settings are: epochs"),
    ("[grid]\nlr_ue = []", "lr_ue must be a list of values, or a range"),
    ("[grid]\nlr_ue = [-1.0]", "lr_ue must be a finite number > 0, got -1.0"),
    ("[grid]\nlr_ue = {low = 3, high = 1, count = 3}", "the range of lr_ue must rise, and 3 is not below 1"),
    ("[grid]\nlr_ue = {low = 0, high = 1, count = 3, log = true}", "must begin above 0"),
    ("[grid]\nlr_ue = {low = 1, high = 2}", "needs a count"),
    ("[grid]\nschedule = {low = 1, high = 2, count = 2}", "schedule is a word and cannot be 1"),
    ("[grid]\nschedule = ['slow']", "schedule must be one of alternate"),
    ("[grid]\nepochs = [1.5]", "epochs is a whole number and cannot be 1.5"),
    ("[grid]\nlr_ue = [0.1, 0.1]", "lr_ue has the value 0.1 twice"),
    ("[fixed]\ndataset = 'cats'", "unknown dataset 'cats'"),
    ("[fixed]\nclasses = [11]", "class 11"),
    ("[fixed]\nmethod = 'magic'", "unknown method 'magic'"),
    ("[grid]\nmethod = ['laf', 'scrub']\nlr_ue = [1e-3]", "'lr_ue' is no setting of scrub"),
    ("[grid]\nnet = ['brain']", "unknown net 'brain'"),
    ("[fixed]\nlr_ue = 1e-3\n[grid]\nlr_ue = [1e-3]", "lr_ue is given twice"),
    ("[seeds]\nchosen = [1]\nreported = [1, 2]", "seed 1 is both chosen on and reported on"),
    ("seeds = 'many'", "seeds must be whole numbers"),
    ("references = 0", "references must be a whole number from 1 to 20"),
    ("[[variants]]\nlosses = 'ue'", "needs a label"),
    ("[sample]\ncount = 0\n[sample.fields]\nlr_ue = [1e-3]", "sample needs a count"),
    ("[grid", "it is no TOML"),
    (
        "seeds = [0]\n[sample]\ncount = 9_000_000\n[sample.fields]\nlr_ue = [1e-3, 1e-4]\n[grid]\nepochs = [1, 2]",
        "18,000,000 runs",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[said for _, said in BAD])
def test_what_makes_no_sense_is_told_in_one_sentence_that_names_the_file(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RequestError, match=re.escape(said)) as caught:
        read_study(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


FIELD = st.sampled_from(
    ["lr_ue", "temperature", "schedule", "vae.latent", "bounded", "net", "classes", "share", "nonsense"]
)
VALUE = st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=6), st.sampled_from(["x2", "alternate", "digits-cnn"]),
                  st.lists(st.integers(-2, 12), max_size=3))  # fmt: skip


def toml(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value).replace("\\u007f", "?").replace("\x7f", "?")
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(FIELD, st.lists(VALUE, max_size=3), max_size=3),
    st.dictionaries(FIELD, VALUE, max_size=2),
    st.one_of(VALUE, st.lists(st.integers(-1, 5), max_size=4)),
)
def test_any_text_is_a_study_whose_cells_can_all_be_made_or_one_sentence(grid, fixed, seeds):
    text = f"seeds = {toml(seeds)}\n[fixed]\n" + "".join(f'"{k}" = {toml(v)}\n' for k, v in fixed.items())
    text += "[grid]\n" + "".join(f'"{k}" = {toml(v)}\n' for k, v in grid.items())
    try:
        study = parse_study(text, "any")
    except RequestError as error:
        said = str(error)
        assert said.startswith("the study any: ")
        return
    cells = list(study.cells())
    assert len(cells) == study.size
    assert all(isinstance(c.train, TrainConfig) and c.key for c in cells)


def test_all_ready_studies_can_be_read_and_have_a_question():
    assert len(ready_names()) >= 15
    for name in ready_names():
        study = ready_study(name)
        assert study.title
        assert study.question.endswith("?")
        assert sum(1 for _ in study.cells()) == study.size <= 250
    with pytest.raises(RequestError, match="no ready study is called 'x'"):
        ready_study("x")


def test_some_cells_of_a_large_study_are_cells_of_it():
    study = parse_study(
        "seeds = [0, 1]\n[grid]\ntemperature = {low = 1, high = 50, count = 20}\nepochs = {low = 1, high = 20, count = 20}",
        "a",
    )
    some = study.some_cells(60)
    assert 40 <= len(some) <= 60
    assert {c.key for c in some} < {c.key for c in study.cells()}


# running


@pytest.fixture(scope="module")
def finished():
    """A finished study of two settings on two seeds."""
    study = quick("finished", seeds="[0, 1]")
    driven = StudyRun(study, workers=1)
    driven.run()
    return study, driven


def test_a_row_is_what_the_run_itself_comes_to(finished):
    from core import METHODS, Run, evaluate, finish, forget_classes, load
    from core.runs.original_models import original
    from core.runtime.progress import run_to_end

    study, driven = finished
    cell = next(study.cells())
    split = forget_classes(load("digits"), [0], seed=0)
    model = run_to_end(
        original(split, seed=0, device=str(cell.setup.device).replace("auto", "cpu"), config=cell.train)
    )
    run = Run(METHODS["laf"](cell.config), model, split, seed=0)
    found = evaluate(finish(run), split)
    row = driven.table.rows[cell.key]
    assert row["figures"]["train_f"] == pytest.approx(found.train_f, abs=1e-6)
    assert row["figures"]["test_r"] == pytest.approx(found.test_r, abs=1e-6)
    assert row["steps"] == 2


def test_nothing_is_done_twice(finished, monkeypatch):
    study, driven = finished
    before = dict(driven.table.rows)
    again = StudyRun(study, workers=1)
    monkeypatch.setattr("core.experiments.studies.backends.do", lambda job: pytest.fail("done again"))
    again.run()
    assert again.state == "done"
    assert again.table.rows == before


def test_another_study_takes_over_what_has_the_same_content(finished):
    _, driven = finished
    other = quick("other", seeds="[1]", values="[20.0]")
    found = StudyRun(other, workers=1)
    found.run()
    key = next(other.cells()).key
    assert found.table.rows[key]["took_s"] == driven.table.rows[key]["took_s"], "done again"


def test_rows_say_on_which_seeds_a_setting_was_chosen(finished):
    text = (
        QUICK.format(seeds="[9]", values="[5.0, 20.0]").replace("seeds = [9]", "")
        + "[seeds]\nchosen = [0]\nreported = [1]\n"
    )
    study = parse_study(text, "chosen")
    driven = StudyRun(study, workers=1)
    driven.run()
    rows = joined(study, driven.table.rows)
    assert {(r["seed"], r["role"]) for r in rows} == {(0, "chosen"), (1, "reported")}
    found = best(study, rows)
    gaps = {g.point["temperature"]: g.mean("average_gap") for g in groups(rows, "chosen")}
    assert found.point["temperature"] == min(gaps, key=gaps.get)
    assert (found.chosen_on, found.reported_on) == ((0,), (1,))
    assert [r["seed"] for r in found.reported.rows] == [1]
    assert kept_study("chosen").chosen == (0,)


def test_distances_are_to_the_mean_of_the_retrained_models(finished):
    study, driven = finished
    row = joined(study, driven.table.rows)[0]
    bands = driven.table.rows[Job("yardstick", next(study.cells())).key]
    theirs = bands["retrained"][0]
    gaps = [abs(row["figures"][k] - theirs[k]) for k in ("train_r", "train_f", "test")]
    assert row["figures"]["average_gap"] == pytest.approx(sum(gaps) / 3)
    assert row["figures"]["forget_gap"] == pytest.approx(gaps[1])
    assert flat([row])[0]["temperature"] == 5.0


def test_a_run_that_fails_is_a_row_with_the_reason_and_costs_no_other():
    study = parse_study(QUICK.format(seeds="[0]", values="[5.0]") + "lr_ra = [1e-3, 1e30]\n", "failing")
    driven = StudyRun(study, workers=1)
    driven.run()
    found = counts(study, driven.table.rows)
    assert (found["done"], found["failed"], found["left"]) == (1, 1, 0)
    failed = next(r for r in joined(study, driven.table.rows) if r["state"] == "failed")
    assert failed["error"]
    assert failed["point"]["lr_ra"] == 1e30


def test_a_model_that_cannot_be_trained_fails_the_runs_that_need_it_once():
    text = QUICK.format(seeds="[0]", values="[5.0, 20.0]").replace("[fixed]", '[fixed]\n"train.lr" = 1e30')
    study = parse_study(text, "no-model")
    driven = StudyRun(study, workers=1)
    driven.run()
    rows = joined(study, driven.table.rows)
    assert [r["state"] for r in rows] == ["failed", "failed"]
    assert "its original model failed" in rows[0]["error"]


def test_cancelled_it_keeps_its_rows_and_goes_on_later():
    study = quick("cancelled", values="[6.0, 7.0, 8.0]")
    driven = StudyRun(study, workers=1)
    with pytest.raises(CancelledError, match="goes on from there"):
        driven.run(lambda d: d.cancel() if d.now == "runs" else None)
    assert driven.state == "cancelled"
    assert counts(study, ResultsTable("cancelled").rows | driven.table.rows)["done"] == 1
    again = StudyRun(study, workers=1)
    again.run()
    assert counts(study, again.table.rows)["done"] == 3


def test_two_processes_do_not_run_one_study_at_once():
    study = quick("twice")
    table = ResultsTable("twice")
    table.open(study)
    try:
        assert is_running("twice")
        with pytest.raises(RequestError, match="is being run already"):
            StudyRun(study, workers=1).run()
    finally:
        table.close()
    assert not is_running("twice")


# the table


def row(key: str, **more):
    return {"key": key, "kind": "cell", "state": "done", **more}


def test_a_torn_last_line_counts_as_not_written_and_is_cut_off():
    table = ResultsTable("torn")
    table.open(quick("torn"))
    table.append(row("a"))
    table.close()
    path = table.path / "rows.jsonl"
    with open(path, "ab") as file:
        file.write(b'{"key": "b", "sta')
    again = ResultsTable("torn")
    again.refresh()
    assert list(again.rows) == ["a"]
    again.open(quick("torn"))
    again.append(row("c"))
    again.close()
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["a", "c"]


def test_a_full_disk_is_one_sentence_and_the_rows_are_safe(monkeypatch):
    table = ResultsTable("full")
    table.open(quick("full"))
    table.append(row("a"))

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"the disk is full; the 1 rows in it are safe"):
        table.append(row("b"))
    monkeypatch.undo()
    table.close()
    again = ResultsTable("full")
    again.refresh()
    assert list(again.rows) == ["a"]


def test_the_front_is_what_nothing_betters_in_both():
    points = [(0, 5), (1, 1), (2, 2), (5, 0), (1, 3), (6, 6)]
    brute = [
        i for i, p in enumerate(points) if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)
    ]
    assert sorted(pareto(points, less=(True, True))) == brute


def test_one_class_after_another_leaves_what_was_forgotten_out():
    study = parse_study(
        QUICK.split("[grid]")[0].format(seeds="[0]") + "[grid]\nsequence = [[0], [0, 3]]\n", "sequence"
    )
    rows = [do(j) for j in cell_jobs(study.cells())]
    assert [r["state"] for r in rows] == ["done", "done"]
    assert [r["steps"] for r in rows] == [2, 4]
    assert list(study.cells())[1].setup.classes == (0, 3)


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


def test_wrong_backends_are_told():
    with pytest.raises(RequestError, match="unknown backend 'cloud'"):
        backend("cloud")
    with pytest.raises(RequestError, match="needs the address"):
        backend("dask")
    with pytest.raises(RequestError, match="workers must be"):
        backend("local", workers=0)


# the command


def test_the_command_says_size_and_time_and_does_not_begin_what_is_large(tmp_path, capsys, monkeypatch):
    path = tmp_path / "huge.toml"
    path.write_text(
        "seeds = [0]\n[sample]\ncount = 1_000_000\n[sample.fields]\ntemperature = {low = 1, high = 50}\n"
    )
    began = time.perf_counter()
    code = main(["study", "run", str(path), "--workers", "1"])
    told = capsys.readouterr()
    assert code == 2
    assert "1,000,000 runs" in told.out
    assert " days" in told.out
    assert "add --yes" in told.err
    assert "huge" not in kept_studies(), "something was begun"
    assert time.perf_counter() - began < 200


def test_the_command_runs_shows_and_exports(tmp_path, capsys):
    path = tmp_path / "small.toml"
    path.write_text(QUICK.format(seeds="[0]", values="[5.0, 20.0]"))
    assert main(["study", "run", str(path), "--workers", "1"]) == 0
    assert "2 runs (2 left)" in capsys.readouterr().out
    assert main(["study", "list", "--json", "-"]) == 0
    begun = {s["name"]: s for s in json.loads(capsys.readouterr().out)["begun"]}
    assert begun["small"]["done"] == 2
    assert main(["study", "show", "small", "--json", "-"]) == 0
    assert len(json.loads(capsys.readouterr().out)["groups"]) == 2
    assert main(["study", "export", "small", "--out", "-"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("temperature,seed,role,state")
    assert main(["study", "show", "nothing-of-that-name"]) == 2


SLOW = QUICK.replace('"vae.epochs" = 1\nsteps = 2', '"vae.epochs" = 10\nsteps = 30')


@pytest.mark.slow
def test_killed_outright_it_goes_on_without_repeating_a_finished_run(tmp_path):
    path = tmp_path / "killed.toml"
    path.write_text(SLOW.format(seeds="[0]", values="[4.0, 5.0, 6.0, 7.0]"))
    environment = {**os.environ, "LAF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    rows = tmp_path / "home" / "studies" / "killed" / "rows.jsonl"
    command = [sys.executable, "-m", "dashboard.cli", "study", "run", str(path), "--quiet", "--workers", "2"]

    def cells():
        return [r for line in lines(rows) if (r := json.loads(line))["kind"] == "cell"]

    first = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[4], start_new_session=True)
    try:
        until = time.monotonic() + 240
        while not cells():
            assert first.poll() is None, "it ended before it was killed"
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    kept = lines(rows)
    assert 1 <= len(cells()) < 4
    done = subprocess.run(command, env=environment, cwd=Path(__file__).parents[4], timeout=280, check=False)
    assert done.returncode == 0
    assert lines(rows)[: len(kept)] == kept, "rows that were there are not what they were"
    assert len(cells()) == len({r["key"] for r in cells()}) == 4


def lines(path: Path) -> list[str]:
    """Whole lines."""
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


@pytest.mark.slow
def test_a_dask_cluster_loses_nothing_when_a_worker_dies(monkeypatch, tmp_path):
    import logging

    distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    text = SLOW.format(seeds="[0]", values="[4.0, 5.0, 6.0, 7.0]")
    study = parse_study(text, "clustered")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        killed = []

        def kill(driven):
            if driven.now == "runs" and not killed:
                killed.append(next(w.pid for w in cluster.workers.values() if w.pid))
                os.kill(killed[0], signal.SIGKILL)

        driven = StudyRun(study, kind="dask", scheduler=cluster.scheduler_address)
        driven.run(kill)
    assert killed
    found = driven.table.rows
    assert counts(study, found) == {"done": 4, "failed": 0, "left": 0}
    for job in list(cell_jobs(study.cells()))[:2]:
        assert do(job)["figures"] == found[job.key]["figures"], "not the same as in one process"


def test_a_scheduler_that_does_not_answer_is_one_sentence_within_seconds(monkeypatch):
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    monkeypatch.setattr("core.experiments.studies.backends.CONNECT_S", 1.0)
    with pytest.raises(LabError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        backend("dask", scheduler="tcp://127.0.0.1:9")


STUDY = """
import os, sys, time
from types import SimpleNamespace
sys.path.insert(0, {root!r})
from core.experiments.studies.backends import LocalBackend

def work(job):
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    list(LocalBackend(2).rows([SimpleNamespace(key=name) for name in "ab"], work))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc, which only Linux has")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_workers_of_a_study_end_with_the_process_that_was_killed(tmp_path, how):
    script = tmp_path / "study.py"
    script.write_text(STUDY.format(root=str(Path(__file__).parents[4])))
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    try:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        assert parent.pid not in workers
    finally:
        parent.send_signal(how)
        parent.wait()
        parent.stdout.close()
    assert toys.gone_within(30, workers)
