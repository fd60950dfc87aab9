"""Arrows point one way, and what must not be used is not used."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "core").rglob("*.py"))
DASHBOARD = sorted((ROOT / "dashboard").rglob("*.py"))
SCREENS = {"dashboard", "streamlit", "plotly"}


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Return every module that ``path`` imports, wherever in the file; "from a import b" gives a and a.b."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def names(paths: list[Path]) -> list[str]:
    return [str(p.relative_to(ROOT)) for p in paths]


@pytest.mark.parametrize("path", CORE, ids=names(CORE))
def test_core_names_no_screen(path):
    assert not {name for name in imported(path) if name.split(".")[0] in SCREENS}


@pytest.mark.slow
def test_importing_all_of_core_imports_no_screen():
    modules = [
        str(p.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__") for p in CORE
    ]
    code = f"import importlib, sys\nfor m in {modules!r}: importlib.import_module(m)\nprint(sorted({SCREENS!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


# Which package may import which: a package imports only from the floors below its own, wherever in a file the import stands.

FLOORS = {
    "core": (
        {"errors"},
        {"runtime"},
        {"config"},
        {"data"},
        {"models"},
        {"training", "projection"},
        {"methods", "evaluation"},
        {"runs"},
        {"experiments"},
        {"lessons"},
    ),
    "dashboard": (
        {"presentation", "components"},
        {"session"},
        {"server", "forms"},
        {"cli"},
        {"page_frame", "views"},
        {"app"},
    ),
}
NO_STREAMLIT = "dashboard/presentation"


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in [*CORE, *DASHBOARD]}
PACKAGES = sorted(name for name, path in MODULES.items() if path.name == "__init__.py")


def targets(path: Path) -> set[str]:
    """Modules of core and dashboard that ``path`` imports; of a symbol the module that it is imported from."""
    found = set()
    for name in imported(path):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        found.add(name)
    return found - {"", "core", "dashboard"}


@pytest.mark.parametrize("top", FLOORS)
def test_a_package_imports_only_from_the_floors_below(top):
    floor = {name: number for number, names in enumerate(FLOORS[top]) for name in names}
    back = []
    for module, path in MODULES.items():
        if not module.startswith(f"{top}."):
            continue
        own = module.split(".")[1]
        for target in targets(path):
            parts = target.split(".")
            if parts[0] == top and parts[1] not in (own, "__main__") and floor[parts[1]] >= floor[own]:
                back.append(f"{module} imports {target}")
    assert back == []


def circles(package: str) -> list[set[str]]:
    """Groups of files and folders of ``package`` that import each other, directly or by way of others."""
    depth = package.count(".") + 1
    arrows: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        if module.startswith(f"{package}."):
            inside = {t for t in targets(path) if t.startswith(f"{package}.")}
            arrows.setdefault(module.split(".")[depth], set()).update(t.split(".")[depth] for t in inside)

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            fresh = arrows.get(waiting.pop(), set()) - found
            found |= fresh
            waiting += fresh
        return found

    reach = {name: reached(name) for name in arrows}
    groups = {frozenset({a, *(b for b in reach[a] if a in reach.get(b, ()))}) for a in arrows}
    return [set(group) for group in groups if len(group) > 1]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_within_a_package(package):
    assert circles(package) == []


@pytest.mark.parametrize("folder", PACKAGES)
def test_a_folder_has_at_most_thirteen_entries(folder):
    ignored = ("__pycache__", "py.typed")  # PEP 561 wants its marker in the package's own folder
    entries = [p for p in MODULES[folder].parent.iterdir() if p.name not in ignored]
    assert len(entries) <= 13, sorted(p.name for p in entries)


@pytest.mark.parametrize("path", DASHBOARD, ids=names(DASHBOARD))
def test_what_is_presented_knows_no_streamlit(path):
    if str(path.relative_to(ROOT)).startswith(NO_STREAMLIT):
        assert not {name for name in imported(path) if name.split(".")[0] == "streamlit"}


def attributes(path: Path) -> set[str]:
    return {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)} | imported(path)


@pytest.mark.parametrize("path", DASHBOARD, ids=names(DASHBOARD))
def test_only_the_tab_state_touches_session_state_and_query_params(path):
    if path != ROOT / "dashboard" / "session" / "tab_state.py":
        assert not attributes(path) & {
            "session_state",
            "query_params",
            "streamlit.session_state",
            "streamlit.query_params",
        }


@functools.cache
def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """(what is called, written out; the call)"""
    return [(ast.unparse(node.func), node) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", CORE, ids=names(CORE))
def test_core_prints_nothing(path):
    assert not [
        name for name, _ in calls(path) if name == "print" or name.startswith(("sys.stdout", "sys.stderr"))
    ]


@pytest.mark.parametrize("path", [*CORE, *DASHBOARD], ids=names([*CORE, *DASHBOARD]))
def test_no_pickle_is_read_and_no_device_is_hard_wired(path):
    allowed = (
        {"joblib"} if path.name == "backends.py" else set()
    )  # it runs processes there, and reads no file
    assert not imported(path) & {"pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"} - allowed
    for name, call in calls(path):
        assert name not in ("torch.load", "torch.hub.load", "torch.save"), path
        assert not name.endswith(".cuda"), path
        for keyword in call.keywords:
            assert not (keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"), path


GLOBAL_RANDOM = (
    "torch.manual_seed",
    "torch.seed",
    "np.random.seed",
    "numpy.random.seed",
    "random.seed",
    "np.random.rand",
    "np.random.randn",
    "random.random",
    "random.shuffle",
)


@pytest.mark.parametrize("path", CORE, ids=names(CORE))
def test_core_touches_no_global_generator(path):
    for name, call in calls(path):
        assert name not in GLOBAL_RANDOM, path
        if name in ("torch.rand", "torch.randn", "torch.randperm", "torch.randint"):
            assert "generator" in {keyword.arg for keyword in call.keywords}, (
                f"{path}: {name} without a generator"
            )


def test_the_app_is_short():
    assert len((ROOT / "dashboard" / "app.py").read_text().splitlines()) <= 60


def test_plotly_comes_from_one_module_that_has_pandas_whole():
    """Plotly took a pandas that another thread was still importing for a whole one, and the page showed an AttributeError."""
    alone = {
        str(p.relative_to(ROOT)) for p in DASHBOARD if any(n.split(".")[0] == "plotly" for n in imported(p))
    }
    assert alone == {"dashboard/presentation/charts/plotly_import.py"}
    code = "import sys, dashboard.presentation.charts.plotly_import; assert hasattr(sys.modules['pandas'], 'Series')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
