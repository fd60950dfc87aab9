"""The Jinja environment of pages and page parts; every value is HTML-escaped unless it is Markup."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HERE = Path(__file__).parent
FOLDERS = (HERE / "export" / "templates", HERE / "text" / "templates")


@cache
def environment() -> Environment:
    """Return the environment; a template that names an unknown value raises UndefinedError."""
    made = Environment(
        loader=FileSystemLoader(FOLDERS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = {
        "separators": (",", ":")
    }  # `tojson` escapes "<", so no script ends early
    made.globals["source"] = source
    return made


@cache
def source(name: str) -> Markup:
    """Return the text of a stylesheet or script in the templates folder, unescaped."""
    found = next(folder / name for folder in FOLDERS if (folder / name).exists())
    return Markup(found.read_text(encoding="utf-8"))


def render(name: str, **values: Any) -> Markup:
    """Return template ``name`` filled with ``values``."""
    return Markup(environment().get_template(name).render(values))


def macros(name: str) -> Any:
    """Return template ``name`` as a module whose macros are its attributes; each returns Markup."""
    return environment().get_template(name).module
