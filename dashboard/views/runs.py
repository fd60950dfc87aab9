"""The page Runs: this browser's kept runs and shared ones, to open, fork, compare, name, share, export or delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.errors import LabError
from core.runs.records import Phase
from core.runs.storage import (
    KeptRun,
    RunInfo,
    list_runs,
    megabytes,
    next_deletions,
    note_run,
    past_deletions,
    read_run,
    remove_run,
    rename_run,
    share_run,
    storage_quota,
)
from dashboard.forms import example_set
from dashboard.forms.run_list import MOST, accuracies_of, box_key, escaped, run_list, settings_of
from dashboard.presentation.charts import examples
from dashboard.presentation.charts.runs import curves, example_curves, figures, on_all_images
from dashboard.presentation.export.run_files import FORMATS, obstacle
from dashboard.presentation.text.pages import common, nouns
from dashboard.presentation.text.pages import runs as say
from dashboard.session import resources, tab_state
from dashboard.session.jobs import example_set as examples_job
from dashboard.session.lab import Lab

FEW = 3  # runs; a page with fewer offers the example set


def page(lab: Lab) -> None:
    """Draw the page Runs."""
    token = tab_state.browser()
    infos, problems = list_runs(token)
    for problem in problems:
        st.warning(problem, icon="⚠️")
    _warn_of_deletions(infos, token)
    if not infos:
        _before_first(lab)
        return
    listed, detail = st.columns([1.15, 1], gap="medium")
    with listed:
        _tick_the_example(infos, token)
        chosen = run_list(infos, token)
        example_set.offer(lab, is_bare=len(infos) < FEW)
        _room()
    with detail:
        if not chosen:
            st.caption(say.TICK)
        elif len(chosen) == 1:
            _one(lab, chosen[0], token)
        elif len(chosen) == 2:
            _two(chosen, token)
        else:
            st.caption(say.TICK_TWO)


def _before_first(lab: Lab) -> None:
    """Say what the page will show, with an example and the button that makes one."""
    text, detail = st.columns([1.15, 1], gap="medium")
    with text:
        st.markdown(say.EMPTY)
        example_set.offer(lab)
        st.caption(f"{examples.LABEL}:")
        for number, line in enumerate(say.example_lines()):
            st.checkbox(line, value=not number, disabled=True, key=f"run-example-{number}")
    with detail:
        st.markdown(f"#### {say.EXAMPLE_TITLE}")
        st.caption(f"{examples.LABEL}.")
        st.markdown(say.EXAMPLE_VERDICT)
        st.caption(say.EXAMPLE_MOVES)
        st.plotly_chart(example_curves(), key="run-example", config={"displayModeBar": False})


def _tick_the_example(infos: list[RunInfo], token: str) -> None:
    """Open the example run once, after the user had it made."""
    job = examples_job.job_of(token)
    made = None if job is None else job.result
    if made is None or tab_state.recall("runs-example") == made:
        return
    tab_state.remember("runs-example", made)
    if any(i.id == made.run for i in infos[:MOST]) and not any(
        tab_state.recall(box_key(i.id)) for i in infos
    ):
        tab_state.remember(box_key(made.run), True)


def _room() -> None:
    """Show the disk space of kept runs."""
    try:
        st.caption(escaped(storage_quota().describe()))
    except LabError:
        return  # told above


def _warn_of_deletions(infos: list[RunInfo], token: str) -> None:
    """Show the runs that are deleted next, and those that were deleted."""
    try:
        used = storage_quota()
    except LabError as error:
        st.warning(str(error), icon="⚠️")
        return
    if used.is_near:
        mine = {i.id for i in infos if i.is_of(token)}
        named = [told for told in next_deletions(MOST) if any(i in told for i in mine)]
        first = "; ".join(named[:3]) or say.NONE
        st.warning(
            escaped(say.limit_is_near(first)),
            icon="⚠️",
        )
    for told in past_deletions(token):
        st.caption(escaped(told))


def _one(lab: Lab, info: RunInfo, token: str) -> None:
    st.markdown(f"#### {escaped(info.title)}")
    st.caption(
        say.about(
            info.setup.dataset,
            escaped(info.forget),
            info.setup.method,
            info.setup.seed,
            info.frames,
            megabytes(info.bytes),
            info.id,
        )
    )
    kept = _read(info, token)
    if kept is None:
        return
    _verdict(kept)
    st.caption(say.settings(escaped(settings_of(kept))))
    if kept.automatic is not None:
        st.caption(common.settings_were_found(escaped(_in_nouns(kept, str(kept.automatic["reason"])))))
    told = on_all_images(kept.about)
    if told is not None:
        st.caption(told)
    if kept.about.get("purged"):
        st.caption(say.PURGED)
    _buttons(lab, info, kept, token)
    if info.is_of(token):
        _own(info, token)
    elif info.note:
        st.markdown(escaped(info.note))
    _exports(kept, is_own=info.is_of(token))
    if kept.frames:
        st.plotly_chart(curves([kept]), width="stretch", config={"displayModeBar": False})


def _verdict(kept: KeptRun) -> None:
    """Show what the run did: its verdict, and each accuracy before and after."""
    if kept.verdict is not None:
        first, *rest = nouns.in_kind(kept.verdict["findings"], nouns.kind_of_run(kept.about))
        more = [
            first["why"],
            first["advice"],
            *(sentence for one in rest for sentence in (one["what"], one["why"])),
        ]
        st.markdown(f"**{escaped(first['what'])}** {escaped(' '.join(filter(None, more)))}")
    elif kept.about["phase"] == Phase.DONE:
        st.caption(say.NO_VERDICT)
    told = accuracies_of(kept)
    if told:
        st.caption(told)


def _in_nouns(kept: KeptRun, text: str) -> str:
    """Return ``text`` in the nouns of the run's dataset."""
    return str(nouns.in_kind(text, nouns.kind_of_run(kept.about)))


