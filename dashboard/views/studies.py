"""Studies: pick fields and ranges, or a ready study; size and time first; watch it fill in; open any run in the Lab."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.config import TASKS
from core.data.registry import DATASETS
from core.errors import LabError
from core.experiments.studies import (
    MEASURES,
    ResultsTable,
    Study,
    best,
    counts,
    flat,
    groups,
    is_running,
    joined,
    name_for,
    ready_names,
    ready_study,
    remove_study,
    share_study,
    study_claims,
)
from core.experiments.studies.parameters import family_of, preset_cached, settings_of
from core.experiments.studies.spec import Span
from core.methods import METHODS
from core.runs.setup import Setup
from dashboard.presentation.charts import studies as charts
from dashboard.presentation.charts import study_lines
from dashboard.presentation.export.study_files import as_csv, as_json
from dashboard.presentation.text.durations import spoken_time
from dashboard.presentation.wire.comparison import title_of as method_title
from dashboard.session import lab as state
from dashboard.session import resources
from dashboard.session.jobs import study as studying
from dashboard.session.lab import Lab

POLL_S = 2.0
CHART_HEIGHT = 500
NEW = "＋ a study of my own"
FIRST = "stability-digits"
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


def page(lab: Lab) -> None:
    token, setup = state.browser(), lab.experiment.setup
    names = studying.choices(token)
    asked, number = state.recall("study-go", ("", 0))  # what a button chose; a new number makes a new list
    first_of = {n: n if n in names else name_for(n, token) for n in (asked, FIRST)}
    pick, told, files = st.columns([4.2, 6.4, 1.4], gap="small", vertical_alignment="bottom")
    with pick:
        options = [NEW, *names]
        wanted = next((n for n in first_of.values() if n in options), options[-1])
        first = options.index(wanted)
        chosen = st.selectbox("Study", options, first, format_func=lambda n: names.get(n, n),
                              key=f"study-{asked}-{number}", help="Ready studies, and those that were begun here")  # fmt: skip
    if chosen == NEW:
        with told:
            st.html("<div class='hint'>Choose what is varied; everything else keeps its preset.</div>")
        study = _build(setup)
    else:
        try:
            study = studying.study_of(chosen, setup, token)
        except LabError as error:
            st.error(str(error))
            return
    if study is None:
        return
    table = ResultsTable(study.name)
    try:
        table.refresh()
    except LabError as error:
        st.error(str(error))
        return
    with told:
        _told(study, table)
    if study.question:
        st.markdown(f"**{study.question}**")
    if not table.rows:
        _explain(study)
        return
    with files:
        _files(study, table)
    _results(lab, study, table)


def _told(study: Study, table: ResultsTable) -> None:
    """Size, time, start, progress and cancel."""
    running = studying.driven(study.name)
    lively = (running is not None and not running.over) or _is_predicting(study)

    @st.fragment(run_every=POLL_S if lively else None)
    def told() -> None:
        text, move = st.columns([4.4, 1.9], gap="small", vertical_alignment="center")
        if running is not None and not running.over:
            with text:
                st.html(
                    f"<div class='hint'>{running.now or 'beginning'}: {running.finished:,} of {running.wanted:,}</div>"
                )
                st.progress(min(1.0, running.finished / max(1, running.wanted)))
            with move:
                if study_claims(study.name).may_change(state.browser()):
                    st.button("Cancel", on_click=studying.cancel, args=(study.name, state.browser()), key="study-cancel", width="stretch",
                              help="Stop; what is done stays, and it can go on later")  # fmt: skip
                else:
                    st.caption("It is run from another browser.")
        else:
            _prepare(study, table, text, move)
            if lively and not _is_predicting(study):
                st.rerun()

    told()


def _is_predicting(study: Study) -> bool:
    found = state.recall("study-prediction")
    return found is not None and found.study == study and found.waiting


def _prepare(study: Study, table: ResultsTable, text: Any, move: Any) -> None:
    """What is left, how long that will take, and the button that begins it."""
    found = counts(study, table.rows) if study.size <= 5000 else {"done": 0, "failed": 0, "left": study.size}
    last = studying.driven(study.name)
    prediction = state.recall("study-prediction")
    mine = prediction if prediction is not None and prediction.study == study else None
    size = f"<b>{study.size:,} runs</b>"
    if found["done"] or found["failed"]:
        failed = f", {found['failed']:,} failed" if found["failed"] else ""
        size += f" · {found['done']:,} done{failed}, {found['left']:,} left"
    with text:
        if last is not None and last.state == "failed":
            st.error(last.error or "The study failed.")
        elif not found["left"]:
            st.html(f"<div class='hint'>{size} · complete</div>")
        elif mine is None:
            st.html(f"<div class='hint'>{size} · measure how long that takes before you start</div>")
        elif mine.waiting:
            st.html(f"<div class='hint'>{size} · measuring a few steps on every core …</div>")
        elif mine.error is not None:
            st.error(mine.error)
        else:
            e = mine.estimate
            st.html(f"<div class='hint'>{size} · about <b>{spoken_time(e.wall_s)}</b> on {e.workers} cores, with {e.retrained:,} models to retrain</div>")  # fmt: skip
    with move:
        if not found["left"]:
            return
        if is_running(study.name):
            st.caption("It is being run from elsewhere.")
        elif mine is None or mine.error is not None:
            if st.button("Measure time", key="study-measure", width="stretch", help="A few steps of each kind of run, on all cores at once"):  # fmt: skip
                try:
                    studying.require_data(study, state.browser())
                except LabError as error:
                    st.error(str(error))
                    return
                state.remember("study-prediction", studying.Prediction(study).begin())
                st.rerun()
        else:
            label = "Resume" if found["done"] else "Start"
            if st.button(label, type="primary", key="study-start", width="stretch", disabled=mine.waiting):
                _start(study)


def _start(study: Study) -> None:
    token = state.browser()
    try:
        studying.start(study, token=token)
    except LabError as error:
        st.error(str(error))
        return
    _choose(studying.mine(study, token).name)
    st.rerun()


def _choose(name: str) -> None:
    state.remember("study-go", (name, state.recall("study-go", ("", 0))[1] + 1))


def _build(setup: Setup) -> Study | None:
    """The form of a study of one's own; None while it says nothing that can be run."""
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        a, b, c = st.columns(3)
        dataset = a.selectbox(
            "Dataset", list(DATASETS), key="own-dataset", format_func=lambda n: DATASETS[n].title
        )
        task = b.selectbox(
            "Task",
            [t for t in TASKS if t != "indices"],
            key="own-task",
            format_func=lambda t: TASKS[t].capitalize(),
        )
        method = c.selectbox(
            "Method", list(METHODS), list(METHODS).index("laf"), key="own-method", format_func=method_title
        )
        d, e, f = st.columns(3)
        seeds = d.text_input("Seeds", "0-2", key="own-seeds", help="Ranges and commas: 0-2 or 1,5")
        references = e.number_input(
            "Retrained models", 1, 20, 2, key="own-references", help="For each seed and request"
        )
        name = f.text_input(
            "Name",
            "my-study",
            key="own-name",
            help="Small letters, digits and dashes; it is kept under this name",
        )
    fixed = {"dataset": dataset, "task": task, "method": method}
    with right:
        try:
            preset = settings_of(preset_cached(method, family_of(dataset), task))
        except LabError as error:
            st.error(str(error))
            return None
        fields = [*preset, "net", "train.epochs", "train.lr", *(["classes"] if task == "class" else ["fraction"]), *(["share"] if method == "laf+r" else [])]  # fmt: skip
        usual = [n for n in ("lr_ue", "temperature") if n in fields] or list(fields)[:1]
        varied = st.multiselect("Fields to vary", fields, usual, key=f"own-fields-{method}-{task}", max_selections=4,
                                help="Two make a heat map; everything else keeps its preset")  # fmt: skip
        grid = {}
        for column, n in zip(st.columns(max(1, len(varied))), varied, strict=False):
            now = preset.get(n)
            grid[n] = column.text_input(f"{n}, values", _suggested(n, now), key=f"own-values-{n}-{method}-{task}-{dataset}",
                                        help=f"With commas between; x0.5 is half of the preset. The preset is {now}" if now is not None else "With commas between")  # fmt: skip
    try:
        study = studying.written(
            name=name, title=name, fixed=fixed, grid=grid, seeds=seeds, references=int(references)
        )
    except LabError as error:
        st.warning(str(error).removeprefix("this study: ").capitalize())
        return None
    with left.popover("As a file", help="The same for `laf study run`"):
        st.code(study.source, language="toml")
        st.download_button("Download", study.source, f"{study.name}.toml", on_click="ignore", key="own-file")
    return studying.in_folder(studying.mine(study, state.browser()), setup)


