"""Bring your own data: a dialog that shows what would be imported before it is, and how kept data is renamed and removed."""

from __future__ import annotations

import base64
import html
import io
import logging
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from core.data.registry import DATASETS, OWN, Source, source
from core.data.uploads import store
from core.data.uploads.store import UploadPreview
from core.data.uploads.subjects import CSV_BYTES
from core.errors import LabError, RequestError
from core.runs.setup import Setup, usual_classes
from dashboard.session import classroom_options
from dashboard.session import lab as state
from dashboard.session.lab import Lab

log = logging.getLogger(__name__)

FAILED = "This file could not be read, and nothing was kept; zip its images again as PNG or JPEG."
ROWS = 100  # classes on the sheet
TILE, STRIP = 30, 330  # pixels of the screen: the height of an image, the width of a row of them
HOW = (
    "A zip with a folder for each class, `train/CLASS/…` and `test/CLASS/…` or just `CLASS/…`; or an npz with `x_train`, `y_train`, "
    f"`x_test`, `y_test` or just `x`, `y`. Up to {store.UPLOAD_BYTES // 2**20} MB. It stays on the machine that the Lab runs on."
)


def names(lab: Lab) -> list[str]:
    """The datasets that can be chosen: the Lab's, all that is kept, and the one that is open in any case."""
    found = [*DATASETS, *(data.key for data in store.kept(lab.browser))]
    here = lab.experiment.setup.dataset
    return found if here in found else [*found, here]


def source_of(lab: Lab, name: str) -> Source:
    """How a dataset is called, also one that was removed while this page has it open."""
    try:
        found = source(name)
        if not name.startswith(OWN):
            return found
        data = store.about(name, lab.browser)
        return replace(found, title=data.title, note=f"{data.note}, {whose(lab, data)}")
    except LabError as error:
        dataset = lab.experiment.dataset
        title = dataset.title if dataset is not None and dataset.name == name else "Removed data"
        reason = error  # the name of an exception ends with its clause

        def fail(_: Any) -> Any:
            raise RequestError(str(reason))

        return Source(title, "removed: only open here", fail)


def whose(lab: Lab, data: store.UploadedDataset) -> str:
    """Whose kept data is, in a few words."""
    if lab.browser is None or data.claims.is_of(lab.browser):
        return "yours, shared" if lab.browser is not None and data.claims.shared_by(lab.browser) else "yours"
    return "from a terminal" if data.claims.terminal else "shared"


def buttons(lab: Lab, name: str) -> None:
    """Below the list of datasets: bring another, and what can be done with an own one that is picked."""
    st.button(
        "Your own data…",
        key=f"own-{lab.token}",
        on_click=_ask,
        args=("import", ""),
        width="stretch",
        help="Import a zip of class folders or an npz",
    )
    mine = next((data for data in store.kept(lab.browser) if data.key == name), None)
    if mine is None or not mine.claims.may_change(lab.browser):
        return
    left, right = st.columns(2)
    left.button("Rename…", key=f"rename-{lab.token}", on_click=_ask, args=("rename", name), width="stretch")
    right.button("Remove…", key=f"remove-{lab.token}", on_click=_ask, args=("remove", name), width="stretch")
    if lab.browser is not None:
        was = mine.claims.shared_by(lab.browser)
        shared = st.toggle(
            "Shared",
            was,
            key=f"share-{name}-{lab.token}",
            help="Every browser that reaches this Lab may use these images",
        )
        if shared != was:
            _do(lambda: store.share(name, shared, str(lab.browser)))


def show(lab: Lab) -> None:
    """The dialog that was asked for; called in every run of the script, so that it outlives them."""
    kind, key = state.recall("dialog", ("", ""))
    if kind == "import":
        st.dialog("Your own data", width="medium", on_dismiss=_close)(_import)(lab)
    elif kind == "rename":
        st.dialog("Rename", on_dismiss=_close)(_rename)(lab, key)
    elif kind == "remove":
        st.dialog("Remove", on_dismiss=_close)(_remove)(lab, key)


def is_open() -> bool:
    """Whether a dialog stands over the page. Reruns that nobody asked for then lose files that are on their way, so the page polls again when it closes."""
    return state.recall("dialog") is not None


def asked() -> int:
    """How often a dialog was opened: part of the popover's key, which closes it when one opens."""
    return int(state.recall("dialogs", 0))


