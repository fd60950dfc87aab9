"""The forms of the page Forget set: counts, operation, order, filter and suggestions."""

from __future__ import annotations

import html

import streamlit as st

from core.data.forget_selection import OPERATIONS
from core.data.images import Clients, Dataset
from core.evaluation.forget_suggestions import (
    NEIGHBOURS,
    ORDERS,
    SAME_COSINE,
    SAME_PIXELS,
    Filter,
    ImageFacts,
)
from dashboard.presentation.text.pages import common
from dashboard.presentation.text.pages import forget as say
from dashboard.presentation.text.pages.lab import clients as owners_text
from dashboard.presentation.text.pages.nouns import kind_of
from dashboard.presentation.wire.selection import SelectionState
from dashboard.session import lab
from dashboard.session.jobs.forget_suggestions import SuggestionJob

LABELS = {"replace": say.REPLACE, "add": say.ADD, "subtract": say.SUBTRACT, "intersect": say.INTERSECT}
MOST_BARS = 12


def counts(picks: SelectionState, dataset: Dataset) -> str:
    """Return the number of picked images, in all and of each class, as HTML."""
    rows = picks.now.by_class(dataset)
    if len(rows) > MOST_BARS:
        rows = sorted(rows, key=lambda c: -c.picked)[:MOST_BARS]
    bars = "".join(
        f"<li title='{html.escape(say.picked_of_class(c.name, c.picked, c.total), quote=True)}'><span><i>{html.escape(c.name)}</i>"
        f"<b>{c.picked:,}</b></span><div><div style='width:{100 * c.picked / max(1, c.total):.1f}%'></div></div></li>"
        for c in rows
    )
    total = say.picked(len(picks.now), len(dataset.train), dataset.kind)
    return f"<div class='counts'><p>{total}</p><ul aria-label='{say.PICKED_BY_CLASS}'>{bars}</ul></div>"


def operation(picks: SelectionState, token: str) -> None:
    """Show the control that decides how lasso, suggestions and lists change the selection."""
    chosen = st.segmented_control(
        say.PICKING,
        OPERATIONS,
        default=picks.operation,
        format_func=LABELS.__getitem__,
        required=True,
        key=f"forget-operation-{token}",
        label_visibility="collapsed",
        help=say.PICKING_HELP,
    )
    if chosen and chosen != picks.operation:
        picks.choose(chosen)


def order(advice: SuggestionJob) -> str:
    """Show the gallery's order and return the chosen key of ORDERS."""
    names = [n for n in ORDERS if n != "memorised" or advice.scores is not None]
    before = lab.recall("forget-order", "id")
    return str(
        st.selectbox(
            say.ORDER,
            names,
            index=names.index(before) if before in names else 0,
            format_func=lambda n: say.ordered_by(ORDERS[n]),
            key=f"forget-order-{len(names)}-{lab.recall('forget-order-set', 0)}",
            on_change=lambda: None,
            label_visibility="collapsed",
        )
    )


def filters(picks: SelectionState, facts: ImageFacts | None, dataset: Dataset, token: str) -> Filter:
    """Show the popover that filters the gallery, and return the filter."""
    before: Filter = lab.recall("forget-filter", Filter()) if facts is not None else Filter()
    label = say.FILTER if before.is_open else say.FILTER_ON
    with st.popover(label, width="stretch", help=say.filter_help(dataset.kind), key=f"forget-filter-{token}"):
        if facts is None:
            st.caption(say.evaluating(dataset.kind))
            return before
        found = _filter_form(facts, dataset, token)
        ids = facts.ids[found.mask(facts)]
        st.button(
            say.pick_these(len(ids), dataset.kind),
            key="filter-pick",
            width="stretch",
            disabled=not len(ids),
            help=say.pick_these_help(LABELS[picks.operation]),
            on_click=lambda: picks.do(picks.operation, ids),
        )
    lab.remember("forget-filter", found)
    if found.is_open != before.is_open:
        st.rerun()
    return found