def _suggested(field: str, preset: Any) -> str:
    if field == "classes":
        return "0, 3, 7"
    if field == "share":
        return "0, 0.05, 0.25, 1"
    if field in ("net", "fraction"):
        return "digits-cnn, digits-cnn-wide" if field == "net" else "0.1, 0.4"
    if isinstance(preset, bool):
        return "true, false"
    words = {
        "schedule": "alternate, two-stage, joint",
        "losses": "both, ue, ra",
        "vae.output": "linear, sigmoid",
    }
    for end, text in words.items():
        if field.endswith(end):
            return text
    return "x0.5, x1, x2" if isinstance(preset, (int, float)) else str(preset or 10)


def _explain(study: Study) -> None:
    st.markdown(
        f"""
- **{study.size:,} runs**: {len(study.variants)} × {" × ".join(str(len(v)) for v in study.grid.values()) or "1"} settings × {len(study.seeds)} seeds, each held against models
  retrained from scratch. Original and retrained models are made once and shared.
- *Measure time* plays a few steps on every core and says how long all of it will take; nothing is kept before *Start*.
- Results are kept as they come. Close the page, cancel, or lose power: what is done is not done again.
- From a terminal: `laf study run {study.name}`. On a cluster: `--backend dask --scheduler tcp://…`.
"""
    )
    with st.expander("The study as a file"):
        st.code(study.source, language="toml")
    st.markdown("**Ready studies**")
    ready = [n for n in ready_names() if n != study.name]
    for first in range(0, len(ready), 3):
        for column, name in zip(st.columns(3, gap="small"), ready[first : first + 3], strict=False):
            one = ready_study(name)
            if column.button(
                one.title, key=f"ready-{name}", width="stretch", help=f"{one.question} {one.size:,} runs"
            ):
                _choose(name)
                st.rerun()


