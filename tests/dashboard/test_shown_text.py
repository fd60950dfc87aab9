"""The plain English of every text that the pages show: in Python, in the components' JavaScript, in the Guide and in the lessons."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "dashboard"
MOST_WORDS = 25  # of one sentence
VAGUE = re.compile(
    r"\b(somebody|someone|nobody|anybody|whoever|whomever|he|him|his|thereof|wherein|whence)\b", re.I
)
# Words of the program's inside, and terms that have one other name on all pages.
PRIVATE = re.compile(
    r"\b(commonest|outbox|payload|scheduler|stepper|rerun|reruns|fragment|docstring|dataclass|callback|nonce)\b",
    re.I,
)
SENTENCE = re.compile(r"(?<=[.!?;:])\s+|\n\s*\n|\n\s*(?:[-*]|\d+\.)\s|\n\s*\|")


def python_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of each string that is no docstring; an expression inside is "…"."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passed: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            passed.add(id(body[0].value))
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in node.values}
            parts = (str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values)
            yield node.lineno, "".join(parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed:
            yield node.lineno, node.value


def script_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of each string of a JavaScript file that is no comment."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        code = re.sub(r"(^\s*(/\*|\*).*$)|((^|\s)//.*$)", "", line)
        for found in re.finditer(r'"([^"\\]*)"|`([^`\\]*)`', code):
            yield number, re.sub(r"\$\{[^}]*\}", "…", found[1] or found[2] or "")


def lesson_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each text of a lesson file, without line numbers."""
    waiting = [tomllib.loads(path.read_text(encoding="utf-8"))]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield 0, value
        elif isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value  # type: ignore[arg-type]


def shown() -> Iterator[tuple[str, str]]:
    """Yield place and text of everything that a page may show: texts of more than one word."""
    readers = [(p, python_texts) for p in DASHBOARD.rglob("*.py") if "cli" not in p.parts]
    readers += [(p, script_texts) for p in DASHBOARD.rglob("*.js")]
    readers += [(p, lesson_texts) for p in (ROOT / "core/lessons/builtin").glob("*.toml")]
    for path, read in sorted(readers, key=lambda pair: pair[0]):
        for line, text in read(path):
            if " " in text.strip():
                yield f"{path.relative_to(ROOT)}:{line}", text
    for path in sorted((DASHBOARD / "presentation/guide/templates").glob("*.md")):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of ``text``, without code, formulas, marks of Markdown and HTML tags."""
    plain = re.sub(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|<[^>]*>", " … ", text, flags=re.S).replace("*", "")
    yield from SENTENCE.split(plain)


def is_prose(sentence: str) -> bool:
    """Return whether a text is a sentence for a reader, and not a style, a selector or data."""
    return not re.search(r"[{}=]|st-key|px;|\[data", sentence)


SHOWN = list(shown())


def test_the_list_has_texts_of_every_kind():
    places = " ".join(place for place, _ in SHOWN)
    assert len(SHOWN) > 1000
    for part in ("pages/attack.py", "lab/page.py", "readouts.js", "8-keys.md", "1-why-not-retrain.toml"):
        assert part in places


def test_no_text_is_vague_about_the_actor():
    assert [(p, found[0], t) for p, t in SHOWN if (found := VAGUE.search(t))] == []


def test_no_text_has_a_word_of_the_programs_inside():
    assert [(p, s) for p, t in SHOWN for s in sentences(t) if is_prose(s) and PRIVATE.search(s)] == []


def test_no_sentence_is_too_long():
    words = [(p, s.split()) for p, t in SHOWN for s in sentences(t) if is_prose(s)]
    long = [(p, " ".join(w)) for p, w in words if sum(bool(re.search(r"\w", one)) for one in w) > MOST_WORDS]
    assert long == []
