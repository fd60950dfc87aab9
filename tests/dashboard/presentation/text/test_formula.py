"""Formulas become MathML that is valid XML, complete, and free of anything a lesson's author could inject."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from core.errors import RequestError
from core.lessons.library import SHIPPED
from core.lessons.parser import read_lessons
from dashboard.presentation.text.formula import formula_or_source, mathml, prose

GUIDE = Path(__file__).parents[4] / "dashboard" / "presentation" / "guide" / "templates"
LESSONS = read_lessons([SHIPPED])[0]


def formulas() -> list[str]:
    """Return every formula of the built-in lessons and of the Guide."""
    found = [line for lesson in LESSONS for line in lesson.formulas]
    texts = [text for lesson in LESSONS for text in (*(p.text for p in lesson.parts), lesson.summary)]
    guide = [path.read_text() for path in sorted(GUIDE.glob("*.md"))]
    found += [line.strip() for text in guide for line in re.findall(r"\$\$(.+?)\$\$", text, re.S)]
    for text in (*texts, *(re.sub(r"\$\$.+?\$\$", "", text, flags=re.S) for text in guide)):
        found += re.findall(r"\$([^$]+)\$", text)
    return list(dict.fromkeys(found))


def test_the_formulas_are_found():
    assert len(formulas()) > 25


@pytest.mark.parametrize("text", formulas())
def test_every_formula_in_use_is_valid_and_complete(text):
    made = mathml(text, display=True)
    shown = "".join(ElementTree.fromstring(made).itertext())
    assert made.startswith("<math")
    assert 'display="block"' in made
    assert shown.strip()
    assert not re.search(r"[\\{}$]", shown.replace("{j∈", "").replace("yi}", ""))


def test_no_dollar_sign_is_left_in_a_lesson():
    for lesson in LESSONS:
        for text in (*(p.text for p in lesson.parts), lesson.summary):
            assert "$" not in prose(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"\frac{1}{2}", "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>"),
        (r"x_i^2", "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>"),
        (r"\text{a b}", "<mtext>a\xa0b</mtext>"),
        (r"\mathcal{L}", "<mi>ℒ</mi>"),
        (r"\varphi(m)", "<mi>φ</mi>"),
        (r"a < b", "<mo>&lt;</mo>"),
    ],
)
def test_mathml_of_small_formulas(text, said):
    assert said in mathml(text)


@pytest.mark.parametrize("text", [r"\unknown", r"\frac{1}", r"{a", "a}", r"\left( a", "x_", ""])
def test_a_formula_that_cannot_be_typeset_says_so(text):
    with pytest.raises(RequestError, match="formula"):
        mathml(text)


def test_markup_in_a_formula_is_escaped():
    assert "&lt;script&gt;" in mathml(r"\text{<script>}")
    assert "<img" not in mathml(r"\color{\"><img src=x>} a")


@pytest.mark.parametrize(
    "text", [r"\href{javascript:alert(1)}{x}", r"\style{position:fixed}{x}", r"\class{big}{x}", r"\def\a{b}"]
)
def test_links_styles_and_macros_are_refused(text):
    with pytest.raises(RequestError, match="not allowed"):
        mathml(text)
    assert formula_or_source(text) == f"<code>{text}</code>"
