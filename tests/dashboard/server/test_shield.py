"""What the shield adds to which answers, whose cookie it sets, and which origins may connect; no socket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re

import pytest
from streamlit import config
from streamlit.web.server import server_util

from core.errors import RequestError
from dashboard.server import shield
from dashboard.server.asgi import HERE, picture
from dashboard.server.shield import Shield, inline_scripts, may_connect, policy

TOKEN = "0123456789abcdef" * 2
HEALTH = "/_stcore/health"


def answer(
    path: str = HEALTH, *, scheme: str = "http", method: str = "GET", given=(), **headers: str
) -> list[tuple[str, str]]:
    """The headers of an answer that the app gave ``given``."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": list(given)})

    async def send(message):
        sent.append(message)

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "scheme": scheme, "method": method, "path": path, "headers": pairs}
    asyncio.run(Shield(app)(scope, None, send))
    return [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]


def cookies(found) -> list[str]:
    return [value for name, value in found if name == "set-cookie"]


@pytest.fixture
def option():
    """Set an option of Streamlit's for a test."""
    before = {}

    def choose(name, value):
        before.setdefault(name, config.get_option(name))
        config.set_option(name, value)

    yield choose
    for name, value in before.items():
        config.set_option(name, value)


def test_a_browser_gets_a_token_that_no_script_reads():
    (cookie,) = cookies(answer())
    name, *rest = cookie.split("; ")
    assert re.fullmatch(r"laf-browser=[0-9a-f]{32}", name)
    assert set(rest) == {"Max-Age=31536000", "Path=/", "HttpOnly", "SameSite=Strict"}
    assert cookies(answer()) != [cookie]


def test_a_token_that_the_browser_has_stays():
    (cookie,) = cookies(answer(cookie=f"_streamlit_xsrf=2|a|b|1; laf-browser={TOKEN}; x"))
    assert cookie.startswith(f"laf-browser={TOKEN}; ")


@pytest.mark.parametrize(
    "old", ["", "x", TOKEN + "0", TOKEN.upper(), "a" * 31, f'"{TOKEN}; HttpOnly"', "é" * 32]
)
def test_another_text_is_no_token(old):
    (cookie,) = cookies(answer(cookie=f"laf-browser={old}"))
    assert re.match(r"laf-browser=[0-9a-f]{32}; ", cookie)


@pytest.mark.parametrize(
    "asked",
    [
        {"path": "/"},
        {"path": "/lab" + HEALTH},
        {"method": "HEAD"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "same-site"},
        {"accept": "text/html,*/*"},
    ],
)
def test_what_the_page_did_not_ask_for_sets_no_token(asked):
    assert not cookies(answer(**asked))


def test_a_token_is_for_the_lab_s_own_path(option):
    option("server.baseUrlPath", "tools/lab")
    assert not cookies(answer())
    (cookie,) = cookies(answer("/tools/lab" + HEALTH))
    assert "; Path=/tools/lab; " in cookie


def test_over_tls_every_cookie_is_secure():
    given = [(b"Set-Cookie", b"_streamlit_xsrf=2|a; Path=/"), (b"Set-Cookie", b"other=1; secure")]
    found = cookies(answer(scheme="https", given=given))
    assert len(found) == 3
    assert all(c.lower().count("; secure") == 1 for c in found)
    assert sum("; Secure" in c for c in cookies(answer(given=given))) == 0


def test_an_answer_s_own_header_stands():
    found = answer(given=[(b"Content-Security-Policy", b"default-src 'none'"), (b"X-Frame-Options", b"DENY")])
    assert [v for n, v in found if n == "content-security-policy"] == ["default-src 'none'"]
    assert [v for n, v in found if n == "x-frame-options"] == ["DENY"]


def test_the_page_s_own_scripts_run_and_no_other():
    page = (
        '<html><head><script>\n  one()\n</script><script type="module" src="./a.js"></script></head><body>'
        + picture()
        + "</body></html>"
    ).encode()
    found = inline_scripts(page)
    assert found[0] == b"\n  one()\n"
    assert len(found) == 2  # and the picture's; its json does not run
    said = policy(found).decode()
    for script in found:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" in said
    assert "unsafe" not in said.split("script-src")[1].split(";")[0]


def test_the_lab_s_modules_start_no_code_from_text():
    for path in [*HERE.glob("*/frontend/*.js"), *HERE.glob("static/*.js")]:
        assert not re.search(r"\beval\(|new Function|new Worker|createElement\(.script", path.read_text()), (
            path
        )


def test_frames_of_other_sites_are_an_option(monkeypatch):
    monkeypatch.setattr(shield, "_FRAMED_BY", ())
    shield.begin(["https://school.example", "http://localhost:8080"])
    found = dict(answer("/"))
    assert (
        "frame-ancestors 'self' https://school.example http://localhost:8080"
        in found["content-security-policy"]
    )
    assert "x-frame-options" not in found


@pytest.mark.parametrize(
    "origin",
    [
        "school.example",
        "https://a.b; script-src *",
        "*",
        "https://*",
        "https://a.b/path",
        "",
        "ftp://a",
        "https://a b",
    ],
)
def test_what_is_no_origin_frames_nothing(origin, monkeypatch):
    monkeypatch.setattr(shield, "_FRAMED_BY", ())
    with pytest.raises(RequestError, match="--frame-origin must be an address like"):
        shield.begin([origin])


def asks(origin: str | None, host: str | None = "lab.school:8501") -> bool:
    pairs = [(b"origin", origin), (b"host", host)]
    headers = [(name, value.encode("latin-1")) for name, value in pairs if value is not None]
    return may_connect({"type": "websocket", "headers": headers})


@pytest.mark.parametrize(
    ("origin", "may"),
    [
        (None, True),
        ("http://lab.school:8501", True),
        ("https://lab.school:8501", True),
        ("http://lab.school", False),
        ("http://lab.school:8501.evil", False),
        ("http://evil@lab.school:8501", False),
        ("http://localhost:8501", False),
        ("http://127.0.0.1:3000", False),
        ("null", False),
        ("", False),
        ("http://[", False),
        ("\xff", False),
    ],
)
def test_only_the_host_s_own_pages_connect(origin, may):
    assert asks(origin) is may


def test_streamlit_s_settings_decide_as_they_do_for_streamlit(option):
    option("server.corsAllowedOrigins", ["https://lms.school"])
    assert asks("https://lms.school")
    assert not asks("http://lms.school")
    option("server.allowedHosts", ["lab.school"])
    assert asks("http://lab.school:8501")
    assert not asks("http://evil.example", "evil.example")
    assert not asks(None, None)
    option("server.enableCORS", False)
    assert asks("http://evil.example")


def test_a_foreign_origin_asks_no_server_on_the_internet(monkeypatch):
    def fail():
        raise AssertionError("it looked for this machine's address")

    monkeypatch.setattr(server_util.net_util, "get_external_ip", fail)
    monkeypatch.setattr(server_util.net_util, "get_internal_ip", fail)
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"origin", b"http://evil.example"), (b"host", b"lab.school")]
    asyncio.run(Shield(None)({"type": "websocket", "headers": headers}, None, send))
    assert [m["type"] for m in sent] == ["websocket.close"]
