"""Two methods of a comparison in detail: their maps, charts, and the images of a cell of their answers."""

from __future__ import annotations

import streamlit as st

from core.experiments.comparison import RETRAINED, Comparison
from core.experiments.comparison_summary import Summary
from dashboard.components.map_pair import pair
from dashboard.presentation.charts import evaluation
from dashboard.presentation.text.pages import compare as say
from dashboard.presentation.text.pages import nouns
from dashboard.presentation.wire.comparison import title_of
from dashboard.presentation.wire.scene import thumbnails
from dashboard.session.lab import Lab
from dashboard.session.polling import COMPARISON_S, poll

DETAIL_HEIGHT = 400
CELL_IMAGES = 120  # shown of one cell of the matrix
CHARTS = {
    say.WHERE_THEY_GO: evaluation.answers,
    say.CLASS_ACCURACY: evaluation.class_accuracy,
    say.LAYERS: evaluation.layers,
    say.INFORMATION: evaluation.layer_information,
    say.RELEARNING: evaluation.relearning,
}


def details(lab: Lab, comparison: Comparison, summary: Summary) -> None:
    """Let the user choose two methods, and show one view of them."""
    ready = [line.method for line in summary.lines if line.entries and line.method != RETRAINED]
    if not ready:
        return
    a, b = lab.comparison_job.two(ready)
    pick_a, pick_b, what = st.columns([1.4, 1.4, 7.2], gap="small", vertical_alignment="bottom")
    with pick_a:
        a = st.selectbox("A", ready, ready.index(a), format_func=title_of, key=f"compare-a-{a}-{len(ready)}")
    with pick_b:
        b = st.selectbox("B", ready, ready.index(b), format_func=title_of, key=f"compare-b-{b}-{len(ready)}")
    lab.comparison_job.chosen = [a, b]
    with what:
        detail = st.segmented_control(
            say.DETAIL,
            [say.MAPS, *CHARTS, say.CHANGES],
            default=say.MAPS,
            required=True,
            key="compare-detail",
        )
    if detail == say.MAPS:
        _maps(lab, comparison, a, b)
        return
    seed = comparison.seeds[0]
    if detail == say.CHANGES:
        _changes(lab, comparison, a, seed)
        return
    judged = {
        title_of(n): c.judgement for n in (a, b) if (c := comparison.cells[n, seed]).judgement is not None
    }
    retrained = list(comparison.retrained.get(seed, ()))
    draw = CHARTS[detail]
    dataset = comparison.split.dataset if comparison.split is not None else None
    classes, kind = () if dataset is None else dataset.classes, nouns.kind_of(dataset)
    figure = draw(judged, retrained, classes)
    st.plotly_chart(
        figure, key=f"compare-chart-{detail}", height=DETAIL_HEIGHT, config={"displayModeBar": False}
    )
    st.caption(say.of_seed(seed, say.captions(kind)[detail]))


def _changes(lab: Lab, comparison: Comparison, name: str, seed: int) -> None:
    """Show the matrix of answers before and now of one method, and the images of the cell that was clicked."""
    report, split = comparison.cells[name, seed].judgement, comparison.split
    if report is None or split is None:
        st.caption(say.no_result(title_of(name), seed))
        return
    classes, changes = split.dataset.classes, report.answer_changes["forget"]
    matrix, images = st.columns([1, 1], gap="small")
    with matrix:
        event = st.plotly_chart(
            evaluation.answer_changes(changes, classes),
            key=f"compare-changes-{name}",
            height=DETAIL_HEIGHT,
            on_select="rerun",
            selection_mode="points",
            config={"displayModeBar": False},
        )
    with images:
        points = event["selection"]["points"]
        if not points:
            st.caption(say.changes_of(title_of(name), seed, say.captions(split.dataset.kind)[say.CHANGES]))
            return
        before, now = points[0]["customdata"]
        rows = changes.rows_of(before, now)
        st.caption(say.cell(classes[before], classes[now], len(rows), split.dataset.kind))
        if lab.experiment.split is not None and lab.experiment.setup.dataset == comparison.setup.dataset:
            ids = split.train.ids[rows.to(split.train.ids.device)].tolist()
            if st.button(say.SELECT, key="compare-select"):
                lab.picked.do("replace", ids)
                st.switch_page("views/lab.py")
        st.html(
            thumbnails(
                split.train.unlabelled().take(rows[:CELL_IMAGES]),
                say.now_called(classes[before], classes[now]),
            )
        )


def _maps(lab: Lab, comparison: Comparison, a: str, b: str) -> None:
    maps = lab.comparison_job.maps(a, b)
    if isinstance(maps, bytes):
        dataset = None if comparison.split is None else comparison.split.dataset
        pair("compare-pair", maps, height=DETAIL_HEIGHT)
        st.caption(say.maps_note(comparison.seeds[0], nouns.kind_of(dataset)))
        return

    def tell() -> None:
        found = lab.comparison_job.maps(a, b)
        if isinstance(found, str):
            st.caption(found)

    poll(COMPARISON_S, tell, lambda: isinstance(lab.comparison_job.maps(a, b), bytes))
