"""The English of the choice of a method."""

from __future__ import annotations

MEASURED_PRESET = "measured preset"
PAPERS_SETTINGS = "paper's settings"
ABOUT_AUTOMATIC = "Short trials on these data find lr_UE, lr_RA, τ and the number of steps. They read no label and use no retrained model."
ABOUT_PRESET = "Settings that were tuned for this dataset, on other seeds."
ABOUT_PAPER = "Settings of the paper's table."
SHARE = "Share of the remaining labels that repair reads, %"
SPEED = "Speed"
SPEEDS = {"exact": "Exact", "fast": "Fast (approximate)"}
SPEED_HELP = "Exact: the paper's arithmetic. Fast: trains only the last layer, on a part of the data"
FAST_NOT_MEASURED = "No fast settings were measured for this dataset and task. These follow a rule of thumb."
PRESET_NOT_MEASURED = "preset, not measured"
READS_LABELS = "reads labels"
OWN_ORIGINAL = "own original"
READS_NO_LABEL = "It reads no label."
TRAINS_OWN_ORIGINAL = "It trains an original of its own, so its map differs."
LR_UE = "lr UE"
LEARNS, LAST_LAYER = "learns", "the last layer"
LR_RA = "lr RA"
FAST_APPROXIMATE = "fast, approximate"


def now(origin: str) -> str:
    """Return where the preset's values come from."""
    return f" Now: {origin}."


def settings_of(origin: str) -> str:
    """Return where the settings of another method come from."""
    return f"Settings: {origin}."
