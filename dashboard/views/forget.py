"""The page Forget set: the user picks images to forget, with a lasso on the original model's map or among thumbnails."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.data.forget_selection import Ids, invert
from core.data.images import Dataset
from core.evaluation.forget_suggestions import Filter, ordered
from dashboard.components.feed import picks_feed
from dashboard.components.gallery import gallery
from dashboard.components.map_view import map_view
from dashboard.forms.forget import lists as forget_lists
from dashboard.forms.forget import selection as forget_set
from dashboard.presentation.text.pages import forget as say
from dashboard.presentation.text.pages import nouns
from dashboard.presentation.wire.selection import PAGE, SelectionState, gallery_page, pick_run
from dashboard.session import resources, tab_state
from dashboard.session.jobs.forget_suggestions import SuggestionJob
from dashboard.session.lab import Lab
from dashboard.session.polling import IDLE_S, SELECTION_S, poll

HEIGHT = 668  # px; what a window of 900 px leaves below header, counts and controls


def page(lab: Lab) -> None:
    """Draw the page Forget set."""
    dataset = lab.experiment.split.dataset if lab.experiment.split is not None else None
    picks, job = lab.forget_set, lab.suggestion_job
    if dataset is not None:
        picks.begin_with(_labs_own(lab, dataset))
        job.about(lab.experiment)
        job.want()
        forget_set.apply_suggestion(picks, job, dataset)
    drawn_of = _stage_of(lab)
    # The columns are filled below, after the user's moves have been applied.
    with st.container(key="forget-head"):
        counts, moves = st.columns([7, 5], gap="medium", vertical_alignment="center")
        tools, forms = st.columns([1, 1], gap="small", vertical_alignment="center")
    left, right = st.columns([1, 1], gap="small")
    shown = lab.map_ids
    with left:
        map_view(
            "pick-map", lab.packets.pick_scene(), height=HEIGHT, on_pick=lambda v: _take(picks, v, dataset)
        )
    with tools:
        forget_set.operation(picks, lab.token)
    if dataset is not None:
        with forms:
            rows = _chosen_rows(job, picks, dataset, lab.token)
        with right:
            shown = np.union1d(shown, _gallery(lab, dataset, rows))
        with counts:
            st.html(forget_set.counts(picks, dataset))
        with moves:
            _moves(lab, dataset)
    _poll(lab, shown, drawn_of)


def _labs_own(lab: Lab, dataset: Dataset) -> Ids:
    """Return the ids of the training images that the Lab forgets now."""
    split = lab.experiment.split
    assert split is not None
    known: Ids = dataset.train.ids.cpu().numpy()
    ids: Ids = split.train.ids.cpu().numpy()[split.forget_rows.cpu().numpy()]
    return ids[np.isin(ids, known)]


def _take(picks: SelectionState, value: dict, dataset: Dataset | None) -> None:  # type: ignore[type-arg]
    if dataset is not None:
        picks.take(value, dataset.train.ids.cpu().numpy())


def _chosen_rows(job: SuggestionJob, picks: SelectionState, dataset: Dataset, token: str) -> Ids:
    """Draw the gallery's controls; return the rows of the training images that it shows, in its order."""
    sort, narrow, suggest, lists = st.columns([1.5, 1, 1.3, 1], gap="small")
    with sort:
        order = forget_set.order(job)
    with narrow:
        wanted = forget_set.filters(picks, job.facts, dataset, token)
    with suggest:
        forget_set.suggestions(picks, job, dataset, token)
    with lists:
        forget_lists.lists(picks, dataset, token)
    tab_state.remember("forget-order", order)
    return _rows(order, wanted, job, dataset)


def _rows(order: str, wanted: Filter, job: SuggestionJob, dataset: Dataset) -> Ids:
    if job.facts is None:
        return np.arange(len(dataset.train), dtype=np.int64)
    rows = ordered(order, job.facts, job.scores)
    return rows if wanted.is_open else rows[wanted.mask(job.facts)[rows]]


