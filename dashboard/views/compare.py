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
from dashboard.presentation.charts import examples
from dashboard.presentation.export import comparison_files
from dashboard.presentation.wire.comparison import table_data, title_of
from dashboard.session import resources
from dashboard.session.jobs import comparison as comparison_job
from dashboard.session.lab import Lab
from dashboard.session.polling import COMPARISON_S, poll
from dashboard.views.compare_details import details

HEAD_PX, ROW_PX, BORDER_PX = 48, 31, 14  # of the table: heading, a row, and room for a scroll bar
GROUPS = {  # figures by topic
    "Accuracy": (
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
    "Answers": (
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
    "Attacks": (),  # all figures that begin with auc, attack or asr
    "Representations": (),  # cka, probes, angle
    "Harm to the rest": ("train_r", "test_r", "near_r", "near_auc", "klom_r", "klom_r_95"),
    "Cost": ("seconds", "steps", "peak_memory_mb"),
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
        _files(summary, comparison)
    group = st.segmented_control(
        "Figures",
        [*GROUPS, "All"],
        default="Accuracy",
        required=True,
        key="compare-group",
        label_visibility="collapsed",
    )
    _table(lab, comparison, group)
    st.caption(
        "**Green**: inside the 95 % band of retrained models for every seed. **▼**: doing nothing is closer to retraining. "
        "Click a method's name for details, or a heading to sort."
    )
    if summary.lines:
        details(lab, comparison, summary)


def _before_first(lab: Lab) -> None:
    """Say what the page will show, offer to start, and show an example."""
    e = lab.experiment
    what = e.split.request.describe(e.split.dataset.classes) if e.split is not None else "…"
    st.markdown(
        f"**Which method comes closest to retraining?** Every method forgets the Lab's request (**{what}**) over several seeds, "
        "and its figures stand beside models retrained from scratch. The closer to them, the better, in both directions."
    )
    methods, usual = comparison_job.offered(), comparison_job.usual(e)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="compare-begin"):
        if st.button("Compare all methods, 3 seeds", type="primary", key="compare-all"):
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
        table_data(summary, None, list(summary.columns), []),
        height=_height(len(summary.lines)),
        on_pick=lambda _: None,
    )
    st.caption(
        "**Green**: inside the band of retrained models for every seed. *Do nothing* is a row like any other. If a method "
        "fails, its row says why, and the others go on. The methods' settings were tuned on other seeds, with labels and "
        "retrained models; LAF uses the Lab's preset."
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
        "other methods or seeds"
        if comparison is None
        else f"{len(comparison.methods)} methods · {_spoken(comparison.seeds)}"
    )
    if running:  # Streamlit keeps a popover open that is disabled while open, so a button replaces it
        st.button(
            f"Compare **{count}**",
            disabled=True,
            width=width,
            key="compare-running",
            help="A comparison is running. Cancel it first",
        )
        return
    with st.popover(
        f"Compare **{count}**",
        width=width,
        help="Choose methods and seeds",
        key=f"compare-form-{lab.comparison_job.number}",
    ):
        _fields(lab)


def _fields(lab: Lab) -> None:
    names = comparison_job.offered()
    chosen = st.pills(
        "Methods",
        names,
        selection_mode="multi",
        default=names,
        format_func=title_of,
        key="compare-methods",
    )
    for name, why in METHODS.broken.items():
        st.caption(f"The plug-in {name!r} could not be loaded: {why}")
    seeds = st.text_input(
        "Seeds", DEFAULT_SEEDS, key="compare-seeds", help="Ranges and commas, such as 0-2 or 1,5"
    )
    usual = comparison_job.usual(lab.experiment)
    references = st.slider("Retrained models for each seed", 2, 10, usual, key=f"compare-references-{usual}")
    try:
        count = len(parse_seeds(seeds, 20))
        st.caption(comparison_job.cost_in_words(lab.experiment, len(chosen), count, references))
    except LabError:
        pass  # said at the start
    if st.button("Start", type="primary", width="stretch", key="compare-start", disabled=not chosen):
        _start(lab, [n for n in names if n in chosen], seeds, references)


def _spoken(seeds: tuple[int, ...]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"seeds {seeds[0]}–{seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


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
        stop.button(
            "Cancel", on_click=comparison.cancel, key="compare-cancel", help="Stop. Finished rows stay"
        )

    poll(None if was_over else COMPARISON_S, told, lambda: comparison.over and not was_over)


def _table(lab: Lab, comparison: Comparison, group: str) -> None:
    def shown() -> None:
        summary = summarise(comparison)
        data = table_data(summary, comparison, _keys(summary, group), lab.comparison_job.chosen)
        table("compare-table", data, height=_height(len(summary.lines)), on_pick=lab.comparison_job.pick)

    poll(None if comparison.over else COMPARISON_S, shown, lambda: False)


def _keys(summary: Summary, group: str) -> list[str]:
    keys = list(summary.columns)
    if group == "All":
        return keys
    if group == "Attacks":
        return [k for k in keys if k.startswith(("auc", "attack", "asr", "near_auc"))]
    if group == "Representations":
        return [k for k in keys if k.startswith(("cka", "probe", "relearn", "angle", "layer"))]
    return [k for k in GROUPS[group] if k in keys]


def _files(summary: Summary, comparison: Comparison) -> None:
    about: dict[str, Any] = {
        "dataset": comparison.setup.dataset,
        "task": comparison.setup.task,
        "seeds": list(comparison.seeds),
    }
    with st.popover("Export", width="stretch", help="Download the table as a file"):
        for label, name, make in (
            ("CSV, all seeds", "comparison.csv", lambda: comparison_files.to_csv(summary)),
            ("Markdown", "comparison.md", lambda: comparison_files.to_markdown(summary)),
            ("LaTeX", "comparison.tex", lambda: comparison_files.to_latex(summary)),
            (
                "JSON",
                "comparison.json",
                lambda: json.dumps(comparison_files.to_json(summary, about), indent=1),
            ),
        ):
            st.download_button(label, make(), name, width="stretch", on_click="ignore", key=f"export-{name}")


if __name__ == "__main__":
    page(resources.lab())
