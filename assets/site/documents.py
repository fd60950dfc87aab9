"""The repository's Markdown files as HTML: formulas as MathML, links to other files of the site, pictures copied beside them."""

from __future__ import annotations

import itertools
import posixpath
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from dashboard.presentation.text.formula import formula_or_source

OUTSIDE = ("http://", "https://", "mailto:")
PICTURES = (".svg", ".png", ".webp")
_FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^\s$](?:[^$\n]*[^\s$\\])?)\$(?![\w/])", re.S)


@dataclass
class Document:
    """One file as HTML. ``path`` is its place in the site; ``headings`` are (level, anchor, text)."""

    source: str  # path in the repository
    path: str
    title: str = ""
    body: str = ""
    headings: list[tuple[int, str, str]] = field(default_factory=list)


def target_of(source: str) -> str:
    """Return the place in the site of a Markdown file of the repository."""
    if not source.startswith("docs/"):
        return f"docs/about/{source.removesuffix('.md').lower()}.html"
    folder, name = posixpath.split(source)
    return posixpath.join(folder, "index.html" if name == "README.md" else f"{name.removesuffix('.md')}.html")


def anchor_of(text: str, used: set[str]) -> str:
    """Return a heading's anchor as GitHub makes it, with a number where it is ``used`` already."""
    plain = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
    found, number = plain, 0
    while found in used:
        number += 1
        found = f"{plain}-{number}"
    used.add(found)
    return found


def render(root: Path, sources: Iterable[str], site: Path) -> list[Document]:
    """Return the files ``sources`` of the repository ``root`` as Documents; copy the pictures that they show into ``site``."""
    known = {source: target_of(source) for source in sources}
    return [_Writer(root, source, known, site).document() for source in known]


class _Writer:
    """Renders one file, and knows from which place its links lead."""

    def __init__(self, root: Path, source: str, known: dict[str, str], site: Path) -> None:
        self._root, self._known, self._site = root, known, site
        self._made = Document(source, known[source])
        self._parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
        self._parser.inline.ruler.before("escape", "formula", _formula_rule)
        self._parser.add_render_rule("formula", _formula)

    def document(self) -> Document:
        made = self._made
        tokens = self._parser.parse((self._root / made.source).read_text(encoding="utf-8"))
        self._name_headings(tokens)
        for token in tokens:
            if token.type == "fence" and token.info.strip() == "math":
                token.type, token.meta = "formula", {"display": True}
            self._lead(token)
            self._lead_all(token.children or [])
        made.body = self._parser.renderer.render(tokens, self._parser.options, {})
        made.title = next((text for level, _, text in made.headings if level == 1), made.source)
        return made

    def _name_headings(self, tokens: list[Token]) -> None:
        used: set[str] = set()
        for token, inline in itertools.pairwise(tokens):
            if token.type == "heading_open":
                text = "".join(c.content for c in inline.children or () if c.type in ("text", "code_inline"))
                anchor = anchor_of(text, used)
                token.attrSet("id", anchor)
                self._made.headings.append((int(token.tag[1]), anchor, text))

    def _lead_all(self, tokens: list[Token]) -> None:
        """Let links and pictures lead to their places; a link to a file that the site lacks becomes plain text."""
        is_plain = False
        for token in tokens:
            if token.type == "link_close" and is_plain:
                token.tag, is_plain = "span", False
            self._lead(token)
            is_plain = is_plain or (token.type == "link_open" and token.tag == "span")

    def _lead(self, token: Token) -> None:
        """Let the token's link or picture lead to its place in the site."""
        if token.type == "image":
            token.attrSet("src", self._picture(str(token.attrGet("src"))))
        elif token.type == "link_open":
            href = self._link(str(token.attrGet("href")))
            if href is None:
                token.tag, token.attrs = "span", {}
            else:
                token.attrSet("href", href)
        elif token.type in ("html_inline", "html_block"):
            token.content = re.sub(
                r'(src|srcset)="([^"]+)"', lambda m: f'{m[1]}="{self._picture(m[2])}"', token.content
            )

    def _place(self, link: str) -> str:
        """Return the path in the repository that a relative link names."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self._made.source), link))

    def _relative(self, target: str) -> str:
        return posixpath.relpath(target, posixpath.dirname(self._made.path) or ".")

    def _link(self, href: str) -> str | None:
        """Return where a link leads in the site; None where the site does not have the file."""
        if href.startswith((*OUTSIDE, "#")):
            return href
        path, _, anchor = href.partition("#")
        target = self._known.get(self._place(path))
        if target is None:
            return self._picture(href) if path.endswith(PICTURES) else None
        return self._relative(target) + (f"#{anchor}" if anchor else "")

    def _picture(self, src: str) -> str:
        """Copy a picture of the repository into the site and return the link to it."""
        if src.startswith((*OUTSIDE, "data:")):
            return src
        place = self._place(src)
        copy = self._site / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._root / place, copy)
        return self._relative(place)


def _formula_rule(state: StateInline, silent: bool) -> bool:
    """Read $formula$ or $$formula$$ at the parser's place."""
    found = _FORMULA.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = found["display"] or found["inline"]
        token.meta = {"display": found["display"] is not None}
    state.pos = found.end()
    return True


def _formula(renderer: RendererHTML, tokens: list[Token], index: int, options: object, env: object) -> str:
    token = tokens[index]
    made = formula_or_source(token.content.strip(), display=token.meta["display"])
    return f'<span class="formula">{made}</span>' if token.meta["display"] else str(made)
