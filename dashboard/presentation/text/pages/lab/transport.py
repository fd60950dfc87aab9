"""The English of the buttons that play a run."""

from __future__ import annotations

WHY_LINE = "Many users share this machine. Runs take turns, in the order of their requests"
OVER = "The run has finished; Reset starts it again"
NOT_BEGUN = "The run has not begun"
RESET = "Reset"
RESET_HELP = "Back to the original model (home key)"
PAUSE = "Pause"
PAUSE_HELP = "Stop after the step in progress (space)"
PLAY = "Play"
PLAY_HELP = "Play to the end (space)"
STEP = "Step"
TEN = "Step ×10"
TEN_HELP = "Ten steps (shift →)"
SLOW = "Slow"
SLOW_HELP = "Slow motion: about one step a second. The map names each stage and shows what it acts on"
YOUR_TURN = "It is your turn"
ONE_PAIR = "One step on L_UE, then one on L_RA"
WITH_REPAIR = "One step on L_UE, then one on L_RA; after the last of them one on the labels"
DOES_NOTHING = "The only step, which changes nothing"
FAILED = "The run failed; Reset starts it again"


def play_on_help(steps: int) -> str:
    """Return the help of the button that plays on."""
    return f"{steps} more steps; the page shows what they cost"


def play_on(steps: int) -> str:
    """Return the label of the button that plays on."""
    return f"Play on {steps} steps"


def one_step_of(method: str) -> str:
    """Return what one step of a method without a sentence of its own does."""
    return f"One step of {method}"
