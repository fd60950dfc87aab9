"""The Lab's JavaScript parts as one module, since a notebook loads a widget from one text and has no server to ask for files."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path

COMPONENTS = Path(__file__).parents[2] / "components"
TEMPLATES = Path(__file__).parent / "templates"
ENTRY = "laf-lab.widget/widget.js"
STYLED = ("map_view", "timeline", "readouts")
_IMPORT = re.compile(r'^((?:import|export)\b[^"\n]*\bfrom )"(\.{1,2}/[^"]+)";', re.M)
# Each module becomes an address in the browser; those that it imports have theirs already.
_LOADER = """\
const addresses = {};
for (const [name, text] of %s) {
  const body = text.replace(/"laf:([^"]+)"/g, (_, wanted) => JSON.stringify(addresses[wanted]));
  addresses[name] = URL.createObjectURL(new Blob([body], { type: "text/javascript" }));
}
const { default: widget } = await import(addresses["%s"]);
for (const address of Object.values(addresses)) URL.revokeObjectURL(address);
export default widget(%s);
"""


def source_of(name: str) -> Path:
    """Return the file of a module, which is named as the page's browser requests it, such as "laf-lab.feed/dom.js"."""
    package, _, path = name.removeprefix("laf-lab.").partition("/")
    return TEMPLATES / path if package == "widget" else COMPONENTS / package / "frontend" / path


def modules(entry: str = ENTRY) -> list[tuple[str, str]]:
    """Return name and text of every module that ``entry`` needs, each after those that it imports.

    In the texts "laf:NAME" stands for the address of a module. Raises ValueError where modules import each other in a circle.
    """
    found: dict[str, str] = {}
    _add(entry, (), found)
    return list(found.items())


def _add(name: str, above: tuple[str, ...], found: dict[str, str]) -> None:
    if name in above:
        raise ValueError(f"modules import each other: {' → '.join((*above, name))}")
    if name in found:
        return
    folder = posixpath.dirname(name)

    def lead(match: re.Match[str]) -> str:
        wanted = posixpath.normpath(posixpath.join(folder, match[2]))
        _add(wanted, (*above, name), found)
        return f'{match[1]}"laf:{wanted}";'

    found[name] = _IMPORT.sub(lead, source_of(name).read_text(encoding="utf-8"))


def styles() -> dict[str, str]:
    """Return the stylesheet of each part by its name; that of the widget itself is "widget"."""
    made = {n: (COMPONENTS / n / "frontend" / f"{n}.css").read_text(encoding="utf-8") for n in STYLED}
    return {**made, "widget": (TEMPLATES / "widget.css").read_text(encoding="utf-8")}


def script() -> str:
    """Return the widget's module: it loads the parts from its own text and asks no server."""
    return _LOADER % (json.dumps(modules()), ENTRY, json.dumps(styles()))
