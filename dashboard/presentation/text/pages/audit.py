"""The English of the page Audit."""

from __future__ import annotations

TESTS = "The tests of the record. Each shows the band of retrained models and a verdict."
TABLE_HEAD = "| test | what it measures |"
REQUESTER = "Requester"
REQUESTER_HINT = "who asked (optional)"
RECEIVED = "Received"
RECEIVED_HINT = "date of the request (optional)"
REFERENCE_NUMBER = "Reference number"
REFERENCE_HINT = "made from data and ids if left empty"
PLAY = "Play the run to its end"
DRAW_UP = "Draw up the record"
PAGE = "Page to print (HTML)"
IDS = "Ids"
ORIGINAL_FIRST = "The original model is still being prepared."
IS_PLAYING = "The run is playing. The record can be drawn up when it has ended."
NEEDS_A_FINISHED_RUN = "The record needs a finished run. Play it here, or in the Lab."
TEST, MEANING = "test", "what it measures"  # columns of the list of tests


def intro(kind: str) -> str:
    """Say what a record is."""
    return f"**The record of a deletion request.** It says what was asked and done, and what it cost. It compares the model with models retrained without the {kind}, test by test. It covers the run in the Lab, on all {kind}."


def evaluating(kind: str) -> str:
    """Say that the record is being made."""
    return f"Evaluating the model on all {kind}"


def retraining(ready: int, wanted: int) -> str:
    """Say how many retrained models are ready."""
    return f"{ready} of {wanted} retrained models are ready. The record needs all of them."


def auc_of(attack: str) -> str:
    """Return the name of an attack's test."""
    return f"AUC, {attack.lower()}"
