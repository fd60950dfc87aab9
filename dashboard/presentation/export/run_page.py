"""A kept run as one HTML file that plays it: map, curves, text. It asks nobody for anything and is at most 8 MB. No screen."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any

import numpy as np

from core.lessons.replay import Played
from core.runs.storage import KeptRun

MOST_BYTES = 8_000_000
ROOM = 4_500_000  # bytes of positions before base64, which makes a third more of them
UNIT = 16383.0  # int16 steps from the middle of the map to its edge
CURVES = (("train_r", "Train_r", "remain"), ("train_f", "Train_f", "forget"), ("test", "Test", "text"))
FRONTEND = Path(__file__).parent / "templates"


def document(kept: KeptRun) -> str:
    """The page. Long runs keep every n-th frame, so that it stays below ``MOST_BYTES``; the text says so."""
    data = page_data(kept)
    about, images = kept.about, kept.about["images"]
    # "<" must not end the script, wherever a name has one
    packed = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    title = html.escape(about["name"] or f"{images['title']}: forgetting {about['forget']}")
    facts = "".join(f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd></div>" for k, v in _facts(kept, data))  # fmt: skip
    notes = f"<p class=note>{html.escape(about['note'])}</p>" if about["note"] else ""
    template = (FRONTEND / "page.html").read_text()
    for name, value in {
        "TITLE": title, "FACTS": facts, "NOTE": notes, "STYLE": (FRONTEND / "page.css").read_text(),
        "SCRIPT": (FRONTEND / "page.js").read_text(), "DATA": packed,
    }.items():  # fmt: skip
        template = template.replace(f"@@{name}@@", value)
    return template


def page_data(kept: KeptRun | Played, room: int = ROOM) -> dict[str, Any]:
    """What the script draws of one run, in ``room`` bytes of positions."""
    frames = _some(kept, room)
    points = kept.points
    shown = np.asarray(points["forget"]).astype(np.uint8)
    data: dict[str, Any] = {
        "n": len(shown),
        "steps": [f.step for f in frames],
        "frames": [f.number for f in frames],
        "forget": _b64(shown),
        "positions": None,
        "accuracy": {
            label: {"role": role, "values": [round(100 * getattr(f.reading, key), 3) for f in frames]}
            for key, label, role in CURVES
        },
        "losses": _losses(kept),
        "changes": [c["after"] for c in kept.about["changes"]],
        "marks": kept.about["marks"],
        "all_frames": len(kept.frames),
        "last": kept.steps[-1].number if kept.steps else 0,
    }
    if kept.map_positions is not None and frames:
        edge = float(np.abs(np.asarray(kept.map_positions)).max()) or 1.0
        stacked = np.stack([np.asarray(f.positions) for f in frames])
        data["positions"] = _b64(np.clip(np.rint(stacked / edge * UNIT), -32767, 32767).astype("<i2"))
    return data


def _some(kept: KeptRun | Played, room: int) -> list[Any]:
    """All frames, or every n-th and the last where they are too many."""
    n = max(1, len(kept.points["ids"]))
    most = max(2, min(2000, room // (4 * n)))
    every = -(-len(kept.frames) // most)
    chosen = kept.frames[:: max(1, every)]
    return chosen if not kept.frames or chosen[-1] is kept.frames[-1] else [*chosen, kept.frames[-1]]


def _losses(kept: KeptRun | Played) -> dict[str, Any]:
    """The losses of a step by name, for at most 2,000 steps; values to four digits."""
    steps = kept.steps[:: max(1, -(-len(kept.steps) // 2000))]
    names = list(dict.fromkeys(name for s in steps for name in s.losses))
    shown = [n for n in ("ue", "ra") if n in names] or names[:2]
    return {
        "steps": [s.number for s in steps],
        "values": {n: [None if (v := s.losses.get(n)) is None else float(f"{v:.4g}") for s in steps] for n in shown},
    }  # fmt: skip


def _facts(kept: KeptRun, data: dict[str, Any]) -> list[tuple[str, str]]:
    about, setup = kept.about, kept.setup
    facts = [
        ("images", f"{about['images']['title']}, {data['n']:,} of them on the map"),
        ("forgotten", about["forget"]),
        ("method", f"{setup.method}, seed {setup.seed}"),
        ("steps", f"{len(kept.steps):,} of {about['total_steps']:,}, {about['phase']}"),
        ("begun", about["created"][:16].replace("T", " ") + " UTC"),
        ("run", kept.id),
    ]
    if about["parent"]:
        facts.append(("forked from", f"{about['parent']} after step {about['parent_step']}"))
    if len(data["frames"]) < data["all_frames"]:
        facts.append(("frames", f"{len(data['frames'])} of {data['all_frames']:,}, evenly spaced"))
    if data["changes"]:
        facts.append(("settings changed after step", ", ".join(map(str, data["changes"]))))
    facts += [(f"remark on step {m['step']}", m["text"]) for m in data["marks"]]
    return facts


def _b64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
