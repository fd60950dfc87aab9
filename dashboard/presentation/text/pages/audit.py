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


def intro(kind: str) -> str:
    """Say what a record is."""
    return f"**The record of a deletion request.** It says what was asked and done, and what it cost. It compares the model with models retrained without the {kind}, test by test. It covers the run in the Lab, on all {kind}."


def evaluating(kind: str) -> str:
    """Say that the record is being made."""
    return f"Evaluating the model on all {kind}"
