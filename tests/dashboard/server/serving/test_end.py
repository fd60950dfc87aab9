"""The end of the server, asked to stop or killed, and its address behind a proxy."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests import toys
from tests.dashboard.server.serving.process import (
    TESTS,
    Server,
    closed_with,
    first_packet,
)
from tests.serving import BROWSER
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_pauses_what_plays_and_ends_with_0(tmp_path, monkeypatch, how):
    from core.runs.records import Phase
    from core.runs.storage import list_runs

    server = Server(tmp_path, plays=True)
    left = children_of_map(server)
    with (
        server.line(server.tokens[0]) as page,
        server.stream(subprotocols=["streamlit"]),
        server.raw(server.tokens[1]),
    ):
        first_packet(page)
        started = time.monotonic()
        server.process.send_signal(how)
        assert closed_with(page) == 1012  # the server restarts: the page opens its line again
        code = server.process.wait(30)
    assert code == 0
    assert time.monotonic() - started < 30
    server.process.stdout.close()
    assert toys.gone_within(30, left)
    assert "Traceback" not in server.log.read_text()
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    runs, broken = list_runs(BROWSER)
    assert not broken
    assert [run.phase for run in runs] == [Phase.PAUSED]


def children(pid: int) -> list[int]:
    """Processes that ``pid`` started and that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
            if int(parent) == pid and state not in "ZX":
                found.append(int(path.parent.name))
    return found


def children_of_map(server) -> list[int]:
    """Wait until the server has started its map process; return its children."""
    if not Path("/proc/self/stat").exists():
        return []
    until(lambda: children(server.process.pid))
    return children(server.process.pid)


def require_the_proxys_host_is_the_origin(server):
    url = f"ws://lab.school/lab/laf-feed/{server.tokens[0]}"  # and so the Host header, as docs/deployment.md has it handed on

    def through():
        return socket.create_connection(("127.0.0.1", server.port))

    with connect(url, sock=through(), origin="https://lab.school", max_size=None) as page:
        assert first_packet(page)["run"] == server.tokens[0]
    with pytest.raises(InvalidStatus):
        connect(url, sock=through(), origin="https://evil.school").__enter__()
    _, headers, _ = server.get("/_stcore/health", **{"X-Forwarded-Proto": "https"})
    cookies = {c.split("=")[0]: c for c in headers.get_all("set-cookie")}
    assert set(cookies["laf-browser"].split("; ")) >= {"Path=/lab", "HttpOnly", "SameSite=Strict", "Secure"}
    assert all(c.endswith("; Secure") for c in cookies.values())


def test_behind_a_proxy_with_a_path_its_own_host_is_the_origin_and_killed_it_leaves_no_process(tmp_path):
    server = Server(tmp_path, base="lab")
    try:
        require_the_proxys_host_is_the_origin(server)
        left = children_of_map(server)
    finally:
        server.end(signal.SIGKILL)
    assert toys.gone_within(30, left)


def test_a_stop_before_it_serves_is_a_stop_too(tmp_path):
    env = {**os.environ, "LAF_HOME": str(tmp_path)}
    code = (
        "import os, signal; from dashboard.server import serving; from streamlit.web import bootstrap; "
        "bootstrap.load_config_options = lambda **_: os.kill(os.getpid(), signal.SIGTERM); serving.serve('', '', {})"
    )
    assert subprocess.run([sys.executable, "-c", code], env=env, cwd=TESTS.parent, timeout=60).returncode == 0
