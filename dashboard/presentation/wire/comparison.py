"""A Comparison for the page Compare: the rows of its table, and two maps in one packet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.data.split import Split
from core.evaluation.report import Metric
from core.experiments.comparison import Comparison
from core.experiments.comparison_summary import Entry, Line, Summary
from core.methods import METHODS
from core.methods.base import reads_text
from core.projection.projection import Projection
from core.runs.observer import Observer
from core.runs.records import Frame
from dashboard.presentation.export import comparison_files
from dashboard.presentation.text.pages import nouns
from dashboard.presentation.text.readouts.status_text import short_title
from dashboard.presentation.wire.packet import pack
from dashboard.presentation.wire.scene import position_units, share_bytes, sprites

READS = {
    "key": "reads",
    "label": "reads",
    "unit": "",
    "help": "What the method reads once the original is trained: images, or images with their labels.",
    "summary": False,
}


def table_data(
    summary: Summary,
    comparison: Comparison | None,
    keys: Sequence[str],
    chosen: Sequence[str],
    kind: str = nouns.IMAGES,
) -> dict[str, Any]:
    """Return the table (docs/wire.md, "Table"), in the nouns of ``kind``; without a ``comparison`` no row can be picked."""
    # a figure that no method has yet, or that nothing here can measure, would be a column of dashes
    measured = {k for line in summary.lines for k in line.entries}
    columns = {k: summary.columns[k] for k in keys if k in summary.columns and k in measured}
    data: dict[str, Any] = {
        "columns": [READS] * comparison_files.tells_reads(summary)
        + [
            {
                "key": k,
                "label": comparison_files.name_of(f),
                "unit": f.unit,
                "help": f"{f.label}. {f.help}",
                "summary": f.summary,
            }
            for k, f in columns.items()
        ],
        "rows": [_row(line, columns, comparison) for line in summary.lines],
        "chosen": list(chosen),
    }
    return nouns.in_kind(data, kind)  # type: ignore[no-any-return]


def _row(line: Line, columns: dict[str, Metric], comparison: Comparison | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "key": line.method,
        "label": short_title(line.title),
        "cells": {},
        "kind": line.method,
        "pick": True,
        "help": _help(line),
        "state": "",
        "tone": "",
    }
    if comparison is None:
        row["pick"] = False
    elif line.method == "references":
        row |= {
            "pick": False,
            "help": "Models trained from scratch without the forgotten images, each compared with the others",
        }
    else:
        row |= _state(line, comparison)
    row["cells"]["reads"] = {
        "value": None if line.reads is None else len(line.reads),
        "text": reads_text(line.reads),
        "spread": None,
        "tone": "",
        "loses": False,
        "help": "" if line.reads is None else ", ".join(line.reads) or "nothing",
    }
    for key, figure in columns.items():
        entry = line.entries.get(key)
        if entry is not None:
            row["cells"][key] = _cell(figure, entry, line.method)
    return row


def _help(line: Line) -> str:
    """Return the tooltip of a row: the method's full name where the label is shorter, and where its settings come from."""
    full = line.title if short_title(line.title) != line.title else ""
    return ". ".join(filter(None, (full, line.origin and f"Settings: {line.origin}")))


def _state(line: Line, comparison: Comparison) -> dict[str, Any]:
    states = [comparison.cells[line.method, s].state for s in comparison.seeds]
    done, n = states.count("done"), len(states)
    if line.errors and not line.entries:
        seed, why = next(iter(line.errors.items()))
        return {"message": f"seed {seed}: {why}", "kind": "failed", "pick": False}
    if line.errors:
        return {
            "state": f"failed on seed {', '.join(map(str, line.errors))}",
            "tone": "alarm",
            "help": "; ".join(f"seed {s}: {why}" for s, why in line.errors.items()),
        }
    if not done:
        running = "running" in states
        return {
            "message": "running …" if running else "not run" if comparison.over else "waiting",
            "kind": "waiting",
            "pick": False,
        }
    return {"state": "" if done == n else f"{done} of {n} seeds"}


def _cell(figure: Metric, entry: Entry, method: str) -> dict[str, Any]:
    def text(value: float) -> str:
        return f"{comparison_files.shown(figure, value):.{figure.digits}f}"

    inside = entry.inside is not None and entry.inside == len(entry.values)
    help = "by seed: " + ", ".join(text(v) for v in entry.values)
    if entry.inside is not None and method != "references":
        help += f"; inside the band of retrained models on {entry.inside} of {len(entry.values)} seeds"
    if entry.gap is not None and method != "references":
        help += f"; {text(entry.gap)} {figure.unit} from their mean"
    if entry.loses:
        help += "; doing nothing is closer"
    return {
        "value": entry.mean,
        "text": text(entry.mean),
        "spread": None if entry.spread is None else text(entry.spread),
        "tone": "inside" if inside and method != "references" else "",
        "loses": entry.loses,
        "help": help,
    }


@dataclass(frozen=True, eq=False)
class Side:
    """One of two maps: a method's result on the map of the common original."""

    title: str
    note: str
    frame: Frame


def pair_packet(split: Split, observer: Observer, projection: Projection, a: Side, b: Side) -> bytes:
    """Return two maps in one packet (docs/wire.md, "Pair")."""
    rows = observer.rows
    images = split.train.unlabelled().take(rows)
    sheet, tiles = sprites(images)
    edge = float(np.abs(projection.positions).max()) or 1.0
    arrays: dict[str, Any] = {
        "ids": images.ids.numpy().astype(np.int32),
        "label": split.true_y[rows].numpy().astype(np.uint8),
        "forget": observer.evaluator.is_forget.numpy().astype(np.uint8),
        "sprite": np.frombuffer(sheet, np.uint8),
    }
    header: dict[str, Any] = {
        "kind": "pair",
        "n": len(rows),
        "classes": list(split.dataset.classes),
        "sprite": tiles,
    }
    for name, side in (("a", a), ("b", b)):
        assert side.frame.positions is not None
        header[name] = {"title": side.title, "note": side.note}
        arrays |= {
            f"position_{name}": position_units(side.frame.positions, edge),
            f"prediction_{name}": side.frame.predictions,
            f"confidence_{name}": share_bytes(side.frame.confidences),
        }
    return pack(header, arrays)


def title_of(name: str) -> str:
    """Return the method's short title on the page."""
    return short_title(METHODS[name].title)  # type: ignore[attr-defined]
