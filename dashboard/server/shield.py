"""What a browser may do with the Lab's answers, and which pages may speak to it: ASGI middleware before everything else.

* Every answer says so in headers: no script but the Lab's own, no frame on another site, no guessing of types.
* A WebSocket of a page that another origin served is refused, Streamlit's and the Lab's alike.
* The browser's token is a cookie that no script reads or sets.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st
from starlette.requests import HTTPConnection
from streamlit.web.server.server_util import is_allowed_origin
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from core.errors import RequestError
from dashboard.session.browser_cookie import COOKIE, TOKEN

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

YEAR_S = 31_536_000
ASKED_FIRST = "/_stcore/health"  # Streamlit's page asks for it before it opens its WebSocket
SCRIPT = re.compile(
    rb"<script(?![^>]*\bsrc=)(?![^>]*\btype=\"application/json\")[^>]*>(.*?)</script>", re.DOTALL
)

_FRAMED_BY: tuple[str, ...] = ()


def begin(framed_by: Iterable[str]) -> None:
    """Let pages of these origins show the Lab in a frame. Raises RequestError for what is no origin."""
    global _FRAMED_BY
    for origin in framed_by:
        if not re.fullmatch(r"https?://[a-z0-9.\-]+(:[0-9]{1,5})?", origin):
            raise RequestError(f"--frame-origin is an address like https://school.example, not {origin!r}")
    _FRAMED_BY = tuple(framed_by)


def policy(scripts: Iterable[bytes] = ()) -> bytes:
    """The Content-Security-Policy of an answer whose page holds these inline ``scripts``."""
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(s).digest()).decode()}'" for s in scripts]
    rules = {
        "default-src": ["'self'"],
        "script-src": ["'self'", *hashes],
        "style-src": ["'self'", "'unsafe-inline'"],  # Streamlit's page writes its styles while it runs
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'", *_FRAMED_BY],
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items()).encode()


def inline_scripts(page: bytes) -> list[bytes]:
    """The scripts that stand in ``page`` itself, as the browser hashes them."""
    return SCRIPT.findall(page.replace(b"\r\n", b"\n"))


def headers() -> dict[bytes, bytes]:
    """Those of every answer that does not bring its own."""
    said = {
        b"content-security-policy": policy(),
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"same-origin",  # an address names a run
        b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        b"cross-origin-opener-policy": b"same-origin",
        b"cross-origin-resource-policy": b"same-origin",
    }
    if not _FRAMED_BY:
        said[b"x-frame-options"] = b"SAMEORIGIN"  # for browsers that do not know frame-ancestors
    return said


class Shield:
    """ASGI middleware: the module's three rules."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            if may_connect(scope):
                await self._app(scope, receive, send)
            else:
                self._tell(scope)
                await send({"type": "websocket.close", "code": 1008})  # before it was accepted: HTTP 403
        elif scope["type"] == "http":

            async def shielded(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message = {**message, "headers": _shielded(scope, message.get("headers", []))}
                await send(message)

            await self._app(scope, receive, shielded)
        else:
            await self._app(scope, receive, send)

    def _tell(self, scope: Scope) -> None:
        """Log the first refusal: a proxy that is set up wrong shows in it, and a thousand more would say nothing."""
        if not self._told:
            self._told = True
            log.warning(
                "A page of another origin, %.100r, asked for a connection to host %.100r and was refused. Behind a proxy, hand on "
                "the Host header, or name the origin in STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS. Further refusals are not logged.",
                _header(scope, b"origin"), _header(scope, b"host"),
            )  # fmt: skip


def may_connect(scope: Scope) -> bool:
    """Whether a WebSocket may be opened: from this origin, one that Streamlit's settings allow, or no browser at all.

    Streamlit's own check comes after. Alone it would take any page of localhost, and ask a server on the internet for this machine's
    address while all sessions wait.
    """
    origin, host = _header(scope, b"origin"), _header(scope, b"host")
    if not is_host_allowed(host):
        return False
    if origin is None or not st.get_option("server.enableCORS") or is_allowed_origin(origin):
        return True
    try:
        return bool(host) and urlsplit(origin).netloc == host
    except ValueError:
        return False


def _shielded(scope: Scope, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, with those that are missing."""
    is_secure = scope["scheme"] == "https"  # also behind a proxy that uvicorn trusts, by X-Forwarded-Proto
    found = []
    for name, value in given:
        name = name.lower()
        if name == b"set-cookie" and is_secure and b"; secure" not in value.lower():
            value += b"; Secure"
        found.append((name, value))
    has = {name for name, _ in found}
    found += [(name, value) for name, value in headers().items() if name not in has]
    cookie = _cookie(scope)
    if cookie is not None:
        found.append((b"set-cookie", (cookie + "; Secure" if is_secure else cookie).encode()))
    return found


def _cookie(scope: Scope) -> str | None:
    """The cookie to set with this answer: the token that the browser has, for another year, or a new one.

    Only in what the page itself asks for. A browser sends no strict cookie with a link from another site, so that answer would replace the token.
    """
    if scope["method"] != "GET" or scope["path"] != f"{_base()}{ASKED_FIRST}":
        return None
    if _header(scope, b"sec-fetch-site") not in (None, "same-origin"):
        return None
    if "text/html" in (_header(scope, b"accept") or ""):  # a link; plain http sends no sec-fetch-site
        return None
    token = HTTPConnection(scope).cookies.get(COOKIE, "")
    if not TOKEN.fullmatch(token):
        token = secrets.token_hex(16)
    return f"{COOKIE}={token}; Max-Age={YEAR_S}; Path={_base() or '/'}; HttpOnly; SameSite=Strict"


def _base() -> str:
    """The path before every address: "" or "/lab"."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def _header(scope: Scope, name: bytes) -> str | None:
    """The first header ``name``, or None."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
