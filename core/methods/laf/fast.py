"""The fast, approximate settings of LAF: only the last layer of the extractor learns, on features that are computed once for a part of
the images, in larger batches at rates scaled with them. docs/performance.md says what each was chosen on and how it ended elsewhere.

No rule here stops by looking at labels or at retrained models.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.config import LAFConfig, LAFRConfig, VAEConfig
from core.errors import RequestError

SPEEDS = {
    "exact": "the paper's arithmetic",
    "fast": "approximate: the last layer on kept features, of a part of the images",
}
MOST_FORGET, MOST_REMAIN = 2000, 6000
SCALE = 4  # of both rates, for twice the batch and a layer that has to do the others' part

_FAST: dict[Any, LAFConfig] = {
    ("mnist", "class"): LAFConfig(
        learns="last", most_remain=MOST_REMAIN, most_forget=MOST_FORGET, epochs=6, batch_size=64,
        lr_ue=2e-4, lr_ra=7e-4, temperature=20, vae=VAEConfig(latent=8, epochs=5, batch_size=256, lr=2e-3),
    ),
    ("mnist", "noise"): LAFConfig(
        learns="last", most_remain=MOST_REMAIN, most_forget=2 * MOST_FORGET, epochs=3, batch_size=64,
        lr_ue=1e-3, lr_ra=1e-3, temperature=8, vae=VAEConfig(latent=8, epochs=5, batch_size=256, lr=2e-3, output="sigmoid"),
    ),
    ("mnist", "data"): LAFConfig(
        learns="last", most_remain=MOST_REMAIN, most_forget=MOST_FORGET, epochs=2, batch_size=64,
        lr_ue=4e-4, lr_ra=8e-4, temperature=5, vae=VAEConfig(latent=8, epochs=5, batch_size=256, lr=2e-3),
    ),
}  # fmt: skip


def fast(config: Any, family: str, task: str) -> Any:
    """The fast form of a preset: a measured one of (dataset or family, task) where there is one, else by rule.

    Raises RequestError for settings of another method than LAF and LAF+R.
    """
    if isinstance(config, LAFRConfig):
        return replace(config, laf=fast(config.laf, family, task))
    if not isinstance(config, LAFConfig):
        raise RequestError(
            "--fast is a way of running LAF and LAF+R; run other methods with --exact, the default"
        )
    return _FAST.get((family, task)) or by_rule(config)


def is_measured(family: str, task: str) -> bool:
    """Whether there are fast settings of its own for (dataset or family, task)."""
    return (family, task) in _FAST


def by_rule(config: LAFConfig) -> LAFConfig:
    """The fast form of exact settings that nobody has measured: larger batches, rates scaled, as many passes but no more than 3."""
    vae: VAEConfig = replace(config.vae, batch_size=max(256, config.vae.batch_size))
    return replace(
        config, learns="last", most_remain=MOST_REMAIN, most_forget=MOST_FORGET,
        epochs=min(config.epochs, 3), batch_size=2 * config.batch_size,
        lr_ue=SCALE * config.lr_ue, lr_ra=SCALE * config.lr_ra, vae=vae,
    )  # fmt: skip
