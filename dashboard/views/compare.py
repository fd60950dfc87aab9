"""The page Compare: a table of methods over several seeds, and two of them in detail."""

from __future__ import annotations

import json
from typing import Any, Literal

import streamlit as st

from core.errors import LabError
from core.experiments.comparison import Comparison, parse_seeds
from core.experiments.comparison_summary import Summary, summarise
from core.methods import METHODS
from dashboard.components.comparison_table import table
from dashboard.presentation.charts import evaluation, examples
from dashboard.presentation.export import comparison_files
from dashboard.presentation.text.pages import common, nouns
from dashboard.presentation.text.pages import compare as say
from dashboard.presentation.wire.comparison import table_data, title_of
from dashboard.session import resources
from dashboard.session.jobs import comparison as comparison_job
from dashboard.session.lab import Lab
from dashboard.session.polling import COMPARISON_S, poll
from dashboard.views.compare_details import details

HEAD_PX, ROW_PX, BORDER_PX = 48, 31, 14  # of the table: heading, a row, and room for a scroll bar
EXAMPLE_PX = 330  # of the example chart
GROUPS = {  # figures by topic
    say.ACCURACY: (
        "train_r",
        "train_f",
        "test",
        "test_r",
        "test_f",
        "clean_f",
        "planted",
        "average_gap",
        "tug_of_war",
    ),
    say.ANSWERS: (
        "js",
        "klom_f",
        "klom_f_95",
        "klom_r",
        "klom_r_95",
        "spread",
        "commonest_share",
        "train_f",
        "test_f",
    ),
    say.ATTACKS: (),  # all figures that begin with auc, attack or asr
    say.REPRESENTATIONS: (),  # cka, probes, angle
    say.HARM: ("train_r", "test_r", "near_r", "near_auc", "klom_r", "klom_r_95"),
    say.COST: ("seconds", "steps", "peak_memory_mb"),
}
DEFAULT_SEEDS = "0-2"


def page(lab: Lab) -> None:
    """Draw the page Compare."""
    comparison: Comparison | None = lab.comparison_job.comparison
    if comparison is None:
        _before_first(lab)
        return
    form, told, files = st.columns([3.4, 7, 1.6], gap="small", vertical_alignment="center")
    with form:
        _form(lab)
    with told:
        _told(comparison)
    summary = summarise(comparison)
    with files:
        _files(summary, comparison, _kind(comparison, lab))
    group = st.segmented_control(
        say.FIGURES,
        [*GROUPS, say.ALL],
        default=say.ACCURACY,
        required=True,
        key="compare-group",
        label_visibility="collapsed",
    )
    _table(lab, comparison, group)
    st.caption(say.LEGEND)
    if summary.lines:
        details(lab, comparison, summary)


def _before_first(lab: Lab) -> None:
    """Say what the page will show, offer to start, and show an example."""
    e = lab.experiment
    what = e.split.request.describe(e.split.dataset.classes) if e.split is not None else "…"
    st.markdown(say.intro(what))
    methods, usual = comparison_job.offered(), comparison_job.usual(e)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="compare-begin"):
        if st.button(say.COMPARE_ALL, type="primary", key="compare-all"):
            _start(lab, methods, DEFAULT_SEEDS, usual)
        _form(lab, width="content")
        with st.container():  # the times become known while the Lab prepares
            poll(
                COMPARISON_S,
                lambda: st.caption(comparison_job.cost_in_words(e, len(methods), 3, usual)),
                lambda: lab.experiment is not e,
            )
    st.caption(f"{examples.LABEL}:")
    summary = examples.summary_example()
    table(
        "compare-example",
        table_data(summary, None, list(summary.columns), [], nouns.kind_of(e.dataset)),
        height=_height(len(summary.lines)),
        on_pick=lambda _: None,
    )
    st.caption(say.EXAMPLE_NOTE)
    st.markdown(say.EXAMPLE_DETAIL)
    st.plotly_chart(
        evaluation.example_answers(),
        key="compare-example-detail",
        height=EXAMPLE_PX,
        config={"displayModeBar": False},
    )


def _start(lab: Lab, methods: list[str], seeds: str, references: int) -> None:
    try:
        lab.comparison_job.start(lab.experiment.setup, methods, parse_seeds(seeds, 20), references)
    except LabError as error:
        st.error(str(error))
    else:
        st.rerun()


def _height(rows: int) -> int:
    """Return the height in px of a table that shows all of its rows."""
    return HEAD_PX + ROW_PX * rows + BORDER_PX


