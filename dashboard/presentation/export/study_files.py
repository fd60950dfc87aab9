"""The rows of a study as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return ``rows`` as CSV text; the columns are all keys that any row has."""
    columns = list(dict.fromkeys(k for r in rows for k in r))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json(study: Any, rows: list[dict[str, Any]]) -> str:
    """Return the study, its rows, and the seeds used to choose settings and to report them, as JSON text."""
    about = {
        "schema": 1,
        "name": study.name,
        "title": study.title,
        "question": study.question,
        "chosen_on": list(study.chosen),
        "reported_on": list(study.reported),
        "study": study.source,
        "rows": rows,
    }
    return json.dumps(about, indent=1) + "\n"
