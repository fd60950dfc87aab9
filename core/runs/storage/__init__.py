"""Runs kept on disk: written while they play, listed, opened again and deleted. See docs/runs.md."""

from core.runs.storage.folder import RunFolder, run_folder, runs_home
from core.runs.storage.index import (
    RunInfo,
    list_runs,
    note_export,
    note_run,
    remove_run,
    rename_run,
    run_info,
    runs_of,
    share_run,
)
from core.runs.storage.loader import KeptRun, open_run, read_run, restore
from core.runs.storage.locks import is_open
from core.runs.storage.quota import StorageQuota, megabytes, next_to_go, room, went
from core.runs.storage.recorder import Recorder, let_go, record
from core.runtime.ownership import owner

__all__ = [
    "KeptRun",
    "Recorder",
    "RunFolder",
    "RunInfo",
    "StorageQuota",
    "is_open",
    "let_go",
    "list_runs",
    "megabytes",
    "next_to_go",
    "note_export",
    "note_run",
    "open_run",
    "owner",
    "read_run",
    "record",
    "remove_run",
    "rename_run",
    "restore",
    "room",
    "run_folder",
    "run_info",
    "runs_home",
    "runs_of",
    "share_run",
    "went",
]
