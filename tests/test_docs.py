"""Settings, flags and docs cannot drift, and the README tells the truth."""

from __future__ import annotations

import argparse
import re
import subprocess
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from assets import make_api
from core.config import EvalConfig, LAFConfig, LAFRConfig, RepairConfig, TrainConfig, VAEConfig
from core.data import DATASETS
from core.evaluation.metric_specs import METRIC_SPECS
from core.methods import METHODS
from dashboard.cli.main import parser
from dashboard.presentation.text.readouts.readout_rows import JS, rows_for

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


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")), *ROOT.glob("C*.md")]


def links(page: Path) -> list[tuple[str, str]]:
    """(path, heading) of each link; code is none."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.S)
    return re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text)


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link, as GitHub makes it: lower case, no punctuation, dashes for blanks."""
    titles = re.findall(r"^#+ +(.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_within_the_docs_lead_somewhere():
    broken = []
    for page in pages():
        for target, heading in links(page):
            if "://" in target or target.startswith("mailto:"):
                continue
            there = page.parent / target if target else page
            if not there.exists() or (heading and heading not in anchors(there)):
                broken.append(f"{page.name}: {target}{heading and '#'}{heading}")
    assert broken == []


def test_every_page_of_the_docs_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        targets = {(page.parent / path).resolve() for path, _ in links(page) if path.endswith(".md")}
        waiting += [t for t in targets - reached if t.is_file()]
    assert sorted(p.name for p in set(pages()) - reached) == []


def test_the_glossary_has_every_figure_as_the_pages_call_it():
    told = (ROOT / "docs" / "glossary.md").read_text().lower()
    rows = [row for task in ("class", "data", "noise") for row in rows_for(task, "trigger")]
    shown = {name for f in [*METRIC_SPECS.values(), *rows, JS] for name in (f.label, f.symbol) if name}
    assert sorted(name for name in shown if name.lower() not in told) == []


def test_no_command_of_the_concepts_is_made_up():
    others = "\n".join(p.read_text() for p in pages() if p.name not in ("concepts.md", "README.md"))
    commands = re.findall(
        r"`((?:python -m|laf study run) [^`]+)`", (ROOT / "docs" / "concepts.md").read_text()
    )
    assert commands
    assert [c for c in commands if c not in others] == []


def test_the_api_pages_are_what_the_source_says_today():
    kept = {p.name: p.read_text(encoding="utf-8") for p in make_api.PAGES.glob("*.md")}
    wanted = make_api.pages()
    stale = sorted(name for name in kept.keys() | wanted.keys() if kept.get(name) != wanted.get(name))
    assert stale == [], "`make docs` writes them anew"


def test_every_public_name_and_method_has_a_docstring():
    assert make_api.undocumented() == []


def test_the_api_pages_have_all_that_the_library_exports():
    import core

    assert list(make_api.public("core")) == core.__all__
    page = make_api.pages()["core.md"]
    assert [name for name in core.__all__ if f"\n## {name}\n" not in page] == []
