"""The objects that all tabs of the process share, and the Lab of each tab. Each is created at its first use."""

from __future__ import annotations

import functools
import sys
import threading
from typing import TYPE_CHECKING

import streamlit as st

from core.errors import RequestError
from core.experiments.session.preparation_cache import PreparationCache
from core.projection.umap_process import UmapProcess
from core.runtime.scheduler import Scheduler
from dashboard.presentation.text.pages import common as say

if TYPE_CHECKING:
    from dashboard.session.lab import Lab
    from dashboard.session.url_params import UrlRequest

# Held while a tab of a classroom takes a place, so that two tabs never take the same one.
_ADMISSION = threading.Lock()
_COMING: list[str] = []  # browsers of tabs whose Lab is being created


@functools.cache
def runner() -> Scheduler:
    """Return the worker threads of the process."""
    # One step of a small net makes hundreds of short torch calls, and each releases the interpreter's lock. At the default of
    # 5 ms, each of them waits that long for a busy script thread, and a run takes twice as long.
    sys.setswitchinterval(2e-4)
    return Scheduler()


@functools.cache
def map_runner() -> Scheduler:
    """Return the one thread that waits for UMAP, so that no other thread has to."""
    return Scheduler(1)


@functools.cache
def kept() -> PreparationCache:
    """Return the prepared, immutable objects that all tabs share."""
    return PreparationCache()


@functools.cache
def umap() -> UmapProcess:
    """Return the process that lays out maps. UMAP holds the interpreter's lock, so it needs a process of its own."""
    process = UmapProcess()
    process.warm()
    return process


def warm() -> None:
    """Import and compile what the first page needs; the server calls this in a thread while it starts."""
    import scipy.special  # noqa: F401 - the bands and the attack need it at the first frame

    from core.data.registry import load

    load("digits")
    umap()  # last: the default map is stored already, and compiling takes a core from the first picture


def _release(lab: Lab) -> None:
    lab.close()


@st.cache_resource(scope="session", on_release=_release, show_spinner=False)
def _lab(browser: str, _asked: UrlRequest) -> Lab:
    from dashboard.session import classroom_options, tab_state
    from dashboard.session.lab import Lab, open_labs

    limits = classroom_options.now()

    def make() -> Lab:
        made = Lab(runner(), umap(), map_runner(), kept(), browser=browser, asked=_asked, classroom=limits)
        made.session = tab_state.session_id()
        return made

    if limits is None:
        return make()
    with _ADMISSION:
        limits.check_sessions(open_labs() + len(_COMING))
        _COMING.append(browser)
    try:
        return make()
    finally:
        _COMING.remove(browser)


def lab() -> Lab:
    """Return this tab's Lab. It opens what the address asks for, and its work stops when the tab closes.

    If the classroom is full, the page says so and the script ends here.
    """
    from dashboard.session import tab_state

    try:
        found = _lab(tab_state.browser(), tab_state.read_address())
    except RequestError as full:
        st.info(f"{full}.", icon="🕰️")
        st.button(say.TRY_AGAIN)
        st.stop()
    found.drop_purged()
    return found
