"""Built-in studies: TOML files that ship with the Lab, for `laf study run` and the page Studies."""

from __future__ import annotations

from pathlib import Path

from core.errors import RequestError
from core.experiments.studies.spec import Study
from core.experiments.studies.spec_parser import read_study

HERE = Path(__file__).parent


def ready_names() -> tuple[str, ...]:
    """Return the names of all ready studies, sorted."""
    return tuple(sorted(p.stem for p in HERE.glob("*/*.toml")))


def ready_study(name: str) -> Study:
    """Return the ready study ``name``. Raises RequestError for an unknown name."""
    if name not in ready_names():
        raise RequestError(
            f"no ready study is called {name[:60]!r}; there are: {', '.join(ready_names())}; or give a TOML file"
        )
    return read_study(next(HERE.glob(f"*/{name}.toml")))
