"""The Lab's server: Streamlit's own, whose page holds the default's map before Streamlit has started, and whose clicks come once."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from starlette.middleware import Middleware

from dashboard.components.assets import modules
from dashboard.server.click_dedup import ClickDeduplication
from dashboard.server.frame_socket import PUSH, route
from dashboard.server.shield import Shield, inline_scripts, policy
from dashboard.server.warmup import ONE_IMPORT, import_lab

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = Path(__file__).parents[1]
STATIC = HERE / "static"
HIDES = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")  # the page is written anew


class PageShell:
    """ASGI middleware: adds to Streamlit's page what makes the first picture early, and leaves every other answer as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._head = "".join(f'<link rel="modulepreload" href="./{path}">' for path in modules())
        self._picture = picture()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_page(scope):
            await self._app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name not in HIDES]
        start: Message = {}
        body = bytearray()

        async def held(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            made = self._with(bytes(body), first=_is_first(scope))
            kept = [(n, v) for n, v in start["headers"] if n.lower() not in (b"content-length", b"etag")]
            own = [
                (b"content-length", str(len(made)).encode()),
                (b"content-security-policy", policy(inline_scripts(made))),
            ]
            await send({**start, "headers": [*kept, *own]})
            await send({"type": "http.response.body", "body": made})

        await self._app({**scope, "headers": headers, "extensions": {}}, receive, held)

    def _with(self, page: bytes, *, first: bool) -> bytes:
        if b'<div id="root">' not in page:
            return page
        page = page.replace(b"</head>", self._head.encode() + b"</head>", 1)
        return page.replace(b"<body>", b"<body>" + self._picture.encode(), 1) if first else page


def _is_page(scope: Scope) -> bool:
    """Whether somebody goes to a page with it, not to a file."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    path = scope["path"]
    asks = dict(scope["headers"]).get(b"accept", b"")
    return b"text/html" in asks and "." not in path.rsplit("/", 1)[-1] and "/_stcore" not in path


def _is_first(scope: Scope) -> bool:
    """Whether it is the Lab as it begins: its first page, and an address that asks for nothing else."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return scope["path"].strip("/") == base and not scope["query_string"]


def picture() -> str:
    """The default's map with what draws it; static/early.json is made by assets/make_default.py."""
    known: dict[str, Any] = json.loads((STATIC / "early.json").read_text())
    style = (STATIC / "early.css").read_text()
    files = (
        HERE / "components/map_view/frontend/camera.js",
        HERE / "components/feed/frontend/theme.js",
        STATIC / "early.js",
    )
    script = "\n".join(file.read_text().replace("export ", "") for file in files)
    return (
        f'<div id="laf-early" role="img" aria-label="{known.pop("words")}"><style>{style}</style><h2>Representations</h2><canvas></canvas>'
        f'<p>The page is starting</p><script type="application/json">{json.dumps(known)}</script></div>'
        f'<script>"use strict"; {{\n{script}}}</script>'
    )


def _warm() -> None:
    import_lab()
    from dashboard.session import resources

    resources.warm()


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """What the first page needs is imported and compiled beside the server's first answers."""
    threading.Thread(target=_warm, name="warm", daemon=True).start()
    PUSH.serves = True
    yield
    PUSH.serves = False
    await asyncio.to_thread(_close)


def _close() -> None:
    with ONE_IMPORT:  # the warm thread may be at it
        state = sys.modules.get("dashboard.session.lab")
    if state is not None:
        state.close_all()


def lab_app(script: Path) -> ASGIApp:
    """The server's application over a page's script."""
    middleware = [Middleware(PageShell), Middleware(ClickDeduplication)]
    return Shield(st.App(script, routes=[route()], middleware=middleware, lifespan=lifespan))


app = lab_app(HERE / "app.py")