def _buttons(lab: Lab, info: RunInfo, kept: KeptRun, token: str) -> None:
    """Open, fork or delete the run."""
    with st.container(horizontal=True, gap="small"):
        label = say.REPLAY if info.phase is Phase.DONE else say.CONTINUE
        no_frames = not kept.frames
        help = say.REPLAY_HELP if info.phase is Phase.DONE else None
        if st.button(label, type="primary", key="run-open", disabled=no_frames, help=help):
            _open(lab, info, as_copy=False, replay=info.phase is Phase.DONE)
        what = say.FORK_HELP
        if st.button(say.FORK, key="run-fork", disabled=no_frames, help=what):
            _open(lab, info, as_copy=True)
        if info.is_of(token):
            with st.popover(common.DELETE):
                st.markdown(say.DELETE_NOTE)
                if st.button(say.DELETE_RUN, key="run-delete"):
                    _do(lambda: remove_run(info.id, token))


def _own(info: RunInfo, token: str) -> None:
    """Name, note and share the browser's own run."""
    name = st.text_input(common.NAME, info.name, max_chars=80, key=f"name-{info.id}")
    if name.strip() != info.name:
        _do(lambda: rename_run(info.id, name, token))
    note = st.text_area(say.NOTE, info.note, max_chars=4000, height=80, key=f"note-{info.id}")
    if note != info.note:
        _do(lambda: note_run(info.id, note, token))
    help = say.SHARED_HELP
    shared = st.toggle(common.SHARED, info.shared, key=f"shared-{info.id}", help=help)
    if shared != info.shared:
        _do(lambda: share_run(info.id, shared, token))


def _two(infos: list[RunInfo], token: str) -> None:
    kept = [k for i in infos if (k := _read(i, token)) is not None and k.frames]
    if len(kept) < 2:
        st.caption(say.NO_FRAMES)
        return
    st.markdown("#### " + say.AND.join(escaped(i.title) for i in infos))
    if (
        kept[0].about["dataset"] != kept[1].about["dataset"]
        or kept[0].about["forget"] != kept[1].about["forget"]
    ):
        st.caption(_in_nouns(kept[0], say.OTHER_IMAGES))
    st.dataframe(figures(kept), hide_index=True, width="stretch")
    st.plotly_chart(curves(kept), width="stretch", config={"displayModeBar": False})


def _exports(kept: KeptRun, *, is_own: bool) -> None:
    """Offer the run as a file, which is made when the user downloads it."""
    left, right = st.columns([1, 1], vertical_alignment="bottom")
    with left:
        form = st.selectbox(
            common.EXPORT, list(FORMATS), format_func=lambda f: FORMATS[f][3], key=f"form-{kept.id}"
        )
    make, ending, mime, _ = FORMATS[form]
    why = obstacle(kept, form, is_own=is_own)
    with right:
        st.download_button(
            common.DOWNLOAD,
            lambda: _made(make, kept),
            f"run-{kept.id}{ending}",
            mime,
            on_click="ignore",
            disabled=why is not None,
            help=why,
            key=f"get-{kept.id}",
            width="stretch",
        )


def _made(make: Callable[[KeptRun], bytes], kept: KeptRun) -> bytes:
    """Return the file; a file that cannot be made says why instead."""
    try:
        return make(kept)
    except LabError as error:
        return say.not_made(error).encode()


def _open(lab: Lab, info: RunInfo, *, as_copy: bool, replay: bool = False) -> None:
    problem = lab.take_up(info.id, as_copy=as_copy, replay=replay)
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


if __name__ == "__main__":
    page(resources.lab())
