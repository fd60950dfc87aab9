"""The origins that may connect to the server, the headers of every answer, and the token of an upload."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from websockets.exceptions import InvalidStatus

from dashboard.components.assets import modules
from tests.dashboard.server.serving.process import (
    first_packet,
)

pytestmark = pytest.mark.slow


FOREIGN = [
    "http://evil.example",
    "http://localhost:1",
    "http://127.0.0.1:1",
    "null",
    "file://",
    "http://[",
    "x" * 2000,
]


@pytest.mark.parametrize("origin", FOREIGN, ids=[o[:20] for o in FOREIGN])
def test_a_page_of_another_origin_gets_no_connection(server, origin):
    for connected in (server.line, lambda token, **o: server.stream(subprotocols=["streamlit"], **o)):
        with pytest.raises(InvalidStatus) as refused:
            connected(server.tokens[0], origin=origin).__enter__()
        assert refused.value.response.status_code == 403


def test_the_lab_s_own_page_gets_one(server):
    with server.line(server.tokens[0]) as page:
        assert first_packet(page)["run"] == server.tokens[0]
    with server.stream(subprotocols=["streamlit"], origin=f"http://{server.host}"):
        pass


ANSWERS = {
    "page": ("GET", "/", 200),
    "page beneath": ("GET", "/lessons", 200),
    "static file": ("GET", "/favicon.png", 200),
    "component module": ("GET", f"/{modules()[0]}", 200),
    "no component": ("GET", "/_stcore/bidi-components/laf-lab.map_view/none.js", 404),
    "beside a component": ("GET", "/_stcore/bidi-components/laf-lab.map_view/..%2F..%2F..%2Fcli.py", 400),
    "health": ("GET", "/_stcore/health", 200),
    "host's settings": ("GET", "/_stcore/host-config", 200),
    "metrics": ("GET", "/_stcore/metrics", 200),
    "no medium": ("GET", "/media/none.png", 404),
    "upload without token": ("PUT", "/_stcore/upload_file/none/none", 403),
    "upload asked about": ("OPTIONS", "/_stcore/upload_file/none/none", 204),
    "agents": ("POST", "/_stcore/agent/interact", 403),
    "a method that is none": ("DELETE", "/_stcore/health", 405),
}


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS.values(), ids=ANSWERS.keys())
def test_every_answer_carries_the_headers(server, method, path, status):
    headers = {"Accept": "text/html"} if path in ("/", "/lessons") else {}
    request = urllib.request.Request(f"http://{server.host}{path}", method=method, headers=headers)
    if method in ("PUT", "POST"):
        request.data = b"{}"
    found, headers, _ = server.open(request)
    assert found == status
    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'self'"
    assert rules["frame-ancestors"] == "'self'"
    assert rules["object-src"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Server" not in headers
    assert "*" not in (headers["Access-Control-Allow-Origin"] or "")


def test_an_upload_needs_the_page_s_own_token_and_a_session(server):
    request = urllib.request.Request(
        f"http://{server.host}/_stcore/upload_file/none/none", data=b"x", method="PUT"
    )
    assert server.open(request)[0] == 403
    cookie = next(
        c for c in server.get("/_stcore/health")[1].get_all("set-cookie") if c.startswith("_streamlit_xsrf")
    )
    token = cookie.split(";")[0].split("=", 1)[1]
    request.headers |= {"Cookie": f"_streamlit_xsrf={token}", "X-xsrftoken": token}
    status, _, body = server.open(request)
    assert (status, b"session" in body) == (400, True)
