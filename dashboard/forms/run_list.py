"""The list of kept runs on the page Runs: search, and for each run its outcome, seed, settings and size."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from core.errors import LabError
from core.experiments.studies.parameters import family_of, preset_cached
from core.runs.records import Phase
from core.runs.storage import KeptRun, RunInfo, megabytes, read_run
from core.runs.storage.serialization import config_like
from dashboard.presentation.charts.runs import FIGURES
from dashboard.presentation.text.hyperparameters import NOTHING, describe_changes, laf_config
from dashboard.presentation.text.pages import nouns
from dashboard.presentation.text.pages import runs as say
from dashboard.session import tab_state

MOST = 50  # runs that the list shows before "Show more"


def run_list(infos: list[RunInfo], token: str) -> list[RunInfo]:
    """List the runs that the search finds, each with a box; return those that are ticked."""
    words = st.text_input(
        say.SEARCH,
        key="runs-search",
        placeholder=say.SEARCH_HINT,
        label_visibility="collapsed",
    )
    found = [i for i in infos if is_found(i, words, token)]
    total = megabytes(sum(i.bytes for i in found))
    of = say.of_all(len(infos)) if len(found) < len(infos) else ""
    st.caption(say.listed(len(found), of, total))
    if not found:
        st.caption(say.NONE_FOUND)
    most = tab_state.recall("runs-most", MOST)
    chosen = []
    for info in found[:most]:
        if st.checkbox(label(info, token), key=box_key(info.id)):
            chosen.append(info)
    if len(found) > most and st.button(say.SHOW_MORE):
        tab_state.remember("runs-most", most + MOST)
        st.rerun()
    return chosen


def box_key(run_id: str) -> str:
    """Return the key of the box that ticks a run."""
    return f"run-{run_id}"


def is_found(info: RunInfo, words: str, token: str) -> bool:
    """Return whether the run has all ``words``, in any order; "seed 3" is one word."""
    has = " ".join(
        [
            info.title,
            info.note,
            info.setup.dataset,
            info.setup.task,
            info.setup.method,
            info.forget,
            info.phase,
            f"{info.created:%d %b}",
            "" if info.is_of(token) else "shared",
            "fork" if info.parent else "",
            info.id,
        ]
    ).casefold()
    wanted = words.casefold().replace("seed ", "seed:").split()
    return all(
        w == f"seed:{info.setup.seed}" if w.startswith("seed:") and w[5:].isdigit() else w in has
        for w in wanted
    )


def label(info: RunInfo, token: str) -> str:
    """Return the Markdown of one run: its title; when and how far; seed, settings and size; what became of it."""
    whose = "" if info.is_of(token) else say.FROM_TERMINAL if info.owner is None else say.IS_SHARED
    fork = say.fork_of(info.parent_step) if info.parent else ""
    settings, outcome = _summary(info.id, info.bytes, info.steps)
    told = f"  \n{outcome}" if outcome else ""
    first = say.progress(escaped(info.title), str(info.phase), info.steps, info.total_steps, info.created)
    second = say.seed_and_settings(info.setup.seed, escaped(settings), megabytes(info.bytes))
    return f"{first}{fork}{whose}  \n{second}{told}"


@lru_cache(maxsize=512)
def _summary(run_id: str, size: int, steps: int) -> tuple[str, str]:
    """Return settings and outcome of a run in words. ``size`` and ``steps`` change when the run does, so that it is read again."""
    try:
        kept = read_run(run_id)
    except LabError:
        return say.SETTINGS_UNKNOWN, ""
    return settings_of(kept), outcome_of(kept)


def settings_of(kept: KeptRun) -> str:
    """Return "automatic settings" or "preset settings", or what differs from them, such as "preset settings, but τ 15 → 100"."""
    setup = kept.setup
    whose = say.PRESET_SETTINGS if kept.automatic is None else say.AUTOMATIC_SETTINGS
    try:
        usual = preset_cached(setup.method, family_of(setup.dataset), setup.task)
        used = config_like(usual, kept.about["config"])
        if kept.automatic is not None:
            usual = config_like(usual, kept.automatic["config"])
    except LabError:
        return say.OWN_SETTINGS
    if laf_config(usual) is None:
        text = whose if used == usual else say.OWN_SETTINGS
    else:
        changed = describe_changes(usual, used)
        text = whose + ("" if changed == NOTHING else say.but(changed))
    changes = len(kept.about["changes"])
    return text + (say.changed_on_the_way(changes) if changes else "")


def outcome_of(kept: KeptRun) -> str:
    """Return the first sentence of the verdict; without one each accuracy before and after the run, or the error that ended it."""
    if kept.about["phase"] == Phase.FAILED:
        return say.failed(escaped(str(kept.about.get("error") or say.UNKNOWN_ERROR)))
    if kept.verdict is not None:
        what = str(kept.verdict["findings"][0]["what"])
        return escaped(str(nouns.in_kind(what, nouns.kind_of_run(kept.about))))
    return accuracies_of(kept)


def accuracies_of(kept: KeptRun) -> str:
    """Return each accuracy before the run and at its last frame; "" without two frames."""
    if len(kept.frames) < 2:
        return ""
    first, last = kept.frames[0].reading, kept.frames[-1].reading
    shown = ("clean_f" if last.clean_f is not None else "train_f", "train_r", "test")
    parts = []
    for key in shown:
        name = say.TRUE_LABELS if key == "clean_f" else FIGURES[key].removesuffix(", %")
        a, b = getattr(first, key), getattr(last, key)
        if a is not None and b is not None:
            parts.append(f"{escaped(name)} {100 * a:.1f} → {100 * b:.1f} %")
    return " · ".join(parts)


def escaped(text: str) -> str:
    """Escape Markdown in text that users wrote."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+!|~$<>:" else c for c in text)
