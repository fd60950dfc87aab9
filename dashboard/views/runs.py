"""Every run that is kept of this browser, and those that others share: open, fork, compare, name, note, share, export, delete."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.errors import LabError
from core.runs.records import Phase
from core.runs.storage import (
    KeptRun,
    RunInfo,
    list_runs,
    megabytes,
    next_to_go,
    note_run,
    read_run,
    remove_run,
    rename_run,
    room,
    share_run,
    went,
)
from dashboard.presentation.charts.runs import curves, figures, on_all_images
from dashboard.presentation.export.run_files import FORMATS
from dashboard.session import lab as state
from dashboard.session import resources
from dashboard.session.lab import Lab

MOST = 50  # runs listed at once


def page(lab: Lab) -> None:
    token = state.browser()
    infos, problems = list_runs(token)
    for problem in problems:
        st.warning(problem, icon="⚠️")
    _room(infos, token)
    if not infos:
        st.caption(
            "No run is kept yet. A run in the Lab is kept from its first step on; `laf run --save` keeps one too."
        )
        return
    listed, detail = st.columns([1.15, 1], gap="medium")
    with listed:
        chosen = _list(infos, token)
    with detail:
        if not chosen:
            st.caption("Tick a run to open, name, share or export it; two of them to compare.")
        elif len(chosen) == 1:
            _one(lab, chosen[0], token)
        elif len(chosen) == 2:
            _two(chosen, token)
        else:
            st.caption("Two runs can be compared at a time.")


def _room(infos: list[RunInfo], token: str) -> None:
    """What kept runs take in this Lab, what goes first at the limit, and what went."""
    try:
        used = room()
    except LabError as error:
        st.warning(str(error), icon="⚠️")
        return
    if infos:
        st.caption(_plain(used.describe()))
    if used.is_near:
        mine = {i.id for i in infos if i.is_of(token)}
        named = [told for told in next_to_go(MOST) if any(i in told for i in mine)]
        st.warning(_plain(f"The limit of kept runs is near. Of yours would go next: {'; '.join(named[:3]) or 'none'}. Name a run to keep it."), icon="⚠️")  # fmt: skip
    for told in went(token):
        st.caption(_plain(told))


def _list(infos: list[RunInfo], token: str) -> list[RunInfo]:
    """All of them with a box each; those that are ticked."""
    total = megabytes(sum(i.bytes for i in infos))
    st.caption(f"{len(infos):,} run{'s' * (len(infos) != 1)}, newest first; {total}")
    most = state.recall("runs-most", MOST)
    chosen = []
    for info in infos[:most]:
        whose = "" if info.is_of(token) else " · from a terminal" if info.owner is None else " · shared"
        fork = f" · fork of step {info.parent_step}" if info.parent else ""
        label = (
            f"**{_plain(info.title)}** · {info.phase} at step {info.steps:,} of {info.total_steps:,} · "
            f"{info.created:%d %b %H:%M}{fork}{whose} · {megabytes(info.bytes)}"
        )
        if st.checkbox(label, key=f"run-{info.id}"):
            chosen.append(info)
    if len(infos) > most and st.button("Show more"):
        state.remember("runs-most", most + MOST)
        st.rerun()
    return chosen


def _one(lab: Lab, info: RunInfo, token: str) -> None:
    mine = info.is_of(token)
    st.markdown(f"#### {_plain(info.title)}")
    st.caption(
        f"{info.setup.dataset}, forget {info.forget}; {info.setup.method}, seed {info.setup.seed}; {info.frames:,} frames, "
        f"{megabytes(info.bytes)}; `{info.id}`"
    )
    kept = _read(info, token)
    if kept is None:
        return
    told = on_all_images(kept.about)
    if told is not None:
        st.caption(told)
    if kept.about.get("purged"):
        st.caption("Frames and states were purged; steps and model are left.")
    with st.container(horizontal=True, gap="small"):
        label = "Replay in the Lab" if info.phase is Phase.DONE else "Continue in the Lab"
        no_frames = not kept.frames
        if st.button(label, type="primary", key="run-open", disabled=no_frames):
            _open(lab, info, as_copy=False)
        what = "A copy that goes its own way from the last step; the run stays as it is"
        if st.button("Fork", key="run-fork", disabled=no_frames, help=what):
            _open(lab, info, as_copy=True)
        if mine:
            with st.popover("Delete"):
                st.markdown("Its steps, frames, states and model go for good.")
                if st.button("Delete this run", key="run-delete"):
                    _do(lambda: remove_run(info.id, token))
    if mine:
        name = st.text_input("Name", info.name, max_chars=80, key=f"name-{info.id}")
        if name.strip() != info.name:
            _do(lambda: rename_run(info.id, name, token))
        note = st.text_area("Note", info.note, max_chars=4000, height=80, key=f"note-{info.id}")
        if note != info.note:
            _do(lambda: note_run(info.id, note, token))
        shared = st.toggle(
            "Shared", info.shared, key=f"shared-{info.id}", help="Every browser that reaches this Lab sees it; others continue a copy"
        )  # fmt: skip
        if shared != info.shared:
            _do(lambda: share_run(info.id, shared, token))
    elif info.note:
        st.markdown(_plain(info.note))
    _exports(kept)
    if kept.frames:
        st.plotly_chart(curves([kept]), width="stretch", config={"displayModeBar": False})


def _two(infos: list[RunInfo], token: str) -> None:
    kept = [k for i in infos if (k := _read(i, token)) is not None and k.frames]
    if len(kept) < 2:
        st.caption("One of the two has no frames to compare.")
        return
    st.markdown("#### " + " beside ".join(_plain(i.title) for i in infos))
    if (
        kept[0].about["dataset"] != kept[1].about["dataset"]
        or kept[0].about["forget"] != kept[1].about["forget"]
    ):
        st.caption("They forget different images, so their figures do not mean the same.")
    st.dataframe(figures(kept), hide_index=True, width="stretch")
    st.plotly_chart(curves(kept), width="stretch", config={"displayModeBar": False})


def _exports(kept: KeptRun) -> None:
    """A file is made when it is asked for."""
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    with left:
        form = st.selectbox(
            "Export", list(FORMATS), format_func=lambda f: FORMATS[f][3], key=f"form-{kept.id}"
        )
    make, ending, mime, _ = FORMATS[form]
    unfinished = form == "safetensors" and not kept.folder.model.exists()
    empty = not kept.frames and form in ("html", "parquet")
    why = (
        "The run is not finished, so it has no model yet"
        if unfinished
        else "There are no frames"
        if empty
        else None
    )
    with right:
        st.download_button(
            "Download", lambda: make(kept), f"run-{kept.id}{ending}", mime, on_click="ignore", disabled=why is not None, help=why,
            key=f"get-{kept.id}", width="stretch",
        )  # fmt: skip


def _open(lab: Lab, info: RunInfo, *, as_copy: bool) -> None:
    problem = lab.take_up(info.id, as_copy=as_copy)
    if problem is None:
        st.switch_page("views/lab.py")
    st.error(problem)


def _read(info: RunInfo, token: str) -> KeptRun | None:
    try:
        return read_run(info.id, token)
    except LabError as error:
        st.error(str(error))
        return None


def _do(move: Any) -> None:
    try:
        move()
    except LabError as error:
        st.error(str(error))
    else:
        st.rerun()


def _plain(text: str) -> str:
    """Names are people's; none of them is Markdown."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+!|~$<>:" else c for c in text)


if __name__ == "__main__":
    page(resources.lab())
