"""Rates by net: a transformer warms up, and a net without an entry gets those of torchvision's nets."""

from __future__ import annotations

from core.models.registry import NETS
from core.training.rates import RATES, rates_of


def test_only_the_transformer_warms_up():
    assert [net for net in RATES if rates_of(net).warmup] == ["vit", "vit-conv"]
    assert set(RATES) <= set(NETS)


def test_a_net_without_an_entry_is_trained_slowly():
    assert rates_of("tv:vgg11@flatten") == (1e-3, 5e-4, 0.0)
