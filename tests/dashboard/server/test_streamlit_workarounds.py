"""Each workaround in dashboard/server is still needed. A test that fails here says: look whether its workaround can go."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import streamlit as st
from packaging.requirements import Requirement
from streamlit import net_util
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.runtime_util import get_max_widget_state_size_bytes
from streamlit.web.server.starlette import starlette_app, starlette_server, starlette_websocket

from dashboard.server import serving

ROOT = Path(__file__).parents[3]
SERVER = ROOT / "dashboard" / "server"
STREAMLIT = Path(st.__file__).parent
WRITTEN_AGAINST = "1.67"


def test_the_installed_version_is_the_one_that_the_workarounds_were_written_against():
    assert st.__version__.startswith(f"{WRITTEN_AGAINST}.")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = next(r for r in map(Requirement, project["dependencies"]) if r.name == "streamlit")
    assert needed.specifier.contains(f"{WRITTEN_AGAINST}.99")
    assert not needed.specifier.contains("1.68.0"), "a minor version may change any of this"


def test_every_workaround_names_the_version_it_was_written_against():
    files = [p for p in SERVER.glob("*.py") if p.name != "__init__.py"]
    said = {p.name: inspect.cleandoc(p.read_text().split('"""')[1]) for p in files}
    assert [n for n, text in said.items() if "Works around" in text and WRITTEN_AGAINST not in text] == []
    assert set(said) == {n for n, text in said.items() if "Works around" in text}


# click_dedup.py


def test_a_timer_of_the_page_sends_clicks_that_wait():
    scripts = [p.read_text() for p in (STREAMLIT / "static" / "static" / "js").glob("index.*.js")]
    page = next(s for s in scripts if "autoRerunIntervals" in s)
    assert re.search(r"setInterval\(\(\)=>\{this\.widgetMgr\.sendUpdateWidgetsMessage\(\w+,!0\)\}", page)
    sends = r"sendUpdateWidgetsMessage\(\w+,\w+=void 0\)\{this\.props\.sendRerunBackMsg\(this\.widgetStates\.createWidgetStatesMsg\(\)"
    assert re.search(sends, page), "a timer's message holds the states of all widgets"
    assert re.search(r"this\.pendingTriggerIds\.add\(\w+\),this\.scheduleFlush\(", page), "clicks wait"


# asgi.py


def test_the_page_is_an_empty_shell_and_nothing_can_be_added_to_it():
    page = (STREAMLIT / "static" / "index.html").read_text()
    assert '<div id="root"></div>' in page
    options = set(inspect.signature(st.App.__init__).parameters) - {"self", "script_path"}
    known = {"secrets", "lifespan", "routes", "middleware", "on_script_error", "exception_handlers", "debug"}
    assert options == known, "a new option may add to the page"


# frame_socket.py


def test_data_reaches_a_page_only_through_a_script_run():
    kinds = {f.name for f in ForwardMsg.DESCRIPTOR.oneofs_by_name["type"].fields}
    assert kinds == {
        "new_session",
        "delta",
        "page_info_changed",
        "page_config_changed",
        "script_finished",
        "git_info_changed",
        "page_profile",
        "session_status_changed",
        "session_event",
        "navigation",
        "page_not_found",
        "file_urls_response",
        "auto_rerun",
        "stop_auto_rerun",
        "logo",
        "auth_redirect",
        "parent_message",
        "ref_hash",
        "heartbeat_ack",
        "backend_operation_response",
    }, "a new kind of message may carry data without a script run"


# serving.py


def test_no_option_sets_what_the_lab_sets_of_uvicorn():
    now = starlette_server._get_uvicorn_config_kwargs
    while now.__module__ == serving.__name__:  # each server of this process wraps Streamlit's function
        now = inspect.getclosurevars(now).nonlocals["usual"]
    usual = now()
    assert not {"timeout_graceful_shutdown", "server_header", "log_level"} & set(usual)
    assert usual["ws_max_size"] > get_max_widget_state_size_bytes(), "it reads more than it accepts"


# shield.py


def test_streamlit_accepts_any_page_of_this_machine_and_asks_the_internet(monkeypatch):
    asked = []
    monkeypatch.setattr(net_util, "_external_ip", None)
    monkeypatch.setattr(net_util, "_internal_ip", "192.0.2.1")
    monkeypatch.setattr(net_util, "_make_blocking_http_get", lambda url, timeout: asked.append(url))
    allows = starlette_websocket._is_origin_allowed
    assert allows("http://localhost:1", "lab.school:8501")
    assert not allows("http://elsewhere.example", "lab.school:8501")
    assert asked


def test_streamlit_sets_no_security_headers():
    for module in (starlette_app, starlette_server):
        assert "content-security-policy" not in inspect.getsource(module).lower()
