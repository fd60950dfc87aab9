"""The one rule that says whether an attack finds more on a model than on retrained ones."""

from __future__ import annotations

from typing import Literal

from core.evaluation.reference_band import Band

Finding = Literal["more", "less", "cannot tell", "no band"]


def attack_finding(low: float, high: float, reference: Band | None) -> Finding:
    """Return whether the interval of an AUC lies beyond the band of retrained models' AUCs.

    ``low`` and ``high`` are the AUC's 95 % interval over draws of images. The band covers the differences between models.
    An interval that reaches the band tells nothing: "cannot tell". A band needs two retrained models: "no band".
    """
    if reference is None or len(reference.values) < 2:
        return "no band"
    if low > reference.high:
        return "more"
    return "less" if high < reference.low else "cannot tell"
