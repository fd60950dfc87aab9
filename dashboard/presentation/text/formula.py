"""Formulas of lessons as MathML, which every browser typesets by itself: for pages that fetch nothing. A subset of LaTeX; no screen."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from core.errors import RequestError

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.S)
_SYMBOLS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε", "theta": "θ", "lambda": "λ", "mu": "μ",
    "nu": "ν", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "ϕ", "varphi": "φ", "psi": "ψ", "omega": "ω", "Delta": "Δ",
    "Phi": "Φ", "Sigma": "Σ", "Omega": "Ω", "ell": "ℓ", "infty": "∞",
}  # fmt: skip
_OPERATORS = {
    "cdot": "·", "times": "×", "pm": "±", "approx": "≈", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "neq": "≠", "in": "∈", "notin": "∉",
    "subset": "⊂", "subseteq": "⊆", "setminus": "∖", "cup": "∪", "cap": "∩", "mid": "∣", "parallel": "∥", "to": "→", "partial": "∂",
    "nabla": "∇", "circ": "∘", "sim": "∼", "prime": "′", "lVert": "‖", "rVert": "‖", "Vert": "‖", "lvert": "|", "rvert": "|", "langle": "⟨",
    "rangle": "⟩", "ldots": "…", "dots": "…", "propto": "∝", "mapsto": "↦", "forall": "∀", "{": "{", "}": "}", "|": "‖",
}  # fmt: skip
_NAMES = ("log", "exp", "cos", "sin", "max", "min", "Pr", "det", "arg", "lim")
_BIG = {"sum": "∑", "prod": "∏", "int": "∫"}
_SPACES = {"quad": 1.0, "qquad": 2.0, ",": 0.17, ";": 0.28, ":": 0.22, " ": 0.25, "!": -0.17}
_ACCENTS = {"hat": "^", "bar": "¯", "tilde": "~", "vec": "→"}
_SCRIPT = {"B": "ℬ", "E": "ℰ", "F": "ℱ", "H": "ℋ", "I": "ℐ", "L": "ℒ", "M": "ℳ", "R": "ℛ"}
_FENCES = "()[]|.<>"


def mathml(text: str, *, display: bool = False) -> str:
    """``text`` as a MathML element. Raises RequestError for a command that is not known here."""
    parser = _Parser(text)
    body = parser.row(stop=())
    mode = " display='block'" if display else ""
    return f"<math xmlns='http://www.w3.org/1998/Math/MathML'{mode}>{body}</math>"


class _Parser:
    """One pass over the tokens; each piece with what stands above and below it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [t for t in _TOKEN.findall(text) if not t.isspace()]
        self._at = 0

    def row(self, stop: tuple[str, ...]) -> str:
        """Everything up to one of ``stop``, which is left, as an <mrow>."""
        parts = list(self._pieces(stop))
        return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"

    def _pieces(self, stop: tuple[str, ...]) -> Iterator[str]:
        while self._at < len(self._tokens) and self._tokens[self._at] not in stop:
            yield self._scripted()

    def _scripted(self) -> str:
        token = self._peek()
        base = self._piece()
        below = above = None
        while self._peek() in ("_", "^"):
            if self._take() == "_":
                below = self._group()
            else:
                above = self._group()
        limits = token[1:] in ("sum", "prod", "max", "min", "lim") if token else False
        under, over, both = ("munder", "mover", "munderover") if limits else ("msub", "msup", "msubsup")
        if below is not None and above is not None:
            return f"<{both}>{base}{below}{above}</{both}>"
        if below is not None:
            return f"<{under}>{base}{below}</{under}>"
        return base if above is None else f"<{over}>{base}{above}</{over}>"

    def _piece(self) -> str:
        token = self._take()
        if token == "{":
            inner = self.row(("}",))
            self._expect("}")
            return inner
        if token.startswith("\\"):
            return self._command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{html.escape(token)}</mi>"
        return f"<mo>{html.escape({'-': '−', '*': '∗'}.get(token, token))}</mo>"

    def _command(self, name: str) -> str:
        if name == "frac":
            return f"<mfrac>{self._group()}{self._group()}</mfrac>"
        if name == "sqrt":
            return f"<msqrt>{self._group()}</msqrt>"
        if name in ("text", "mathrm", "operatorname"):
            return f"<mtext>{html.escape(self._raw())}</mtext>"
        if name in ("mathcal", "mathbf", "boldsymbol"):
            return self._letters(name, self._raw())
        if name in _ACCENTS:
            return f"<mover accent='true'>{self._group()}<mo>{_ACCENTS[name]}</mo></mover>"
        if name == "left":
            return self._fenced()
        if name in _SPACES:
            return f"<mspace width='{_SPACES[name]}em'/>"
        if name in _NAMES:
            return f"<mi>{name}</mi>"
        if name in _BIG:
            return f"<mo largeop='true' movablelimits='true'>{_BIG[name]}</mo>"
        if name in _SYMBOLS:
            return f"<mi>{_SYMBOLS[name]}</mi>"
        if name in _OPERATORS:
            fence = " stretchy='false'" if _OPERATORS[name] in "‖|" else ""
            return f"<mo{fence}>{html.escape(_OPERATORS[name])}</mo>"
        raise RequestError(
            f"the formula {self._text!r} uses \\{name}, which a page without a server cannot typeset"
        )

    def _letters(self, name: str, text: str) -> str:
        if name == "mathcal":
            shown = "".join(
                _SCRIPT.get(c) or chr(0x1D49C + ord(c) - 65) if "A" <= c <= "Z" else c for c in text
            )
            return f"<mi>{html.escape(shown)}</mi>"
        return f"<mi style='font-weight:bold'>{html.escape(text)}</mi>"

    def _fenced(self) -> str:
        opened = self._fence()
        inner = self.row(("\\right",))
        self._expect("\\right")
        return f"<mrow>{opened}{inner}{self._fence()}</mrow>"

    def _fence(self) -> str:
        token = self._take()
        if token == ".":
            return ""
        sign = _OPERATORS.get(token[1:], "") if token.startswith("\\") else token if token in _FENCES else ""
        if not sign:
            raise RequestError(f"the formula {self._text!r} has no parenthesis after \\left or \\right")
        return f"<mo fence='true' stretchy='true'>{html.escape(sign)}</mo>"

    def _group(self) -> str:
        """What a command takes: a group in braces, or one piece."""
        return self._piece()

    def _raw(self) -> str:
        """The text of a group as it is written."""
        self._expect("{")
        # spaces count here, so it is cut from the text itself
        found = re.match(r"(?s)((?:\\?[^{}])*)", self._rest())
        inner = found.group(1) if found else ""
        while self._at < len(self._tokens) and self._tokens[self._at] != "}":
            self._at += 1
        self._expect("}")
        return inner

    def _rest(self) -> str:
        """The text after the tokens that were taken."""
        wanted = self._at
        for found in _TOKEN.finditer(self._text):
            if found.group().isspace():
                continue
            if wanted == 0:
                before = self._text[: found.start()]
                return before[len(before.rstrip()) :] + self._text[found.start() :]
            wanted -= 1
        return ""

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> str:
        if self._at >= len(self._tokens):
            raise RequestError(f"the formula {self._text!r} ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            raise RequestError(f"the formula {self._text!r} lacks {token}")
        self._at += 1


_INLINE = re.compile(r"\$([^$]+)\$|\*\*(.+?)\*\*|\*(.+?)\*|`([^`]+)`", re.S)


def prose(text: str) -> str:
    """A lesson's text as HTML: paragraphs, **bold**, *emphasis*, `code` and $formulas$; all else as it is written."""
    paragraphs = [p for p in re.split(r"\n\s*\n", text.strip()) if p.strip()]
    return "".join(f"<p>{_inline(p)}</p>" for p in paragraphs)


def _inline(text: str) -> str:
    out, at = "", 0
    for found in _INLINE.finditer(text):
        out += html.escape(text[at : found.start()])
        formula, bold, slanted, code = found.groups()
        if formula is not None:
            out += formula_or_source(formula)
        elif bold is not None:
            out += f"<b>{_inline(bold)}</b>"
        elif slanted is not None:
            out += f"<em>{_inline(slanted)}</em>"
        else:
            out += f"<code>{html.escape(code or '')}</code>"
        at = found.end()
    return out + html.escape(text[at:])


def formula_or_source(text: str, *, display: bool = False) -> str:
    """Typeset; or as it is written where it has something that cannot be."""
    try:
        return mathml(text, display=display)
    except RequestError:
        return f"<code>{html.escape(text)}</code>"
