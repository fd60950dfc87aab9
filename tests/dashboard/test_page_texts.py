"""Every page keeps its English in one file: views, forms, sessions and their jobs hold no words of their own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

DASHBOARD = Path(__file__).parents[2] / "dashboard"
FOLDERS = ("views", "forms", "session")
SOURCES = sorted(path for folder in FOLDERS for path in (DASHBOARD / folder).rglob("*.py"))
SOURCES += [
    DASHBOARD / "app.py",
    DASHBOARD / "server" / "asgi.py",
]  # titles of the pages; the page while it starts
NO_WORDS = {"key", "format", "language", "mime", "icon", "type", "width", "gap", "shortcut", "on_click"}
# Widgets and elements: their first argument, and these keywords, are shown.
SHOWN = {
    *(
        "button",
        "caption",
        "checkbox",
        "dialog",
        "download_button",
        "error",
        "expander",
        "file_uploader",
        "header",
    ),
    *(
        "info",
        "link_button",
        "markdown",
        "metric",
        "multiselect",
        "number_input",
        "pills",
        "popover",
        "progress",
    ),
    *(
        "radio",
        "segmented_control",
        "select_slider",
        "selectbox",
        "slider",
        "spinner",
        "subheader",
        "success",
    ),
    *("text", "text_area", "text_input", "title", "toast", "toggle", "warning", "write", "lazy_popover"),
}
KEYWORDS = {"help", "label", "placeholder", "text"}
FORMATS = {"CSV", "JSON", "A", "B"}  # names, not English
TAG = re.compile(r"<[^>]*>?|[a-z-]+=('[^']*'|\S+)>?")
STRICT = '"use strict"'  # of a script inside a page
KEY_NAMES = {
    "Home",
    "Space",
    "Right",
    "Shift+Right",
    "Mod+Z",
    "Mod+Shift+Z",
    "Shift+N",
    "N",
    "D",
}  # of the keyboard
SENTENCE = re.compile(r"[^\W\d_]{2,}[^\w<>=/]*\s+\(?[^\W\d_]{2,}|^\W*[A-Z][a-z]+\b(?![-_.\w])")


def text_of(node: ast.expr) -> str:
    """Return the text of a literal; an expression inside is left out."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def passed_over(tree: ast.Module) -> set[int]:
    """Return the ids of nodes that no user reads: docstrings, log messages, keys and other plain values."""
    found: set[int] = set()
    for node in ast.walk(tree):
        hidden: list[ast.AST] = []
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            hidden.append(body[0].value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            logs = isinstance(node.func.value, ast.Name) and node.func.value.id == "log"
            if logs or node.func.attr == "removeprefix":
                hidden += node.args
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "TypeVar":
            hidden += node.args
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            hidden.append(node.value)
        if isinstance(node, ast.keyword) and node.arg in NO_WORDS:
            hidden.append(node.value)
        if isinstance(node, ast.Subscript):
            hidden.append(node.slice)
        if isinstance(node, ast.Compare):  # words of an error that are looked for
            hidden.append(node.left)
        if isinstance(node, ast.JoinedStr):
            hidden += [part for part in node.values if isinstance(part, ast.Constant)]
        for one in hidden:
            found |= {id(n) for n in ast.walk(one)}
        if isinstance(node, ast.JoinedStr):
            found.discard(id(node))
    return found


def words_in(source: str) -> Iterator[str]:
    """Yield each literal of ``source`` that a page shows to a reader."""
    tree = ast.parse(source)
    passed = passed_over(tree)
    for node in ast.walk(tree):
        if id(node) in passed:
            continue
        text = TAG.sub(" ", text_of(node)).replace(STRICT, "") if isinstance(node, ast.expr) else ""
        if SENTENCE.search(text) and text not in KEY_NAMES:
            yield text
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            shown = [
                *(node.args[:1] if name in SHOWN else []),
                *(k.value for k in node.keywords if k.arg in KEYWORDS),
            ]
            for one in shown:
                label = TAG.sub(" ", text_of(one)).strip()
                if re.search(r"[^\W\d_]", label) and label not in FORMATS:
                    yield label


@pytest.mark.parametrize(
    ("source", "is_shown"),
    [
        ('st.button("Play")', True),
        ('column.button("play")', True),
        ('st.caption(f"{n} images are left.")', True),
        ('st.button(say.PLAY, help="starts it")', True),
        ('words = "Two words"', True),
        ("st.html(f\"<p class='hint'>{text}</p>\")", False),
        ('st.button(say.PLAY, key="play the run")', False),
        ('log.exception("the upload could not be read")', False),
        ('def f():\n    """Return the label."""', False),
        ('raise RequestError(f"the study {name} is running already")', True),
        ('Result = TypeVar("Result")\n__all__ = ["Lab"]', False),
    ],
)
def test_words_are_told_from_keys_and_code(source, is_shown):
    assert bool(list(words_in(source))) == is_shown


@pytest.mark.parametrize("path", SOURCES, ids=[str(p.relative_to(DASHBOARD)) for p in SOURCES])
def test_pages_and_their_jobs_take_their_words_from_the_texts_of_their_page(path):
    assert list(words_in(path.read_text(encoding="utf-8"))) == []


SCRIPTS = sorted(p for p in (DASHBOARD / "components").rglob("*.js") if p.name != "words.js")
LITERAL = re.compile(r'"([^"\\\n]*)"|`([^`\\]*)`')
# What stands before a literal that is no English: an event's names, a class, a selector, a font, a media query, a module.
BEFORE_CODE = re.compile(
    r"(\.on|[qQ]uerySelector(All)?|closest|matches|matchMedia|addEventListener|cssText|font|from|import|class:|className|NO_LINE)"
    r"[\s=(]*([\w.]+ \? [^:]* : |[\w.]+ \? )?$"
)
CODE = re.compile(r"[{}#<>]|px|rgba|hsl|scale|translate|act first")


def words_in_script(source: str) -> Iterator[str]:
    """Yield the sentences of a JavaScript module: literals of two words or more that are no names of the program."""
    code = re.sub(r"/\*.*?\*/|(^|\s)//[^\n]*", " ", source, flags=re.S)
    for found in LITERAL.finditer(code):
        text = re.sub(r"\$\{[^}]*\}", "…", found[1] or found[2] or "")
        if BEFORE_CODE.search(code[: found.start()][-90:]) or CODE.search(text):
            continue
        if re.search(r"[a-z]{2,}[,;:.]? [A-Za-z]{2,}", text):
            yield text


@pytest.mark.parametrize(
    ("source", "is_shown"),
    [
        ('h("p", {}, "Point at a dot.")', True),
        ("setText(this.all, `${shown} of the points`)", True),
        ('store.on("frames life view", draw)', False),
        ('h("div", { class: "row titles" })', False),
        ("/** Return the text of a row. */", False),
    ],
)
def test_words_of_a_script_are_told_from_code(source, is_shown):
    assert bool(list(words_in_script(source))) == is_shown


@pytest.mark.parametrize("path", SCRIPTS, ids=[str(p.relative_to(DASHBOARD)) for p in SCRIPTS])
def test_scripts_take_their_words_from_one_file_a_component(path):
    assert list(words_in_script(path.read_text(encoding="utf-8"))) == []
