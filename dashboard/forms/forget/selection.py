"""The forms of the page Forget set: counts, operation, order, filter and suggestions."""

from __future__ import annotations

import html

import streamlit as st

from core.data.forget_selection import OPERATIONS
from core.data.images import Dataset
from core.evaluation.forget_suggestions import (
    NEIGHBOURS,
    ORDERS,
    SAME_COSINE,
    SAME_PIXELS,
    Filter,
    ImageFacts,
)
from dashboard.presentation.wire.selection import SelectionState
from dashboard.session import lab
from dashboard.session.jobs.forget_suggestions import SuggestionJob

LABELS = {"replace": "New", "add": "Add", "subtract": "Subtract", "intersect": "Intersect"}
MOST_BARS = 12
SUBJECTS = (
    "Requests and attacks take a subject's training images only; the model never learnt from the test set. "
    "`laf purge --subject` removes all images of a subject from this machine."
)


def counts(picks: SelectionState, dataset: Dataset) -> str:
    """Return the number of picked images, in all and of each class, as HTML."""
    rows = picks.now.by_class(dataset)
    if len(rows) > MOST_BARS:
        rows = sorted(rows, key=lambda c: -c.picked)[:MOST_BARS]
    bars = "".join(
        f"<li title='{html.escape(c.name, quote=True)}: {c.picked:,} of {c.total:,}'><span><i>{html.escape(c.name)}</i>"
        f"<b>{c.picked:,}</b></span><div><div style='width:{100 * c.picked / max(1, c.total):.1f}%'></div></div></li>"
        for c in rows
    )
    total = f"<b>{len(picks.now):,}</b> of {len(dataset.train):,} {dataset.kind}"
    return f"<div class='counts'><p>{total}</p><ul aria-label='picked, by class'>{bars}</ul></div>"


def operation(picks: SelectionState, token: str) -> None:
    """Show the control that decides how lasso, suggestions and lists change the selection."""
    chosen = st.segmented_control(
        "Picking",
        OPERATIONS,
        default=picks.operation,
        format_func=LABELS.__getitem__,
        required=True,
        key=f"forget-operation-{token}",
        label_visibility="collapsed",
        help="How a lasso, a suggestion or a list changes the selection. While dragging: shift adds, alt subtracts, both intersect",
    )
    if chosen and chosen != picks.operation:
        picks.choose(chosen)


def order(advice: SuggestionJob) -> str:
    """Show the gallery's order and return the chosen key of ORDERS."""
    names = [n for n in ORDERS if n != "memorised" or advice.scores is not None]
    before = lab.recall("forget-order", "id")
    return str(
        st.selectbox(
            "Order",
            names,
            index=names.index(before) if before in names else 0,
            format_func=lambda n: f"Order: {ORDERS[n]}",
            key=f"forget-order-{len(names)}-{lab.recall('forget-order-set', 0)}",
            on_change=lambda: None,
            label_visibility="collapsed",
        )
    )