def _results(lab: Lab, study: Study, table: ResultsTable) -> None:
    running = studying.driven(study.name)
    lively = (running is not None and not running.over) or is_running(study.name)
    varied = list(study.varied)
    kind, measure, axes = _asked(study, varied)

    @st.fragment(run_every=POLL_S if lively else None)
    def drawn() -> None:
        table.refresh()
        rows = joined(study, table.rows)
        found = groups(rows)
        if not found:
            st.caption("The models that runs are held against come first; runs appear here as they are done.")
            return
        figure = _figure(study, found, kind, measure, axes)
        event = st.plotly_chart(figure, key=f"study-chart-{study.name}-{kind}-{measure}-{'-'.join(map(str, axes.items()))}", height=CHART_HEIGHT,
                                on_select="rerun", selection_mode="points", config={"displayModeBar": False})  # fmt: skip
        _below(study, rows, found, measure)
        points = [p for p in event.selection.points if p.get("customdata")]  # type: ignore[union-attr]
        _opened(lab, study, rows, _data(points[0]) if points else None)

    drawn()


def _data(point: Any) -> str:
    found = point["customdata"]
    return str(found[0] if isinstance(found, (list, tuple)) else found)


def _asked(study: Study, varied: list[str]) -> tuple[str, str, dict[str, Any]]:
    """Which picture of which figure, over which fields; a value for each of the others."""
    show = study.show
    rest: dict[str, Any] = {}
    kinds = list(charts.KINDS) if len(varied) > 1 else list(charts.KINDS[1:])
    start = "Lines" if show.get("lines") or len(varied) < 2 else "Heat map"
    a, b, c, d, *others = st.columns(
        [2.9, 2, 1.6, 1.6, *[1.4] * max(0, len(varied) - 2)], gap="small", vertical_alignment="bottom"
    )
    with a:
        kind = st.segmented_control(
            "Picture", kinds, default=start, required=True, key=f"study-kind-{study.name}"
        )
    if kind == charts.KINDS[2]:
        for column, f in zip((b, c), [f for f in ("dataset", "task") if f in study.grid], strict=False):
            rest[f] = column.selectbox(f.capitalize(), study.grid[f], key=f"study-front-{f}-{study.name}")
        return kind, "average_gap", {f"={k}": v for k, v in rest.items()}
    first = show.get("measure", "average_gap")
    measure = b.selectbox("Figure", FIGURES, FIGURES.index(first) if first in FIGURES else 0, format_func=charts.title_of,
                          key=f"study-measure-{study.name}")  # fmt: skip
    if not varied:
        return kind, measure, {"x": None, "y": None}
    x = c.selectbox(
        "Across",
        varied,
        varied.index(show["x"]) if show.get("x") in varied else 0,
        key=f"study-x-{study.name}",
    )
    left, y = [f for f in varied if f != x], None
    if left:
        want = show.get("y") or show.get("lines")
        y = d.selectbox("Up" if kind == "Heat map" else "A line for each", left, left.index(want) if want in left else 0,
                        key=f"study-y-{study.name}-{x}-{kind}")  # fmt: skip
    for column, f in zip(others, [f for f in left if f != y and f in study.grid], strict=False):
        values = list(study.grid[f])
        rest[f] = column.selectbox(
            f, values, len(values) // 2, format_func=charts.spoken, key=f"study-{f}-{study.name}"
        )
    return kind, measure, {"x": x, "y": y, **{f"={k}": v for k, v in rest.items()}}


