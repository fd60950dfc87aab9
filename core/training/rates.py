"""Learning rate, weight decay and warm-up of each net, as a training recipe takes them."""

from __future__ import annotations

from typing import NamedTuple


class Rates(NamedTuple):
    """Adam's learning rate and weight decay, and the share of the steps in which the rate rises from 0."""

    lr: float
    weight_decay: float
    warmup: float = 0.0


RATES = {
    "digits-cnn": Rates(3e-3, 1e-4),
    "cnn": Rates(2e-3, 1e-4),
    "small-resnet": Rates(4e-3, 5e-4),
    "resnet18": Rates(1e-3, 5e-4),
    **dict.fromkeys(("mlp", "series-cnn"), Rates(3e-3, 1e-4)),
    **dict.fromkeys(("vit", "vit-conv"), Rates(4e-3, 1e-4, warmup=0.1)),
}


def rates_of(net: str) -> Rates:
    """Return the rates of ``net``; those of torchvision's nets where it has none of its own."""
    return RATES.get(net, Rates(1e-3, 5e-4))
