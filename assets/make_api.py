"""Write docs/api: the library's public names with signatures and docstrings, which griffe reads from the source.

    make docs                                           # or: python assets/make_api.py

griffe parses the source and imports nothing. tests/test_docs.py compares the pages with what this file writes.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import takewhile
from pathlib import Path

import griffe

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
HOME = "core"  # the other pages link to this page for the names that it has
LONGEST = 60  # characters of a default in a table
HEAD = """# API

The library's public names: what its modules export, with signatures and docstrings. `make docs` writes these pages.
Other modules may change without notice.

| module | is |
|---|---|
"""
END = """
Errors are one tree under [`LabError`](core.md#laberror). Each error's message is one sentence for a user.
Long work is a generator that yields `Progress` and returns its result.
`core.runtime.progress.run_to_end` runs it to its end; `core.runtime.scheduler.Scheduler` runs it in worker threads.
"""


def main() -> None:
    PAGES.mkdir(exist_ok=True)
    wanted = pages()
    for old in set(PAGES.glob("*.md")) - {PAGES / name for name in wanted}:
        old.unlink()
    for name, text in wanted.items():
        (PAGES / name).write_text(text, encoding="utf-8")
    print(f"{len(wanted)} pages in {PAGES.relative_to(ROOT)}")


@cache
def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    rows = [f"| [{name}]({name}.md) | {summary_of(module(name))} |\n" for name in MODULES]
    return {"README.md": HEAD + "".join(rows) + END, **{f"{name}.md": page_of(name) for name in MODULES}}


def undocumented() -> list[str]:
    """Return public names, and public methods of public classes, that have no docstring."""
    lacking = []
    for name in MODULES:
        for exported, found in public(name).items():
            lacking += [] if docstring_of(found) else [f"{name}.{exported}"]
            if found.is_class:
                methods = [m for m in own_members(found) if is_method(m) and not docstring_of(m)]
                lacking += [f"{name}.{exported}.{m.name}" for m in methods]
    return lacking


@cache
def public(name: str) -> dict[str, griffe.Object]:
    """Return what module ``name`` exports, in the order of __all__; without __all__ the classes and functions it defines."""
    found = module(name)
    defined = [n for n, m in found.members.items() if not m.is_alias and (m.is_class or m.is_function)]
    names = [str(n) for n in found.exports] if found.exports else [n for n in defined if n[0] != "_"]
    targets = {n: getattr(found.members[n], "final_target", found.members[n]) for n in names}
    # a function that has its submodule's name is found in the submodule
    return {n: target.members.get(n, target) if target.is_module else target for n, target in targets.items()}


@cache
def library() -> griffe.Module:
    return griffe.load("core", search_paths=[ROOT], allow_inspection=False, resolve_aliases=True)


def module(name: str) -> griffe.Module:
    inner = name.removeprefix("core").lstrip(".")
    return library()[inner] if inner else library()


def own_members(found: griffe.Object) -> list[griffe.Object]:
    return [m for n, m in found.members.items() if n[0] != "_" and not m.is_alias]


def is_method(member: griffe.Object) -> bool:
    return member.is_function or "property" in member.labels


def docstring_of(found: griffe.Object) -> str:
    """Return the docstring, or the comment at an attribute."""
    if found.docstring:
        return found.docstring.value
    return comment_of(found) if found.is_attribute else ""


def comment_of(attribute: griffe.Attribute) -> str:
    """Return the comment beside an attribute, otherwise the comment lines right above it."""
    source = attribute.lines_collection[attribute.filepath]
    start, end = attribute.lineno - 1, attribute.endlineno
    found = [m[1] for line in source[start:end] if (m := re.search(r"  # *(.+)$", line))]
    if not found:
        above = takewhile(lambda line: line.strip().startswith("#"), reversed(source[:start]))
        found = [line.strip("# ") for line in above][::-1]
    return " ".join(c for c in found if not re.match(r"(noqa|type:|fmt:)", c))


def page_of(name: str) -> str:
    parts = [f"# {name}", markdown(docstring_of(module(name)))]
    for exported, found in public(name).items():
        if name != HOME and public(HOME).get(exported) is found:
            parts.append(f"## {exported}\n\nSee [{HOME}]({HOME}.md#{exported.lower()}).")
        else:
            parts += section_of(exported, found)
    return "\n\n".join(p for p in parts if p) + "\n"


def section_of(name: str, found: griffe.Object) -> list[str]:
    """Return the blocks of one public name."""
    if found.is_module:
        return [f"## {name}", f"The module [{found.path}]({found.path}.md). {summary_of(found)}"]
    path = found.filepath.relative_to(ROOT).as_posix()
    head = (
        found.signature() if found.is_function else class_head(found) if found.is_class else value_of(found)
    )
    parts = [
        f"## {name}",
        f"```python\n{head}\n```",
        markdown(docstring_of(found)),
        f"Defined in [{path}](../../{path}).",
    ]
    if found.is_class:
        parts += [table_of_fields(found), *(method_of(m) for m in own_members(found) if is_method(m))]
    return parts


def class_head(found: griffe.Class) -> str:
    record = [f"@{d.value}\n" for d in found.decorators if str(d.value).startswith("dataclass")]
    if "__init__" in found.members and not record:
        return "class " + found.members["__init__"].signature(return_type=False, name=found.name)
    bases = f"({', '.join(map(str, found.bases))})" if found.bases else ""
    return f"{''.join(record)}class {found.name}{bases}"


def method_of(member: griffe.Object) -> str:
    title = member.name if member.is_attribute else member.signature()
    kind = " (class method)" if "classmethod" in member.labels else ""
    return f"**`{title}`**{kind}\n\n{markdown(docstring_of(member))}"


def value_of(attribute: griffe.Attribute) -> str:
    """Return an assignment as code; of a long dict only its keys."""
    name = f"{attribute.name}: {attribute.annotation}" if attribute.annotation else attribute.name
    value = attribute.value
    if isinstance(value, griffe.ExprDict) and len(str(value)) > 100:
        value = "{" + ", ".join(f"{key}: …" for key in value.keys if key) + "}"
    return f"{name} = {value}"


def table_of_fields(found: griffe.Class) -> str:
    """Return the table of a class's fields, or of an enumeration's members, with the comment at each."""
    functions = [m for m in found.members.values() if is_method(m) and m.lineno]
    rows = []
    for field in own_members(found):
        if field.is_attribute and not any(f.lineno <= field.lineno <= f.endlineno for f in functions):
            cells = [field.name, str(field.annotation or ""), default_of(field)]
            code = [f"`{c}`".replace("|", "\\|") if c else "" for c in cells]
            rows.append(f"| {' | '.join(code)} | {escape(docstring_of(field)).replace(chr(10), ' ')} |")
    return "\n".join(["| field | type | default | |", "|---|---|---|---|", *rows]) if rows else ""


def default_of(field: griffe.Attribute) -> str:
    """Return a field's default as code; of dataclasses.field its default or what its factory makes."""
    value = "" if field.value is None else str(field.value)
    if match := re.match(r"(?:dataclasses\.)?field\((.*)\)$", value):
        factory = re.search(r"default_factory=(\w+)(?=,|$)", match[1])
        default = re.search(r"default=([^,]+)", match[1])
        if factory:
            return f"{factory[1]}()"
        derived = "derived" if "init=False" in match[1] else ""
        return default[1] if default else "computed" if "default_factory" in match[1] else derived
    return value if len(value) <= LONGEST else "…"


def summary_of(found: griffe.Object) -> str:
    """Return the docstring's first paragraph as one line."""
    return escape(docstring_of(found).split("\n\n")[0].replace("\n", " "))


def markdown(text: str) -> str:
    """Return a docstring as Markdown: indented, drawn or column-aligned blocks become code."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.splitlines()
        if all(line.startswith("    ") for line in lines):
            blocks.append("```\n" + "\n".join(line[4:] for line in lines) + "\n```")
        elif any(re.search(r"[├└│]|^ {2,}\S| {3,}\S", line) for line in lines):
            blocks.append(f"```\n{block}\n```")
        else:
            blocks.append(escape(block))
    return "\n\n".join(blocks)


def escape(text: str) -> str:
    """Escape Markdown outside backticks: names keep their underscores, $LAF_HOME begins no formula."""
    parts = re.split(r"(`[^`]*`)", text.replace("``", "`"))
    return "".join(p if p.startswith("`") else re.sub(r"([*<|$_\[\]])", r"\\\1", p) for p in parts)


if __name__ == "__main__":
    main()
