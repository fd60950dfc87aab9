"""Lessons that are played whole, and the page that exports them."""

from __future__ import annotations

import re
import time

import pytest

from core.errors import LabError
from core.lessons import read_lesson
from core.lessons.replay import play_lesson
from core.runtime.scheduler import Scheduler
from dashboard.session.jobs.lesson_export import export_job_of
from tests import toys
from tests.core.lessons.files import LESSON, written


def made(asked):
    """A page that was asked for, once it is there."""
    end = time.monotonic() + 300
    while asked.busy:
        assert time.monotonic() < end, asked.said
        time.sleep(0.05)
    return asked


def page_of(lesson, seed=0):
    return export_job_of(lesson, seed, toys.Flat(), Scheduler(2), Scheduler(1))


@pytest.mark.slow
def test_the_page_makes_a_lesson_into_a_file_once_for_everybody_who_asks(home, lesson):
    asked = page_of(lesson, 3)
    assert page_of(lesson, 3) is asked
    other = page_of(lesson, 0)  # the Lab ships its model
    assert made(asked).error is None
    assert asked.failed == ()
    assert lesson.title in asked.page
    assert asked.file_name == f"lesson-{lesson.id}-seed-3.html"
    assert made(other).page != asked.page
    assert page_of(lesson, 3).page is asked.page


@pytest.mark.slow
def test_a_lesson_that_cannot_be_played_says_why_and_may_be_asked_for_again(home, tmp_path):
    broken = read_lesson(written(tmp_path, LESSON.replace("play = 4", "fork = 4000")))
    asked = made(page_of(broken))
    assert asked.page is None
    assert asked.error
    assert "\n" not in asked.error
    assert page_of(broken) is not asked


@pytest.mark.slow
def test_a_replay_reads_its_data_where_it_is_told_to(home, tmp_path):
    elsewhere = read_lesson(written(tmp_path, LESSON.replace("[setup]", '[setup]\ndataset = "mnist"')))
    with pytest.raises(LabError, match=re.escape(str(tmp_path / "nothing"))):
        play_lesson(elsewhere, data_dir=str(tmp_path / "nothing"))
