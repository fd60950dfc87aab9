"""The English of the Lab's front page around its run."""

from __future__ import annotations

START_HERE = "Start here"
START_HERE_HELP = "Lesson 1 shows in a few minutes why and how a model forgets"
NO_CONNECTION = "The page could not connect to its run, so it shows no steps. Start the Lab with `laf dashboard`; behind a proxy, let WebSockets to `/laf-feed/` through. Then reload the page."
CONTINUE = "Continue"
NOT_NOW = "Not now"
REPRESENTATIONS = "Representations"
STARTING = "The page is starting"


def continue_where(title: str, step: int, total: int) -> str:
    """Ask whether to continue this browser's last run."""
    return f"Continue where you were? **{title}**, step {step:,} of {total:,}"


def not_kept(why: str) -> str:
    """Say why the run is not saved."""
    return f"This run can play on, but it is not saved: {why}"
