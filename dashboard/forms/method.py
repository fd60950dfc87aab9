"""The choice of a method, with the labels it reads and the origin of its settings."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import streamlit as st

from core.config import MEASURED, origin, paper_preset
from core.errors import RequestError
from core.methods import METHODS, origin_of
from core.methods.base import has_own_original
from core.methods.laf.fast import SPEEDS, is_measured
from core.runs.setup import Setup
from dashboard.presentation.text.pages import common
from dashboard.presentation.text.pages.lab import method as say

SETTINGS = {
    "automatic": "automatic",
    "preset": say.MEASURED_PRESET,
    "paper": say.PAPERS_SETTINGS,
}
ABOUT_SETTINGS = {
    "automatic": say.ABOUT_AUTOMATIC,
    "preset": say.ABOUT_PRESET,
    "paper": say.ABOUT_PAPER,
}
SHARES = (5, 25, 50, 100)  # % of the labels of D_r that repair may read


def choose(setup: Setup, family: str, task: str, token: str) -> Setup:
    """Show the choice of a method, and return ``setup`` with it, its share of labels and its speed.

    ``task``: the task whose preset is used.
    """
    names = list(METHODS)
    at = names.index(setup.method) if setup.method in names else names.index("laf")
    name = st.selectbox(common.METHOD, names, index=at, format_func=title, key=f"method-{token}")
    st.caption(about(name))
    share = None
    if name == "laf+r":
        now = max(1, round(100 * (setup.share or 1.0)))
        share = st.select_slider(
            say.SHARE,
            sorted({*SHARES, now}),
            value=now,
            key=f"share-{token}",
        )
    speed = "exact"
    if name in ("laf", "laf+r"):
        speed = st.segmented_control(
            say.SPEED,
            list(SPEEDS),
            default=setup.speed,
            format_func=say.SPEEDS.__getitem__,
            help=say.SPEED_HELP,
            required=True,
            key=f"speed-{token}",
        )
        if speed == "fast" and not is_measured(family, task):
            st.caption(say.FAST_NOT_MEASURED)
    chosen = replace(setup, method=name, share=None if share is None else share / 100, speed=speed)
    chosen = replace(chosen, settings=_settings(chosen, family, task, token))
    for broken, why in METHODS.broken.items():
        st.caption(common.plugin_not_loaded(broken, why))
    return chosen


def _settings(setup: Setup, family: str, task: str, token: str) -> str:
    """Show where the settings come from, as a choice where there is one, and return it."""
    found = possible_settings(setup, family, task)
    usual = replace(setup, task=task).usual_settings
    is_own_choice = setup.settings != setup.usual_settings and setup.settings in found
    chosen = found[0]
    if len(found) > 1:
        chosen = st.segmented_control(
            common.SETTINGS,
            found,
            default=setup.settings if is_own_choice else usual,
            format_func=lambda k: settings_title(k, family, task),
            required=True,
            key=f"settings-{usual}-{setup.speed}-{token}",
        )
    origin = say.now(origin_of(setup.method, family, task)) if chosen == "preset" else ""
    st.caption(
        f"{ABOUT_SETTINGS[chosen]}{origin}"
        if setup.method == "laf"
        else say.settings_of(origin_of(setup.method, family, task))
    )
    return chosen


def possible_settings(setup: Setup, family: str, task: str) -> list[str]:
    """Return where the settings of ``setup`` may come from."""
    found = ["automatic"] if setup.can_be_automatic else []
    found.append("preset")
    if setup.method == "laf" and setup.speed == "exact":
        try:
            paper_preset(family, task)
        except RequestError:
            return found  # the paper has no such data
        found.append("paper")
    return found


def settings_title(name: str, family: str, task: str) -> str:
    """Return the name of an origin of settings; a preset that was not measured on such data is not called so."""
    if name == "preset" and origin(family, task) != MEASURED:
        return say.PRESET_NOT_MEASURED
    return SETTINGS[name]


def title(name: str) -> str:
    """Return the method's title with its marks."""
    return " · ".join([method_class(name).title, *marks(name)])


def marks(name: str) -> list[str]:
    """Return what a method needs that LAF does not: labels, or an original of its own."""
    found = [say.READS_LABELS] if method_class(name).needs_labels else []
    return [*found, say.OWN_ORIGINAL] if has_own_original(method_class(name)) else found


def about(name: str) -> str:
    """Return one line about what the method does and needs."""
    lines = (inspect.getdoc(method_class(name)) or "").split("\n\n")
    text = " ".join(lines[0].replace("`", "").split())
    text += "" if not text or text.endswith(".") else "."
    if not method_class(name).needs_labels:
        text += f" {say.READS_NO_LABEL}"
    if has_own_original(method_class(name)):
        text += f" {say.TRAINS_OWN_ORIGINAL}"
    return text.strip()


def method_class(name: str) -> Any:
    """Return the method's class."""
    return METHODS[name]


def settings(name: str, config: Any) -> list[tuple[str, str]]:
    """Return the settings of ``config`` that the line of facts shows, as label and value."""
    laf = getattr(config, "laf", config)
    if hasattr(laf, "temperature") and hasattr(laf, "lr_ue"):
        found = [("τ", f"{laf.temperature:g}"), (say.LR_UE, f"{laf.lr_ue:g}"), (say.LR_RA, f"{laf.lr_ra:g}")]
        if laf.most_remain is not None or laf.most_forget is not None:
            found.append(("speed", say.FAST_APPROXIMATE))
        elif laf.learns == "last":
            found.append((say.LEARNS, say.LAST_LAYER))
        if laf.precision != "float32":
            found.append(("precision", laf.precision))
        if hasattr(config, "repair"):
            found.append(("labels", f"{100 * config.repair.share:g} %"))
        return found
    if name == "nothing":
        return []
    known = {"epochs": "epochs", "lr": "lr", "shards": "shards", "slices": "slices"}
    pairs = [(label, getattr(config, key, None)) for key, label in known.items()]
    return [(label, f"{value:g}") for label, value in pairs if isinstance(value, int | float)]
