"""An Audit as HTML: one sheet of paper, in the page and as a file of its own; pure, no screen."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.experiments.audit import Check, DeletionRecord

VERDICTS = {
    "passed": "✓ passed",
    "failed": "✗ failed",
    "no power": "– without power",
    "not tested": "– not tested",
}
STYLE = """
.audit { max-width: 60rem; margin: 0 auto; padding: 1.6rem 2rem; background: #fff; color: #182033; border: 1px solid #dfe3ee; border-radius: 10px;
  font: 14px/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
.audit h1 { margin: 0; font-size: 1.5rem; } .audit h2 { margin: 1.1rem 0 0.3rem; font-size: 1.02rem; border-bottom: 1px solid #dfe3ee; }
.audit p { margin: 0.3rem 0; } .audit table { width: 100%; border-collapse: collapse; }
.audit td, .audit th { padding: 0.16rem 0.6rem 0.16rem 0; text-align: left; vertical-align: top; font-size: 0.86rem; border: 0; }
.audit dl { display: grid; grid-template-columns: 13rem 1fr; gap: 0.12rem 0.8rem; margin: 0; font-size: 0.86rem; }
.audit dt { color: #5d6a86; } .audit dd { margin: 0; overflow-wrap: anywhere; } .audit code { font-size: 0.8rem; color: #182033; background: #f0f2f8; }
.audit .passed { color: #087a4f; font-weight: 600; } .audit .failed { color: #c92a3a; font-weight: 600; } .audit .no-power, .audit .not-tested { color: #5d6a86; }
.audit .caution { margin-top: 1rem; padding: 0.5rem 0.8rem; border: 1px solid #c92a3a; border-radius: 8px; font-size: 0.86rem; }
.audit .sum { display: flex; gap: 1.4rem; margin: 0.5rem 0 0; font-size: 0.95rem; }
@media print { @page { size: A4; margin: 10mm; } body { margin: 0; } .audit { border: 0; padding: 0; max-width: none; font-size: 11px; line-height: 1.25; zoom: 0.9; } .audit h1 { font-size: 1.3rem; } .audit h2 { margin-top: 0.6rem; }
  .audit dl, .audit td, .audit th, .audit .caution { font-size: 10.5px; } .audit h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""


def sheet(audit: DeletionRecord, made: datetime) -> str:
    """The page's body, with its style."""
    tests = "".join(_test(c) for c in audit.checks)
    counts = "".join(
        f"<span class='{kind.replace(' ', '-')}'>{audit.count(kind)} {VERDICTS[kind][2:]}</span>"
        for kind in VERDICTS
    )
    return f"""<style>{STYLE}</style><div class='audit'>
<h1>Record of unlearning</h1><p>Drawn up {made:%Y-%m-%d %H:%M} by LAF Lab</p>
<h2>What was asked</h2>{_list(audit.asked)}
<h2>What was done</h2>{_list(audit.done)}
<h2>What it cost</h2>{_list(audit.cost)}
<h2>Tests against retrained models</h2><div class='sum'>{counts}</div>
<table><thead><tr><th>test</th><th>found</th><th>expected</th><th>verdict</th><th>why</th></tr></thead><tbody>{tests}</tbody></table>
<h2>What was chosen with labels</h2><p>{html.escape(audit.tuned)}</p>
<h2>To do it again</h2><p><code>{html.escape(audit.command)}</code></p>
{_list({"settings": _line(audit.settings), "hashes": _line(audit.hashes), "machine": _line(audit.machine)})}
<p class='caution'>{html.escape(audit.caution)}</p></div>"""


def document(audit: DeletionRecord, made: datetime) -> str:
    """A file that needs nothing else."""
    return f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Record of unlearning</title></head><body>{sheet(audit, made)}</body></html>"


def _test(check: Check) -> str:
    cells = "".join(f"<td>{html.escape(text)}</td>" for text in (check.name, check.found, check.expected))
    kind = check.verdict.replace(" ", "-")
    return (
        f"<tr>{cells}<td class='{kind}'>{VERDICTS[check.verdict]}</td><td>{html.escape(check.why)}</td></tr>"
    )


def _line(values: Mapping[str, Any], before: str = "") -> str:
    """Names and values in one line; nested ones with their path."""
    parts = []
    for name, value in values.items():
        parts.append(
            _line(value, f"{before}{name}.") if isinstance(value, Mapping) else f"{before}{name} {value}"
        )
    return " · ".join(parts)


def _list(values: Mapping[str, Any]) -> str:
    rows = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(str(v))}</dd>" for k, v in values.items())
    return f"<dl>{rows}</dl>"
