"""Settings, flags and docs cannot drift, and the README tells the truth."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from assets import make_api
from core.config import EvalConfig, LAFConfig, LAFRConfig, RepairConfig, TrainConfig, VAEConfig
from core.data import DATASETS
from core.methods import METHODS
from dashboard.cli import parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCS = README + "\n".join(p.read_text() for p in sorted((ROOT / "docs").glob("**/*.md")))


CONFIGS = (TrainConfig, VAEConfig, LAFConfig, LAFRConfig, RepairConfig, EvalConfig)


def options() -> list[str]:
    """Every long option of every command."""
    found, waiting = set(), [parser()]
    while waiting:
        for action in waiting.pop()._actions:
            found |= {o for o in action.option_strings if o.startswith("--")}
            if isinstance(action, argparse._SubParsersAction):
                waiting.extend(action.choices.values())
    return sorted(found - {"--help"})


def settings() -> list[str]:
    of_methods = [made.Config for made in METHODS.values() if hasattr(made, "Config")]
    return sorted({f.name for config in (*CONFIGS, *of_methods) for f in fields(config)})


@pytest.mark.parametrize(
    "names",
    [options(), settings(), [*DATASETS, *METHODS, "LAF_HOME"]],
    ids=["options", "settings", "datasets, methods and places"],
)
def test_every_name_is_in_the_docs(names):
    missing = [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", DOCS)]
    assert missing == [], "neither README.md nor docs/*.md names these"


def test_no_documented_option_of_laf_is_made_up():
    told = set(
        re.findall(
            r"(?<![\w-])--[a-z][a-z-]+", "\n".join(re.findall(r"^.*\blaf (?:run|dashboard)\b.*$", DOCS, re.M))
        )
    )
    assert told <= {*options(), "--help"}


def test_streamlits_settings_are_the_same_for_the_command_and_for_a_clone():
    ours, clone = (
        (ROOT / "dashboard" / "streamlit.toml").read_text(),
        (ROOT / ".streamlit" / "config.toml").read_text(),
    )
    assert tomllib.loads(ours) == tomllib.loads(clone)


def test_the_packages_own_manifest_names_the_distribution_and_its_components():
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    inner = tomllib.loads((ROOT / "dashboard" / "pyproject.toml").read_text())
    assert (inner["project"]["name"], inner["project"]["version"]) == (ours["name"], ours["version"])
    for component in inner["tool"]["streamlit"]["component"]["components"]:
        assert (ROOT / component["asset_dir"]).is_dir()


@pytest.mark.slow
def test_the_readmes_python_example_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    if not blocks:
        pytest.skip("README.md has no python example yet")
    done = subprocess.run([sys.executable, "-c", blocks[0]], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git clone")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


# spelled in pieces, so that this file does not find itself
PRIVATE = re.compile(
    "|".join(
        [
            r"(?<![\w.])/wor" + r"k/",
            r"/opt/" + r"wheels",
            r"--extra-" + r"index-url",
            r"(?<![\w.])/ro" + r"ot/",
            r"https?://(?:10|192\.168)\.",
        ]
    )
)


def test_no_tracked_file_names_a_path_of_the_workplace():
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {m.group()}" for m in PRIVATE.finditer(text)]
    assert found == []


def test_links_within_the_docs_lead_somewhere():
    broken = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")), *ROOT.glob("C*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if (
                "://" not in target
                and not target.startswith("mailto:")
                and not (page.parent / target).exists()
            ):
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_the_api_pages_are_what_the_source_says_today():
    kept = {p.name: p.read_text(encoding="utf-8") for p in make_api.PAGES.glob("*.md")}
    wanted = make_api.pages()
    stale = sorted(name for name in kept.keys() | wanted.keys() if kept.get(name) != wanted.get(name))
    assert stale == [], "`make docs` writes them anew"


def test_every_public_name_and_method_has_a_docstring():
    assert make_api.undocumented() == []


def test_the_api_pages_have_all_that_the_library_exports():
    import core

    assert [n.name for n in make_api.public("core")] == core.__all__
    page = make_api.pages()["core.md"]
    assert [name for name in core.__all__ if f"\n## {name}\n" not in page] == []
