"""docs/api: the public names of the library with signatures and docstrings, read from the source.

    make docs                                           # or: python assets/make_api.py

It parses and imports nothing, so it takes a second and its pages do not depend on the Python that writes them. tests/test_docs.py holds
the pages against what this writes, and each public name against having a docstring.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "api"
MODULES = (
    "core",
    "core.methods.laf.losses",
    "core.evaluation.evaluator",
    "core.projection.projection",
    "core.runs.storage",
    "core.experiments.studies",
    "core.lessons",
)
ALREADY = "core"  # what this exports is told on its page, and only pointed at from the others

LONGEST = 60  # of a class's constant in a table

Def = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Named:
    """A public name where it is defined: ``node`` is a class, a function, an assignment, or a whole module."""

    name: str
    module: str
    node: ast.AST


def main() -> None:
    PAGES.mkdir(exist_ok=True)
    wanted = pages()
    for old in set(PAGES.glob("*.md")) - {PAGES / name for name in wanted}:
        old.unlink()
    for name, text in wanted.items():
        (PAGES / name).write_text(text, encoding="utf-8")
    print(f"{len(wanted)} pages in {PAGES.relative_to(ROOT)}")


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    found = {f"{module}.md": _page(module) for module in MODULES}
    rows = [f"| [{module}]({module}.md) | {_first(_doc(_tree(module)))} |" for module in MODULES]
    head = (
        "# API\n\nWhat the library offers to Python: the names that its modules export, with their signatures and docstrings. Written by `make docs`; "
        "other modules may change without notice.\n\n| module | is |\n|---|---|\n"
    )
    end = (
        "\nErrors are one tree under [`LabError`](core.md#laberror), each with one sentence for a person. Work that takes long is a generator that\n"
        "yields `Progress` and returns what it made: `core.runtime.progress.run_to_end` drives it at one go, `core.runtime.scheduler.Scheduler` in worker threads.\n"
    )
    return {"README.md": head + "\n".join(rows) + "\n" + end, **found}


def undocumented() -> list[str]:
    """Public names, and public methods of public classes, without a docstring; those of Python's protocols need none."""
    lacks = []
    for module in MODULES:
        for named in public(module):
            if not _doc(named.node, named):
                lacks.append(f"{module}.{named.name}")
            if isinstance(named.node, ast.ClassDef):
                lacks += [f"{module}.{named.name}.{d.name}" for d in _methods(named.node) if not _doc(d)]
    return lacks


def public(module: str) -> list[Named]:
    """What ``module`` exports, in the order of __all__; without one what it defines, in the order of the source."""
    tree = _tree(module)
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [_resolve(module, name) for name in ast.literal_eval(node.value)]
    defined = [n.name for n in tree.body if isinstance(n, ast.ClassDef | Def) and not n.name.startswith("_")]
    return [_resolve(module, name) for name in defined]


# reading


@cache
def _path(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text(encoding="utf-8"))


@cache
def _comments(module: str) -> dict[int, str]:
    """Comments by line number, without those for tools."""
    text = _path(module).read_text(encoding="utf-8")
    return {
        t.start[0]: re.sub(r"^# *|(fmt|noqa|type): ?.*", "", t.string)
        for t in tokenize.generate_tokens(io.StringIO(text).readline)
        if t.type == tokenize.COMMENT
    }


