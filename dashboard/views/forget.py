"""Choose any images to forget: with a lasso on the map of what the original model sees, or among their thumbnails."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.data.forget_selection import Ids, invert
from core.data.images import Dataset
from core.evaluation.forget_suggestions import Filter, ImageFacts, ordered
from dashboard.components.feed import picks_feed
from dashboard.components.gallery import gallery
from dashboard.components.map_view import map_view
from dashboard.forms import forget_lists, forget_set
from dashboard.presentation.wire.selection import PAGE, SelectionState, gallery_page, pick_run
from dashboard.session import lab as state
from dashboard.session import resources
from dashboard.session.jobs.forget_suggestions import WORK, SuggestionJob
from dashboard.session.lab import Lab

HEIGHT = 668  # what 900 px leave below header, counts and controls
BUSY_S = 0.3
SLOW_S = 2.0  # heals a last message that was lost


def page(lab: Lab) -> None:
    dataset = lab.experiment.split.dataset if lab.experiment.split is not None else None
    picks, advice = lab.forget_set, lab.advice
    if dataset is not None:
        advice.about(lab.experiment)
        advice.want()
        forget_set.fulfil(picks, advice)
    drawn_of = _stage_of(lab)
    # each is filled below, when all moves of this run are made
    counts, moves = st.columns([7, 5], gap="medium", vertical_alignment="center")
    tools, forms = st.columns([1, 1], gap="small", vertical_alignment="center")
    left, right = st.columns([1, 1], gap="small")
    shown = lab.map_ids
    with left:
        map_view("pick-map", lab.pick_scene(), height=HEIGHT, on_pick=lambda v: _take(picks, v, dataset))
    with tools:
        forget_set.operation(picks, lab.token)
    if dataset is not None:
        with forms:
            rows = _chosen_rows(advice, picks, dataset, lab.token)
        with right:
            shown = np.union1d(shown, _gallery(lab, dataset, rows))
        with counts:
            st.html(forget_set.counts(picks, dataset))
        with moves:
            _moves(lab, dataset)
    _poll(lab, shown, drawn_of)


def _take(picks: SelectionState, value: dict, dataset: Dataset | None) -> None:  # type: ignore[type-arg]
    if dataset is not None:
        picks.take(value, dataset.train.ids.cpu().numpy())


def _chosen_rows(advice: SuggestionJob, picks: SelectionState, dataset: Dataset, token: str) -> Ids:
    """Rows of the training images that the gallery shows, in its order."""
    sort, narrow, suggest, lists = st.columns([2, 1, 1, 1], gap="small")
    with sort:
        order = forget_set.order(advice)
    with narrow:
        wanted = forget_set.filters(picks, advice.facts, dataset, token)
    with suggest:
        forget_set.suggestions(picks, advice, dataset, token)
    with lists:
        forget_lists.lists(picks, dataset, token)
    state.remember("forget-order", order)
    return _rows(order, wanted, advice.facts, advice, dataset)


def _rows(
    order: str, wanted: Filter, facts: ImageFacts | None, advice: SuggestionJob, dataset: Dataset
) -> Ids:
    if facts is None:
        return np.arange(len(dataset.train), dtype=np.int64)
    rows = ordered(order, facts, advice.scores)
    return rows if wanted.is_open else rows[wanted.mask(facts)[rows]]


def _gallery(lab: Lab, dataset: Dataset, rows: Ids) -> Ids:
    """The page of thumbnails; returns the ids on it."""
    stamp = hash(rows.tobytes())
    if state.recall("forget-rows") != stamp:  # another order or filter begins at its first page
        state.remember("forget-rows", stamp)
        state.remember("forget-page", 0)
    number = min(state.recall("forget-page", 0), max(0, (len(rows) - 1) // PAGE))
    facts = lab.advice.facts
    packet = lab.keep_page(
        (stamp, number, facts is None),
        lambda: gallery_page(dataset, facts, rows, number, pick_run(lab.token)),
    )

    def turn(to: int) -> None:
        state.remember("forget-page", max(0, to))
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
            "Undo",
            on_click=picks.undo,
            disabled=not picks.history.past,
            key="forget-undo",
            help="One step back",
            shortcut="Mod+Z",
        )
        st.button(
            "Redo",
            on_click=picks.redo,
            disabled=not picks.history.future,
            key="forget-redo",
            help="The undone step again",
            shortcut="Mod+Shift+Z",
        )
        st.button(
            "Invert",
            on_click=lambda: picks.do("replace", invert(picks.now, ids)),
            key="forget-invert",
            help="Pick all the others instead",
        )
        st.button(
            "Clear",
            on_click=lambda: picks.do("replace", ()),
            disabled=not some,
            key="forget-clear",
            help="Pick none",
        )
        if st.button(
            "Use in the Lab",
            type="primary",
            disabled=not some,
            key="forget-use",
            help="Open the Lab with these images to forget",
        ):
            with st.spinner("Opening the Lab"):
                problem = lab.forget_these(picks.now)
            if problem is None:
                st.switch_page("views/lab.py")
            st.toast(problem, icon="⚠️")


def _stage_of(lab: Lab) -> tuple[bool, ...]:
    """What the page looks different by: when it changes, all of it is drawn again."""
    advice = lab.advice
    return lab.experiment.run is None, advice.facts is None, advice.busy, advice.error is None


def _poll(lab: Lab, shown: Ids, drawn_of: tuple[bool, ...]) -> None:
    """What is picked, told again and again; and how far the work behind is."""
    waits = lab.experiment.run is None or lab.advice.busy

    @st.fragment(run_every=BUSY_S if waits else SLOW_S)
    def poll() -> None:
        picks_feed("picks", lab.forget_set.packet(pick_run(lab.token), shown, tell_operation=True))
        st.html(f"<div class='hint' role='status'>{_hint(lab)}</div>")
        if drawn_of != _stage_of(lab):
            st.rerun()

    poll()


def _hint(lab: Lab) -> str:
    """One line: what goes on behind, or what this page is about."""
    e, advice = lab.experiment, lab.advice
    error = e.error or advice.error
    if error is not None:
        return str(error)
    if e.run is None or e.split is None:
        return "The original model and its map are being prepared."
    if advice.work is not None:
        return f"{WORK[advice.work.stage]}: {100 * advice.work.done // advice.work.total} %"
    on_map, all_images = len(lab.map_ids), len(e.split.train)
    text = f"The map shows {on_map:,} of the {all_images:,} training images; the gallery holds all of them."
    if on_map == all_images:
        text = f"All {all_images:,} training images are on the map and in the gallery."
    if e.split.clean_y is not None or e.split.planted is not None:
        text += " This model was trained on altered data; in the Lab the images are forgotten from the unaltered data."
    return text


if __name__ == "__main__":
    page(resources.lab())
