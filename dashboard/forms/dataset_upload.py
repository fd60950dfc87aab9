"""The dialogs of uploaded datasets: import with a preview, rename, share and remove."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from core.data.images import kind_of
from core.data.registry import DATASETS, OWN, Source, source
from core.data.uploads import store
from core.data.uploads.store import UploadPreview
from core.data.uploads.subjects import CSV_BYTES
from core.errors import LabError, RequestError
from core.runs.setup import Setup, usual_classes
from dashboard.presentation.text.pages import common
from dashboard.presentation.text.pages.lab import uploads as say
from dashboard.presentation.text.upload_preview import preview
from dashboard.session import classroom_options
from dashboard.session import lab as state
from dashboard.session.lab import Lab
from dashboard.session.url_params import usual_setup, with_usual_settings

log = logging.getLogger(__name__)

HOW = say.how_data(store.UPLOAD_BYTES // 2**20)


def names(lab: Lab) -> list[str]:
    """Return the names of built-in and kept datasets, and of the open one even if it was removed."""
    found = [*DATASETS, *(data.key for data in store.kept(lab.browser))]
    here = lab.experiment.setup.dataset
    return found if here in found else [*found, here]


def source_of(lab: Lab, name: str) -> Source:
    """Return the source of a dataset, also of one that was removed while this page has it open."""
    try:
        found = source(name)
        if not name.startswith(OWN):
            return found
        data = store.about(name, lab.browser)
        return replace(found, title=data.title, note=f"{data.note}, {whose(lab, data)}")
    except LabError as error:
        dataset = lab.experiment.dataset
        title = dataset.title if dataset is not None and dataset.name == name else say.REMOVED_DATA
        reason = error  # Python deletes the name of an exception after its clause

        def fail(_: Any) -> Any:
            raise RequestError(str(reason))

        return Source(title, say.REMOVED_NOTE, fail)


def whose(lab: Lab, data: store.UploadedDataset) -> str:
    """Return the owner of a kept dataset in a few words."""
    if lab.browser is None or data.claims.is_of(lab.browser):
        return (
            say.YOURS_SHARED if lab.browser is not None and data.claims.shared_by(lab.browser) else say.YOURS
        )
    return say.FROM_TERMINAL if data.claims.terminal else say.IS_SHARED


def buttons(lab: Lab, name: str) -> None:
    """Show the buttons below the list of datasets: upload, and for an own dataset rename, remove and share."""
    st.button(
        say.YOUR_DATA_BUTTON,
        key=f"own-{lab.token}",
        on_click=_ask,
        args=("import", ""),
        width="stretch",
        help=say.YOUR_DATA_HELP,
    )
    own = next((data for data in store.kept(lab.browser) if data.key == name), None)
    if own is None or not own.claims.may_change(lab.browser):
        return
    left, right = st.columns(2)
    left.button(
        say.RENAME_BUTTON, key=f"rename-{lab.token}", on_click=_ask, args=("rename", name), width="stretch"
    )
    right.button(
        say.REMOVE_BUTTON, key=f"remove-{lab.token}", on_click=_ask, args=("remove", name), width="stretch"
    )
    if lab.browser is not None:
        was = own.claims.shared_by(lab.browser)
        shared = st.toggle(
            common.SHARED,
            was,
            key=f"share-{name}-{lab.token}",
            help=say.data_shared_help(kind_of(own.shape)),
        )
        if shared != was:
            _do(lambda: store.share(name, shared, str(lab.browser)))


def show(lab: Lab) -> None:
    """Show the open dialog; called in every rerun, so that the dialog stays open."""
    kind, key = state.recall("dialog", ("", ""))
    if kind == "import":
        st.dialog(common.YOUR_DATA, width="medium", on_dismiss=_close)(_import)(lab)
    elif kind == "rename":
        st.dialog(say.RENAME, on_dismiss=_close)(_rename)(lab, key)
    elif kind == "remove":
        st.dialog(common.REMOVE, on_dismiss=_close)(_remove)(lab, key)


def is_open() -> bool:
    """Return True while a dialog is open.

    The page must not poll then: a rerun would lose a file that is still uploading.
    """
    return state.recall("dialog") is not None


def dialogs_opened() -> int:
    """Return how often a dialog was opened; as part of a popover's key it closes the popover."""
    return int(state.recall("dialogs", 0))


def _ask(kind: str, key: str) -> None:
    state.remember("dialog", (kind, key))
    state.remember("dialogs", dialogs_opened() + 1)


def _close() -> None:
    state.recall_and_forget("dialog")
    state.recall_and_forget("inspected-upload")


