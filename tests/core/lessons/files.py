"""Lesson files and submissions for tests."""

from __future__ import annotations

import json
from pathlib import Path

from core.lessons.assessment.progress import (
    Progress,
    now,
)
from core.lessons.assessment.submission import (
    Student,
    submission,
)

ROOT = Path(__file__).parents[3]


SHIPPED = ROOT / "core" / "lessons" / "builtin"


WHO = Student("Ada", "k-17", "")


LESSON = """
number = 20
title = "Forget"
goal = "A goal."
[setup]
classes = [1]
[prediction]
question = "What?"
choices = ["this", "that"]
answer = 2
[[steps]]
title = "Play"
text = "Text."
do = { label = "Play", begin = { tau = 12 }, play = 4 }
check = 'steps >= 4 and tau == 12'
[steps.question]
text = "Why?"
choices = ["a", "b"]
answer = 1
[summary]
text = "Done."
formula = 'D_r'
"""


FORKED = LESSON.replace(
    "[summary]",
    """
[[steps]]
title = "Fork"
text = "Text."
do = { label = "Fork", fork = 2, change = { tau = 5 }, play = 6 }
check = 'fork.steps >= 6 and fork.tau < tau'
[summary]""",
)


def written(tmp_path, text: str, name: str = "own.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def handed_in(lesson, folder, progress=None, who=WHO, name="a.json"):
    values = submission(lesson, who, progress or Progress(2, now(), {"1": 1}, {}, 2, 2))
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(values))
    return values
