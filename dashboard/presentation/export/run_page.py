"""A kept run as one HTML file that replays it; the file makes no network requests and has at most 8 MB."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.lessons.replay import PlayedRun
from core.methods import METHODS
from core.runs.records import Frame
from core.runs.storage import KeptRun
from dashboard.presentation.export.companions import frames_beside
from dashboard.presentation.templating import render
from dashboard.presentation.text.pages import nouns

MOST_BYTES = 8_000_000
POSITION_BYTES = 4_500_000  # before base64, which adds a third
UNIT = 16383.0  # int16 units from the middle of the map to its edge
# field of a Reading, name, symbol, colour
CURVES = (
    ("train_f", "forgotten, train", "Train_f", "forget"),
    ("train_r", "remaining, train", "Train_r", "remain"),
    ("test", "test", "Test", "text"),
    ("clean_f", "true labels", "clean_f", "ra"),  # only where labels are wrong
)
SMOOTH = 40  # the smoothed losses are means over an epoch, or over a 40th of the run where that is longer
MOST_SMOOTH = 5  # and at most over a fifth of the run
MOST_CLASSES = 30  # whose names are written on the map


def document(kept: KeptRun, *, home: str | None = None) -> str:
    """Return the page of at most ``MOST_BYTES``.

    A long run keeps every n-th frame, and the page says so. ``home``: a link to the list of runs, where the page is part of a site.
    """
    about, data = kept.about, page_data(kept, retrained=frames_beside(kept))
    title = about["name"] or f"{about['images']['title']}: forgetting {about['forget']}"
    kind = nouns.kind_of_run(about)
    return render(
        "page.html",
        home=home,
        title=title,
        note=about["note"],
        facts=_facts(kept, data),
        data=data,
        kind=kind,
        one=nouns.one(kind),
    )


def page_data(
    kept: KeptRun | PlayedRun, position_bytes: int = POSITION_BYTES, retrained: Sequence[Frame] = ()
) -> dict[str, Any]:
    """Return the data of one run that page.js draws, with at most ``position_bytes`` of positions.

    ``retrained``: a frame of each retrained model on the map of the run.
    """
    frames = _thinned_frames(kept, position_bytes)
    is_forget = np.asarray(kept.points["forget"]).astype(np.uint8)
    data: dict[str, Any] = {
        "n": len(is_forget),
        "steps": [f.step for f in frames],
        "frames": [f.number for f in frames],
        "forget": _base64(is_forget),
        "positions": None,
        "accuracy": _accuracy(frames, retrained),
        "losses": _losses(kept),
        "changes": [c["after"] for c in kept.about["changes"]],
        "marks": kept.about["marks"],
        "all_frames": len(kept.frames),
        "last": kept.steps[-1].number if kept.steps else 0,
        "classes": None,
        "retrained": None,
        "references": len(retrained),
        "one": nouns.one(nouns.kind_of_run(kept.about)),
    }
    names = _class_names(kept.about)
    if 0 < len(names) <= MOST_CLASSES and "label" in kept.points:
        data["classes"] = names
        data["labels"] = _base64(np.asarray(kept.points["label"]).astype(np.uint8))
    if kept.map_positions is not None and frames:
        edge = float(np.abs(np.asarray(kept.map_positions)).max()) or 1.0
        data["positions"] = _packed([f.positions for f in frames], edge)
        if retrained and retrained[0].positions is not None:
            data["retrained"] = _packed([retrained[0].positions], edge)
    return data


def _packed(positions: Sequence[Any], edge: float) -> str:
    """Return map positions (F, N, 2) as int16 in base64; ``edge`` is at ``UNIT``."""
    stacked = np.stack([np.asarray(p) for p in positions])
    return _base64(np.clip(np.rint(stacked / edge * UNIT), -32767, 32767).astype("<i2"))


def _class_names(about: Mapping[str, Any]) -> list[str]:
    return list(about.get("images", {}).get("classes", ()))


def _accuracy(frames: Sequence[Any], retrained: Sequence[Frame]) -> list[dict[str, Any]]:
    """Return the curves of accuracies in percent, each with the values of the retrained models."""
    found = []
    for key, name, symbol, role in CURVES:
        values = [_percent(getattr(f.reading, key)) for f in frames]
        if not any(v is not None for v in values) and key == "clean_f":
            continue
        beside = [v for f in retrained if (v := _percent(getattr(f.reading, key))) is not None]
        found.append({"name": name, "symbol": symbol, "role": role, "values": values, "retrained": beside})
    return found


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 3)


def _thinned_frames(kept: KeptRun | PlayedRun, position_bytes: int) -> list[Any]:
    """Return all frames, or every n-th and the last where they are too many."""
    n = max(1, len(kept.points["ids"]))
    most = max(2, min(2000, position_bytes // (4 * n)))
    every = -(-len(kept.frames) // most)
    chosen = kept.frames[:: max(1, every)]
    return chosen if not kept.frames or chosen[-1] is kept.frames[-1] else [*chosen, kept.frames[-1]]


def _losses(kept: KeptRun | PlayedRun) -> dict[str, Any]:
    """Return losses by name, for at most 2,000 steps, with four significant digits: each step's, and smoothed.

    LAF's losses are sums over the batch, whose size changes at the end of an epoch. Divided by the number of images they compare.
    """
    every = max(1, -(-len(kept.steps) // 2000))
    names = list(dict.fromkeys(name for s in kept.steps for name in s.losses))
    shown = [n for n in ("ue", "ra") if n in names] or names[:2]
    per_image = bool(kept.steps) and all(sum(s.images.values()) for s in kept.steps)
    # The last batch of an epoch has another share of forgotten images; a mean over a whole epoch has no tooth for it.
    epoch = sum(s.epoch == kept.steps[0].epoch for s in kept.steps)
    width = max(1, len(kept.steps) // SMOOTH, min(epoch, len(kept.steps) // MOST_SMOOTH))
    values, smooth = {}, {}
    for name in shown:
        found = np.array([_per_image(s, name, per_image) for s in kept.steps], np.float64)
        values[name] = [_rounded(v) for v in found[::every]]
        smooth[name] = [_rounded(v) for v in _moving_mean(found, width)[::every]]
    return {
        "steps": [s.number for s in kept.steps[::every]],
        "values": values,
        "smooth": smooth,
        "per_image": per_image,
        "over": width,
    }


def _per_image(step: Any, name: str, per_image: bool) -> float:
    """Return a step's loss, divided by the images of its batch with ``per_image``; NaN where it has no such loss."""
    value = step.losses.get(name)
    if value is None:
        return float("nan")
    return float(value) / (sum(step.images.values()) if per_image else 1)


def _moving_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of the ``width`` values (n,) around each one; values that are no number are left out."""
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    at = np.arange(len(values))
    low = at - (width - 1) // 2
    low, high = np.maximum(0, low), np.minimum(len(values), low + width)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, (total[high] - total[low]) / (count[high] - count[low]), np.nan)


def _rounded(value: float) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _facts(kept: KeptRun, data: dict[str, Any]) -> list[tuple[str, str]]:
    about, setup = kept.about, kept.setup
    facts = [
        (nouns.kind_of_run(about), f"{about['images']['title']}, {data['n']:,} of them on the map"),
        ("forgotten", about["forget"]),
        ("method", f"{title_of(setup.method)}, seed {setup.seed}"),
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


def title_of(name: str) -> str:
    """Return the title of a method; its name where the method is not installed here."""
    return str(getattr(METHODS.get(name), "title", name))


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
