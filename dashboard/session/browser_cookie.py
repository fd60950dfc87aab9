"""The cookie that holds a browser's token."""

from __future__ import annotations

import re

COOKIE = "laf-browser"  # name
TOKEN = re.compile(r"[0-9a-f]{32}")  # value
