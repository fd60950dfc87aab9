"""The results of a study on the page Studies: a chart, and the runs behind a point of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from core.experiments.studies import MEASURES, ResultsTable, Study, best, groups, is_running, joined
from core.experiments.studies.spec import Span
from dashboard.presentation.charts import studies as charts
from dashboard.presentation.charts import study_lines
from dashboard.presentation.text.pages import studies as say
from dashboard.session.jobs import study as studying
from dashboard.session.lab import Lab
from dashboard.session.polling import STUDY_S, poll

CHART_HEIGHT = 500  # px
MOST_SEEDS = 6  # buttons in a row
HEAT_MAP, _, FRONT = charts.KINDS
FIGURES = (
    "average_gap",
    "train_f",
    "train_r",
    "test",
    "test_r",
    "test_f",
    "js",
    "commonest_share",
    "clean_f",
    "auc",
    "seconds",
)


@dataclass(frozen=True)
class Choice:
    """The user's choice of a chart: its kind, its figure, the fields on its axes, and the values of all other fields."""

    kind: str
    measure: str
    x: str | None = None
    y: str | None = None
    fixed: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A text that differs for every choice."""
        parts = (self.kind, self.measure, self.x, self.y, *self.fixed.items())
        return "-".join(map(str, parts))


def show(lab: Lab, study: Study, table: ResultsTable) -> None:
    """Draw the results, again and again while the study runs."""
    run = studying.driven(study.name)
    is_lively = (run is not None and not run.over) or is_running(study.name)
    choice = _choose(study, list(study.varied))

    def drawn() -> None:
        table.refresh()
        rows = joined(study, table.rows)
        found = groups(rows)
        if not found:
            st.caption(say.MODELS_FIRST)
            return
        event = st.plotly_chart(
            _figure(study, found, choice),
            key=f"study-chart-{study.name}-{choice.key}",
            height=CHART_HEIGHT,
            on_select="rerun",
            selection_mode="points",
            config={"displayModeBar": False},
        )
        _below(study, rows, choice.measure)
        points = [p for p in event.selection.points if p.get("customdata")]  # type: ignore[union-attr]
        _runs(lab, study, rows, _data(points[0]) if points else None)

    poll(STUDY_S if is_lively else None, drawn, lambda: False)


def _data(point: Any) -> str:
    found = point["customdata"]
    return str(found[0] if isinstance(found, (list, tuple)) else found)


def _choose(study: Study, varied: list[str]) -> Choice:
    """Let the user choose a chart."""
    first_kind = say.LINES if study.show.get("lines") or len(varied) < 2 else HEAT_MAP
    kinds = list(charts.KINDS) if len(varied) > 1 else list(charts.KINDS[1:])
    widths = [2.9, 2, 1.6, 1.6, *[1.4] * max(0, len(varied) - 2)]
    first, *columns = st.columns(widths, gap="small")
    with first:
        kind = st.segmented_control(
            say.PICTURE, kinds, default=first_kind, required=True, key=f"study-kind-{study.name}"
        )
    if kind == FRONT:
        fields = [f for f in ("dataset", "task") if f in study.grid]
        fixed = {
            f: column.selectbox(f.capitalize(), study.grid[f], key=f"study-front-{f}-{study.name}")
            for column, f in zip(columns, fields, strict=False)
        }
        return Choice(kind, "average_gap", fixed=fixed)
    usual = study.show.get("measure", "average_gap")
    measure = columns[0].selectbox(
        say.FIGURE,
        FIGURES,
        FIGURES.index(usual) if usual in FIGURES else 0,
        format_func=charts.title_of,
        key=f"study-measure-{study.name}",
    )
    return _choose_axes(study, varied, kind, measure, columns[1:])


def _choose_axes(study: Study, varied: list[str], kind: str, measure: str, columns: list[Any]) -> Choice:
    """Let the user choose the fields on the axes, and a value for each other field."""
    if not varied:
        return Choice(kind, measure)
    across, up, *others = columns
    x = across.selectbox(
        say.ACROSS,
        varied,
        varied.index(study.show["x"]) if study.show.get("x") in varied else 0,
        key=f"study-x-{study.name}",
    )
    left, y = [f for f in varied if f != x], None
    if left:
        usual = study.show.get("y") or study.show.get("lines")
        y = up.selectbox(
            say.UP if kind == HEAT_MAP else say.A_LINE_EACH,
            left,
            left.index(usual) if usual in left else 0,
            key=f"study-y-{study.name}-{x}-{kind}",
        )
    fixed = {}
    for column, f in zip(others, [f for f in left if f != y and f in study.grid], strict=False):
        values = list(study.grid[f])
        fixed[f] = column.selectbox(
            f, values, len(values) // 2, format_func=charts.value_text, key=f"study-{f}-{study.name}"
        )
    return Choice(kind, measure, x, y, fixed)


def _figure(study: Study, found: list[Any], choice: Choice) -> Any:
    shown = [
        g
        for g in found
        if all(charts.value_text(g.point.get(k)) == charts.value_text(v) for k, v in choice.fixed.items())
    ]
    if choice.kind == FRONT:
        return study_lines.front(shown, study.varied)
    x, y, measure = choice.x, choice.y, choice.measure
    sampled = study.sample.fields if study.sample else {}
    if choice.kind == HEAT_MAP and (x in sampled or y in sampled):
        log = tuple(isinstance(s := sampled.get(f), Span) and s.log for f in (x, y))
        return charts.cloud(shown, x, y, measure, (log[0], log[1]))
    if choice.kind == HEAT_MAP:
        return charts.heat(shown, x, y, measure, _values(study, x), _values(study, y))
    return study_lines.lines(shown, x or "variant", y, measure, _values(study, x) if x else [None])


def _values(study: Study, name: str | None) -> list[Any]:
    if name == "variant":
        return [label for label, _ in study.variants]
    if name in study.grid:
        return list(study.grid[name])
    return sorted({p[name] for _, p, _ in study.points()}, key=lambda v: (isinstance(v, str), v))


def _below(study: Study, rows: list[dict[str, Any]], measure: str) -> None:
    """Explain the chart: its seeds, the better direction, failed runs, and the best setting."""
    seeds = ", ".join(map(str, study.reported))
    parts = [say.means(seeds)] if len(study.reported) > 1 else [say.of_seed(seeds)]
    less_is_better = MEASURES[measure][2]
    if less_is_better:
        parts.append(say.LOWER_IS_BETTER)
    elif less_is_better is None:
        parts.append(say.NEITHER_IS_BETTER)
    failed = [r for r in rows if r["state"] == "failed"]
    if failed:
        parts.append(say.some_failed(len(failed), failed[0]["error"]))
    chosen = best(study, rows, measure)
    if chosen is not None:
        what = ", ".join(f"{k} {charts.value_text(v)}" for k, v in chosen.point.items())
        on = ", ".join(map(str, chosen.chosen_on))
        parts.append(say.best(MEASURES[measure][0], on, what))
    st.caption(" ".join([*parts, say.CLICK]))


def _runs(lab: Lab, study: Study, rows: list[dict[str, Any]], point: str | None) -> None:
    """Show the runs behind a point, a button for each seed."""
    found = [r for r in rows if repr(r["point"]) == point and r["role"] == "reported"]
    if point is None or not found:
        return
    st.markdown("**" + ", ".join(f"{k} {charts.value_text(v)}" for k, v in found[0]["point"].items()) + "**")
    setup = studying.opened_in_lab(study, found[0])
    if isinstance(setup, str):
        st.caption(setup)
        return
    for column, row in zip(st.columns(min(MOST_SEEDS, len(found)) + 1), found[:MOST_SEEDS], strict=False):
        gap = row["figures"].get("average_gap")
        help = row.get("error") or (say.gap(100 * gap) if gap is not None else "")
        label, key = say.open_seed(row["seed"]), f"study-open-{row['seed']}"
        if column.button(label, key=key, width="stretch", help=help):
            _open(lab, study, row)


def _open(lab: Lab, study: Study, row: dict[str, Any]) -> None:
    found = studying.opened_in_lab(study, row)
    assert not isinstance(found, str)
    setup, settings = found
    problem = lab.change(setup, settings=settings or None)
    if problem is not None:
        st.error(problem)
        return
    st.switch_page("views/lab.py")
