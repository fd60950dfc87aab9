"""The line of facts above a run: settings, models and device, each term with an explanation on hover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from dashboard.presentation.text.hyperparameters import HYPERPARAMETERS
from dashboard.presentation.text.pages import common, nouns
from dashboard.presentation.text.pages.lab import method, setup

_KNOBS = {knob.key: knob.help for knob in HYPERPARAMETERS}
EXPLAINED = {
    "τ": _KNOBS["temperature"],
    method.LR_UE: _KNOBS["lr_ue"],
    method.LR_RA: _KNOBS["lr_ra"],
    common.SEED.lower(): setup.SEED_HELP,
    setup.MODEL: setup.MODEL_HELP,
    setup.RETRAINED: setup.RETRAINED_HELP,
    setup.DEVICE: setup.DEVICE_HELP,
}


def fact_line(
    parts: Sequence[tuple[str, str]], titles: Mapping[str, str] | None = None, kind: str = nouns.IMAGES
) -> str:
    """Return names and values in one line of HTML; ``titles`` explain names of this run, beside those of ``EXPLAINED``.

    The explanations are in the nouns of ``kind``.
    """
    known: dict[str, str] = nouns.in_kind(EXPLAINED | dict(titles or {}), kind)
    cells = "".join(
        f"<span class='fact'{_tooltip(known.get(name))}>{escape(name)} <b>{escape(value)}</b></span>"
        for name, value in parts
    )
    return f"<div class='facts'>{cells}</div>"


def _tooltip(text: str | None) -> str:
    """Return the HTML attribute of a tooltip; "" without a text."""
    return "" if text is None else f" title='{escape(text)}'"
