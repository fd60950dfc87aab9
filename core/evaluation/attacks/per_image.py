"""A test of few forgotten images, one by one, against the answers of the retrained models.

After U-LiRA (Hayes et al., 2024), for few models. It compares the logit of the label's probability under the evaluated
model with a distribution fitted to the retrained models' logits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

MAX_IMAGES = 50  # forgotten images
FLOOR = 0.1  # least standard deviation of a logit, since logits near certainty differ by rounding


@dataclass(frozen=True, eq=False)
class PerImage:
    """(n,) arrays with an entry for each image of D_f.

    ``z`` is in predictive standard deviations, positive where the evaluated model is surer of the label than retrained models.
    ``p`` is the share of retrained models that are expected to be at least as sure.
    """

    rows: np.ndarray  # of split.train
    ids: np.ndarray
    logit: np.ndarray  # log p / (1 - p) of the image's given label
    mean: np.ndarray  # of the retrained models' logits
    z: np.ndarray
    p: np.ndarray
    log_ratio: (
        np.ndarray | None
    )  # log density under originals minus that under retrained; None without originals
    models: int  # retrained
    originals: int

    @property
    def sentence(self) -> str:
        """The evidence behind the numbers, for users."""
        base = f"Each image is compared with {self.models} retrained models"
        if self.originals:
            base += f" and {self.originals} original model{'s' * (self.originals != 1)}"
        return (
            f"{base}. So few models show only large differences; the smallest p that they can show is about {self.least_p:.2g}. "
            f"Of {len(self.ids)} image{'s' * (len(self.ids) != 1)}, {self.expected:.1f} would have p below 0.05 by chance."
        )

    @property
    def least_p(self) -> float:
        """The p of an image whose z is 10."""
        from scipy.special import stdtr

        return float(stdtr(self.models - 1, -10.0))

    @property
    def expected(self) -> float:
        """Expected number of images with p < 0.05 if the model knew nothing of D_f."""
        return 0.05 * len(self.ids)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        images = [
            {
                "id": int(self.ids[n]),
                "logit": float(self.logit[n]),
                "mean": float(self.mean[n]),
                "z": float(self.z[n]),
                "p": float(self.p[n]),
                "log_ratio": None if self.log_ratio is None else float(self.log_ratio[n]),
            }
            for n in range(len(self.ids))
        ]
        return {
            "images": images,
            "models": self.models,
            "originals": self.originals,
            "sentence": self.sentence,
        }


def logits_of(probabilities: Tensor, y: Tensor) -> np.ndarray:
    """Return (n,) log p_y / (1 - p_y) for (n, K) and (n,). The sum of the other classes is exact where p_y is near 1."""
    p = probabilities.double()
    others = p.scatter(1, y[:, None], 0.0).sum(1).clamp_min(1e-12)
    own = p.gather(1, y[:, None]).squeeze(1).clamp_min(1e-12)
    logits: np.ndarray = (own / others).log().numpy()
    return logits


def per_image(
    rows: Tensor,
    ids: Tensor,
    evaluated: np.ndarray,
    retrained: Sequence[np.ndarray],
    originals: Sequence[np.ndarray] = (),
) -> PerImage | None:
    """Compare logits (n,) of the evaluated model with those of each retrained model; None for fewer than two of them.

    Each image has its own mean. Its variance is the average of its own variance and the mean variance of all images,
    since few models make its own uncertain. Carlini et al. (2022) use the common variance for few shadow models.
    p is of Student's t with k - 1 degrees of freedom and the variance times 1 + 1/k, as for one more model.
    """
    from scipy.special import stdtr

    k = len(retrained)
    if k < 2:
        return None
    out = np.stack(retrained)  # (k, n)
    mean, scale = out.mean(0), _scale(out)
    z = (evaluated - mean) / (scale * math.sqrt(1 + 1 / k))
    ratio = None
    if originals:
        inside = np.stack(originals)
        # one original has no spread; the retrained models' spread replaces it
        spread = _scale(inside) if len(originals) > 1 else scale
        ratio = _log_normal(evaluated, inside.mean(0), spread) - _log_normal(evaluated, mean, scale)
    return PerImage(
        rows.cpu().numpy(), ids.cpu().numpy(), evaluated, mean, z, stdtr(k - 1, -z), ratio, k, len(originals)
    )


def _scale(logits: np.ndarray) -> np.ndarray:
    """Return (n,) the standard deviations for logits (k, n) of k models."""
    variance = logits.var(0, ddof=1)
    scale: np.ndarray = np.maximum(np.sqrt((variance + variance.mean()) / 2), FLOOR)
    return scale


def _log_normal(x: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    log_density: np.ndarray = -0.5 * ((x - mean) / scale) ** 2 - np.log(scale)
    return log_density
