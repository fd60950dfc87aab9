"""Where the browser finds the components' modules; imports nothing of weight, since the server names them before anything else is there."""

from pathlib import Path

HERE = Path(__file__).parent
COMPONENTS = {  # name -> folder
    "feed": "feed",
    "map_view": "map_view",
    "timeline": "timeline",
    "readouts": "readouts",
    "gallery": "gallery",
    "table": "comparison_table",
    "pair": "map_pair",
}


def modules() -> list[str]:
    """Paths of the components' modules, as the browser asks for them."""
    return [
        f"_stcore/bidi-components/laf-lab.{name}/{path.relative_to(HERE / folder / 'frontend').as_posix()}"
        for name, folder in COMPONENTS.items()
        for path in sorted((HERE / folder / "frontend").rglob("*.js"))
    ]
