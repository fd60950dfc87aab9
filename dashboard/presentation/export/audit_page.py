"""A deletion record as HTML: part of the page Audit, and a file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup

from core.experiments.audit import DeletionRecord
from dashboard.presentation.templating import render

VERDICTS = (  # name in the record, style class, sign, text
    ("passed", "passed", "✓", "passed"),
    ("failed", "failed", "✗", "failed"),
    ("no power", "no-power", "–", "without power"),
    ("not tested", "not-tested", "–", "not tested"),
)


def sheet(record: DeletionRecord, created: datetime) -> Markup:
    """Return the record as an HTML fragment with its style."""
    return render("audit_sheet.html", **_values(record, created))


def document(record: DeletionRecord, created: datetime) -> str:
    """Return the record as a complete, self-contained HTML page."""
    return render("audit.html", **_values(record, created))


def _values(record: DeletionRecord, created: datetime) -> dict[str, Any]:
    return {
        "record": record,
        "created": f"{created:%Y-%m-%d %H:%M}",
        "verdicts": [dict(zip(("name", "style", "sign", "text"), v, strict=True)) for v in VERDICTS],
        "details": {
            "settings": _one_line(record.settings),
            "hashes": _one_line(record.hashes),
            "machine": _one_line(record.machine),
        },
    }


def _one_line(values: Mapping[str, Any], prefix: str = "") -> str:
    """Return names and values in one line; a nested name has its path before it."""
    parts = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            parts.append(_one_line(value, f"{prefix}{name}."))
        else:
            parts.append(f"{prefix}{name} {value}")
    return " · ".join(parts)