def _form(lab: Lab, width: Literal["stretch", "content"] = "stretch") -> None:
    comparison = lab.comparison_job.comparison
    running = comparison is not None and not comparison.over
    count = (
        say.OTHER if comparison is None else say.methods_and_seeds(len(comparison.methods), comparison.seeds)
    )
    if running:  # Streamlit keeps a popover open that is disabled while open, so a button replaces it
        st.button(
            say.compare(count),
            disabled=True,
            width=width,
            key="compare-running",
            help=say.IS_RUNNING,
        )
        return
    with st.popover(
        say.compare(count),
        width=width,
        help=say.FORM_HELP,
        key=f"compare-form-{lab.comparison_job.number}",
    ):
        _fields(lab)


def _fields(lab: Lab) -> None:
    names = comparison_job.offered()
    chosen = st.pills(
        say.METHODS,
        names,
        selection_mode="multi",
        default=names,
        format_func=title_of,
        key="compare-methods",
    )
    for name, why in METHODS.broken.items():
        st.caption(common.plugin_not_loaded(repr(name), why))
    seeds = st.text_input(common.SEEDS, DEFAULT_SEEDS, key="compare-seeds", help=common.SEEDS_HELP)
    usual = comparison_job.usual(lab.experiment)
    references = st.slider(say.RETRAINED_EACH, 2, 10, usual, key=f"compare-references-{usual}")
    try:
        count = len(parse_seeds(seeds, 20))
        st.caption(comparison_job.cost_in_words(lab.experiment, len(chosen), count, references))
    except LabError:
        pass  # said at the start
    if st.button(common.START, type="primary", width="stretch", key="compare-start", disabled=not chosen):
        _start(lab, [n for n in names if n in chosen], seeds, references)


def _told(comparison: Comparison) -> None:
    """Show the progress with a button to cancel, or the outcome."""
    was_over = comparison.over

    def told() -> None:
        text, stop = st.columns([6, 1.2], gap="small", vertical_alignment="center")
        if comparison.over:
            text.html(f"<div class='hint'>{comparison_job.ended(comparison)}</div>")
            return
        text.html(f"<div class='hint'>{comparison_job.now(comparison)}</div>")
        text.progress(comparison.done / len(comparison.cells))
        stop.button(common.CANCEL, on_click=comparison.cancel, key="compare-cancel", help=say.CANCEL_HELP)

    poll(None if was_over else COMPARISON_S, told, lambda: comparison.over and not was_over)


def _table(lab: Lab, comparison: Comparison, group: str) -> None:
    def shown() -> None:
        summary = summarise(comparison)
        kind = _kind(comparison, lab)
        data = table_data(summary, comparison, _keys(summary, group), lab.comparison_job.chosen, kind)
        table("compare-table", data, height=_height(len(summary.lines)), on_pick=lab.comparison_job.pick)

    poll(None if comparison.over else COMPARISON_S, shown, lambda: False)


def _kind(comparison: Comparison, lab: Lab) -> str:
    """Return what the comparison's dataset holds; the Lab's, until the comparison has read its own."""
    split = comparison.split
    return nouns.kind_of(lab.experiment.dataset if split is None else split.dataset)


def _keys(summary: Summary, group: str) -> list[str]:
    keys = list(summary.columns)
    if group == say.ALL:
        return keys
    if group == say.ATTACKS:
        return [k for k in keys if k.startswith(("auc", "attack", "asr", "near_auc"))]
    if group == say.REPRESENTATIONS:
        return [k for k in keys if k.startswith(("cka", "probe", "relearn", "angle", "layer"))]
    return [k for k in GROUPS[group] if k in keys]


def _files(summary: Summary, comparison: Comparison, kind: str) -> None:
    about: dict[str, Any] = {
        "dataset": comparison.setup.dataset,
        "task": comparison.setup.task,
        "seeds": list(comparison.seeds),
    }
    with st.popover(common.EXPORT, width="stretch", help=say.EXPORT_HELP):
        for label, name, make in (
            (say.CSV, "comparison.csv", lambda: comparison_files.to_csv(summary)),
            (say.MARKDOWN, "comparison.md", lambda: comparison_files.to_markdown(summary)),
            (say.LATEX, "comparison.tex", lambda: comparison_files.to_latex(summary)),
            (
                "JSON",
                "comparison.json",
                lambda: json.dumps(comparison_files.to_json(summary, about), indent=1),
            ),
        ):
            st.download_button(
                label,
                nouns.in_kind(make(), kind),
                name,
                width="stretch",
                on_click="ignore",
                key=f"export-{name}",
            )


if __name__ == "__main__":
    page(resources.lab())
