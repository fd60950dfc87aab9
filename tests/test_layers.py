"""Arrows point one way, and what must not be used is not used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "core").rglob("*.py"))
DASHBOARD = sorted((ROOT / "dashboard").rglob("*.py"))
SCREENS = {"dashboard", "streamlit", "plotly"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imported(path: Path) -> set[str]:
    """Every module that ``path`` names in an import, wherever in the file; "from a import b" gives a and a.b."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


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


# views -> controls, charts, cache, state -> core: who may import whom within dashboard

PAGE = {"dashboard.views", "dashboard.app"}
LOWER = {  # module -> what of dashboard it must not import
    "state.py": {*PAGE, "dashboard.controls", "dashboard.charts", "dashboard.cache"},
    "cache.py": {*PAGE, "dashboard.controls", "dashboard.charts"},
    "charts.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"},
    "export.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"},
    "picking.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"},
    "advice.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"},
    "stream.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"},
    "scene.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"},
    "wire.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit", "core"},
    "rows.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"},
    "standing.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"},
    "losses.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"},
    **{
        name: {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"}
        for name in ("lesson_html.py", "lesson_page.py", "lesson_command.py", "mathml.py")
    },
    "lesson_panel.py": {*PAGE, "dashboard.cache"},
    "lesson_list.py": {*PAGE, "dashboard.cache"},
    "words.py": {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"},
    "controls.py": PAGE,
    **{
        name: {*PAGE, "dashboard.controls", "dashboard.cache", "dashboard.state", "streamlit"}
        for name in ("run_command.py", "compare_command.py", "request_options.py", "terminal.py")
    },
    "cli.py": {*PAGE, "dashboard.controls", "dashboard.state"},  # it warms the cache while the server starts
}


@pytest.mark.parametrize("path", DASHBOARD, ids=names(DASHBOARD))
def test_arrows_point_one_way_within_the_dashboard(path):
    forbidden = LOWER.get(path.name, set()) if path.parent == ROOT / "dashboard" else set()
    if path.parent.name in ("theatre", "timeline", "readouts", "feed", "gallery", "table", "pair"):
        forbidden = {*PAGE, "dashboard.controls", "dashboard.state", "dashboard.cache"}
    found = imported(path)
    assert not {name for name in found for f in forbidden if name == f or name.startswith(f + ".")}
    if path.parent.name != "views":
        assert not {name for name in found if name.startswith("dashboard.views")}


def attributes(path: Path) -> set[str]:
    return {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)} | imported(path)


@pytest.mark.parametrize("path", DASHBOARD, ids=names(DASHBOARD))
def test_only_state_touches_session_state_and_query_params(path):
    if path.name != "state.py":
        assert not attributes(path) & {
            "session_state",
            "query_params",
            "streamlit.session_state",
            "streamlit.query_params",
        }


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


def test_no_two_test_files_have_one_name():
    """pytest imports them by it: the second one would end the whole run."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)


def test_plotly_comes_from_one_module_that_has_pandas_whole():
    """Plotly took a pandas that another thread was still importing for a whole one, and the page showed an AttributeError."""
    alone = {
        str(p.relative_to(ROOT)) for p in DASHBOARD if any(n.split(".")[0] == "plotly" for n in imported(p))
    }
    assert alone == {"dashboard/plots.py"}
    code = "import sys, dashboard.plots; assert hasattr(sys.modules['pandas'], 'Series')"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
