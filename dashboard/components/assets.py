"""Paths of the components' JavaScript modules; imports nothing heavy, since the server needs them first."""

from pathlib import Path

HERE = Path(__file__).parent
COMPONENTS = {  # name -> folder
    "feed": "feed",
    "map_view": "map_view",
    "timeline": "timeline",
    "forgotten_examples": "forgotten_examples",
    "readouts": "readouts",
    "gallery": "gallery",
    "table": "comparison_table",
    "pair": "map_pair",
}


def modules() -> list[str]:
    """Return the paths of the components' modules as the browser requests them."""
    return [
        f"_stcore/bidi-components/laf-lab.{name}/{path.relative_to(HERE / folder / 'frontend').as_posix()}"
        for name, folder in COMPONENTS.items()
        for path in sorted((HERE / folder / "frontend").rglob("*.js"))
    ]
