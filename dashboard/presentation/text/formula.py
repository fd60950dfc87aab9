"""LaTeX formulas as MathML, and lesson text as HTML; browsers typeset MathML without scripts or requests."""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree

from latex2mathml.converter import convert_to_element
from markupsafe import Markup, escape

from core.errors import RequestError

_INLINE = re.compile(r"\$([^$]+)\$|\*\*(.+?)\*\*|\*(.+?)\*|`([^`]+)`", re.S)
_CHILDREN = {
    "mfrac": 2,
    "mroot": 2,
    "msub": 2,
    "msup": 2,
    "msubsup": 3,
    "munder": 2,
    "mover": 2,
    "munderover": 3,
}
# links, styles and macros: a lesson's author must not reach the page around the formula
_REFUSED = re.compile(r"\\(?:href|style|class|def|newcommand|newenvironment|DeclareMathOperator)(?![A-Za-z])")
_BRACE = re.compile(r"(?<!\\)[{}]")


def mathml(text: str, *, display: bool = False) -> Markup:
    """Return the LaTeX formula ``text`` as a MathML element, on a line of its own with ``display``.

    Raises RequestError for an unknown command, a missing argument or unbalanced braces.
    """
    refused = _REFUSED.search(text)
    if refused:
        raise RequestError(f"the formula {text!r} uses {refused[0]}, which is not allowed")
    braces = _BRACE.findall(text)
    if braces.count("{") != braces.count("}"):
        raise RequestError(f"the formula {text!r} has unbalanced braces")
    try:
        element = convert_to_element(text, display="block" if display else "inline")
    except Exception as error:  # latex2mathml raises many types, IndexError among them
        raise RequestError(f"the formula {text!r} cannot be typeset ({type(error).__name__})") from error
    for node in element.iter():
        node.text = html.unescape(node.text or "")  # the parser leaves entities; tostring escapes again
        if node.text.startswith("\\"):
            raise RequestError(f"the formula {text!r} uses {node.text}, which is not known")
        if len(node) != _CHILDREN.get(node.tag, len(node)):
            raise RequestError(f"the formula {text!r} ends too early")
    return Markup(ElementTree.tostring(element, encoding="unicode"))


def formula_or_source(text: str, *, display: bool = False) -> Markup:
    """Return ``text`` as MathML, or as escaped source code where it cannot be typeset."""
    try:
        return mathml(text, display=display)
    except RequestError:
        return Markup("<code>{}</code>").format(text)


def prose(text: str) -> Markup:
    """Return lesson text as HTML: paragraphs, **bold**, *emphasis*, `code` and $formulas$; the rest is escaped."""
    paragraphs = [p for p in re.split(r"\n\s*\n", text.strip()) if p.strip()]
    return Markup("").join(Markup("<p>{}</p>").format(_inline(p)) for p in paragraphs)


def _inline(text: str) -> Markup:
    parts: list[str] = []
    at = 0
    for found in _INLINE.finditer(text):
        parts.append(escape(text[at : found.start()]))
        formula, bold, slanted, code = found.groups()
        if formula is not None:
            parts.append(formula_or_source(formula))
        elif bold is not None:
            parts.append(Markup("<b>{}</b>").format(_inline(bold)))
        elif slanted is not None:
            parts.append(Markup("<em>{}</em>").format(_inline(slanted)))
        else:
            parts.append(Markup("<code>{}</code>").format(code))
        at = found.end()
    return Markup("").join([*parts, escape(text[at:])])
