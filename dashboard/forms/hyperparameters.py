"""The popover "Knobs": LAF's hyperparameters, when a change takes effect, and the preset's values."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.config import LAFConfig
from core.errors import LabError
from core.runs.run import Phase
from dashboard.forms.lazy_popover import lazy_popover
from dashboard.presentation.text.hyperparameters import (
    NEXT_RUN,
    NEXT_STEP,
    Hyperparameter,
    describe_changes,
    differences,
    hyperparameters_of,
    laf_config,
    value_text,
    with_values,
)
from dashboard.presentation.text.pages import common, nouns
from dashboard.presentation.text.pages.lab import knobs as say
from dashboard.session import tab_state
from dashboard.session.lab import Lab

COLUMNS = 4


def popover(lab: Lab) -> None:
    """Show the popover, disabled for methods without hyperparameters; it edits the fork while there is one."""
    e = lab.experiment
    run = e.run
    if run is None or laf_config(run.config) is None:
        st.popover(say.KNOBS, disabled=True, help=_why_none(lab), key=f"knobs-none-{lab.token}")
        return
    preset, now = e.preset(), e.driven.config
    changed = bool(differences(preset, now))
    label = say.KNOBS_CHANGED if changed else say.KNOBS
    what = say.changed(describe_changes(preset, now)) if changed else say.unchanged(_of(lab))
    # a new key closes the popover for another run and after a change was applied
    key = f"knobs-{lab.token}-{e.life}-{e.forks}-{tab_state.recall('knobs', 0)}"
    box, wanted = lazy_popover(label, help=what, key=key)
    if wanted:
        with box, st.container(key="knobs"):
            _form(lab, preset, now)


def _of(lab: Lab) -> str:
    """Return whose the usual values are, in words."""
    return {"automatic": say.THAT_WERE_FOUND, "paper": say.OF_THE_PAPER}.get(
        lab.experiment.setup.settings, say.OF_THE_PRESET
    )


def _why_none(lab: Lab) -> str:
    if lab.experiment.run is None:
        return common.ORIGINAL_IS_PREPARED
    return say.NOT_LAF


def _form(lab: Lab, preset: Any, now: Any) -> None:
    e = lab.experiment
    base, current = laf_config(preset), laf_config(now)
    assert base is not None
    assert current is not None
    run = e.driven
    running, over = e.phase is Phase.RUNNING, run.phase.over
    usual = _usual(lab)
    with st.form(f"knobs-form-{lab.token}-{e.life}-{e.forks}-{tab_state.recall('knobs', 0)}", border=False):
        top = st.container()  # the buttons stay in sight above a long list
        values: dict[str, Any] = {}
        for when in (NEXT_STEP, NEXT_RUN):
            st.markdown(
                f"**{say.of_the_fork(when) if e.fork_run is not None and when == NEXT_STEP else when}**"
            )
            group = [k for k in hyperparameters_of(current) if k.when == when]
            for row in range(0, len(group), COLUMNS):  # separate columns for each row align its widgets
                columns = st.columns(COLUMNS, gap="small")
                for column, parameter in zip(columns, group[row : row + COLUMNS], strict=False):
                    with column:
                        values[parameter.key] = _widget(parameter, base, current, lab.token, usual)
                        st.caption(nouns.in_kind(parameter.help, nouns.kind_of(e.dataset)))
        apply, begin, reset = top.columns(3)
        why = common.PAUSE_FIRST if running else say.HAS_FINISHED if over else None
        with apply:
            apply_now = st.form_submit_button(
                say.APPLY,
                type="primary",
                width="stretch",
                disabled=why is not None,
                help=why or say.APPLY_HELP,
            )
        with begin:
            restart = st.form_submit_button(say.RESET_WITH, width="stretch", help=say.RESET_WITH_HELP)
        with reset:
            preset_again = st.form_submit_button(
                say.RESET_TO_FOUND if usual == say.FOUND else say.RESET_TO_PRESET,
                width="stretch",
                help=say.reset_help(_of(lab)),
            )
    if apply_now:
        _do(lambda: e.change(with_values(now, values)))
    elif restart:
        _do(lambda: e.begin_with(with_values(now, values)))
    elif preset_again:
        _do(lambda: e.begin_with(None))
    problem = tab_state.recall_and_forget("knobs-problem")
    if problem:
        top.error(problem)


def _usual(lab: Lab) -> str:
    """Return a word for the usual values; where they were found on these images, show why."""
    found = lab.experiment.automatic
    if found is None:
        return say.PRESET
    kind = nouns.kind_of(lab.experiment.dataset)
    st.caption(nouns.in_kind(common.settings_were_found(found.settings.reason), kind))
    return say.FOUND


def _do(action: Any) -> None:
    """Run ``action``; on failure show its message and keep the user's input."""
    try:
        action()
    except LabError as error:
        tab_state.remember("knobs-problem", str(error))
        return
    tab_state.remember("knobs", tab_state.recall("knobs", 0) + 1)
    st.rerun()


def _widget(parameter: Hyperparameter, preset: LAFConfig, now: LAFConfig, token: str, usual: str) -> Any:
    """Show one hyperparameter at its value, with the ``usual`` one of the preset or the search beside it; return the user's value."""
    preset_value, current = parameter.of(preset), parameter.of(now)
    label = (
        f"{parameter.label} · {usual} {value_text(parameter, preset_value)}"
        if current == preset_value
        else f"{parameter.label} · **{usual} {value_text(parameter, preset_value)}**"
    )
    key = f"knob-{parameter.key}-{token}-{current}-{tab_state.recall('knobs', 0)}"
    if parameter.choices is not None:
        options = list(parameter.choices)
        value: Any = st.selectbox(
            label,
            options,
            options.index(current),
            format_func=lambda v: parameter.choices[v],  # type: ignore[index]
            key=key,
        )
    elif parameter.whole:
        value = st.number_input(label, value=int(current), step=1, format="%d", key=key)
    else:
        value = st.number_input(
            label, value=float(current), step=_step(float(preset_value)), format="%.6g", key=key
        )
    return value


def _step(value: float) -> float:
    """Return a tenth of the preset's value, so that one click is a small change."""
    return value / 10 if value > 0 else 0.1
