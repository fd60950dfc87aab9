"""Text for LaTeX tables: what has a meaning there is escaped, and signs that pdfLaTeX has no letter for become commands."""

from __future__ import annotations

_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    "∠": r"$\angle$",
    "°": r"$^\circ$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "∞": r"$\infty$",
    "→": r"$\to$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "λ": r"$\lambda$",
    "τ": r"$\tau$",
} | {char: f"\\{char}" for char in "&%$#_{}"}


def latex_text(text: str) -> str:
    """Return ``text`` as LaTeX source that shows it."""
    return "".join(_SIGNS.get(char, char) for char in text)
