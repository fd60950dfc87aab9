"""ASGI middleware in front of everything else: security headers, the origins that may connect, and the browser's cookie.

* Every answer has headers that allow no script but the Lab's own, no frame on another site and no guessing of types.
* A WebSocket from a page of another origin is refused, for Streamlit's connection and the Lab's alike.
* The browser's token is a cookie that no script can read or set.

Works around these behaviours of Streamlit 1.67: it sets no security headers, accepts a WebSocket from any page of localhost, asks a
server on the internet for this machine's address to check an origin, and offers a script no way to set a cookie.
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
FIRST_REQUEST = "/_stcore/health"  # Streamlit's page makes it before it opens its WebSocket
SCRIPT = re.compile(
    rb"<script(?![^>]*\bsrc=)(?![^>]*\btype=\"application/json\")[^>]*>(.*?)</script>", re.DOTALL
)

_FRAMED_BY: tuple[str, ...] = ()


def begin(framed_by: Iterable[str]) -> None:
    """Let pages of these origins show the Lab in a frame. Raises RequestError for a text that is not an origin."""
    global _FRAMED_BY
    for origin in framed_by:
        if not re.fullmatch(r"https?://[a-z0-9.\-]+(:[0-9]{1,5})?", origin):
            raise RequestError(
                f"--frame-origin must be an address like https://school.example, got {origin!r}"
            )
    _FRAMED_BY = tuple(framed_by)


def policy(scripts: Iterable[bytes] = ()) -> bytes:
    """Return the Content-Security-Policy of an answer whose page contains these inline ``scripts``."""
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(s).digest()).decode()}'" for s in scripts]
    rules = {
        "default-src": ["'self'"],
        "script-src": ["'self'", *hashes],
        "style-src": ["'self'", "'unsafe-inline'"],  # Streamlit's page adds styles while it runs
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'", *_FRAMED_BY],
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items()).encode()


def inline_scripts(page: bytes) -> list[bytes]:
    """Return the inline scripts of ``page``, as the browser hashes them."""
    return SCRIPT.findall(page.replace(b"\r\n", b"\n"))


def headers() -> dict[bytes, bytes]:
    """Return the headers that every answer gets, unless it sets them itself."""
    found = {
        b"content-security-policy": policy(),
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"same-origin",  # an address contains the id of a run
        b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        b"cross-origin-opener-policy": b"same-origin",
        b"cross-origin-resource-policy": b"same-origin",
    }
    if not _FRAMED_BY:
        found[b"x-frame-options"] = b"SAMEORIGIN"  # for browsers without support for frame-ancestors
    return found


class Shield:
    """ASGI middleware that applies the module's three rules."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._has_logged = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            if may_connect(scope):
                await self._app(scope, receive, send)
            else:
                self._log_refusal(scope)
                await send({"type": "websocket.close", "code": 1008})  # before it was accepted: HTTP 403
        elif scope["type"] == "http":

            async def shielded(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message = {**message, "headers": _shielded(scope, message.get("headers", []))}
                await send(message)

            await self._app(scope, receive, shielded)
        else:
            await self._app(scope, receive, send)

    def _log_refusal(self, scope: Scope) -> None:
        """Log the first refusal. It shows a proxy that is set up wrong; further ones would add nothing."""
        if self._has_logged:
            return
        self._has_logged = True
        log.warning(
            "A connection to host %.100r was refused: the page that asked for it is from another origin, %.100r. Behind a proxy, "
            "pass on the Host header, or name the origin in STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS. Further refusals are not logged.",
            _header(scope, b"host"),
            _header(scope, b"origin"),
        )


def may_connect(scope: Scope) -> bool:
    """Return whether a WebSocket may be opened.

    Its origin must be the Lab's own or one that Streamlit's settings allow; a client that is not a browser names none. Streamlit's own
    check follows. Alone it would accept any page of localhost, and block all sessions while it asks a server on the internet.
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
    """Return the headers of an answer, completed."""
    is_secure = scope["scheme"] == "https"  # uvicorn sets it from X-Forwarded-Proto of a trusted proxy
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
    """Return the cookie to set with this answer: the browser's token for another year, or a new one; None: no cookie.

    Only a request of the page itself gets one. With a link from another site, the browser does not send its strict cookie, and the
    answer would replace the token.
    """
    if scope["method"] != "GET" or scope["path"] != f"{_base()}{FIRST_REQUEST}":
        return None
    if _header(scope, b"sec-fetch-site") not in (None, "same-origin"):
        return None
    if "text/html" in (
        _header(scope, b"accept") or ""
    ):  # a link; over plain http browsers send no sec-fetch-site
        return None
    token = HTTPConnection(scope).cookies.get(COOKIE, "")
    if not TOKEN.fullmatch(token):
        token = secrets.token_hex(16)
    return f"{COOKIE}={token}; Max-Age={YEAR_S}; Path={_base() or '/'}; HttpOnly; SameSite=Strict"


def _base() -> str:
    """Return the path before every address, such as "" or "/lab"."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def _header(scope: Scope, name: bytes) -> str | None:
    """Return the first header ``name``, or None."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
