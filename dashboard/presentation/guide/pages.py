"""The Guide: its sections, read from Markdown files, and the search in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FORMULAS = "<!-- formulas -->"  # between a section's words and its formulas
FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Section:
    """One section: ``name`` is its anchor, ``text`` Markdown without the title, ``picture`` an SVG or None."""

    name: str
    title: str
    text: str
    picture: str | None = None
    caption: str = ""

    @property
    def words(self) -> str:
        """The text in words, without the formulas that follow it."""
        return self.text.partition(FORMULAS)[0].strip()

    @property
    def formulas(self) -> str:
        """The formulas that repeat the words; empty for most sections."""
        return self.text.partition(FORMULAS)[2].strip()

    @property
    def shape(self) -> str:
        """Width and height of the picture, as CSS writes an aspect ratio: "720 / 250"."""
        found = re.search(r'viewBox="0 0 (\d+) (\d+)"', self.picture or "")
        return "auto" if found is None else f"{found[1]} / {found[2]}"


# what each picture shows, for readers who do not see it, too
CAPTIONS = {
    "what-happens": "One step of LAF. Autoencoder 1 knows all images, autoencoder 2 only those to forget. Both losses change the extractor; the classifier stays.",
    "forgotten": "The strip is the band of retrained models. A model inside it behaves like one more retrained model; outside it does not.",
    "maps": "Left, the fixed map: where would the original model's map put each image? Right, follow: which images are neighbours now?",
}


@cache
def sections() -> tuple[Section, ...]:
    """Return all sections in their order."""
    found = []
    for path in sorted(FOLDER.glob("*.md")):
        name = path.stem.partition("-")[2]
        title, _, text = path.read_text(encoding="utf-8").partition("\n")
        picture = FOLDER / f"{name}.svg"
        drawn = picture.read_text(encoding="utf-8") if picture.exists() else None
        found.append(
            Section(name, title.removeprefix("# ").strip(), text.strip(), drawn, CAPTIONS.get(name, ""))
        )
    return tuple(found)


def found_by(words: str) -> Sequence[Section]:
    """Return the sections that have all ``words``, in any order and case; all sections without a word."""
    wanted = words.casefold().split()
    return [s for s in sections() if all(w in f"{s.title} {s.text} {s.caption}".casefold() for w in wanted)]
