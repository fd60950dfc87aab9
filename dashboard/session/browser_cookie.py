"""The cookie that tells browsers apart."""

from __future__ import annotations

import re

COOKIE = "laf-browser"


TOKEN = re.compile(r"[0-9a-f]{32}")
