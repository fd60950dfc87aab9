"""Each colour of the charts stands out from the background of both themes, by WCAG's contrast ratio."""

from __future__ import annotations

import tomllib
from itertools import product
from pathlib import Path

import pytest

from dashboard.presentation.charts import palette

ROOT = Path(__file__).parents[4]
ENOUGH = 3.0  # WCAG 2.2, 1.4.11: contrast of graphics


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb``, as WCAG 2.2 defines it."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


COLOURS = {k: v for k, v in vars(palette).items() if k.isupper()}
THEMES = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]


@pytest.mark.parametrize(("name", "theme"), list(product(COLOURS, THEMES)))
def test_a_colour_stands_out_from_the_page(name, theme):
    one, two = sorted(map(luminance, (COLOURS[name], THEMES[theme]["backgroundColor"])))
    assert (two + 0.05) / (one + 0.05) >= ENOUGH