def _gallery(lab: Lab, dataset: Dataset, rows: Ids) -> Ids:
    """Draw one page of thumbnails; return the ids on it."""
    stamp = hash(rows.tobytes())
    if tab_state.recall("forget-rows") != stamp:  # a new order or filter starts at its first page
        tab_state.remember("forget-rows", stamp)
        tab_state.remember("forget-page", 0)
    number = min(tab_state.recall("forget-page", 0), max(0, (len(rows) - 1) // PAGE))
    facts = lab.suggestion_job.facts
    packet = lab.packets.page(
        (stamp, number, facts is None),
        lambda: gallery_page(dataset, facts, rows, number, pick_run(lab.token)),
    )

    def turn(to: int) -> None:
        tab_state.remember("forget-page", max(0, to))
        st.rerun()

    gallery(
        "gallery", packet, height=HEIGHT, on_pick=lambda v: _take(lab.forget_set, v, dataset), on_page=turn
    )
    ids: Ids = dataset.train.ids.cpu().numpy()[rows[number * PAGE : (number + 1) * PAGE]]
    return ids


def _moves(lab: Lab, dataset: Dataset) -> None:
    picks = lab.forget_set
    ids = dataset.train.ids.cpu().numpy()
    some = bool(len(picks.now))
    with st.container(horizontal=True, gap="small", horizontal_alignment="right", key="forget-moves"):
        st.button(
            say.UNDO,
            on_click=picks.undo,
            disabled=not picks.history.past,
            key="forget-undo",
            help=say.UNDO_HELP,
            shortcut="Mod+Z",
        )
        st.button(
            say.REDO,
            on_click=picks.redo,
            disabled=not picks.history.future,
            key="forget-redo",
            help=say.REDO_HELP,
            shortcut="Mod+Shift+Z",
        )
        st.button(
            say.INVERT,
            on_click=lambda: picks.do("replace", invert(picks.now, ids)),
            key="forget-invert",
            help=say.invert_help(dataset.kind),
        )
        st.button(
            say.CLEAR,
            on_click=lambda: picks.do("replace", ()),
            disabled=not some,
            key="forget-clear",
            help=say.CLEAR_HELP,
        )
        if st.button(
            say.USE,
            type="primary",
            disabled=not some,
            key="forget-use",
            help=say.use_help(dataset.kind),
        ):
            with st.spinner(say.OPENING):
                problem = lab.forget_these(picks.now)
            if problem is None:
                st.switch_page("views/lab.py")
            st.toast(problem, icon="⚠️")


def _stage_of(lab: Lab) -> tuple[bool, ...]:
    """Return what the page's layout depends on: when it changes, the whole page is drawn again."""
    job = lab.suggestion_job
    return lab.experiment.run is None, job.facts is None, job.busy, job.error is None


def _poll(lab: Lab, shown: Ids, drawn_of: tuple[bool, ...]) -> None:
    """Keep telling the browser what is picked, and the user how far the work is."""

    def tell() -> None:
        picks_feed("picks", lab.forget_set.packet(pick_run(lab.token), shown, tell_operation=True))
        st.html(f"<div class='hint' role='status'>{_hint(lab)}</div>")

    is_busy = lab.experiment.run is None or lab.suggestion_job.busy
    poll(SELECTION_S if is_busy else IDLE_S, tell, lambda: drawn_of != _stage_of(lab))


def _hint(lab: Lab) -> str:
    """Return one line: an error, the work in progress, or what the page shows."""
    e, job = lab.experiment, lab.suggestion_job
    error = e.error or job.error
    if error is not None:
        return str(error)
    if e.run is None or e.split is None:
        return say.PREPARING
    p = job.progress
    if p is not None:
        return say.working(p.stage, 100 * p.done // p.total, nouns.kind_of(e.dataset))
    on_map, all_images, kind = len(lab.map_ids), len(e.split.train), e.split.dataset.kind
    text = say.on_map(on_map, all_images, kind)
    if on_map == all_images:
        text = say.all_on_map(all_images, kind)
    if e.split.clean_y is not None or e.split.planted is not None:
        text += f" {say.altered_data(kind)}"
    return text


if __name__ == "__main__":
    page(resources.lab())