def _ask(kind: str, key: str) -> None:
    state.remember("dialog", (kind, key))
    state.remember("dialogs", asked() + 1)


def _close() -> None:
    state.recall_and_forget("dialog")
    state.recall_and_forget("looked-at")


# importing


def _import(lab: Lab) -> None:
    images, table = st.columns([1.3, 1], gap="medium")
    file = images.file_uploader(
        "Images: a zip of class folders, or an npz",
        ["zip", "npz"],
        key=f"own-file-{asked()}",
        max_upload_size=classroom_options.upload_mb(store.UPLOAD_BYTES // 2**20),
    )
    subjects = table.file_uploader(
        "Who is on which image: a CSV, optional",
        ["csv"],
        key=f"own-subjects-{asked()}",
        max_upload_size=classroom_options.upload_mb(CSV_BYTES // 2**20),
        help="Columns file (as in the zip) or id (row of the npz), and subject: everything of one subject is then one choice",
    )
    if file is None:
        state.recall_and_forget("looked-at")
        st.caption(HOW)
        return
    found = _looked_at(file, subjects)
    if isinstance(found, str):
        st.error(found)
        return
    here = next((data for data in store.kept(lab.browser) if data.key == found.key), None)
    with st.container(key="own-preview"):
        st.html(preview(found))
    if here is not None:
        st.info(f"These images are kept already, as “{here.title}”.")
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    title = left.text_input(
        "Title", here.title if here else found.title, disabled=here is not None, max_chars=40
    )
    word = "Import" if here is None else "Open"
    if right.button(
        word, key="own-import", type="primary", width="stretch", help="Keep it, and open the Lab on it"
    ):
        problem = _open(lab, found, title)
        if problem is None:
            _close()
            st.rerun()
        st.error(problem)


def _looked_at(file: Any, subjects: Any) -> UploadPreview | str:
    """What is in the files, or the sentence that says what is wrong; looked at once."""
    asked = (file.file_id, subjects.file_id if subjects else None)
    known = state.recall("looked-at")
    if known is not None and known[0] == asked:
        return known[1]
    bar = st.progress(0.0, "Looking at every image")
    try:
        classroom_options.check(file, subjects)
        found: UploadPreview | str = store.inspect(
            file.getvalue(),
            name=file.name,
            subjects=subjects.getvalue() if subjects else None,
            progress=lambda done, total: bar.progress(
                min(1.0, done / max(1, total)), "Looking at every image"
            ),
        )
    except LabError as error:
        found = str(error)
    except Exception:  # no file may stop the page
        log.exception("the upload %r could not be read", file.name)
        found = FAILED
    bar.empty()
    state.remember("looked-at", (asked, found))
    return found


def _open(lab: Lab, proposal: UploadPreview, title: str) -> str | None:
    """Keep it and play it; else the sentence that says why not, the Lab as it was."""
    try:
        mine = {data.key for data in store.kept(lab.browser) if data.claims.is_of(lab.browser)}
        if lab.classroom is not None and proposal.key not in mine:
            lab.classroom.check_dataset()
        key = store.keep(replace(proposal, title=title.strip() or proposal.title), lab.browser)
    except LabError as error:
        return str(error)
    except Exception:
        log.exception("the upload %s could not be kept", proposal.key)
        return FAILED
    setup = lab.experiment.setup
    classes = usual_classes("class", len(proposal.classes))
    return lab.change(Setup(key, "class", classes, seed=setup.seed, device=setup.device, method=setup.method))


# what is shown before


def preview(proposal: UploadPreview) -> str:
    """Facts, a row of thumbnails for each class, and what would be changed or left out; as one piece of HTML with one image."""
    c, h, w = proposal.shape
    total = len(proposal.train) + len(proposal.test)
    facts = {
        "Images": f"{total:,} ({len(proposal.train):,} train, {len(proposal.test):,} test)",
        "Classes": f"{len(proposal.classes):,}",
        "Kept as": f"{w}×{h}, {'colour' if c == 3 else 'grey'}",
        "Found as": _sizes(proposal),
    }
    if proposal.subjects:
        facts["Subjects"] = f"{len(proposal.subjects):,}"
    cells = "".join(f"<span class='fact'>{k} <b>{v}</b></span>" for k, v in facts.items())
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in proposal.notes)
    told = f"<ul>{notes}</ul>" if notes else "<p>Nothing is resized or left out.</p>"
    return f"<div class='own'><div class='own-facts'>{cells}</div>{_table(proposal)}<div class='own-notes'>{told}</div></div>"


def _sizes(proposal: UploadPreview) -> str:
    listed = [f"{w}×{h}" + (f" ({n:,})" if len(proposal.sizes) > 1 else "") for w, h, n in proposal.sizes[:3]]
    more = len(proposal.sizes) - 3
    return ", ".join(listed) + (f", {more:,} more sizes" if more > 0 else "")


def _table(proposal: UploadPreview) -> str:
    """Name, counts and thumbnails of each class; each row shows its strip of the one sheet."""
    _, h, w = proposal.shape
    width = max(1, round(w * TILE / h))
    columns = max(1, min(10, STRIP // width))
    shown = list(zip(proposal.classes, proposal.counts, strict=True))[:ROWS]
    rows = []
    for i, (label, (train, test)) in enumerate(shown):
        name = html.escape(label)
        rows.append(
            f"<div class='own-row' role='row'><span class='own-name' role='cell' title='{name}'>{name}</span>"
            f"<span role='cell'>{train:,}</span><span role='cell'>{test:,}</span>"
            f"<i class='own-strip' role='cell' style='background-position:0 {-TILE * i}px'></i></div>"
        )
    if len(proposal.classes) > ROWS:
        rows.append(
            f"<div class='own-row'><span class='own-name'>and {len(proposal.classes) - ROWS:,} more</span></div>"
        )
    picture = base64.b64encode(sheet(proposal, columns)).decode()
    style = (
        f".own-strip{{width:{width * columns}px;height:{TILE}px;background-image:url(data:image/webp;base64,{picture});"
        f"background-size:{width * columns}px {TILE * len(shown)}px;image-rendering:{'pixelated' if h < TILE else 'auto'}}}"
    )
    head = "".join(f"<span role='columnheader'>{n}</span>" for n in ("class", "train", "test", "examples"))
    return (
        f"<style>{style}</style><div class='own-table' role='table' aria-label='Classes'>"
        f"<div class='own-row own-head' role='row'>{head}</div>"
        f"<div class='own-rows' role='rowgroup' tabindex='0'>{''.join(rows)}</div></div>"
    )


def sheet(proposal: UploadPreview, columns: int) -> bytes:
    """A WebP with a row of up to ``columns`` training images for each of the first ROWS classes; clear where there are fewer."""
    _, h, w = proposal.shape
    strips = proposal.thumbnails(columns)[:ROWS]
    pixels = np.zeros((len(strips) * h, columns * w, 4), np.uint8)
    for row, strip in enumerate(strips):
        for column, x in enumerate(strip):
            tile = pixels[row * h : (row + 1) * h, column * w : (column + 1) * w]
            tile[..., :3] = x.permute(1, 2, 0).numpy()
            tile[..., 3] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=85)
    return file.getvalue()


# what is kept


def _rename(lab: Lab, key: str) -> None:
    data = _about(lab, key)
    if data is None:
        return
    title = st.text_input("Title", data.title, max_chars=40)
    if st.button("Rename it", key="own-rename", type="primary", width="stretch"):
        _do(lambda: store.rename(key, title, lab.browser))


def _remove(lab: Lab, key: str) -> None:
    data = _about(lab, key)
    if data is None:
        return
    st.write(
        f"The {data.images:,} images of “{data.title}” ({data.bytes / 2**20:,.1f} MB) are deleted from this machine."
    )
    st.caption(
        "Images that others keep, too, stay with them. The file that you brought is not touched. Models that were trained on the images stay in the Lab's folder."
    )
    if st.button("Remove it", key="own-remove", type="primary", width="stretch"):
        if lab.experiment.setup.dataset == key:
            lab.open(Setup())
        _do(lambda: store.remove(key, lab.browser))


def _about(lab: Lab, key: str) -> store.UploadedDataset | None:
    try:
        return store.about(key, lab.browser)
    except LabError as error:
        st.error(str(error))
        return None


def _do(move: Any) -> None:
    try:
        move()
    except LabError as error:
        st.error(str(error))
        return
    _close()
    st.rerun()