def _figure(study: Study, found: list[Any], kind: str, measure: str, axes: dict[str, Any]) -> Any:
    at = {k[1:]: v for k, v in axes.items() if k.startswith("=")}
    chosen = [
        g for g in found if all(charts.spoken(g.point.get(k)) == charts.spoken(v) for k, v in at.items())
    ]
    if kind == charts.KINDS[2]:
        return study_lines.front(chosen, study.varied)
    x, y = axes["x"], axes["y"]
    sampled = study.sample.fields if study.sample else {}
    if kind == "Heat map" and (x in sampled or y in sampled):
        log = tuple(isinstance(s := sampled.get(f), Span) and s.log for f in (x, y))
        return charts.cloud(chosen, x, y, measure, (log[0], log[1]))
    if kind == "Heat map":
        return charts.heat(chosen, x, y, measure, _values(study, x), _values(study, y))
    return study_lines.lines(chosen, x or "variant", y, measure, _values(study, x) if x else [None])


def _values(study: Study, field: str) -> list[Any]:
    if field == "variant":
        return [label for label, _ in study.variants]
    if field in study.grid:
        return list(study.grid[field])
    return sorted({p[field] for _, p, _ in study.points()}, key=lambda v: (isinstance(v, str), v))


def _below(study: Study, rows: list[dict[str, Any]], found: list[Any], measure: str) -> None:
    seeds = ", ".join(map(str, study.reported))
    said = (
        f"Means ± standard deviation over seeds {seeds}. " if len(study.reported) > 1 else f"Seed {seeds}. "
    )
    less = MEASURES[measure][2]
    said += {True: "Less is nearer to retraining or cheaper. ", None: "Neither more nor less is better: it should be what retrained models have. ", False: ""}[less]  # fmt: skip
    failed = [r for r in rows if r["state"] == "failed"]
    if failed:
        said += f"{len(failed):,} failed, the first: {failed[0]['error']}. "
    chosen = best(study, rows)
    if chosen is not None:
        what = ", ".join(f"{k} {charts.spoken(v)}" for k, v in chosen.point.items())
        said += f"Chosen by average gap on seeds {', '.join(map(str, chosen.chosen_on))}, with labels and retrained models: {what}. "
    st.caption(said + "Click a point to open its run in the Lab.")


def _opened(lab: Lab, study: Study, rows: list[dict[str, Any]], point: str | None) -> None:
    """The runs behind a point, a button for each seed."""
    if point is None:
        return
    mine = [r for r in rows if repr(r["point"]) == point and r["role"] == "reported"]
    if not mine:
        return
    st.markdown("**" + ", ".join(f"{k} {charts.spoken(v)}" for k, v in mine[0]["point"].items()) + "**")
    found = studying.opened_in_lab(study, mine[0])
    if isinstance(found, str):
        st.caption(found)
        return
    for column, row in zip(st.columns(min(6, len(mine)) + 1), mine[:6], strict=False):
        with column:
            told = row["figures"].get("average_gap")
            help = row.get("error") or (f"average gap {100 * told:.1f} %" if told is not None else "")
            if st.button(
                f"Seed {row['seed']} in the Lab", key=f"study-open-{row['seed']}", width="stretch", help=help
            ):
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


def _files(study: Study, table: ResultsTable) -> None:
    with st.popover("Export", width="stretch", help="All rows as a file"):
        rows = joined(study, table.rows)
        st.download_button(
            "CSV",
            as_csv(flat(rows)),
            f"{study.name}.csv",
            width="stretch",
            on_click="ignore",
            key="study-csv",
        )
        st.download_button(
            "JSON",
            as_json(study, rows),
            f"{study.name}.json",
            width="stretch",
            on_click="ignore",
            key="study-json",
        )
        st.download_button(
            "The study, TOML",
            study.source,
            f"{study.name}.toml",
            width="stretch",
            on_click="ignore",
            key="study-toml",
        )
        _own(study)


def _own(study: Study) -> None:
    """What only the browser that began a study does with it: share and delete."""
    token = state.browser()
    claims = study_claims(study.name)
    if not claims.may_change(token):
        return
    try:
        was = claims.shared_by(token)
        help = "Every browser that reaches this Lab sees its results; others begin a copy"
        shared = st.toggle("Shared", was, key=f"study-share-{study.name}", help=help)
        if shared != was:
            share_study(study.name, shared, token)
            st.rerun()
        if st.button(
            "Delete", key="study-delete", width="stretch", help="Its text and all its rows go for good"
        ):
            remove_study(study.name, token)
            _choose("")
            st.rerun()
    except LabError as error:
        st.error(str(error))


if __name__ == "__main__":
    page(resources.lab())