def _resolve(module: str, name: str) -> Named:
    """Where ``name`` of ``module`` is defined, followed through imports."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    whole = f"{node.module}.{alias.name}"
                    if _path(whole).is_file():
                        return Named(name, whole, _tree(whole))
                    return _resolve(node.module, alias.name)
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef | Def) and node.name == name:
            return Named(name, module, node)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return Named(name, module, node)
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            return Named(name, module, node)
    raise LookupError(f"{module} has no {name}")


def _doc(node: ast.AST, named: Named | None = None) -> str:
    """The docstring; of an assignment the string below it, or the comment at its end or above it."""
    if isinstance(node, ast.Module | ast.ClassDef | Def):
        return ast.get_docstring(node) or ""
    assert named is not None
    assert isinstance(node, ast.Assign | ast.AnnAssign)
    body, known = _tree(named.module).body, _comments(named.module)
    for said in body[body.index(node) + 1 :][:1]:
        if isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant):
            return inspect.cleandoc(str(said.value.value))
    return known.get(node.end_lineno or 0) or known.get(node.lineno) or known.get(node.lineno - 1, "")


def _methods(node: ast.ClassDef) -> Iterator[Def]:
    for part in node.body:
        if isinstance(part, Def) and not part.name.startswith("_"):
            yield part


# writing


def _page(module: str) -> str:
    parts = [f"# {module}", _markdown(_doc(_tree(module)))]
    for named in public(module):
        told = {n.name: n for n in public(ALREADY)} if module != ALREADY else {}
        if named.name in told and told[named.name].node is named.node:
            parts.append(f"## {named.name}\n\nSee [{ALREADY}]({ALREADY}.md#{named.name.lower()}).")
        else:
            parts.append(_section(named))
    return "\n\n".join(parts) + "\n"


def _section(named: Named) -> str:
    node = named.node
    if isinstance(node, ast.Module):
        return f"## {named.name}\n\nThe module [{named.module}]({named.module}.md). {_first(_doc(node))}"
    where = _path(named.module).relative_to(ROOT).as_posix()
    parts = [f"## {named.name}"]
    if isinstance(node, Def):
        parts.append(_code(_signature(node)))
    elif isinstance(node, ast.ClassDef):
        parts.append(_code(_head(node)))
    else:
        parts.append(_code(_value(node)))
    parts += [
        _markdown(_doc(node, named)),
        f"Defined in [{where}](../../{where}).",
    ]
    if isinstance(node, ast.ClassDef):
        parts += [_fields(node, named.module), *(_method(d) for d in _methods(node))]
    return "\n\n".join(p for p in parts if p)


def _value(node: ast.AST) -> str:
    """An assignment; of a long dict its keys."""
    assert isinstance(node, ast.Assign | ast.AnnAssign)
    written = ast.unparse(node)
    if len(written) <= 100 or not isinstance(node.value, ast.Dict):
        return written
    keys = ", ".join(f"{ast.unparse(k)}: …" for k in node.value.keys if k)
    return f"{written.split(' = ', 1)[0]} = {{{keys}}}"


def _head(node: ast.ClassDef) -> str:
    made = [d for d in node.body if isinstance(d, Def) and d.name == "__init__"]
    if made:
        return f"class {node.name}({_arguments(made[0])})"
    bases = [ast.unparse(b) for b in node.bases]
    record = [f"@{d}\n" for x in node.decorator_list if (d := ast.unparse(x)).startswith("dataclass")]
    return "".join(record) + (f"class {node.name}({', '.join(bases)})" if bases else f"class {node.name}")


def _signature(d: Def) -> str:
    returns = f" -> {ast.unparse(d.returns)}" if d.returns else ""
    return f"{d.name}({_arguments(d)}){returns}"


def _arguments(d: Def) -> str:
    """As they are written, without self, and with blanks around the default of what has a type."""
    a = d.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(plain) - len(a.defaults)) + list(a.defaults)
    written = [_argument(*pair) for pair in zip(plain, defaults, strict=True)]
    if a.posonlyargs:
        written.insert(len(a.posonlyargs), "/")
    if written and written[0] in ("self", "cls"):
        del written[0]
    if a.vararg:
        written.append(f"*{_argument(a.vararg, None)}")
    elif a.kwonlyargs:
        written.append("*")
    written += [_argument(*pair) for pair in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    if a.kwarg:
        written.append(f"**{_argument(a.kwarg, None)}")
    return ", ".join(written)


def _argument(a: ast.arg, default: ast.expr | None) -> str:
    name = f"{a.arg}: {ast.unparse(a.annotation)}" if a.annotation else a.arg
    if default is None:
        return name
    return f"{name}{' = ' if a.annotation else '='}{ast.unparse(default)}"


def _method(d: Def) -> str:
    kinds = {ast.unparse(x) for x in d.decorator_list}
    title = (
        f"**`{d.name}`**"
        if kinds & {"property", "cached_property", "functools.cached_property"}
        else f"**`{_signature(d)}`**"
    )
    if "classmethod" in kinds:
        title += " (class method)"
    return f"{title}\n\n{_markdown(_doc(d))}"


def _fields(node: ast.ClassDef, module: str) -> str:
    """The fields of a record, or the members of an enumeration, with the comment beside each."""
    rows = []
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            name, kind, value = part.target.id, ast.unparse(part.annotation), _default(part.value)
        elif isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
            name, kind, value = part.targets[0].id, "", ast.unparse(part.value)
            value = value if len(value) <= LONGEST else "…"
        else:
            continue
        if name.startswith("_"):
            continue
        known = _comments(module)
        said = " ".join(
            known[i] for i in range(part.lineno, (part.end_lineno or part.lineno) + 1) if i in known
        )
        rows.append(f"| `{name}` | {_cell(kind)} | {_cell(value)} | {_escape(said)} |")
    if not rows:
        return ""
    return "\n".join(["| field | type | default | |", "|---|---|---|---|", *rows])


def _default(value: ast.expr | None) -> str:
    """What a field is when it is not given; of dataclasses.field its default or its factory."""
    if value is None:
        return ""
    if isinstance(value, ast.Call) and ast.unparse(value.func) in ("field", "dataclasses.field"):
        given = {k.arg: ast.unparse(k.value) for k in value.keywords}
        if "default_factory" in given:
            return f"{given['default_factory']}()" if given["default_factory"].isidentifier() else "made anew"
        return given.get("default", "" if given.get("init") != "False" else "derived")
    return ast.unparse(value)


def _cell(code: str) -> str:
    return f"`{code.replace('|', chr(92) + '|')}`" if code else ""


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _first(doc: str) -> str:
    """The first sentence or line, for a table."""
    return _escape(re.split(r"\n\s*\n", doc.strip())[0].replace("\n", " "))


def _markdown(doc: str) -> str:
    """A docstring as Markdown: its indented blocks are code already, its lines stay lines of a paragraph."""
    blocks: list[str] = []
    for block in re.split(r"\n\s*\n", doc.strip("\n")):
        lines = block.splitlines()
        if all(line.startswith("    ") for line in lines):
            blocks.append("```\n" + "\n".join(line[4:] for line in lines) + "\n```")
        elif any(re.search(r"[├└│]|^ {2,}\S| {3,}\S", line) for line in lines):  # drawn, or set in columns
            blocks.append("```\n" + block + "\n```")
        else:
            blocks.append("\n".join(_escape(line) for line in lines))
    return "\n\n".join(blocks)


def _escape(text: str) -> str:
    """Outside of backticks nothing is markup: names keep their underscores, $LAF_HOME begins no formula."""
    text = text.replace("``", "`")
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*<|$_\[\]])", r"\\\1", p) for p in parts)


if __name__ == "__main__":
    main()
