"""docs/findings.md has the fixed texts of the program that writes it; its numbers need the studies."""

from __future__ import annotations

from pathlib import Path

from assets.findings.parts import PARTS

ROOT = Path(__file__).parents[3]


def test_the_page_has_the_headings_and_texts_of_the_program():
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    missing = [heading for heading, _, _, reading in PARTS if f"## {heading}\n\n{reading}\n" not in page]
    assert missing == []
    assert page.endswith((ROOT / "assets" / "findings" / "beyond.md").read_text(encoding="utf-8"))
