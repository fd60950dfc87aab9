"""Runs kept on disk: written while they play, listed, opened again and deleted. See docs/runs.md."""

from core.runs.storage.chain import (
    ChainLink,
    chain_links,
    chain_original,
    links_before,
    setup_after,
    setup_after_run,
)
from core.runs.storage.folder import RunFolder, run_folder, runs_home
from core.runs.storage.index import (
    RunInfo,
    later_runs,
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
from core.runs.storage.quota import StorageQuota, megabytes, next_deletions, past_deletions, storage_quota
from core.runs.storage.recorder import Recorder, record, stop_run
from core.runtime.ownership import owner

__all__ = [
    "ChainLink",
    "KeptRun",
    "Recorder",
    "RunFolder",
    "RunInfo",
    "StorageQuota",
    "chain_links",
    "chain_original",
    "is_open",
    "later_runs",
    "links_before",
    "list_runs",
    "megabytes",
    "next_deletions",
    "note_export",
    "note_run",
    "open_run",
    "owner",
    "past_deletions",
    "read_run",
    "record",
    "remove_run",
    "rename_run",
    "restore",
    "run_folder",
    "run_info",
    "runs_home",
    "runs_of",
    "setup_after",
    "setup_after_run",
    "share_run",
    "stop_run",
    "storage_quota",
]
