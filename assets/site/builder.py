"""The static site: a start page, the lessons as replays, a gallery of runs, the findings and all documents."""

from __future__ import annotations

import os
import posixpath
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assets.site import documents
from assets.site.gallery import EXAMPLES, Example, play
from core.lessons import Lesson
from core.lessons.library import SHIPPED
from core.lessons.parser import read_lessons
from core.lessons.replay import play_lesson
from core.projection.projection import UmapBackend
from core.projection.umap_process import UmapProcess
from core.runtime.scheduler import Scheduler
from dashboard.presentation.export import lesson_page, run_page

ROOT = Path(__file__).parents[2]
TEMPLATES = Path(__file__).parent / "templates"
MENU = (
    ("LAF Lab", "index.html"),
    ("Lessons", "lessons/index.html"),
    ("Runs", "runs/index.html"),
    ("Findings", "docs/findings.html"),
    ("Documentation", "docs/index.html"),
)
START = (
    (
        "Lessons",
        "lessons/index.html",
        "Guided tours, with real runs, predictions and questions. Start with lesson 1.",
    ),
    (
        "Runs that teach something",
        "runs/index.html",
        "Play runs that forget, that break, and that only seem to forget.",
    ),
    (
        "Findings",
        "docs/findings.html",
        "Results of the built-in studies: what each part contributes, and what fails.",
    ),
    (
        "Documentation",
        "docs/index.html",
        "Concepts, glossary, settings, methods, and the library for Python.",
    ),
)


@dataclass(frozen=True)
class Site:
    """What to build, and where: by default everything."""

    out: Path
    root: Path = ROOT
    lessons: Sequence[Lesson] = field(default_factory=lambda: read_lessons([SHIPPED])[0])
    examples: Sequence[Example] = EXAMPLES
    umap: UmapBackend | None = None  # None: UMAP in a process of its own
    tell: Callable[[str], object] = print


def build(site: Site) -> None:
    """Write the site into its folder, which is emptied first. Raises LabError if a run fails."""
    begun = time.perf_counter()
    _empty(site.out)
    _documents(site)
    for name in ("lab-dark.png", "lab-light.png"):
        (site.out / "assets").mkdir(exist_ok=True)
        shutil.copyfile(site.root / "assets" / name, site.out / "assets" / name)
    cards = [{"title": t, "target": target, "text": text} for t, target, text in START]
    _write(
        site, "index.html", "start.html", title="A model that learns to forget", here="LAF Lab", cards=cards
    )
    with _players(site) as players:
        _lessons(site, *players)
        _gallery(site, *players)
    site.tell(
        f"{site.out} is ready after {time.perf_counter() - begun:.0f} s; open {site.out / 'index.html'}"
    )


def _empty(folder: Path) -> None:
    """Remove an earlier site. A folder that is no site stays: it may be the user's."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "index.html").exists():
        raise SystemExit(f"{folder} has files but is no site; choose another folder with --out")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


@contextmanager
def _players(site: Site) -> Iterator[tuple[UmapBackend, Scheduler, Scheduler]]:
    """Give the process for maps and the threads for runs; kept runs and models live in a folder that is removed."""
    before = os.environ.get("LAF_HOME")
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAF_HOME"] = home
        umap = site.umap or UmapProcess()
        try:
            yield umap, Scheduler(), Scheduler(1)
        finally:
            if isinstance(umap, UmapProcess):
                umap.close()
            if before is None:
                del os.environ["LAF_HOME"]
            else:
                os.environ["LAF_HOME"] = before


def _lessons(site: Site, umap: UmapBackend, runner: Scheduler, maps: Scheduler) -> None:
    cards = []
    for lesson in site.lessons:
        site.tell(f"lesson {lesson.number}: {lesson.title}")
        page = lesson_page.document(
            play_lesson(lesson, umap=umap, runner=runner, maps=maps), home="index.html"
        )
        _put(site, f"lessons/{lesson.id}.html", page)
        note = f"about {lesson.minutes} minutes, {len(lesson.parts)} steps"
        title = f"{lesson.number} · {lesson.title}"
        cards.append({"title": title, "target": f"{lesson.id}.html", "text": lesson.goal, "note": note})
    lead = "Each lesson is a replay: the runs are real and recorded. You predict first, then play each step and answer its question."
    _write(site, "lessons/index.html", "list.html", title="Lessons", here="Lessons", lead=lead, cards=cards)


def _gallery(site: Site, umap: UmapBackend, runner: Scheduler, maps: Scheduler) -> None:
    cards = []
    for example in site.examples:
        site.tell(f"run: {example.title}")
        kept = play(example, umap, runner, maps)
        kept.about["name"], kept.about["note"] = example.title, example.teaches
        _put(site, f"runs/{example.name}.html", run_page.document(kept, home="index.html"))
        note = f"{kept.about['images']['title']}, {kept.about['forget']}, {run_page.title_of(kept.setup.method)}, {len(kept.steps):,} steps"
        cards.append(
            {"title": example.title, "target": f"{example.name}.html", "text": example.teaches, "note": note}
        )
    lead = "Every run is real and can be played. Each stands beside a model that was retrained without the forgotten images."
    _write(
        site,
        "runs/index.html",
        "list.html",
        title="Runs that teach something",
        here="Runs",
        lead=lead,
        cards=cards,
    )


def _documents(site: Site) -> None:
    """Render every document of the repository."""
    sources = sorted(p.relative_to(site.root).as_posix() for p in (site.root / "docs").rglob("*.md"))
    sources += [n for n in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md") if (site.root / n).exists()]
    for made in documents.render(site.root, sources, site.out):
        here = "Findings" if made.path == "docs/findings.html" else "Documentation"
        _write(
            site,
            made.path,
            "document.html",
            title=made.title,
            here=here,
            headings=[h for h in made.headings if h[0] in (2, 3)],
            body=Markup(made.body),
        )


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def _write(site: Site, path: str, template: str, **values: Any) -> None:
    up = "../" * posixpath.dirname(path).count("/") + ("../" if posixpath.dirname(path) else "")
    style = Markup((TEMPLATES / "site.css").read_text(encoding="utf-8"))
    page = _environment().get_template(template).render(up=up, menu=MENU, style=style, **values)
    _put(site, path, page)


def _put(site: Site, path: str, page: str) -> None:
    target = site.out / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