def _filter_form(facts: ImageFacts, dataset: Dataset, token: str) -> Filter:
    names = dataset.classes
    numbers = range(len(names))

    def several(label: str, what: str) -> tuple[int, ...]:
        show = names.__getitem__
        return tuple(
            st.multiselect(
                label, numbers, format_func=show, key=f"filter-{what}-{token}", placeholder=say.ANY
            )
        )

    classes = several(common.CLASS, "class")
    predictions = several(say.CALLED, "prediction")
    verdict = st.segmented_control(
        say.MODEL_IS,
        ("right", "wrong"),
        format_func={"right": say.RIGHT, "wrong": say.WRONG}.__getitem__,
        key=f"filter-right-{token}",
        help=say.MODEL_IS_HELP,
    )
    low, high = st.slider(say.CONFIDENCE, 0, 100, (0, 100), key=f"filter-confidence-{token}")
    most = float(facts.losses.max())
    top = round(most + 0.005, 2)
    least_loss, most_loss = st.slider(
        say.LOSS, 0.0, max(top, 0.01), (0.0, max(top, 0.01)), key=f"filter-loss-{token}"
    )
    subjects: tuple[int, ...] = ()
    if dataset.subjects:
        subjects = tuple(
            st.multiselect(
                say.SHOWS,
                range(len(dataset.subjects)),
                format_func=lambda s: subject_label(dataset, s),
                key=f"filter-subject-{token}",
                placeholder=say.ANY,
            )
        )
        st.caption(say.SUBJECTS_NOTE)
    clients = () if dataset.clients is None else _owners(dataset, dataset.clients, token)
    return Filter(
        classes,
        predictions,
        (low / 100, high / 100),
        (least_loss, float("inf") if most_loss >= max(top, 0.01) else most_loss),
        None if verdict is None else verdict == "right",
        subjects,
        clients,
    )


def _owners(dataset: Dataset, clients: Clients, token: str) -> tuple[int, ...]:
    """Show the choice of the clients who have the images, and return their numbers."""
    sizes, kind = clients.sizes(), kind_of(dataset)
    return tuple(
        st.multiselect(
            owners_text.CLIENT,
            [k for k, size in enumerate(sizes) if size],
            format_func=lambda k: owners_text.client(k, sizes[k], kind),
            key=f"filter-client-{token}",
            placeholder=say.ANY,
        )
    )


def subject_label(dataset: Dataset, subject: int) -> str:
    """Return a subject's name with the number of training images, and of test images where there are some."""
    train, test = dataset.counts_of(subject)
    return f"{dataset.subjects[subject]} ({train:,}{say.in_the_test_set(test) if test else ''})"


def suggestions(picks: SelectionState, advice: SuggestionJob, dataset: Dataset, token: str) -> None:
    """Show three kinds of images that a user may want to forget."""
    with st.popover(
        say.SUGGEST, width="stretch", help=say.suggest_help(dataset.kind), key=f"suggest-{token}"
    ):
        most = len(dataset.train) - 1
        count = st.number_input(
            say.how_many(dataset.kind), 1, most, min(50, most), key=f"suggest-count-{token}"
        )
        _suggestion("memorised", say.MOST_MEMORISED, int(count), advice.busy)
        st.caption(say.memorised_note(NEIGHBOURS, dataset.kind))
        _suggestion("mistaken", say.MOST_MISTAKEN, int(count), advice.busy)
        st.caption(_mistaken_note(advice.facts, dataset.kind))
        none = not len(picks.now)
        _suggestion("twins", say.NEAR_DUPLICATES, 0, advice.busy or none)
        st.caption(
            say.duplicates_note(f"{SAME_COSINE:g}", _raw(dataset), dataset.kind)
            + (f" {say.PICK_FIRST}" if none else "")
        )


def _raw(dataset: Dataset) -> str:
    """Return how near near-duplicates are in the data themselves."""
    if dataset.kind == "images":
        return say.pixels_differ(100 * SAME_PIXELS)
    return say.values_differ(SAME_PIXELS)


def _mistaken_note(facts: ImageFacts | None, kind: str) -> str:
    note = say.highest_loss(kind)
    if facts is not None:
        wrong = int((~facts.right).sum())
        note += f" {say.wrong_on(wrong, len(facts), kind) if wrong else say.never_wrong(kind)}"
    return note


def _suggestion(kind: str, label: str, count: int, disabled: bool) -> None:
    st.button(
        label,
        key=f"suggest-{kind}",
        width="stretch",
        disabled=disabled,
        on_click=lab.remember,
        args=("forget-wanted", (kind, count)),
    )


def apply_suggestion(picks: SelectionState, advice: SuggestionJob, dataset: Dataset) -> None:
    """Pick the requested suggestion as soon as it is ready."""
    wanted = lab.recall("forget-wanted")
    if wanted is None:
        return
    if advice.error is not None:  # the page shows it
        lab.recall_and_forget("forget-wanted")
        return
    kind, count = wanted
    advice.want(scores=kind == "memorised", twins_of=picks.now if kind == "twins" else None)
    if advice.busy or advice.facts is None:
        return
    lab.recall_and_forget("forget-wanted")
    if kind == "twins":
        assert advice.twins is not None
        found = [t.id for t in advice.twins[1]]
        picks.do("add", found)
        st.toast(say.duplicates_picked(len(found)) if found else say.no_duplicates(dataset.kind))
        return
    ids = advice.most_memorised(count) if kind == "memorised" else advice.most_mistaken(count)
    picks.do(picks.operation, ids)
    lab.remember("forget-order", "memorised" if kind == "memorised" else "loss")
    lab.remember("forget-order-set", lab.recall("forget-order-set", 0) + 1)
