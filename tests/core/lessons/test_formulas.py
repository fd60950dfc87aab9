"""Formulas of lessons are typeset without a server."""

from __future__ import annotations

import pytest

from core.errors import RequestError
from core.lessons import read_lessons
from dashboard.presentation.text.formula import mathml, prose
from tests.core.lessons.files import SHIPPED


def test_every_formula_of_a_lesson_is_typeset_without_a_server():
    for x in read_lessons([SHIPPED])[0]:
        for line in x.formulas:
            assert mathml(line, display=True).startswith("<math")
        for p in (*(p.text for p in x.parts), x.summary):
            assert "$" not in prose(p)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"\frac{1}{2}", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        (r"x_i^2", "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>"),
        (r"\text{a b}", "<mtext>a b</mtext>"),
        (r"\mathcal{L}", "<mi>ℒ</mi>"),
        (r"a < b", "<mo>&lt;</mo>"),
    ],
)
def test_mathml_of_small_formulas(text, said):
    assert said in mathml(text)


@pytest.mark.parametrize("text", [r"\unknown", r"\frac{1}", r"{a", r"\left( a"])
def test_a_formula_that_cannot_be_typeset_says_so(text):
    with pytest.raises(RequestError, match="formula"):
        mathml(text)