def filters(picks: SelectionState, facts: ImageFacts | None, dataset: Dataset, token: str) -> Filter:
    """Show the popover that filters the gallery, and return the filter."""
    before: Filter = lab.recall("forget-filter", Filter()) if facts is not None else Filter()
    label = "Filter" if before.is_open else "Filter **on**"
    with st.popover(
        label, width="stretch", help="Which images the gallery shows", key=f"forget-filter-{token}"
    ):
        if facts is None:
            st.caption("The original model is still evaluating the images.")
            return before
        found = _filter_form(facts, dataset, token)
        ids = facts.ids[found.mask(facts)]
        st.button(
            f"Pick these {len(ids):,} images",
            key="filter-pick",
            width="stretch",
            disabled=not len(ids),
            help=f"Uses the operation chosen above the map: {LABELS[picks.operation]}",
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
            st.multiselect(label, numbers, format_func=show, key=f"filter-{what}-{token}", placeholder="any")
        )

    classes = several("Class", "class")
    predictions = several("Called by the model", "prediction")
    verdict = st.segmented_control(
        "The model is",
        ("right", "wrong"),
        key=f"filter-right-{token}",
        help="With neither chosen, both are shown",
    )
    low, high = st.slider("Confidence, %", 0, 100, (0, 100), key=f"filter-confidence-{token}")
    most = float(facts.losses.max())
    top = round(most + 0.005, 2)
    least_loss, most_loss = st.slider(
        "Loss", 0.0, max(top, 0.01), (0.0, max(top, 0.01)), key=f"filter-loss-{token}"
    )
    subjects: tuple[int, ...] = ()
    if dataset.subjects:
        subjects = tuple(
            st.multiselect(
                "Shows",
                range(len(dataset.subjects)),
                format_func=lambda s: subject_label(dataset, s),
                key=f"filter-subject-{token}",
                placeholder="any",
            )
        )
        st.caption(SUBJECTS)
    return Filter(
        classes,
        predictions,
        (low / 100, high / 100),
        (least_loss, float("inf") if most_loss >= max(top, 0.01) else most_loss),
        None if verdict is None else verdict == "right",
        subjects,
    )


def subject_label(dataset: Dataset, subject: int) -> str:
    """Return a subject's name with the number of training images, and of test images where there are some."""
    train, test = dataset.counts_of(subject)
    return f"{dataset.subjects[subject]} ({train:,}{f', and {test:,} in the test set' if test else ''})"


def suggestions(picks: SelectionState, advice: SuggestionJob, dataset: Dataset, token: str) -> None:
    """Show three kinds of images that a user may want to forget."""
    with st.popover(
        "Suggest", width="stretch", help="Images that you may want to forget", key=f"suggest-{token}"
    ):
        most = len(dataset.train) - 1
        count = st.number_input("How many images", 1, most, min(50, most), key=f"suggest-count-{token}")
        _suggestion("memorised", "Pick the most memorised", int(count), advice.busy)
        st.caption(
            f"Confidence in the image's own label, minus the share of its {NEIGHBOURS} nearest images (by representation) that have that "
            "label. This is a cheap estimate; the exact measure trains many models without the image."
        )
        _suggestion("mistaken", "Pick the most mistaken", int(count), advice.busy)
        st.caption(_mistaken_note(advice.facts))
        none = not len(picks.now)
        _suggestion("twins", "Pick near-duplicates too", 0, advice.busy or none)
        st.caption(
            f"Images that would stay but nearly equal a picked one: cosine of the representations at least "
            f"{SAME_COSINE:g}, and {_raw(dataset)} (root mean square)."
            + (" Pick something first." if none else "")
        )


def _raw(dataset: Dataset) -> str:
    """Return how near near-duplicates are in the data themselves."""
    if dataset.kind == "images":
        return f"pixels that differ by at most {100 * SAME_PIXELS:g} %"
    return f"values that differ by at most {SAME_PIXELS:g} standard deviations"


def _mistaken_note(facts: ImageFacts | None) -> str:
    note = "The images with the highest loss."
    if facts is not None:
        wrong = int((~facts.right).sum())
        note += (
            f" It is wrong on {wrong:,} of its {len(facts):,} training images."
            if wrong
            else (" It is wrong on none of its training images; these are the ones it is least certain of.")
        )
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


def apply_suggestion(picks: SelectionState, advice: SuggestionJob) -> None:
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
        st.toast(
            f"{len(found):,} near-duplicates picked too."
            if found
            else "No remaining image is a near-duplicate."
        )
        return
    ids = advice.most_memorised(count) if kind == "memorised" else advice.most_mistaken(count)
    picks.do(picks.operation, ids)
    lab.remember("forget-order", "memorised" if kind == "memorised" else "loss")
    lab.remember("forget-order-set", lab.recall("forget-order-set", 0) + 1)
