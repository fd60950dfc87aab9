"""The Lab's web application: Streamlit's own, behind middleware.

Works around this behaviour of Streamlit 1.67: its page is an empty shell, without a way to add to its head or body, until several
scripts have loaded and the first script run has ended. PageShell adds the map of the default run, and fetches the components early.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import streamlit as st
from starlette.middleware import Middleware

from dashboard.components.assets import modules
from dashboard.presentation.text.pages.lab import page as page_text
from dashboard.server.click_dedup import ClickDeduplication
from dashboard.server.frame_socket import route
from dashboard.server.shield import Shield, inline_scripts, policy
from dashboard.server.warmup import ONE_IMPORT, import_lab

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = Path(__file__).parents[1]
STATIC = HERE / "static"
LATE_FONTS = ("SourceSansVF-Italic*.woff2", "SourceCodeVF-Upright*.woff2")
ROOT = b'<div id="root">'  # in Streamlit's page, and in no other answer
# Request headers that are not passed on for a page: its answer must be whole and uncompressed.
HIDDEN_HEADERS = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")


class PageShell:
    """ASGI middleware that adds an early picture to Streamlit's page, sends an address below a page to it, and leaves other answers unchanged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # The pages' style is there before their first element, so that nothing moves when the script's own copy arrives.
        # Streamlit's rules come later in the document than this copy: ":root" makes it as strong as the script's.
        self._head = f"<style>:root {{\n{(STATIC / 'lab.css').read_text()}\n}}</style>" + "".join(
            f'<link rel="modulepreload" href="./{path}">' for path in modules()
        )
        self._head += "".join(
            f'<link rel="preload" as="font" type="font/woff2" crossorigin href="./static/media/{name}">'
            for name in fonts()
        )
        self._picture = picture()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_page(scope):
            await self._app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name not in HIDDEN_HEADERS]
        start: Message = {}
        body = bytearray()

        async def held(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            place = _page_above(scope["path"])
            if place is not None and ROOT in body:
                headers = [(b"location", place.encode()), (b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 307, "headers": headers})
                await send({"type": "http.response.body"})
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
        if ROOT not in page:
            return page
        page = page.replace(b"</head>", self._head.encode() + b"</head>", 1)
        return page.replace(b"<body>", b"<body>" + self._picture.encode(), 1) if first else page


def fonts() -> list[str]:
    """Return the files of Streamlit's italic and its typewriter font; Streamlit's page asks early for the upright one alone.

    A text with one of these would be laid out in another font first, and everything below it would move.
    """
    media = Path(st.__file__).parent / "static" / "static" / "media"
    return [file.name for pattern in LATE_FONTS for file in sorted(media.glob(pattern))[:1]]


def _is_page(scope: Scope) -> bool:
    """Return whether the request is for a page and not for a file."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    path = scope["path"]
    asks = dict(scope["headers"]).get(b"accept", b"")
    return b"text/html" in asks and "." not in path.rsplit("/", 1)[-1] and "/_stcore" not in path


def _page_above(path: str) -> str | None:
    """Return the path of the page that ``path`` lies below, such as "/runs" of "/runs/a/b"; None where it lies below none.

    Streamlit answers every path with its page, whose scripts are named relative to it: below a page they are not found, and it stays empty.
    """
    base = [part for part in str(st.get_option("server.baseUrlPath") or "").split("/") if part]
    parts = [part for part in path.split("/") if part]
    if parts[: len(base)] != base or len(parts) < len(base) + 2:
        return None
    return "/" + "/".join(quote(part, safe="") for part in parts[: len(base) + 1])


def _is_first(scope: Scope) -> bool:
    """Return whether the request is for the first page, without parameters: only that page begins with the default run."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return scope["path"].strip("/") == base and not scope["query_string"]


def picture() -> str:
    """Return the default run's map and the script that draws it; assets/make_default.py writes static/early.json."""
    known: dict[str, Any] = json.loads((STATIC / "early.json").read_text())
    style = (STATIC / "early.css").read_text()
    files = (
        HERE / "components/map_view/frontend/camera.js",
        HERE / "components/feed/frontend/theme.js",
        STATIC / "early.js",
    )
    script = "\n".join(file.read_text().replace("export ", "") for file in files)
    return (
        f'<div id="laf-early" role="img" aria-label="{known.pop("words")}"><style>{style}</style><h2>{page_text.REPRESENTATIONS}</h2><canvas></canvas>'
        f'<p>{page_text.STARTING}</p><script type="application/json">{json.dumps(known)}</script></div>'
        f'<script>"use strict"; {{\n{script}}}</script>'
    )


def _warm() -> None:
    import_lab()
    from dashboard.session import resources

    resources.warm()


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Import and compile what the first page needs in a thread while the server starts; close all tabs when it ends."""
    threading.Thread(target=_warm, name="warm", daemon=True).start()
    yield
    await asyncio.to_thread(_close)


def _close() -> None:
    with ONE_IMPORT:  # the warm thread may still be importing
        state = sys.modules.get("dashboard.session.lab")
    if state is not None:
        state.close_all()


def lab_app(script: Path) -> ASGIApp:
    """Return the server's application that runs the page's ``script``."""
    middleware = [Middleware(PageShell), Middleware(ClickDeduplication)]
    return Shield(st.App(script, routes=[route()], middleware=middleware, lifespan=lifespan))


app = lab_app(HERE / "app.py")
