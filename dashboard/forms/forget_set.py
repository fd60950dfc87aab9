"""The forms of the page Forget set: order, filter, suggestions, lists of ids."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from core.data.forget_selection import (
    OPERATIONS,
    format_ids,
    known,
    load_list,
    parse_ids,
    remove_list,
    save_list,
    saved_lists,
    share_list,
)
from core.data.images import Dataset
from core.errors import LabError, RequestError
from core.evaluation.forget_suggestions import (
    NEIGHBOURS,
    ORDERS,
    SAME_COSINE,
    SAME_PIXELS,
    Filter,
    ImageFacts,
)
from dashboard.presentation.wire.selection import SelectionState
from dashboard.session import classroom_options, lab
from dashboard.session.jobs.forget_suggestions import SuggestionJob

LABELS = {"replace": "New", "add": "Add", "subtract": "Subtract", "intersect": "Intersect"}
MOST_BYTES = 4_000_000  # of an uploaded list; its lines take twenty times as much memory
MOST_BARS = 12
SUBJECTS = (
    "Requests and attacks take a subject's training images only; the model never learnt from the test set. "
    "`laf purge --subject` removes all images of a subject from this machine."
)


def counts(picks: SelectionState, dataset: Dataset) -> str:
    """n of m images, and how many of each class."""
    rows = picks.now.by_class(dataset)
    if len(rows) > MOST_BARS:
        rows = sorted(rows, key=lambda c: -c.picked)[:MOST_BARS]
    bars = "".join(
        f"<li title='{html.escape(c.name, quote=True)}: {c.picked:,} of {c.total:,}'><span><i>{html.escape(c.name)}</i>"
        f"<b>{c.picked:,}</b></span><div><div style='width:{100 * c.picked / max(1, c.total):.1f}%'></div></div></li>"
        for c in rows
    )
    total = f"<b>{len(picks.now):,}</b> of {len(dataset.train):,} images"
    return f"<div class='counts'><p>{total}</p><ul aria-label='picked, by class'>{bars}</ul></div>"


def operation(picks: SelectionState, token: str) -> None:
    """What lasso, suggestions and lists do with what is picked already."""
    chosen = st.segmented_control(
        "Picking",
        OPERATIONS,
        default=picks.operation,
        format_func=LABELS.__getitem__,
        required=True,
        key=f"forget-operation-{token}",
        label_visibility="collapsed",
        help="What a lasso, a suggestion or a list does with what is picked already. While dragging: shift adds, alt subtracts, both intersect",
    )
    if chosen and chosen != picks.operation:
        picks.choose(chosen)


def order(advice: SuggestionJob) -> str:
    """The order of the gallery, a key of ORDERS."""
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
    """Which images the gallery shows."""
    before: Filter = lab.recall("forget-filter", Filter()) if facts is not None else Filter()
    label = "Filter" if before.is_open else "Filter **on**"
    with st.popover(
        label, width="stretch", help="Which images the gallery shows", key=f"forget-filter-{token}"
    ):
        if facts is None:
            st.caption("The original model is still looking at the images.")
            return before
        found = _filter_form(facts, dataset, token)
        ids = facts.ids[found.mask(facts)]
        st.button(
            f"Pick these {len(ids):,} images",
            key="filter-pick",
            width="stretch",
            disabled=not len(ids),
            help=f"{LABELS[picks.operation]}: as chosen above the map",
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
        "The model is", ("right", "wrong"), key=f"filter-right-{token}", help="Neither chosen: both"
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
                placeholder="anybody",
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


# suggestions: asked for here, picked when they are there


def suggestions(picks: SelectionState, advice: SuggestionJob, dataset: Dataset, token: str) -> None:
    """Three kinds of images one might want forgotten."""
    with st.popover(
        "Suggest", width="stretch", help="Images one might want forgotten", key=f"suggest-{token}"
    ):
        most = len(dataset.train) - 1
        count = st.number_input("How many images", 1, most, min(50, most), key=f"suggest-count-{token}")
        _suggestion("memorised", "Pick the most memorised", int(count), advice.busy)
        st.caption(
            f"Confidence in the image's own label, minus the share of its {NEIGHBOURS} nearest images (by representation) that have that "
            "label. A cheap stand-in: the true measure trains many models without the image."
        )
        _suggestion("mistaken", "Pick the most mistaken", int(count), advice.busy)
        st.caption(_mistaken_note(advice.facts))
        none = not len(picks.now)
        _suggestion("twins", "Pick near-duplicates too", 0, advice.busy or none)
        st.caption(
            f"Images that are not picked and would stay, but nearly equal one that is: cosine of the representations at least "
            f"{SAME_COSINE:g}, and pixels that differ by at most {100 * SAME_PIXELS:g} % (root mean square)."
            + (" Pick something first." if none else "")
        )


def _mistaken_note(facts: ImageFacts | None) -> str:
    note = "The highest loss: what the model is most surely wrong about."
    if facts is not None:
        wrong = int((~facts.right).sum())
        note += (
            f" It is wrong on {wrong:,} of its {len(facts):,} training images."
            if wrong
            else (" It is wrong on none of its training images; these are the ones it is least sure of.")
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


def fulfil(picks: SelectionState, advice: SuggestionJob) -> None:
    """Pick what was asked for once it is known."""
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
            else "No image that stays is nearly the same."
        )
        return
    ids = advice.most_memorised(count) if kind == "memorised" else advice.most_mistaken(count)
    picks.do(picks.operation, ids)
    lab.remember("forget-order", "memorised" if kind == "memorised" else "loss")
    lab.remember("forget-order-set", lab.recall("forget-order-set", 0) + 1)


# lists


def lists(picks: SelectionState, dataset: Dataset, token: str) -> None:
    """Keep, take, download and upload lists of ids."""
    with st.popover(
        "Lists", width="stretch", help="Keep, load, download or upload a list of ids", key=f"lists-{token}"
    ):
        _keep(picks, dataset)
        _take(picks, dataset)
        text = format_ids(picks.now, title=f"{picks.now.describe(dataset)}, {dataset.title}")
        st.download_button(
            "Download the ids",
            text,
            "forget-set.txt",
            "text/plain",
            width="stretch",
            disabled=not len(picks.now),
            on_click="ignore",
            key="forget-download",
        )
        file = st.file_uploader(
            "Upload a list of ids",
            key=f"forget-upload-{lab.recall('forget-uploads', 0)}",
            help="One id in a line, or ids and ranges like 12-40 separated by commas; # begins a comment",
        )
        if file is not None:
            _say(lambda: _uploaded(picks, dataset, file))
            lab.remember("forget-uploads", lab.recall("forget-uploads", 0) + 1)
            st.rerun()
        told = lab.recall_and_forget("forget-told")
        if told:
            (st.error if told[0] else st.success)(told[1])


def _keep(picks: SelectionState, dataset: Dataset) -> None:
    name, button = st.columns([2, 1], vertical_alignment="bottom")
    typed = name.text_input("Name", placeholder="a name for what is picked", key="forget-name")

    def kept() -> str:
        limits = classroom_options.now()
        if limits is not None:
            limits.check_disk()
        save_list(typed, dataset, picks.now, lab.browser())
        return f"Kept as {typed.strip()}: {len(picks.now):,} ids"

    if button.button("Save", key="forget-save", width="stretch", disabled=not typed.strip()):
        _say(kept)


def _take(picks: SelectionState, dataset: Dataset) -> None:
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
            else f"{one.name} ({'terminal' if one.claims.terminal else 'shared'})"
        )

    one = found[choice.selectbox("Kept lists", list(found), format_func=titled, key="forget-kept")]
    mine = one.claims.is_of(token)

    def loaded() -> str:
        ids = known(load_list(one.key, dataset, token), dataset)
        picks.do(picks.operation, ids)
        return f"{one.name}: {len(ids):,} ids ({LABELS[picks.operation].lower()})"

    if load.button("Load", key="forget-load", width="stretch"):
        _say(loaded)
        st.rerun()
    why = None if mine else "Only the browser that made it removes it"
    if remove.button("Remove", key="forget-remove", width="stretch", disabled=not mine, help=why):
        _say(lambda: f"{one.name} is removed" if remove_list(one.key, dataset, token) is None else "")
        st.rerun()
    if mine:
        was = one.claims.shared
        help = "Every browser that reaches this Lab may load it"
        shared = st.toggle("Shared", was, key=f"forget-share-{one.key}", help=help)
        if shared != was:
            _say(
                lambda: (
                    f"{one.name} is {'shared' if share_list(one.key, dataset, shared, token) and shared else 'yours alone'}"
                )
            )
            st.rerun()


def _uploaded(picks: SelectionState, dataset: Dataset, file: Any) -> str:
    if file.size > MOST_BYTES:
        raise RequestError(
            f"{file.name} is larger than {MOST_BYTES // 1_000_000} MB; a list of ids is a short text"
        )
    try:
        text = file.getvalue().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"{file.name} is not a text file; save the ids as plain text") from error
    found = known(parse_ids(text, name=file.name), dataset)
    picks.do(picks.operation, found)
    return f"{file.name}: {len(found):,} ids ({LABELS[picks.operation].lower()})"


def _say(move: Any) -> None:
    """Make a move and keep for this page's next line what it said."""
    try:
        lab.remember("forget-told", (False, move()))
    except LabError as error:
        lab.remember("forget-told", (True, str(error)))
