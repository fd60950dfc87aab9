"""The fast, approximate settings of LAF, which train only the last layer of the extractor.

Its inputs are computed once for a part of the images. Batches are larger, and the learning rates are scaled with them.
No setting depends on labels or on retrained models during a run. docs/performance.md gives accuracy and time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.config import LAFConfig, LAFRConfig, VAEConfig
from core.errors import RequestError
from core.methods.presets import FAST

SPEEDS = {
    "exact": "the paper's arithmetic",
    "fast": "approximate: trains only the last layer, on a part of the images",
}
MAX_FORGET, MAX_REMAIN = 2000, 6000  # images
RATE_FACTOR = 4  # for twice the batch size, and for one layer in place of all

_MEASURED = {
    key: LAFConfig(**{**settings, "vae": VAEConfig(**settings["vae"])}) for key, settings in FAST.items()
}


def fast(config: Any, family: str, task: str) -> Any:
    """Return the fast form of the preset ``config``: the measured one of (dataset or family, task), else one by rule.

    Raises RequestError for settings of another method than LAF and LAF+R.
    """
    if isinstance(config, LAFRConfig):
        return replace(config, laf=fast(config.laf, family, task))
    if not isinstance(config, LAFConfig):
        raise RequestError("--fast applies to LAF and LAF+R only; run this method with --exact, the default")
    return _MEASURED.get((family, task)) or fast_by_rule(config)


def is_measured(family: str, task: str) -> bool:
    """Return whether (dataset or family, task) has measured fast settings."""
    return (family, task) in _MEASURED


def fast_by_rule(config: LAFConfig) -> LAFConfig:
    """Return a fast form of exact settings that were not measured: larger batches, scaled rates, at most 3 epochs."""
    vae: VAEConfig = replace(config.vae, batch_size=max(256, config.vae.batch_size))
    return replace(
        config,
        learns="last",
        most_remain=MAX_REMAIN,
        most_forget=MAX_FORGET,
        epochs=min(config.epochs, 3),
        batch_size=2 * config.batch_size,
        lr_ue=RATE_FACTOR * config.lr_ue,
        lr_ra=RATE_FACTOR * config.lr_ra,
        vae=vae,
    )
