"""The Chromium of the tests and of the programs that take pictures or measure pages."""

from __future__ import annotations

import os
import shutil

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",  # one renderer compiles the page's scripts once for all tabs of one context
    "--renderer-process-limit=1",
]


def chromium() -> str | None:
    """Return the path of a Chromium on this machine, or None. ``LAF_CHROMIUM`` comes first."""
    # The headless shell is the same engine without a window's parts: a page takes half of the computing time.
    names = (
        "chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    )
    found = [os.environ.get("LAF_CHROMIUM"), *(shutil.which(n) for n in names)]
    return next((f for f in found if f), None)
