"""The English of the page Runs."""

from __future__ import annotations

from datetime import datetime

SEARCH = "Search"
SEARCH_HINT = "Search: name, note, dataset, seed 3, done"
NONE_FOUND = "No run has all of these words. Try fewer, such as a dataset or a class."
SHOW_MORE = "Show more"
FROM_TERMINAL, IS_SHARED = " · from a terminal", " · shared"
PRESET_SETTINGS, AUTOMATIC_SETTINGS = "preset settings", "automatic settings"
UNKNOWN_ERROR = "unknown error"
SETTINGS_UNKNOWN = "settings unknown"
OWN_SETTINGS = "settings of its own"
TRUE_LABELS = "true labels"
EMPTY = """
#### Every run is kept here
The Lab writes a run to disk from its first step, so nothing is lost when the page is closed.
Tick a run to replay, continue, fork, name, share or export it. Tick two to compare them.

To keep a run of your own, press **Play** in the Lab; in a terminal, add `--save` to `laf run`.
"""
EXAMPLE_TITLE = "Forget the zeros"
EXAMPLE_VERDICT = "**Forgotten: the model recognises 0 % of the forgotten images, as retrained models do.** 97 % of the test images are still recognised."
EXAMPLE_MOVES = "Here you replay, continue, fork, name, share and export the run. Its curves:"
TICK = "Tick a run to open, name, share or export it. Tick two to compare them."
TICK_TWO = "Tick at most two runs to compare."
PURGED = "Frames and checkpoints were purged. Steps and model are left."
NO_VERDICT = "This run has no verdict: it was made before the Lab gave one, or without retrained models."
REPLAY = "Replay in the Lab"
CONTINUE = "Continue in the Lab"
REPLAY_HELP = "Opens the run and plays its frames from the first one on"
FORK_HELP = "Continues a copy from the last step. The run itself stays unchanged"
FORK = "Fork"
DELETE_NOTE = "This deletes its steps, frames, checkpoints and model for good."
DELETE_RUN = "Delete this run"
NOTE = "Note"
SHARED_HELP = "Every browser that reaches this Lab can see the run. Other browsers continue a copy"
NO_FRAMES = "One of the two runs has no frames to compare."
NONE = "none"
AND = " and "
OTHER_IMAGES = "These runs forget different images, so their figures cannot be compared directly."


def of_all(number: int) -> str:
    """Return out of how many runs the list is."""
    return f" of {number:,}"


def listed(number: int, of: str, size: str) -> str:
    """Return how many runs the list shows."""
    return f"{number:,}{of} run{'s' * (number != 1)}, newest first; {size}"


def fork_of(step: int) -> str:
    """Return from which step a run was forked."""
    return f" · fork of step {step}"


def but(changes: str) -> str:
    """Return what differs from the usual settings."""
    return f", but {changes}"


def changed_on_the_way(times: int) -> str:
    """Return how often a run's settings were changed."""
    return f", changed {times} time{'s' * (times != 1)} on the way"


def failed(error: str) -> str:
    """Return why a run failed."""
    return f"Failed: {error}"


def limit_is_near(first: str) -> str:
    """Warn that kept runs will be deleted."""
    return (
        f"The limit of kept runs is near. Of yours, these are deleted first: {first}. Name a run to keep it."
    )


def settings(settings: str) -> str:
    """Return the line with a run's settings."""
    return f"{settings[:1].upper()}{settings[1:]}."


def not_made(why: object) -> str:
    """Say why a file could not be made."""
    return f"This file could not be made: {why}\n"


def progress(title: str, phase: str, step: int, steps: int, created: datetime) -> str:
    """Return a run's title, how far it is, and when it was made."""
    return f"**{title}** · {phase} at step {step:,} of {steps:,} · {created:%d %b %H:%M}"


def seed_and_settings(seed: int, settings: str, size: str) -> str:
    """Return a run's seed, settings and size."""
    return f"seed {seed} · {settings} · {size}"


def about(dataset: str, forget: str, method: str, seed: int, frames: int, size: str, run_id: str) -> str:
    """Return what a run forgets and how, with its size and id."""
    return f"{dataset}, forget {forget}; {method}, seed {seed}; {frames:,} frames, {size}; `{run_id}`"


def example_lines() -> list[str]:
    """Return what the list will look like, with made-up runs."""
    made = datetime(2026, 1, 5, 10, 30)
    runs = (
        (EXAMPLE_TITLE, "done", 22, 22, 0, AUTOMATIC_SETTINGS, "Forgotten, as retraining does."),
        ("A tenth of each digit", "done", 40, 40, 1, PRESET_SETTINGS, "Partly forgotten."),
        ("Wrong labels", "paused", 12, 60, 0, f"{PRESET_SETTINGS}{but('τ 15 → 4')}", ""),
    )
    return [
        f"{progress(title, phase, step, steps, made)}  \n{seed_and_settings(seed, settings, '0.6 MB')}"
        + (f"  \n{outcome}" if outcome else "")
        for title, phase, step, steps, seed, settings, outcome in runs
    ]
