"""Access to Streamlit's data of one browser tab: its session state, its cookie and the page's address.

Only this module reads or writes st.session_state and st.query_params.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.session.browser_cookie import COOKIE, TOKEN
from dashboard.session.url_params import UrlRequest, read_request


def remember(key: str, value: Any) -> None:
    """Keep ``value`` for this tab under ``key``."""
    st.session_state[key] = value


def recall(key: str, default: Any = None) -> Any:
    """Return the value that is kept under ``key``."""
    return st.session_state.get(key, default)


def recall_and_forget(key: str) -> Any:
    """Return the value that is kept under ``key``, and remove it."""
    return st.session_state.pop(key, None)


def browser() -> str:
    """Return this browser's token: from its cookie, or a new one for this tab."""
    known = st.session_state.get(COOKIE) or st.context.cookies.get(COOKIE)
    if not isinstance(known, str) or not TOKEN.fullmatch(known):
        known = secrets.token_hex(16)
    st.session_state[COOKIE] = known
    return known


def session_id() -> str | None:
    """Return Streamlit's id of this tab."""
    found = get_script_run_ctx()
    return None if found is None else found.session_id


def is_connected(session: str | None) -> bool:
    """Return whether the tab ``session`` is connected to the server; True where there is no server."""
    if session is None or not runtime.exists():
        return True
    return runtime.get_instance().is_active_session(session) is not False


def read_words() -> dict[str, str]:
    """Return the parameters of the page's address."""
    return dict(st.query_params.to_dict())


def read_address() -> UrlRequest:
    """Return what the page's address asks for."""
    return read_request(read_words())


def write_address(found: Mapping[str, str]) -> None:
    """Set the parameters of the page's address, so that a copy of it, or a reload, shows the same.

    The step of a paused run stays as the browser wrote it: only the browser knows which step it shows.
    """
    now = read_words()
    current, wanted = read_request(now), read_request(found)
    if (
        current.run == wanted.run
        and current.step is not None
        and wanted.step is not None
        and current.step <= wanted.step
    ):
        found = {**found, "step": str(current.step)}
    if now != dict(found):
        st.query_params.from_dict(dict(found))
