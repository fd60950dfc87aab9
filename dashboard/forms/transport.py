"""The buttons that play, pause, step and reset the Lab's run."""

from __future__ import annotations

import streamlit as st

from core.errors import LabError
from core.methods.base import lengthened
from core.runs.run import Phase
from dashboard.forms import method as methods_form
from dashboard.session import classroom_options
from dashboard.session.lab import Lab

WAIT = "The original model is still being prepared"
LINE_S = 1.0
FURTHER = 20  # steps that a finished run may go on at once
WHY_LINE = "Many users share this machine: runs take turns, in the order of their requests"
OVER = "The run has finished; Reset starts it again"


def transport(lab: Lab) -> None:
    """Show Reset, Play or Pause, Step, Step ×10 and Slow; an illegal one is disabled and says why."""
    phase = lab.phase
    stopped = _why_not(phase)
    waiting = WAIT if phase is None else None
    untouched = "The run has not begun" if phase is Phase.READY else None
    playing = "The run is playing; pause it first" if phase is Phase.RUNNING else None
    with st.container(horizontal=True, gap="small", key="transport"):
        _button("Reset", lab, "reset", waiting or untouched, "Back to the original model (home key)", "Home")
        if playing:
            _button(
                "Pause", lab, "pause", None, "Stop after the step in progress (space)", "Space", primary=True
            )
        else:
            _button("Play", lab, "play", stopped, "Play to the end (space)", "Space", primary=True)
        _button("Step", lab, "step", stopped or playing, f"{_one_step(lab)} (→)", "Right")
        if phase is Phase.DONE and _can_go_on(lab):
            what = f"{FURTHER} more steps; the page shows what they cost"
            _button(f"Play on {FURTHER} steps", lab, "on", None, what, None)
        else:
            _button("Step ×10", lab, "ten", stopped or playing, "Ten steps (shift →)", "Shift+Right")
        slow = st.toggle(
            "Slow",
            value=lab.experiment.slow,
            key=f"slow-{lab.token}",
            help="Slow motion: about one step a second; the map names each stage and shows what it acts on",
        )
        if slow != lab.experiment.slow:
            lab.experiment.set_slow(slow)
        if lab.place is not None:
            _line(lab)


@st.fragment(run_every=LINE_S)
def _line(lab: Lab) -> None:
    """Show the tab's position in the classroom's queue, once a second."""
    place = lab.place
    text = "It is your turn" if place is None else classroom_options.in_line(place)
    st.html(f"<p class='in-line' role='status' title='{WHY_LINE}'>{text}</p>")


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
    pair = "One step on L_UE, then one on L_RA"
    own = {
        "laf": pair,
        "laf+r": f"{pair}; after the last of them one on the labels",
        "nothing": "The only step, which changes nothing",
    }
    return own.get(name, f"One step of {methods_form.method_class(name).title}")


def _why_not(phase: Phase | None) -> str | None:
    if phase is None:
        return WAIT
    if phase is Phase.FAILED:
        return "The run failed; Reset starts it again"
    return OVER if phase.over else None


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
