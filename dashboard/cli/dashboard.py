"""`laf dashboard`: open the Lab in a browser."""

from __future__ import annotations

import argparse
import errno
import re
import socket
import tomllib
from pathlib import Path
from typing import Any

from core.errors import RequestError
from dashboard.cli import lesson
from dashboard.presentation.text import numbers
from dashboard.session import classroom_options

ROOT = Path(__file__).parents[1]


def add(commands: Any) -> argparse.ArgumentParser:
    """Add `dashboard`; return its parser."""
    page: argparse.ArgumentParser = commands.add_parser("dashboard", help="open the Lab in a browser")
    page.add_argument("--port", type=numbers.whole(1, 65535), default=8501, help="default: 8501")
    page.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    page.add_argument(
        "--base-path",
        default="",
        metavar="PATH",
        help="path under which a proxy serves the Lab: lab for https://host/lab/",
    )
    page.add_argument(
        "--frame-origin",
        dest="framed_by",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="allow pages of https://school.example to show the Lab in a frame (default: only the Lab's own pages)",
    )
    page.add_argument(
        "--lesson",
        dest="lessons",
        action="append",
        default=[],
        metavar="FILE",
        help="also show your own lesson from FILE",
    )
    classroom_options.add(page)
    return page


def dashboard(a: argparse.Namespace) -> None:
    """Serve the Lab until it is stopped. Raises RequestError for options that cannot be used."""
    if re.search(r"[^A-Za-z0-9_./-]|\.\.", a.base_path):
        raise RequestError(f"--base-path is a path like lab or tools/lab, not {a.base_path!r}")
    if not a.host.strip():
        raise RequestError("--host is empty; name an address, or 0.0.0.0 for all addresses of this machine")
    limits = classroom_options.read(a)
    classroom_options.now()  # raises RequestError for a wrong LAF_CLASSROOM
    _require_port(a.host, a.port)
    if a.lessons:
        lesson.add_to_page(a.lessons)
    from dashboard.server import serving, shield

    shield.begin(a.framed_by)
    options = {**settings(), "server.address": a.host, "server.port": a.port}
    if a.base_path.strip("/"):
        options["server.baseUrlPath"] = a.base_path.strip("/")
    classroom_options.begin(limits)
    if limits is not None:
        options["server.maxUploadSize"] = limits.upload_mb
    serving.serve(str(ROOT / "app.py"), "dashboard.server.asgi:app", options)


def _require_port(host: str, port: int) -> None:
    """Raise RequestError where the server cannot listen on ``host`` and ``port``."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise RequestError(
                f"port {port} needs more rights than you have; choose one from 1024 on with --port"
            ) from error
        except (OSError, UnicodeError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                raise RequestError(
                    f"port {port} is in use; stop what uses it, or choose another with --port"
                ) from error
            why = getattr(error, "strerror", None) or "it is not an address"
            raise RequestError(f"cannot listen on {host!r} ({why}); choose another with --host") from error


def settings() -> dict[str, Any]:
    """Return streamlit.toml as Streamlit's flags: {"server.port": ...}."""

    def flat(values: dict[str, Any], prefix: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in values.items():
            found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        return found

    return flat(tomllib.loads((ROOT / "streamlit.toml").read_text()), "")
