"""The rows of a study on disk: torn lines, a full disk, and one process at a time."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import DataError, RequestError
from core.experiments.studies import (
    ResultsTable,
    StudyRun,
    is_running,
)
from tests.core.experiments.studies.quick import quick


def row(key: str, **more):
    return {"key": key, "kind": "cell", "state": "done", **more}


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


def test_a_lock_of_an_earlier_version_counts_and_its_file_may_stay():
    fcntl = pytest.importorskip("fcntl")
    table = ResultsTable("earlier")
    table.describe(quick("earlier"))
    with open(table.path / ".lock", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert is_running("earlier")
    assert not is_running("earlier")
    table.open(quick("earlier"))
    table.close()


HOLDER = """
import sys
from core.experiments.studies import ResultsTable, kept_study
table = ResultsTable("held")
table.open(kept_study("held"))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_holds_no_study():
    ResultsTable("held").describe(quick("held"))
    command = [sys.executable, "-c", HOLDER]
    holder = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[4]
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        assert is_running("held")
    finally:
        holder.kill()
        holder.communicate()
    assert not is_running("held")
