"""The buttons that play, pause, step and reset the Lab's run."""

from __future__ import annotations

import streamlit as st

from core.errors import LabError
from core.methods.base import lengthened
from core.runs.run import Phase
from dashboard.forms import method as methods_form
from dashboard.presentation.text.pages import common
from dashboard.presentation.text.pages.lab import transport as say
from dashboard.session import classroom_options
from dashboard.session.lab import Lab

WAIT = common.ORIGINAL_IS_PREPARED
LINE_S = 1.0
FURTHER = 20  # steps that a finished run may go on at once


def transport(lab: Lab) -> None:
    """Show Reset, Play or Pause, Step, Step ×10 and Slow; an illegal one is disabled and says why."""
    phase = lab.phase
    stopped = _why_not(phase)
    waiting = WAIT if phase is None else None
    untouched = say.NOT_BEGUN if phase is Phase.READY else None
    playing = common.PAUSE_FIRST if phase is Phase.RUNNING else None
    with st.container(horizontal=True, gap="small", key="transport"):
        _button(say.RESET, lab, "reset", waiting or untouched, say.RESET_HELP, "Home")
        if playing:
            _button(say.PAUSE, lab, "pause", None, say.PAUSE_HELP, "Space", primary=True)
        else:
            _button(say.PLAY, lab, "play", stopped, say.PLAY_HELP, "Space", primary=True)
        _button(say.STEP, lab, "step", stopped or playing, f"{_one_step(lab)} (→)", "Right")
        if phase is Phase.DONE and _can_go_on(lab):
            what = say.play_on_help(FURTHER)
            _button(say.play_on(FURTHER), lab, "on", None, what, None)
        else:
            _button(say.TEN, lab, "ten", stopped or playing, say.TEN_HELP, "Shift+Right")
        slow = st.toggle(
            say.SLOW,
            value=lab.experiment.slow,
            key=f"slow-{lab.token}",
            help=say.SLOW_HELP,
        )
        if slow != lab.experiment.slow:
            lab.experiment.set_slow(slow)
        if lab.place is not None:
            _line(lab)


@st.fragment(run_every=LINE_S)
def _line(lab: Lab) -> None:
    """Show the tab's position in the classroom's queue, once a second."""
    place = lab.place
    text = say.YOUR_TURN if place is None else classroom_options.in_line(place)
    st.html(f"<p class='in-line' role='status' title='{say.WHY_LINE}'>{text}</p>")


def _can_go_on(lab: Lab) -> bool:
    """Return whether the method can take more steps of the same settings after its last one."""
    run = lab.experiment.driven
    try:
        lengthened(run.unlearner, run.config, run.total_steps + FURTHER)
    except LabError:
        return False
    return True


def _one_step(lab: Lab) -> str:
    """Return what one step of the method does."""
    name = lab.experiment.setup.method
    pair = say.ONE_PAIR
    own = {
        "laf": pair,
        "laf+r": say.WITH_REPAIR,
        "nothing": say.DOES_NOTHING,
    }
    return own.get(name, say.one_step_of(methods_form.method_class(name).title))


def _why_not(phase: Phase | None) -> str | None:
    if phase is None:
        return WAIT
    if phase is Phase.FAILED:
        return say.FAILED
    return say.OVER if phase.over else None


def _button(
    label: str, lab: Lab, move: str, why_not: str | None, help: str, key: str | None, *, primary: bool = False
) -> None:
    st.button(
        label,
        key=f"transport-{move}",
        on_click=_move,
        args=(lab, move),
        disabled=why_not is not None,
        help=why_not or help,
        shortcut=key,
        type="primary" if primary else "secondary",
    )


def _move(lab: Lab, move: str) -> None:
    e = lab.experiment
    moves = {
        "play": e.play,
        "pause": e.pause,
        "reset": e.reset,
        "step": lambda: e.play(1),
        "ten": lambda: e.play(10),
        "on": lambda: e.play_on(FURTHER),
    }
    try:
        moves[move]()
    except LabError as error:  # the run finished after the click
        st.toast(str(error))
