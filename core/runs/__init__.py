"""Runs kept on disk: written as they go, listed, opened again, continued, forked, compared, deleted. See docs/runs.md."""

from core.runs.folder import RunFolder, run_folder, runs_home
from core.runs.listing import (
    RunInfo,
    list_runs,
    note_export,
    note_run,
    remove_run,
    rename_run,
    run_info,
    share_run,
)
from core.runs.opened import KeptRun, open_run, read_run, restore
from core.runs.quota import Room, megabytes, next_to_go, room, went
from core.runs.recorder import Recorder, is_open, let_go, owner, record

__all__ = [
    "KeptRun",
    "Recorder",
    "Room",
    "RunFolder",
    "RunInfo",
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
    "share_run",
    "went",
]