def _import(lab: Lab) -> None:
    images, table = st.columns([1.3, 1], gap="medium")
    file = images.file_uploader(
        say.DATA_FILE,
        ["zip", "npz", "csv"],
        key=f"own-file-{dialogs_opened()}",
        max_upload_size=classroom_options.upload_mb(store.UPLOAD_BYTES // 2**20),
    )
    subjects = table.file_uploader(
        say.SUBJECTS_FILE,
        ["csv"],
        key=f"own-subjects-{dialogs_opened()}",
        max_upload_size=classroom_options.upload_mb(CSV_BYTES // 2**20),
        help=say.SUBJECTS_HELP,
    )
    if file is None:
        state.recall_and_forget("inspected-upload")
        st.caption(HOW)
        if lab.classroom is None:
            _import_folder(lab)
        return
    found = _inspected(file, subjects)
    if isinstance(found, str):
        st.error(found)
        return
    here = next((data for data in store.kept(lab.browser) if data.key == found.key), None)
    with st.container(key="own-preview"):
        st.html(preview(found))
    if here is not None:
        st.info(say.data_kept_already(here.title))
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    title = left.text_input(
        common.TITLE, here.title if here else found.title, disabled=here is not None, max_chars=40
    )
    word = say.IMPORT if here is None else say.OPEN
    if right.button(
        word,
        key="own-import",
        type="primary",
        width="stretch",
        help=say.IMPORT_HELP,
    ):
        problem = _open(lab, found, title)
        if problem is None:
            _close()
            st.rerun()
        st.error(problem)


def _import_folder(lab: Lab) -> None:
    """Show the line for a folder of arrays on the machine that the Lab runs on, and import it on a click."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    path = left.text_input(
        say.FOLDER,
        key=f"own-folder-{dialogs_opened()}",
        help=say.FOLDER_HELP,
    )
    if not right.button(say.IMPORT, key="own-folder-import", width="stretch", help=say.FOLDER_IMPORT_HELP):
        return
    if not path.strip():
        st.error(say.FOLDER_MISSING)
        return
    with st.spinner(say.FOLDER_READING):
        problem = _keep_and_open(lab, lambda: store.keep_folder(Path(path.strip()).expanduser(), lab.browser))
    if problem is None:
        _close()
        st.rerun()
    st.error(problem)


def _inspected(file: Any, subjects: Any) -> UploadPreview | str:
    """Return what the files hold, or a sentence that says what is wrong; each upload is read once."""
    asked = (file.file_id, subjects.file_id if subjects else None)
    known = state.recall("inspected-upload")
    if known is not None and known[0] == asked:
        return known[1]
    bar = st.progress(0.0, say.READING)
    try:
        classroom_options.check(file, subjects)
        found: UploadPreview | str = store.inspect(
            file.getvalue(),
            name=file.name,
            subjects=subjects.getvalue() if subjects else None,
            progress=lambda done, total: bar.progress(min(1.0, done / max(1, total)), say.READING),
        )
    except LabError as error:
        found = str(error)
    except Exception:  # no upload may stop the page
        log.exception("the upload %r could not be read", file.name)
        found = say.DATA_FAILED
    bar.empty()
    state.remember("inspected-upload", (asked, found))
    return found


def _open(lab: Lab, proposal: UploadPreview, title: str) -> str | None:
    """Keep the upload and open the Lab on it; on failure return a sentence and leave the Lab unchanged."""

    def keep() -> str:
        mine = {data.key for data in store.kept(lab.browser) if data.claims.is_of(lab.browser)}
        if lab.classroom is not None and proposal.key not in mine:
            lab.classroom.check_dataset()
        return store.keep(replace(proposal, title=title.strip() or proposal.title), lab.browser)

    return _keep_and_open(lab, keep)


def _keep_and_open(lab: Lab, keep: Callable[[], str]) -> str | None:
    """Open the Lab on the dataset whose key ``keep`` returns; on failure return a sentence and leave the Lab unchanged."""
    try:
        key = keep()
        classes = usual_classes("class", store.about(key, lab.browser).classes)
    except LabError as error:
        return str(error)
    except Exception:
        log.exception("data could not be kept")
        return say.DATA_FAILED
    setup = lab.experiment.setup
    return lab.change(
        with_usual_settings(
            Setup(key, "class", classes, seed=setup.seed, device=setup.device, method=setup.method)
        )
    )


def _rename(lab: Lab, key: str) -> None:
    data = _about(lab, key)
    if data is None:
        return
    title = st.text_input(common.TITLE, data.title, max_chars=40)
    if st.button(say.RENAME_IT, key="own-rename", type="primary", width="stretch"):
        _do(lambda: store.rename(key, title, lab.browser))


def _remove(lab: Lab, key: str) -> None:
    data = _about(lab, key)
    if data is None:
        return
    st.write(say.removal(data.images, kind_of(data.shape), data.title, data.bytes))
    st.caption(say.COPIES_STAY)
    if st.button(common.REMOVE, key="own-remove", type="primary", width="stretch"):
        if lab.experiment.setup.dataset == key:
            lab.open(usual_setup())
        _do(lambda: store.remove(key, lab.browser))


def _about(lab: Lab, key: str) -> store.UploadedDataset | None:
    try:
        return store.about(key, lab.browser)
    except LabError as error:
        st.error(str(error))
        return None


def _do(action: Any) -> None:
    try:
        action()
    except LabError as error:
        st.error(str(error))
        return
    _close()
    st.rerun()
