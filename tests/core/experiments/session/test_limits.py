"""A classroom's options and limits, and the page's sentences about the turn queue."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from core.errors import RequestError
from core.experiments.session.limits import SessionLimits
from core.experiments.session.run_task import RunTask
from core.experiments.session.turn_queue import QueuePosition, TurnQueue
from core.methods import LAF
from core.runs.run import Phase, Run
from core.runs.setup import Setup
from core.runs.storage import list_runs, record
from core.runtime.scheduler import Scheduler
from dashboard.cli import main
from dashboard.session import classroom_options
from tests import toys
from tests.dashboard.views.test_lab import app, button, enabled, until  # noqa: F401 - a fixture


def read(*argv):
    return classroom_options.read(main.parser().parse_args(["dashboard", *argv]))


@pytest.fixture
def in_class(monkeypatch):
    """Puts the page into a classroom."""
    monkeypatch.setattr(classroom_options, "_begun", None)

    def begin(**limits):
        classroom_options.begin(SessionLimits(**limits))
        return classroom_options.now()

    return begin


# options


def test_without_the_option_there_is_no_classroom(in_class):
    assert read() is None
    assert classroom_options.now() is None
    assert classroom_options.upload_mb(1024) == 1024
    assert classroom_options.refused(SimpleNamespace(name="a.zip", size=10**12)) is None


def test_the_options_are_the_limits():
    argv = [
        "--classroom",
        "--players",
        "3",
        "--turn",
        "12.5",
        "--keep-runs",
        "5",
        "--upload-mb",
        "7",
        "--session-mb",
        "100",
        "--run-mb",
        "500",
    ]
    assert read(*argv) == SessionLimits(
        players=3, turn_s=12.5, runs=5, upload_mb=7, session_mb=100, run_mb=500
    )
    assert read("--classroom") == SessionLimits()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--players", "2"], ["--players", "add --classroom"]),
        (["--classroom", "--players", "0"], ["--players", "from 1 to 1024"]),
        (["--classroom", "--turn", "0"], ["--turn", "from 1 to"]),
        (["--classroom", "--upload-mb", "0"], ["--upload-mb", "from 1 to"]),
        (["--classroom", "--session-mb", "1"], ["--session-mb", "from 8 to"]),
        (["--classroom", "--run-mb", "63"], ["--run-mb", "from 64 to"]),
        (["--classroom", "--keep-runs", "-1"], ["--keep-runs", "from 0 to"]),
    ],
)
def test_a_limit_that_means_nothing_is_refused(capsys, argv, words):
    with pytest.raises((RequestError, SystemExit)) as refused:
        read(*argv)
    said = str(refused.value) + capsys.readouterr().err
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("field", "value", "least"),
    [
        ("players", -1, 0),
        ("turn_s", 0.5, 1),
        ("runs", -1, 0),
        ("upload_mb", 0, 1),
        ("session_mb", 7, 8),
        ("run_mb", 63, 64),
    ],
)
def test_a_classroom_has_limits_that_mean_something(field, value, least):
    with pytest.raises(RequestError, match=f"{field} must be at least {least}"):
        SessionLimits(**{field: value})


def test_a_host_that_takes_no_options_can_ask_by_a_variable(in_class, monkeypatch):
    monkeypatch.setenv("LAF_CLASSROOM", "1")
    assert classroom_options.now() == SessionLimits()
    classroom_options.begin(None)
    monkeypatch.setenv("LAF_CLASSROOM", "--players 1 --session-mb 64")
    assert classroom_options.now() == SessionLimits(players=1, session_mb=64)
    for wrong in ("yes", "--players many"):
        classroom_options.begin(None)
        monkeypatch.setenv("LAF_CLASSROOM", wrong)
        with pytest.raises(RequestError, match="LAF_CLASSROOM"):
            classroom_options.now()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (QueuePosition(1, 0.4), "You are 1st in line, any moment now"),
        (QueuePosition(2, 12.0), "You are 2nd in line, about 10 s"),
        (QueuePosition(3, 41.0), "You are 3rd in line, about 40 s"),
        (QueuePosition(12, 130.0), "You are 12th in line, about 2 min"),
        (QueuePosition(22, 61.0), "You are 22nd in line, about 60 s"),
    ],
)
def test_the_place_in_line_is_a_sentence(place, said):
    assert classroom_options.in_line(place) == said


# limits


def test_a_file_that_is_too_large_is_refused_in_one_sentence(in_class):
    in_class(upload_mb=1)
    small, large = SimpleNamespace(name="a.npz", size=2**20), SimpleNamespace(name="b.npz", size=3 * 2**20)
    assert classroom_options.refused(small, None) is None
    said = classroom_options.refused(small, large)
    assert said.startswith("b.npz has 3.0 MB; in this classroom a file may have 1 MB")
    assert "\n" not in said
    assert classroom_options.upload_mb(1024) == 1


def test_images_that_take_more_than_a_session_may_are_refused(toy_split):
    dataset = toy_split.dataset
    SessionLimits().check_images(dataset)
    big = SimpleNamespace(x=SimpleNamespace(nbytes=9 * 2**20))
    with pytest.raises(RequestError, match=r"Big take 18 MB; .* may hold 8 MB"):
        SessionLimits(session_mb=8).check_images(SimpleNamespace(title="Big", train=big, test=big))


def test_no_more_runs_are_kept_for_a_browser_than_the_classroom_says(
    toy_split, toy_model, tmp_path, monkeypatch
):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    limits, mine, theirs = SessionLimits(runs=2), "a" * 32, "b" * 32
    for token in (mine, theirs, mine):
        assert limits.why_not_kept(token) is None
        run = Run(LAF(toys.QUICK), toy_model, toy_split)
        record(run, Setup(classes=(1,)), token=token)
        run.advance()
    assert len(list_runs()[0]) == 3
    assert "2 kept runs, the most in this classroom" in limits.why_not_kept(mine)
    assert limits.why_not_kept(theirs) is None
    assert "keeps none" in SessionLimits(runs=0).why_not_kept(theirs)


# runs in line


def played(runner, seat, split, model):
    """A run that plays as soon as it has a seat."""
    run = Run(LAF(toys.QUICK), model, split)
    drive = RunTask(run, lambda _: None, runner.submit, seat)
    run.play()
    return run, drive


def test_a_run_without_a_seat_waits_until_one_is_free_and_then_plays(toy_split, toy_model):
    import threading

    seats, runner = TurnQueue(1, 1000.0), Scheduler(1)
    somebody = seats.seat()
    assert somebody.may_play("theirs", lambda: None)
    seat = seats.seat()
    run, drive = played(runner, seat, toy_split, toy_model)
    runner.submit(drive)
    for _ in range(2000):
        if not len(runner):
            break
        threading.Event().wait(0.01)
    assert (run.phase, len(run.steps), seat.place.number) == (Phase.RUNNING, 0, 1)
    somebody.rest("theirs")
    for _ in range(2000):
        if run.phase is Phase.DONE and not len(runner):
            break
        threading.Event().wait(0.01)
    assert run.phase is Phase.DONE
    assert somebody.may_play("theirs", lambda: None)  # a finished run has left its seat


def line_of(page):
    return [e.proto.body for e in page.get("html") if "in line" in e.proto.body]


def test_the_page_says_the_place_in_line_beside_the_transport_and_pausing_gives_it_up(in_class, request):
    limits = in_class(players=1, turn_s=1000)
    somebody = limits.seats.seat()
    assert somebody.may_play("theirs", lambda: None)
    page = request.getfixturevalue("app")
    until(page, lambda: enabled(page, "Play"))
    button(page, "Play").click().run()
    until(page, lambda: line_of(page))
    assert "You are 1st in line, about" in re.sub("<[^>]+>", "", line_of(page)[0])
    until(page, lambda: enabled(page, "Pause"))
    button(page, "Pause").click().run()
    until(page, lambda: not line_of(page))
    assert limits.seats.waiting == 0
    button(page, "Play").click().run()
    until(page, lambda: line_of(page))
    somebody.rest("theirs")
    until(page, lambda: not line_of(page))
    assert not page.exception
