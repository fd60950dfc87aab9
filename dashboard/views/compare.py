"""The page Compare: a table of methods over several seeds, and two of them in detail."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from core.errors import LabError
from core.experiments.comparison import RETRAINED, Comparison, parse_seeds
from core.experiments.comparison_summary import Summary, summarise
from core.methods import METHODS
from dashboard.components.comparison_table import table
from dashboard.components.map_pair import pair
from dashboard.presentation.charts import evaluation
from dashboard.presentation.export import comparison_files
from dashboard.presentation.wire.comparison import table_data, title_of
from dashboard.session import resources
from dashboard.session.jobs import comparison as comparison_job
from dashboard.session.lab import Lab
from dashboard.session.polling import COMPARISON_S, poll

TABLE_HEIGHT = 352  # px
DETAIL_HEIGHT = 400
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
    "Answers": ("js", "spread", "commonest_share", "train_f", "test_f"),
    "Attacks": (),  # all figures that begin with auc or asr
    "Representations": (),  # cka, probes, angle
    "Cost": ("seconds", "steps", "peak_memory_mb"),
}
MAPS = "Maps A | B"
CHARTS = {
    "Where forgotten images go": evaluation.answers,
    "Class accuracy": evaluation.class_accuracy,
    "Layers": evaluation.layers,
    "Relearning": evaluation.relearning,
}


def page(lab: Lab) -> None:
    comparison: Comparison | None = lab.comparison_job.comparison
    form, told, files = st.columns([3.4, 7, 1.6], gap="small", vertical_alignment="center")
    with form:
        _form(lab)
    if comparison is None:
        with told:
            st.caption(
                "The page compares methods on the Lab's request with models retrained from scratch. Nothing has been compared yet."
            )
        _explain(lab)
        return
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
        _details(lab, comparison, summary)


def _explain(lab: Lab) -> None:
    e = lab.experiment
    what = e.split.request.describe(e.split.dataset.classes) if e.split is not None else "…"
    st.markdown(
        f"""
#### What will be compared
The request is the Lab's: **forget {what}**. Each seed gets its own images, original model and {comparison_job.usual(lab.experiment)} retrained models.
Every method then starts from the same original, and the same figures are computed. Only SISA and unrolled SGD train an original of their own.

- No figure is a score to maximise. **The closer to retrained models, the better, in both directions.**
- *Do nothing* is a row like any other. Where it is closer to retraining than a method, the method's figure has a ▼.
- If a method fails, its row says why. The other methods go on.
- The methods' settings were tuned on other seeds, with labels and retrained models, all with the same budget. LAF uses the Lab's preset.
"""
    )


def _form(lab: Lab) -> None:
    comparison = lab.comparison_job.comparison
    running = comparison is not None and not comparison.over
    count = (
        "all methods"
        if comparison is None
        else f"{len(comparison.methods)} methods · seeds {_spoken(comparison.seeds)}"
    )
    if running:  # Streamlit keeps a popover open that is disabled while open, so a button replaces it
        st.button(
            f"Compare **{count}**",
            disabled=True,
            width="stretch",
            key="compare-running",
            help="A comparison is running. Cancel it first",
        )
        return
    with st.popover(
        f"Compare **{count}**",
        width="stretch",
        help="Choose methods and seeds",
        key=f"compare-form-{lab.comparison_job.number}",
    ):
        _fields(lab)


def _fields(lab: Lab) -> None:
    names = list(METHODS)
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
    seeds = st.text_input("Seeds", "0-2", key="compare-seeds", help="Ranges and commas, such as 0-2 or 1,5")
    usual = comparison_job.usual(lab.experiment)
    references = st.slider("Retrained models for each seed", 2, 10, usual, key=f"compare-references-{usual}")
    if st.button("Start", type="primary", width="stretch", key="compare-start", disabled=not chosen):
        methods = [n for n in names if n in chosen]
        try:
            lab.comparison_job.start(lab.experiment.setup, methods, parse_seeds(seeds, 20), references)
            st.rerun()
        except LabError as error:
            st.error(str(error))


def _spoken(seeds: tuple[int, ...]) -> str:
    return (
        f"{seeds[0]}–{seeds[-1]}"
        if len(seeds) > 1 and seeds[-1] - seeds[0] == len(seeds) - 1
        else ", ".join(map(str, seeds))
    )


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
        table("compare-table", data, height=TABLE_HEIGHT, on_pick=lab.comparison_job.pick)

    poll(None if comparison.over else COMPARISON_S, shown, lambda: False)


def _keys(summary: Summary, group: str) -> list[str]:
    keys = list(summary.columns)
    if group == "All":
        return keys
    if group == "Attacks":
        return [k for k in keys if k.startswith(("auc", "asr"))]
    if group == "Representations":
        return [k for k in keys if k.startswith(("cka", "probe", "relearn", "angle"))]
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


def _details(lab: Lab, comparison: Comparison, summary: Summary) -> None:
    ready = [line.method for line in summary.lines if line.entries and line.method != RETRAINED]
    if not ready:
        return
    a, b = lab.comparison_job.two(ready)
    pick_a, pick_b, what = st.columns([2, 2, 6], gap="small", vertical_alignment="bottom")
    with pick_a:
        a = st.selectbox("A", ready, ready.index(a), format_func=title_of, key=f"compare-a-{a}-{len(ready)}")
    with pick_b:
        b = st.selectbox("B", ready, ready.index(b), format_func=title_of, key=f"compare-b-{b}-{len(ready)}")
    lab.comparison_job.chosen = [a, b]
    with what:
        detail = st.segmented_control(
            "Detail", [MAPS, *CHARTS], default=MAPS, required=True, key="compare-detail"
        )
    if detail == MAPS:
        _maps(lab, comparison, a, b)
        return
    seed = comparison.seeds[0]
    judged = {
        title_of(n): c.judgement for n in (a, b) if (c := comparison.cells[n, seed]).judgement is not None
    }
    retrained = list(comparison.retrained.get(seed, ()))
    draw = CHARTS[detail]
    classes = comparison.split.dataset.classes if comparison.split is not None else ()
    figure = draw(judged, retrained, classes)
    st.plotly_chart(
        figure, key=f"compare-chart-{detail}", height=DETAIL_HEIGHT, config={"displayModeBar": False}
    )
    st.caption(f"Seed {seed}. {evaluation.CAPTIONS[detail]}")


def _maps(lab: Lab, comparison: Comparison, a: str, b: str) -> None:
    maps = lab.comparison_job.maps(a, b)
    if isinstance(maps, bytes):
        pair("compare-pair", maps, height=DETAIL_HEIGHT)
        st.caption(
            f"Seed {comparison.seeds[0]}. Both models are shown on the original model's map, placed by angle. "
            "Point at an image to see it on both."
        )
        return

    def tell() -> None:
        found = lab.comparison_job.maps(a, b)
        if isinstance(found, str):
            st.caption(found)

    poll(COMPARISON_S, tell, lambda: isinstance(lab.comparison_job.maps(a, b), bytes))


if __name__ == "__main__":
    page(resources.lab())
