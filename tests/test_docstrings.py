"""Rules of style: how docstrings begin, words to avoid, no switched-off formatting, and how long a file or function may be."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "core").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")])
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
QUESTION = re.compile("What|Who|Whom|Whose|Whether|Where|Which|When|Why|How")
NO_VERB = re.compile(
    r"""
    A|An|The|This|That|These|Those|It|Its|Their|One|Two|Three|All|Any|Every|Each|Some|No|Nothing|Another|Other|Both|Same
    |Somebody|Nobody|Anybody|Whoever|Whatever|Everything|About|After|Again|Also|As|At|Before|Below|Beside|Between|By
    |For|From|If|In|Into|Instead|Never|Of|Off|On|Once|Only|Out|Over|Per|Since|So|Then|There|Through|Until|Up|Upon|With
    |Without|Because|Like|Not|Now|Class|Data|Image|Model|Net|Number|Size|Seed|Value
    """,
    re.VERBOSE,
)
ENDS_IN_S = re.compile(
    "Press|Pass|Process|Focus|Address|Bypass|Cross|Discuss|Compress|Decompress|Express|Guess"
)
VAGUE = re.compile(r"\b(somebody|nobody|whoever|anybody)\b", re.I)
MOST_VAGUE = 10
SUFFIXES = {".py", ".md", ".toml", ".js", ".mjs", ".css", ".html", ".j2", ".jinja"}

# The longest that may stay, each with its reason: at most five of each.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}  # "path::name"
LINES_OF_A_FILE, LINES_OF_A_FUNCTION, MOST_EXCEPTIONS = 300, 50, 5


def place(path: Path, line: int | None = None) -> str:
    name = path.relative_to(ROOT).as_posix()
    return name if line is None else f"{name}:{line}"


@cache
def nodes() -> list[tuple[Path, ast.AST]]:
    """Return the modules, classes and functions of all sources with their paths."""
    kinds = (ast.Module, ast.ClassDef, *FUNCTION)
    trees = ((path, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES)
    return [(path, node) for path, tree in trees for node in ast.walk(tree) if isinstance(node, kinds)]


def first_word(node: ast.AST) -> str | None:
    """Return the first word of the docstring without punctuation, None without a docstring."""
    text = ast.get_docstring(node)
    return None if not text else text.split()[0].strip(",.:;")


def is_property(node: ast.AST) -> bool:
    return any("property" in ast.unparse(d) or "setter" in ast.unparse(d) for d in node.decorator_list)


def is_imperative(word: str) -> bool:
    """Return whether ``word`` may be an imperative verb. It knows no dictionary, only the usual mistakes."""
    if (
        not re.fullmatch(r"[A-Z][a-z]+(-[a-z]+)?", word)
        or QUESTION.fullmatch(word)
        or NO_VERB.fullmatch(word)
    ):
        return False
    if word.endswith("s"):  # "Returns", "Rows"
        return ENDS_IN_S.fullmatch(word) is not None
    return not word.endswith("ing") or word in ("Bring", "Ping", "String")


@pytest.mark.parametrize(
    ("word", "right"),
    [
        ("Return", True),
        ("Fine-tune", True),
        ("Compress", True),
        ("Returns", False),
        ("What", False),
        ("``x``", False),
    ],
)
def test_a_first_word_is_judged(word, right):
    assert is_imperative(word) is right


def test_a_function_s_docstring_begins_with_an_imperative_verb():
    wrong = []
    for path, node in nodes():
        if isinstance(node, FUNCTION) and not is_property(node):
            word = first_word(node)
            if word is not None and not is_imperative(word):
                wrong.append(f"{place(path, node.lineno)} {node.name}: {word}")
    assert wrong == [], "\n".join(wrong)


def test_no_other_docstring_begins_with_a_question_word():
    wrong = []
    for path, node in nodes():
        is_noun = isinstance(node, (ast.Module, ast.ClassDef)) or (
            isinstance(node, FUNCTION) and is_property(node)
        )
        if is_noun and QUESTION.fullmatch(word := first_word(node) or ""):
            wrong.append(f"{place(path, getattr(node, 'lineno', 1))}: {word}")
    assert wrong == [], "\n".join(wrong)


def test_every_module_and_folder_says_what_it_is_for():
    silent = [
        place(path) for path, node in nodes() if isinstance(node, ast.Module) and first_word(node) is None
    ]
    assert silent == []


def test_sentences_name_their_actors():
    found = []
    files = [
        ROOT / "README.md",
        *(p for top in ("core", "dashboard", "docs") for p in (ROOT / top).rglob("*")),
    ]
    for path in sorted(p for p in files if p.suffix in SUFFIXES):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found += [f"{place(path, number)}: {m.group()}" for m in VAGUE.finditer(line)]
    assert len(found) <= MOST_VAGUE, "\n".join(found)


def test_formatting_is_switched_off_nowhere():
    off = re.compile(r"#\s*fmt:\s*(?:" + "skip|off)")  # in two pieces, so that it does not find itself
    folders = ("core", "dashboard", "tests", "benchmarks", "assets")
    found = [
        place(path, number)
        for path in sorted(p for top in folders for p in (ROOT / top).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if off.search(line)
    ]
    assert found == [], "\n".join(found)


def excess(found: dict[str, int], known: dict[str, str]) -> str:
    """Return what is too long without a reason, and reasons for what is no longer too long."""
    new = [f"{name}: {count} lines" for name, count in found.items() if name not in known]
    return "\n".join([*new, *(f"{name}: no longer too long" for name in known if name not in found)])


def test_files_are_short():
    found = {place(p): len(p.read_text(encoding="utf-8").splitlines()) for p in SOURCES}
    long = {name: count for name, count in found.items() if count > LINES_OF_A_FILE}
    assert excess(long, LONG_FILES) == ""
    assert len(LONG_FILES) <= MOST_EXCEPTIONS


def test_functions_are_short():
    long = {
        f"{place(path)}::{node.name}": node.end_lineno - node.lineno + 1
        for path, node in nodes()
        if isinstance(node, FUNCTION) and node.end_lineno - node.lineno >= LINES_OF_A_FUNCTION
    }
    assert excess(long, LONG_FUNCTIONS) == ""
    assert len(LONG_FUNCTIONS) <= MOST_EXCEPTIONS
