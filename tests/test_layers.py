"""Arrows point one way, and what must not be used is not used."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
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


def broken(paths: Iterable[Path], wrong: Callable[[Path], Iterable[str]]) -> list[str]:
    """Return "file: what is wrong there" for each finding. One test asks all files: each test of its own costs a pytest worker 5 ms."""
    return [f"{path.relative_to(ROOT)}: {what}" for path in paths for what in wrong(path)]


def top(name: str) -> str:
    return name.split(".")[0]


def test_core_names_no_screen():
    assert broken(CORE, lambda path: {name for name in imported(path) if top(name) in SCREENS}) == []


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


@pytest.mark.parametrize("root", FLOORS)
def test_a_package_imports_only_from_the_floors_below(root):
    floor = {name: number for number, names in enumerate(FLOORS[root]) for name in names}
    back = []
    for module, path in MODULES.items():
        if not module.startswith(f"{root}."):
            continue
        own = module.split(".")[1]
        for target in targets(path):
            parts = target.split(".")
            if parts[0] == root and parts[1] not in (own, "__main__") and floor[parts[1]] >= floor[own]:
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


def test_no_circle_within_a_package():
    assert {package: found for package in PACKAGES if (found := circles(package))} == {}


def test_a_folder_has_at_most_thirteen_entries():
    ignored = ("__pycache__", "py.typed")  # PEP 561 wants its marker in the package's own folder
    entries = {p: [e for e in MODULES[p].parent.iterdir() if e.name not in ignored] for p in PACKAGES}
    assert {package: len(found) for package, found in entries.items() if len(found) > 13} == {}


def test_what_is_presented_knows_no_streamlit():
    presented = [p for p in DASHBOARD if str(p.relative_to(ROOT)).startswith(NO_STREAMLIT)]
    assert broken(presented, lambda path: {name for name in imported(path) if top(name) == "streamlit"}) == []


def attributes(path: Path) -> set[str]:
    return {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)} | imported(path)


def test_only_the_tab_state_touches_session_state_and_query_params():
    own = {"session_state", "query_params", "streamlit.session_state", "streamlit.query_params"}
    others = [p for p in DASHBOARD if p != ROOT / "dashboard" / "session" / "tab_state.py"]
    assert broken(others, lambda path: attributes(path) & own) == []


@functools.cache
def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """(what is called, written out; the call)"""
    return [(ast.unparse(node.func), node) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


def test_core_prints_nothing():
    def printed(path: Path) -> list[str]:
        return [
            name
            for name, _ in calls(path)
            if name == "print" or name.startswith(("sys.stdout", "sys.stderr"))
        ]

    assert broken(CORE, printed) == []


def pickled_or_wired(path: Path) -> Iterator[str]:
    # backends.py runs processes by joblib, and reads no file
    allowed = {"joblib"} if path.name == "backends.py" else set()
    yield from imported(path) & {"pickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"} - allowed
    for name, call in calls(path):
        if name in ("torch.load", "torch.hub.load", "torch.save") or name.endswith(".cuda"):
            yield name
        for keyword in call.keywords:
            if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False":
                yield ast.unparse(call)


def test_no_pickle_is_read_and_no_device_is_hard_wired():
    assert broken([*CORE, *DASHBOARD], pickled_or_wired) == []


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


def without_generator(path: Path) -> Iterator[str]:
    for name, call in calls(path):
        own = name in ("torch.rand", "torch.randn", "torch.randperm", "torch.randint")
        if name in GLOBAL_RANDOM or (own and "generator" not in {keyword.arg for keyword in call.keywords}):
            yield ast.unparse(call)


def test_core_touches_no_global_generator():
    assert broken(CORE, without_generator) == []


@pytest.mark.parametrize(
    ("source", "finds", "found"),
    [
        ("import pickle", pickled_or_wired, ["pickle"]),
        ("model.cuda()", pickled_or_wired, ["model.cuda"]),
        ("np.load(f, allow_pickle=True)", pickled_or_wired, ["np.load(f, allow_pickle=True)"]),
        ("np.load(f, allow_pickle=False)", pickled_or_wired, []),
        ("torch.rand(3)", without_generator, ["torch.rand(3)"]),
        ("torch.rand(3, generator=g)", without_generator, []),
        ("np.random.seed(0)", without_generator, ["np.random.seed(0)"]),
    ],
)
def test_a_rule_finds_what_breaks_it(tmp_path, source, finds, found):
    path = tmp_path / "module.py"
    path.write_text(source)
    assert list(finds(path)) == found


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
