"""The preview of an upload as HTML: facts, a row of thumbnails for each class, and notes."""

from __future__ import annotations

import base64
import io

import numpy as np
from markupsafe import Markup
from PIL import Image

from core.data.images import kind_of, size_text
from core.data.uploads.store import UploadPreview
from dashboard.presentation.templating import render

ROWS = 100  # most classes shown
TILE, STRIP = 30, 330  # screen pixels: height of an image, greatest width of a row


def preview(upload: UploadPreview) -> Markup:
    """Return the preview as one piece of HTML with one image, of which each row shows a strip."""
    h, w = upload.thumbnails(1)[0][0].shape[1:]
    total = len(upload.train) + len(upload.test)
    kind = kind_of(upload.shape)
    facts = {
        kind.capitalize(): f"{total:,} ({len(upload.train):,} train, {len(upload.test):,} test)",
        "Classes": f"{len(upload.classes):,}",
        "Kept as": _kept_as(upload.shape),
    }
    if upload.sizes:
        facts["Found as"] = _sizes(upload)
    if upload.subjects:
        facts["Subjects"] = f"{len(upload.subjects):,}"
    width = max(1, round(w * TILE / h))
    columns = max(1, min(10, STRIP // width))
    rows = [
        (name, f"{train:,}", f"{test:,}")
        for name, (train, test) in zip(upload.classes, upload.counts, strict=True)
    ]
    return render(
        "upload_preview.html",
        facts=facts,
        rows=rows[:ROWS],
        more=f"{len(rows) - ROWS:,}" if len(rows) > ROWS else "",
        notes=upload.notes,
        tile=TILE,
        strip={
            "width": width * columns,
            "picture": base64.b64encode(sheet(upload, columns)).decode(),
            "rendering": "pixelated" if h < TILE else "auto",
        },
    )


def _kept_as(shape: tuple[int, ...]) -> str:
    if kind_of(shape) != "images":
        return size_text(shape)
    channels, h, w = shape
    return f"{w}×{h}, {'colour' if channels == 3 else 'grey'}"


def _sizes(upload: UploadPreview) -> str:
    listed = [f"{w}×{h}" + (f" ({n:,})" if len(upload.sizes) > 1 else "") for w, h, n in upload.sizes[:3]]
    more = len(upload.sizes) - 3
    return ", ".join(listed) + (f", {more:,} more sizes" if more > 0 else "")


def sheet(upload: UploadPreview, columns: int) -> bytes:
    """Return a WebP with a row of up to ``columns`` training images for each of the first ROWS classes.

    Missing images are transparent.
    """
    strips = upload.thumbnails(columns)[:ROWS]
    h, w = strips[0][0].shape[1:]
    pixels = np.zeros((len(strips) * h, columns * w, 4), np.uint8)
    for row, strip in enumerate(strips):
        for column, x in enumerate(strip):
            tile = pixels[row * h : (row + 1) * h, column * w : (column + 1) * w]
            tile[..., :3] = x.permute(1, 2, 0).numpy()
            tile[..., 3] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=85)
    return file.getvalue()
