"""Saved lists of image ids: keep, load, share, remove, download and upload."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.data.forget_selection import (
    format_ids,
    load_list,
    parse_ids,
    remove_list,
    require_known_ids,
    save_list,
    saved_lists,
    share_list,
)
from core.data.images import Dataset
from core.errors import LabError, RequestError
from dashboard.forms.forget.selection import LABELS
from dashboard.presentation.text.pages import common
from dashboard.presentation.text.pages import forget as say
from dashboard.presentation.wire.selection import SelectionState
from dashboard.session import classroom_options, lab

MOST_BYTES = 4_000_000  # largest uploaded list; its lines take twenty times as much memory


def lists(picks: SelectionState, dataset: Dataset, token: str) -> None:
    """Show the popover that keeps, loads, downloads and uploads lists of ids."""
    with st.popover(say.LISTS, width="stretch", help=say.LISTS_HELP, key=f"lists-{token}"):
        _save_form(picks, dataset)
        _load_form(picks, dataset)
        text = format_ids(picks.now, title=f"{picks.now.describe(dataset)}, {dataset.title}")
        st.download_button(
            say.DOWNLOAD_IDS,
            text,
            "forget-set.txt",
            "text/plain",
            width="stretch",
            disabled=not len(picks.now),
            on_click="ignore",
            key="forget-download",
        )
        file = st.file_uploader(
            say.UPLOAD_IDS,
            key=f"forget-upload-{lab.recall('forget-uploads', 0)}",
            help=say.UPLOAD_IDS_HELP,
        )
        if file is not None:
            _run(lambda: _uploaded(picks, dataset, file))
            lab.remember("forget-uploads", lab.recall("forget-uploads", 0) + 1)
            st.rerun()
        result = lab.recall_and_forget("forget-told")
        if result:
            failed, message = result
            (st.error if failed else st.success)(message)


def _save_form(picks: SelectionState, dataset: Dataset) -> None:
    name, button = st.columns([2, 1], vertical_alignment="bottom")
    typed = name.text_input(common.NAME, placeholder=say.NAME_HINT, key="forget-name")

    def kept() -> str:
        limits = classroom_options.now()
        if limits is not None:
            limits.check_disk()
        save_list(typed, dataset, picks.now, lab.browser())
        return say.kept_as(typed.strip(), len(picks.now))

    if button.button(say.SAVE, key="forget-save", width="stretch", disabled=not typed.strip()):
        _run(kept)


def _load_form(picks: SelectionState, dataset: Dataset) -> None:
    token = lab.browser()
    found = {one.key: one for one in saved_lists(dataset, token)}
    if not found:
        return
    choice, load, remove = st.columns([2, 1, 1], vertical_alignment="bottom")

    def titled(key: str) -> str:
        one = found[key]
        return (
            one.name
            if one.claims.is_of(token)
            else f"{one.name} ({say.FROM_TERMINAL if one.claims.terminal else say.IS_SHARED})"
        )

    one = found[choice.selectbox(say.KEPT_LISTS, list(found), format_func=titled, key="forget-kept")]
    mine = one.claims.is_of(token)

    def loaded() -> str:
        ids = require_known_ids(load_list(one.key, dataset, token), dataset)
        picks.do(picks.operation, ids)
        return say.list_used(one.name, len(ids), LABELS[picks.operation])

    if load.button(common.LOAD, key="forget-load", width="stretch"):
        _run(loaded)
        st.rerun()
    why = None if mine else say.REMOVE_REFUSED
    if remove.button(common.REMOVE, key="forget-remove", width="stretch", disabled=not mine, help=why):
        _run(lambda: say.removed(one.name) if remove_list(one.key, dataset, token) is None else "")
        st.rerun()
    if mine:
        was = one.claims.shared
        help = say.LIST_SHARED_HELP
        shared = st.toggle(common.SHARED, was, key=f"forget-share-{one.key}", help=help)
        if shared != was:
            _run(lambda: _share(one, dataset, shared, token))
            st.rerun()


def _share(one: Any, dataset: Dataset, shared: bool, token: str | None) -> str:
    applied = share_list(one.key, dataset, shared, token)
    return say.list_is(one.name, say.IS_SHARED if applied and shared else say.PRIVATE)


def _uploaded(picks: SelectionState, dataset: Dataset, file: Any) -> str:
    if file.size > MOST_BYTES:
        raise RequestError(say.too_large(file.name, MOST_BYTES // 1_000_000))
    try:
        text = file.getvalue().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(say.no_text_file(file.name)) from error
    found = require_known_ids(parse_ids(text, name=file.name), dataset)
    picks.do(picks.operation, found)
    return say.list_used(file.name, len(found), LABELS[picks.operation])


def _run(action: Any) -> None:
    """Run ``action`` and keep its message for the page's next rerun."""
    try:
        lab.remember("forget-told", (False, action()))
    except LabError as error:
        lab.remember("forget-told", (True, str(error)))
