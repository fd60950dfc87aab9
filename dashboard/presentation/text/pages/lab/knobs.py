"""The English of the popover Knobs."""

from __future__ import annotations

KNOBS = "Knobs"
KNOBS_CHANGED = "Knobs **·**"
THAT_WERE_FOUND = "that were found automatically"
OF_THE_PAPER = "of the paper"
OF_THE_PRESET = "of the preset"
NOT_LAF = "These are LAF's hyperparameters; the chosen method has none of them"
PRESET, FOUND = "preset", "found"
HAS_FINISHED = "The run has finished"
APPLY = "Apply from the next step"
APPLY_HELP = "The timeline marks the change"
RESET_WITH = "Reset with these"
RESET_WITH_HELP = "A new run with these hyperparameters"
RESET_TO_FOUND = "Reset to the found ones"
RESET_TO_PRESET = "Reset to preset"


def changed(changes: str) -> str:
    """Say which hyperparameters differ from their usual values."""
    return f"Changed: {changes}"


def unchanged(whose: str) -> str:
    """Say that no hyperparameter was changed."""
    return f"The method's hyperparameters, unchanged: those {whose}"


def reset_help(whose: str) -> str:
    """Return the help of the button that restores the usual values."""
    return f"A new run with the hyperparameters {whose}"


def of_the_fork(when: str) -> str:
    """Return the heading of the hyperparameters that a fork takes up."""
    return f"Of the fork, {when}"
