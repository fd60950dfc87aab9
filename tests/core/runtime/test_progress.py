"""Work in slices: run at once, one slice at a time, or inside other work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import DataError
from core.runtime.progress import Progress, Work, WorkStepper, run_to_end, with_progress


def counting(to: int, fails_at: int | None = None) -> Work[str]:
    for done in range(1, to + 1):
        if done == fails_at:
            raise DataError("no more")
        yield Progress("count", done, to)
    return f"counted to {to}"


@pytest.mark.parametrize("to", [0, 1, 5])
def test_work_run_to_its_end_gives_its_result_and_each_progress_in_order(to):
    seen: list[Progress] = []
    assert run_to_end(counting(to), seen.append) == f"counted to {to}"
    assert [p.done for p in seen] == list(range(1, to + 1))


def test_a_stepper_shows_the_last_progress_and_then_the_result():
    stepper = WorkStepper(counting(2))
    assert stepper.progress is None
    seen = []
    while stepper.advance():
        seen.append(stepper.progress.done)
        with pytest.raises(AttributeError):
            _ = stepper.result
    assert seen == [1, 2]
    assert stepper.result == "counted to 2"


def test_work_inside_other_work_yields_changed_progress_and_returns_the_result():
    half = with_progress(counting(3), lambda p: replace(p, total=2 * p.total))
    seen: list[Progress] = []
    assert run_to_end(half, seen.append) == "counted to 3"
    assert [(p.done, p.total) for p in seen] == [(1, 6), (2, 6), (3, 6)]


def test_an_error_of_the_work_passes_through_each_of_them():
    for work in (counting(3, 2), with_progress(counting(3, 2), lambda p: p)):
        with pytest.raises(DataError, match="no more"):
            run_to_end(work)
