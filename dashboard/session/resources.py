"""What all sessions share, and what one session owns: made once, given back when nobody needs it."""

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

if TYPE_CHECKING:
    from dashboard.session.lab import Lab
    from dashboard.session.url_params import UrlRequest

_ROOM = threading.Lock()  # of a classroom's last place
_COMING: list[str] = []  # browsers of tabs whose Lab is being made


@functools.cache
def runner() -> Scheduler:
    """The worker threads of the process."""
    # A step of a small net is hundreds of short torch calls, each of which gives the interpreter's lock back. At the
    # default of 5 ms, a busy script thread made each of them wait that long: runs took twice as long beside a poll.
    sys.setswitchinterval(2e-4)
    return Scheduler()


@functools.cache
def map_runner() -> Scheduler:
    """One thread for what waits for UMAP; the others never do."""
    return Scheduler(1)


@functools.cache
def kept() -> PreparationCache:
    """What was prepared for any page of the process; immutable."""
    return PreparationCache()


@functools.cache
def umap() -> UmapProcess:
    """The process that lays out maps: UMAP holds the interpreter's lock, so it must not live in this one."""
    process = UmapProcess()
    process.warm()
    return process


def warm() -> None:
    """Import and compile what the first page will need; called beside the server's start."""
    import scipy.stats  # noqa: F401
    import sklearn.linear_model  # noqa: F401 - the attack needs it at the first frame, and bands need scipy.stats

    from core.data.registry import load

    load("digits")
    umap()  # last: the default's map is on the shelf, and compiling takes a core from the first picture


def _release(lab: Lab) -> None:
    lab.close()


@st.cache_resource(scope="session", on_release=_release, show_spinner=False)
def _lab(browser: str, _asked: UrlRequest) -> Lab:
    from dashboard.session import classroom_options
    from dashboard.session import lab as state
    from dashboard.session.lab import Lab

    limits = classroom_options.now()

    def make() -> Lab:
        made = Lab(runner(), umap(), map_runner(), kept(), browser=browser, asked=_asked, classroom=limits)
        made.session = state.session_id()
        return made

    if limits is None:
        return make()
    with _ROOM:  # two tabs that come at once must not both take the last place
        limits.check_sessions(state.open_labs() + len(_COMING))
        _COMING.append(browser)
    try:
        return make()
    finally:
        _COMING.remove(browser)


def lab() -> Lab:
    """This browser tab's Lab; its work stops when the tab closes. What the address asks for is read when it is made.

    Where a classroom has no place left the page says so, and the script ends here.
    """
    from dashboard.session import lab as state

    try:
        found = _lab(state.browser(), state.read_address())
    except RequestError as full:
        st.info(f"{full}.", icon="🕰️")
        st.button("Try again")
        st.stop()
    found.drop_purged()
    return found
