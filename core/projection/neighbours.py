"""The images that a model finds most alike: the nearest by the angle between their representations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from core.projection.umap_layout import unit_rows


def nearest_by_angle(
    e: npt.NDArray[Any], row: int, count: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Return the rows of representations e (N, d) with the largest cosine to row ``row``, the nearest first, and their cosines.

    Both arrays have ``count`` entries, or N - 1 where there are fewer. The row itself is not among them. Equal cosines
    are in the order of the rows. A row of zeros has the cosine 0 to all rows.

    Raises ConfigError for a row outside [0, N) and for a negative count.
    """
    if e.ndim != 2 or not 0 <= row < len(e):
        raise ConfigError(f"row must be in [0, {len(e)}), got {row}")
    if count < 0:
        raise ConfigError(f"count must be at least 0, got {count}")
    unit = unit_rows(np.ascontiguousarray(e, dtype=np.float32))
    cosine = np.clip(unit @ unit[row], -1, 1)
    order = np.argsort(-cosine, kind="stable")
    nearest = order[order != row][:count]
    return nearest, cosine[nearest].astype(np.float32)
