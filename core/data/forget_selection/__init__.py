"""Forget sets that a user selects by id: the selection, its text format, and the lists kept on disk."""

from __future__ import annotations

from core.data.forget_selection.id_text import MOST_IDS, format_ids, parse_ids
from core.data.forget_selection.list_files import (
    SavedList,
    load_list,
    remove_list,
    save_list,
    saved_lists,
    share_list,
)
from core.data.forget_selection.selection import (
    MOST_UNDO,
    OPERATIONS,
    ClassCount,
    Ids,
    Selection,
    SelectionHistory,
    invert,
    require_known_ids,
)

__all__ = [
    "MOST_IDS",
    "MOST_UNDO",
    "OPERATIONS",
    "ClassCount",
    "Ids",
    "SavedList",
    "Selection",
    "SelectionHistory",
    "format_ids",
    "invert",
    "load_list",
    "parse_ids",
    "remove_list",
    "require_known_ids",
    "save_list",
    "saved_lists",
    "share_list",
]
