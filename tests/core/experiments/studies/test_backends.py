"""Backends of studies: processes that die or are killed, and a Dask cluster."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import LabError, RequestError
from core.experiments.studies import (
    StudyRun,
    counts,
    parse_study,
)
from core.experiments.studies.backends import backend
from core.experiments.studies.jobs import cell_jobs, run_job
from dashboard.cli.main import main
from tests import toys
from tests.core.experiments.studies.quick import SLOW


def test_wrong_backends_are_told():
    with pytest.raises(RequestError, match="unknown backend 'cloud'"):
        backend("cloud")
    with pytest.raises(RequestError, match="needs the address"):
        backend("dask")
    with pytest.raises(RequestError, match="workers must be"):
        backend("local", workers=0)


def lines(path: Path) -> list[str]:
    """Whole lines."""
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()


@pytest.mark.slow
def test_killed_outright_it_goes_on_without_repeating_a_finished_run(tmp_path, monkeypatch):
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
    monkeypatch.setenv("LAF_HOME", environment["LAF_HOME"])  # the same command, here: no process has to begin
    assert main([*command[3:-1], "1"]) == 0
    assert lines(rows)[: len(kept)] == kept, "rows that were there are not what they were"
    assert len(cells()) == len({r["key"] for r in cells()}) == 4


@contextmanager
def forked_workers():
    """Let a cluster fork its workers from a process that has imported what they need, where the system can fork."""
    import dask
    from distributed.utils import get_mp_context

    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield
        return
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context()  # sets a preload of its own
        multiprocessing.set_forkserver_preload(
            ["distributed", "core.experiments.studies.jobs", "core.runs.run"]
        )
        yield


@pytest.mark.slow
def test_a_dask_cluster_loses_nothing_when_a_worker_dies(monkeypatch, tmp_path):
    import logging

    distributed = pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    text = SLOW.format(seeds="[0]", values="[4.0, 5.0, 6.0, 7.0]")
    study = parse_study(text, "clustered")
    with (
        forked_workers(),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
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
        assert run_job(job)["figures"] == found[job.key]["figures"], "not the same as in one process"


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
