"""The name and number that a student gave in a browser, kept for a reload in $LAF_HOME/lessons/students/BROWSER.json."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

from core.errors import DataError
from core.lessons.assessment.submission import Student
from core.runtime.storage import home, write_bytes

log = logging.getLogger(__name__)

MOST_NAME = 80  # characters
MOST_NUMBER = 40
_BROWSER = re.compile(r"[0-9a-f]{8,64}")


def read_student(browser: str, group: str = "") -> Student:
    """Return the student of a browser, in class ``group``; one without name and number if no readable file is kept."""
    path = _path(browser)
    try:
        values = json.loads(path.read_bytes())
        name, number = values["name"], values["number"]
        if not isinstance(name, str) or not isinstance(number, str):
            raise ValueError("name and number must be texts")
    except FileNotFoundError:
        return Student("", "", group)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        log.warning("%s cannot be read (%s); the student is asked again", path, error)
        return Student("", "", group)
    return Student(name[:MOST_NAME], number[:MOST_NUMBER], group)


def write_student(browser: str, student: Student) -> None:
    """Keep the name and number of a browser's student; remove the file if both are empty.

    Raises StoreError if the file cannot be written, DataError for a browser without a valid name.
    """
    path = _path(browser)
    if student.name or student.number:
        write_bytes(path, json.dumps({"name": student.name, "number": student.number}).encode())
    else:
        path.unlink(missing_ok=True)


def _path(browser: str) -> Path:
    if not _BROWSER.fullmatch(browser):
        raise DataError("this browser has no valid name, so the student cannot be kept; open the page again")
    return home() / "lessons" / "students" / f"{browser}.json"
