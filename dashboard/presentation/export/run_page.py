"""A kept run as one HTML file that replays it; the file makes no network requests and has at most 8 MB."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from core.lessons.replay import PlayedRun
from core.runs.storage import KeptRun
from dashboard.presentation.templating import render

MOST_BYTES = 8_000_000
POSITION_BYTES = 4_500_000  # before base64, which adds a third
UNIT = 16383.0  # int16 units from the middle of the map to its edge
CURVES = (("train_r", "Train_r", "remain"), ("train_f", "Train_f", "forget"), ("test", "Test", "text"))


def document(kept: KeptRun) -> str:
    """Return the page of at most ``MOST_BYTES``.

    A long run keeps every n-th frame, and the page says so.
    """
    about, data = kept.about, page_data(kept)
    title = about["name"] or f"{about['images']['title']}: forgetting {about['forget']}"
    return render("page.html", title=title, note=about["note"], facts=_facts(kept, data), data=data)


def page_data(kept: KeptRun | PlayedRun, position_bytes: int = POSITION_BYTES) -> dict[str, Any]:
    """Return the data of one run that page.js draws, with at most ``position_bytes`` of positions."""
    frames = _thinned_frames(kept, position_bytes)
    points = kept.points
    is_forget = np.asarray(points["forget"]).astype(np.uint8)
    data: dict[str, Any] = {
        "n": len(is_forget),
        "steps": [f.step for f in frames],
        "frames": [f.number for f in frames],
        "forget": _base64(is_forget),
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
        data["positions"] = _base64(np.clip(np.rint(stacked / edge * UNIT), -32767, 32767).astype("<i2"))
    return data


def _thinned_frames(kept: KeptRun | PlayedRun, position_bytes: int) -> list[Any]:
    """Return all frames, or every n-th and the last where they are too many."""
    n = max(1, len(kept.points["ids"]))
    most = max(2, min(2000, position_bytes // (4 * n)))
    every = -(-len(kept.frames) // most)
    chosen = kept.frames[:: max(1, every)]
    return chosen if not kept.frames or chosen[-1] is kept.frames[-1] else [*chosen, kept.frames[-1]]


def _losses(kept: KeptRun | PlayedRun) -> dict[str, Any]:
    """Return losses by name, for at most 2,000 steps, with four significant digits."""
    steps = kept.steps[:: max(1, -(-len(kept.steps) // 2000))]
    names = list(dict.fromkeys(name for s in steps for name in s.losses))
    shown = [n for n in ("ue", "ra") if n in names] or names[:2]
    return {
        "steps": [s.number for s in steps],
        "values": {name: [_rounded(s.losses.get(name)) for s in steps] for name in shown},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


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


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
