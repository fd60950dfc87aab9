"""The form on the page Studies with which a user puts together a study."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.config import TASKS
from core.data.registry import DATASETS
from core.errors import LabError
from core.experiments.studies import Study
from core.experiments.studies.parameters import family_of, preset_cached, settings_of, train_preset
from core.methods import METHODS
from core.runs.setup import Setup
from dashboard.presentation.text.pages import common
from dashboard.presentation.text.pages import studies as say
from dashboard.presentation.wire.comparison import title_of as method_title
from dashboard.session import tab_state
from dashboard.session.jobs import study as studying

MOST_FIELDS = 4  # that one study may vary


def build(setup: Setup) -> Study | None:
    """Draw the form; return the study, or None while the form does not describe one."""
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        fixed = _request()
        seeds, references, name = _size()
    with right:
        try:
            preset = settings_of(preset_cached(fixed["method"], family_of(fixed["dataset"]), fixed["task"]))
        except LabError as error:
            st.error(str(error))
            return None
        grid = _grid(preset, fixed)
    try:
        study = studying.written(
            name=name, title=name, fixed=fixed, grid=grid, seeds=seeds, references=references
        )
    except LabError as error:
        st.warning(str(error).removeprefix("this study: ").capitalize())
        return None
    with left.popover(say.FORM_FILE, help=say.FORM_FILE_HELP):
        st.code(study.source, language="toml")
        st.download_button(
            common.DOWNLOAD, study.source, f"{study.name}.toml", on_click="ignore", key="own-file"
        )
    return studying.in_folder(studying.mine(study, tab_state.browser()), setup)


def _request() -> dict[str, str]:
    """Let the user choose dataset, task and method."""
    a, b, c = st.columns(3)
    dataset = a.selectbox(
        common.DATASET, list(DATASETS), key="own-dataset", format_func=lambda n: DATASETS[n].title
    )
    tasks = [t for t in TASKS if t != "indices"]
    task = b.selectbox(common.TASK, tasks, key="own-task", format_func=lambda t: TASKS[t].capitalize())
    first = list(METHODS).index("laf")
    method = c.selectbox(common.METHOD, list(METHODS), first, key="own-method", format_func=method_title)
    return {"dataset": dataset, "task": task, "method": method}


def _size() -> tuple[str, int, str]:
    """Let the user choose seeds, the number of retrained models, and the study's name."""
    a, b, c = st.columns(3)
    seeds = a.text_input(common.SEEDS, "0-2", key="own-seeds", help=common.SEEDS_HELP)
    references = b.number_input(
        common.RETRAINED_MODELS, 1, 20, 2, key="own-references", help=say.RETRAINED_HELP
    )
    help = say.NAME_HELP
    name = c.text_input(common.NAME, "my-study", key="own-name", help=help)
    return seeds, int(references), name


def _grid(preset: dict[str, Any], fixed: dict[str, str]) -> dict[str, str]:
    """Let the user choose the fields to vary and their values, as text."""
    task, method, dataset = fixed["task"], fixed["method"], fixed["dataset"]
    fields = [*preset, "net", "train.epochs", "train.lr", "classes" if task == "class" else "fraction"]
    if method == "laf+r":
        fields.append("share")
    usual = [n for n in ("lr_ue", "temperature") if n in fields] or fields[:1]
    varied = st.multiselect(
        say.FIELDS,
        fields,
        usual,
        key=f"own-fields-{method}-{task}",
        max_selections=MOST_FIELDS,
        help=say.FIELDS_HELP,
    )
    grid = {}
    for column, name in zip(st.columns(max(1, len(varied))), varied, strict=False):
        now = preset.get(name)
        help = say.VALUES_HELP
        if now is not None:
            help += say.preset_is(now)
        grid[name] = column.text_input(
            say.values_of(name),
            _suggested(name, now, dataset),
            key=f"own-values-{name}-{method}-{task}-{dataset}",
            help=help,
        )
    return grid


def _suggested(field: str, preset: Any, dataset: str) -> str:
    """Return values to begin with, separated by commas."""
    net = train_preset(family_of(dataset), "class").net
    fixed: dict[str, tuple[object, ...]] = {
        "classes": (0, 3, 7) if DATASETS[dataset].classes > 7 else (0, 1),
        "share": (0, 0.05, 0.25, 1),
        "net": ("digits-cnn", "digits-cnn-wide") if net == "digits-cnn" else (net,),
        "fraction": (0.1, 0.4),
    }
    choices: dict[str, tuple[object, ...]] = {
        "schedule": ("alternate", "two-stage", "joint"),
        "losses": ("both", "ue", "ra"),
        "output": ("linear", "sigmoid"),
    }
    usual: tuple[object, ...] = ("x0.5", "x1", "x2") if isinstance(preset, (int, float)) else (preset or 10,)
    values = (
        ("true", "false")
        if isinstance(preset, bool)
        else fixed.get(field) or choices.get(field.split(".")[-1], usual)
    )
    return ", ".join(map(str, values))
