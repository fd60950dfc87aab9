"""What can be said of a few forgotten images, one by one: each image's answer against those of the retrained models.

After U-LiRA (Hayes et al., 2024), with the few models there are: the logit of the label's probability under the judged model
against a normal distribution fitted to the retrained models' logits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

MOST = 50  # forgotten images
FLOOR = 0.1  # least standard deviation of a logit: answers near certainty differ by rounding alone


@dataclass(frozen=True, eq=False)
class PerImage:
    """(n,) arrays, an image of D_f each. ``z`` is in predictive standard deviations: positive where the judged model is surer of the
    label than retrained models are; ``p`` the share of retrained models expected to be at least as sure."""

    rows: np.ndarray  # of split.train
    ids: np.ndarray
    logit: np.ndarray  # log p / (1 - p) of the label the image bears
    mean: np.ndarray  # of the retrained models'
    z: np.ndarray
    p: np.ndarray
    log_ratio: (
        np.ndarray | None
    )  # log density under originals over that under retrained models; None without originals
    models: int  # retrained
    originals: int

    @property
    def sentence(self) -> str:
        """What the numbers rest on."""
        base = f"Each image is held against {self.models} retrained models"
        if self.originals:
            base += f" and {self.originals} original model{'s' * (self.originals != 1)}"
        return (
            f"{base}: so few show a large difference only, and the least p they can show is about {self.least_p:.2g}; "
            f"of {len(self.ids)} image{'s' * (len(self.ids) != 1)}, {self.expected:.1f} would have p below 0.05 by chance."
        )

    @property
    def least_p(self) -> float:
        """The p of an image ten predictive standard deviations away."""
        from scipy.stats import t

        return float(t.sf(10.0, self.models - 1))

    @property
    def expected(self) -> float:
        """Images with p < 0.05 if nothing were left of them."""
        return 0.05 * len(self.ids)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for json."""
        images = [
            {
                "id": int(i), "logit": float(x), "mean": float(m), "z": float(z), "p": float(p),
                "log_ratio": None if self.log_ratio is None else float(self.log_ratio[n]),
            }
            for n, (i, x, m, z, p) in enumerate(zip(self.ids, self.logit, self.mean, self.z, self.p, strict=True))
        ]  # fmt: skip
        return {
            "images": images,
            "models": self.models,
            "originals": self.originals,
            "sentence": self.sentence,
        }


def logits_of(probabilities: Tensor, y: Tensor) -> np.ndarray:
    """(n, K) and (n,) -> (n,): log p_y / (1 - p_y), with the other classes summed so that p near 1 keeps its digits."""
    p = probabilities.double()
    others = p.scatter(1, y[:, None], 0.0).sum(1).clamp_min(1e-12)
    mine = p.gather(1, y[:, None]).squeeze(1).clamp_min(1e-12)
    found: np.ndarray = (mine / others).log().numpy()
    return found


def per_image(
    rows: Tensor,
    ids: Tensor,
    judged: np.ndarray,
    retrained: Sequence[np.ndarray],
    originals: Sequence[np.ndarray] = (),
) -> PerImage | None:
    """Logits (n,) of the judged model against those of each retrained one; None for fewer than two, which have no spread.

    Means are each image's own. Of so few models an image's variance is too uncertain to use alone: it is averaged with that of
    all images, half and half (Carlini et al., 2022, take the common one where shadow models are few). p is of Student's t with
    k - 1 degrees of freedom and the variance widened by 1 + 1/k, as one more model would fall.
    """
    from scipy.stats import t

    k = len(retrained)
    if k < 2:
        return None
    out = np.stack(retrained)  # (k, n)
    mean, scale = out.mean(0), _scale(out)
    z = (judged - mean) / (scale * math.sqrt(1 + 1 / k))
    ratio = None
    if originals:
        inside = np.stack(originals)
        # one original has no spread of its own: that of the retrained ones stands in
        spread = _scale(inside) if len(originals) > 1 else scale
        ratio = _log_normal(judged, inside.mean(0), spread) - _log_normal(judged, mean, scale)
    return PerImage(
        rows.cpu().numpy(), ids.cpu().numpy(), judged, mean, z, t.sf(z, k - 1), ratio, k, len(originals)
    )


def _scale(logits: np.ndarray) -> np.ndarray:
    """(k, n) -> (n,)"""
    variance = logits.var(0, ddof=1)
    found: np.ndarray = np.maximum(np.sqrt((variance + variance.mean()) / 2), FLOOR)
    return found


def _log_normal(x: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    found: np.ndarray = -0.5 * ((x - mean) / scale) ** 2 - np.log(scale)
    return found
