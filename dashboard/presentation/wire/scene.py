"""The static part of the Lab's picture: the original model's map, its images as one sprite, and number packing."""

from __future__ import annotations

import base64
import io
import math
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from core.data.images import Images
from core.data.pictures import pictures
from core.experiments.session.experiment import Experiment
from dashboard.presentation.wire.packet import pack

UNIT = 16383.0  # int16 units from the map's middle to its edge; points may move as far beyond the edge


def scene(experiment: Experiment, token: str, *, watch: bool = False) -> bytes:
    """Return the scene packet (docs/wire.md); empty while the experiment is being prepared.

    ``watch``: the run can only be looked at, so the map offers no follow map and no new forget set.
    """
    header: dict[str, Any] = {"kind": "scene", "run": token, "watch": watch}
    observer, projection, split = experiment.observer, experiment.projection, experiment.split
    if experiment.run is None or observer is None or projection is None or split is None:
        return pack({**header, "n": 0, "classes": [], "dataset": "", "forget": ""}, {})
    shown = observer.rows
    images = split.train.unlabelled().take(shown)
    out = observer.original.train
    sheet, tiles = sprites(images)
    trials = trials_of(experiment)
    clients = split.dataset.clients
    header |= {
        "dataset": split.dataset.title,
        "classes": list(split.dataset.classes),
        "task": split.task,
        "forget": split.request.describe(split.dataset.classes),
        "n": len(shown),
        "n_all": len(split.train),
        "span": float(projection.span),
        "sprite": tiles,
        "trials": trials,
        "clients": 0 if clients is None else clients.count,
    }
    return pack(
        header,
        {
            "ids": images.ids.numpy().astype(np.int32),
            "label": split.true_y[shown].numpy().astype(np.uint8),
            "given": split.train.y[shown].numpy().astype(np.uint8),
            "forget": observer.evaluator.is_forget.numpy().astype(np.uint8),
            "position": position_units(projection.positions, map_radius(experiment)),
            "prediction": out.predictions.numpy().astype(np.uint8),
            "confidence": share_bytes(out.probabilities.max(1).values.numpy()),
            "sprite": np.frombuffer(sheet, np.uint8),
            "trial_position": _trial_positions(experiment),
            **({} if clients is None else {"client": clients.take(shown).of.numpy().astype(np.uint8)}),
        },
    )


def trials_of(experiment: Experiment) -> list[dict[str, Any]]:
    """Return the trials of the search for settings, with the curves of their signals (docs/wire.md, "Trials")."""
    return [
        {
            "number": t.number,
            "chosen": t.is_chosen,
            "score": t.score,
            "reason": t.reason,
            "settings": t.settings,
            "seconds": t.seconds,
            "steps": list(t.steps),
            "forget": list(t.signals["forget_agreement"]),
            "remain": list(t.signals["remain_agreement"]),
            "placed": t.positions is not None,
        }
        for t in experiment.trials
    ]


def _trial_positions(experiment: Experiment) -> np.ndarray:
    """Return where each placed trial left the forgotten images, (trials, N_f, 2) as int16."""
    assert experiment.observer is not None
    forget = experiment.observer.evaluator.is_forget.numpy()
    placed = [t.positions[forget] for t in experiment.trials if t.positions is not None]
    if not placed:
        return np.zeros((0, int(forget.sum()), 2), np.int16)
    return position_units(np.stack(placed), map_radius(experiment))


def sprites(images: Images, columns: int | None = None) -> tuple[bytes, dict[str, Any]]:
    """Return all ``images`` as one picture, row by row, and its layout."""
    x = pictures(images).numpy()
    n, channels, height, width = x.shape
    columns = min(n, columns) if columns else math.ceil(math.sqrt(n))
    lines = math.ceil(n / columns)
    sheet = np.zeros((lines * columns, channels, height, width), np.uint8)
    sheet[:n] = x
    sheet = sheet.reshape(lines, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    flat = sheet.reshape(lines * height, columns * width, channels)
    buffer = io.BytesIO()
    grey = channels == 1
    # 2,000 colour images are 4 MB as PNG, and a tenth of that as WebP
    Image.fromarray(flat[:, :, 0] if grey else flat).save(
        buffer, **({"format": "PNG"} if grey else {"format": "WEBP", "quality": 90})
    )
    mime = "image/png" if grey else "image/webp"
    return buffer.getvalue(), {"columns": columns, "width": width, "height": height, "mime": mime}


def map_radius(experiment: Experiment) -> float:
    """Return the distance from the map's middle to its edge, in map units."""
    assert experiment.projection is not None
    return float(np.abs(experiment.projection.positions).max()) or 1.0


def position_units(positions: np.ndarray, edge: float) -> np.ndarray:
    """Return positions (…, 2) in map units as int16; ``edge`` map units become UNIT."""
    return np.clip(np.rint(positions / edge * UNIT), -32767, 32767).astype(np.int16)


def share_bytes(values: np.ndarray) -> np.ndarray:
    """Return shares in [0, 1] as bytes."""
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)


def thumbnails(images: Images, alt: str, columns: int = 10) -> str:
    """Return ``images`` as one HTML picture with ``columns`` a row."""
    sheet, tiles = sprites(images, columns=columns)
    data = base64.b64encode(sheet).decode()
    width = round(100 * tiles["columns"] / columns)
    return (
        f"<img alt='{escape(alt, quote=True)}' src='data:{tiles['mime']};base64,{data}' "
        f"style='width:{width}%;image-rendering:pixelated;border-radius:6px'>"
    )
