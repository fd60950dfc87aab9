"""The lessons of the Lab: those that ship, those in $LAF_HOME/lessons, and files of the command line."""

from __future__ import annotations

import os
from pathlib import Path

from core.lessons import Lesson, read_lessons
from core.runtime.storage import home

SHIPPED = Path(__file__).parent / "builtin"
EXTRA = "LAF_LESSONS"  # environment variable with the files of `laf dashboard --lesson`, as a path list


def load_lessons() -> tuple[list[Lesson], list[str]]:
    """Return all lessons of the Lab, and one sentence for each broken file."""
    files = [f for f in os.environ.get(EXTRA, "").split(os.pathsep) if f]
    return read_lessons([SHIPPED, own_folder()], files)


def own_folder() -> Path:
    """Return the folder for a teacher's own lessons, $LAF_HOME/lessons."""
    return home() / "lessons"
