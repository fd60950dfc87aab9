"""The lessons that the Lab offers: those that ship, those under $LAF_HOME/lessons, and those of the command line."""

from __future__ import annotations

import os
from pathlib import Path

from core.lessons import Lesson, read_lessons
from core.runtime.storage import home

SHIPPED = Path(__file__).parent / "builtin"


EXTRA = "LAF_LESSONS"  # files of `laf dashboard --lesson`, as a path list


def load_lessons() -> tuple[list[Lesson], list[str]]:
    """Lessons that ship, those under $LAF_HOME/lessons, and the files that the command line names; and what is broken."""
    files = [f for f in os.environ.get(EXTRA, "").split(os.pathsep) if f]
    return read_lessons([SHIPPED, own_folder()], files)


def own_folder() -> Path:
    """Where a teacher's own lessons lie: $LAF_HOME/lessons."""
    return home() / "lessons"
