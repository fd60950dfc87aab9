"""Where the browser finds the components' modules; imports nothing of weight, since the server names them before anything else is there."""

from pathlib import Path

HERE = Path(__file__).parent
COMPONENTS = ("feed", "theatre", "timeline", "readouts", "gallery", "table", "pair")


def modules() -> list[str]:
    """Paths of the components' modules, as the browser asks for them."""
    return [
        f"_stcore/bidi-components/laf-lab.{name}/{path.name}"
        for name in COMPONENTS
        for path in sorted((HERE / name / "frontend").glob("*.js"))
    ]
