"""Text for LaTeX tables."""

from __future__ import annotations

import pytest

from core.evaluation.metric_specs import METRIC_SPECS
from dashboard.presentation.export.comparison_files import heading
from dashboard.presentation.export.latex import latex_text


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("50 % of_it & more", r"50 \% of\_it \& more"),
        (r"a\b{c}", r"a\textbackslash{}b\{c\}"),
        ("~/x^2 #1 $", r"\textasciitilde{}/x\textasciicircum{}2 \#1 \$"),
        ("∠, °", r"$\angle$, $^\circ$"),
        ("τ ± 3 – 5", r"$\tau$ $\pm$ 3 -- 5"),
    ],
)
def test_what_has_a_meaning_in_latex_is_shown_as_it_is(text, made):
    assert latex_text(text) == made


def test_no_heading_of_a_comparison_keeps_a_sign_that_pdflatex_has_not():
    headings = [latex_text(heading(spec)) for spec in METRIC_SPECS.values()]
    assert len(headings) > 20
    assert all(text.isascii() for text in headings)
