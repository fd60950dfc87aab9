"""What all sessions share, and what one session owns: made once, given back when nobody needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.runner import Runner
from core.umap_process import UmapProcess

if TYPE_CHECKING:
    from dashboard.state import Lab


@st.cache_resource(show_spinner=False)
def runner() -> Runner:
    """The worker threads of the process."""
    return Runner()


@st.cache_resource(show_spinner=False)
def umap() -> UmapProcess:
    """The process that lays out maps: UMAP holds the interpreter's lock, so it must not live in this one."""
    process = UmapProcess()
    process.warm()
    return process


def _release(lab: Lab) -> None:
    lab.close()


@st.cache_resource(scope="session", on_release=_release, show_spinner=False)
def lab() -> Lab:
    """This browser tab's Lab; its work stops when the tab closes."""
    from dashboard.state import Lab

    return Lab(runner(), umap())
