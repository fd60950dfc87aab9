"""A background job: its progress, result and errors, and that work which was stopped changes nothing."""

from __future__ import annotations

import threading
import time

import pytest

from core.errors import LabError
from core.runtime.progress import Progress
from core.runtime.scheduler import Scheduler
from dashboard.session.jobs.base import BackgroundJob, OwnThread
from tests.waiting import until


def ended(job: BackgroundJob) -> BackgroundJob:
    until(lambda: not job.busy, pause=0.005)
    return job


def work(result=7, error=None):
    yield Progress("train", 1, 2)
    if error is not None:
        raise error
    return result


@pytest.fixture(params=[lambda: Scheduler(1), OwnThread], ids=["scheduler", "own thread"])
def job(request):
    return BackgroundJob(request.param())


def test_the_result_is_there_when_the_work_has_ended(job):
    assert not job.busy
    job.start(work())
    ended(job)
    assert (job.result, job.error, job.progress) == (7, None, None)


@pytest.mark.parametrize(
    ("error", "text"), [(LabError("no such model"), "no such model"), (ValueError("x\ny"), "ValueError: x")]
)
def test_an_error_becomes_one_line(job, error, text):
    job.start(work(error=error))
    ended(job)
    assert (job.result, job.error, job.progress) == (None, text, None)


def test_a_new_start_drops_the_last_error_and_keeps_the_last_result_only_if_asked_to(job):
    job.start(work())
    ended(job)
    job.start(work(error=LabError("broken")), keep_result=True)
    ended(job)
    assert (job.result, job.error) == (7, "broken")
    job.start(work(error=LabError("broken again")))
    ended(job)
    assert (job.result, job.error) == (None, "broken again")


def test_progress_shows_while_the_work_runs(job):
    may_end = threading.Event()

    def waits():
        yield Progress("train", 1, 2)
        may_end.wait(20)
        return 1

    job.start(waits())
    until(lambda: job.progress is not None, pause=0.005)
    assert job.busy
    assert job.progress == Progress("train", 1, 2)
    may_end.set()
    assert ended(job).result == 1


@pytest.mark.parametrize("error", [None, LabError("late")])
def test_work_that_was_stopped_changes_nothing(job, error):
    began, may_end, gone = threading.Event(), threading.Event(), threading.Event()

    def waits():
        yield Progress("train", 1, 2)
        began.set()
        may_end.wait(20)
        gone.set()
        if error is not None:
            raise error
        return 1

    job.start(waits())
    assert began.wait(20)
    job.close()
    job.start(work(2))
    may_end.set()
    assert gone.wait(20)
    ended(job)
    time.sleep(0.05)
    assert (job.result, job.error) == (2, None)
