"""What counts as news, and how long a page waits before it looks again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.experiments.session.limits import SessionLimits
from core.runs.run import Phase
from dashboard.session import polling
from dashboard.session.polling import FRAMES_S, IDLE_S, PROGRESS_S, NewsWatch


class Outbox:
    """An outbox that has sent everything, unless ``behind``."""

    revision, follow, fork_follow = 3, 4, 0
    behind = False

    def is_behind(self, experiment):
        return self.behind

    def packet(self, experiment, token, crowd):
        return f"{token} {crowd}".encode()


def tab(**changed):
    """A tab whose run is paused and fully shown."""
    run = SimpleNamespace(frames=[0] * 4)
    e = SimpleNamespace(
        error=None,
        run=run,
        work=0,
        phase=Phase.PAUSED,
        is_looking=False,
        noise=0.1,
        references=[1],
        revision=3,
        life=0,
        forks=0,
        fork_run=None,
        fork_follow=None,
        follow=None,
        closed=False,
        asked=0,
        setup=SimpleNamespace(earlier=()),
        verdict=None,
    )

    def want_follow():
        e.asked += 1

    e.want_follow = want_follow
    made = SimpleNamespace(
        classroom=None,
        token="t",
        mode="fixed",
        experiment=e,
        outbox=Outbox(),
        purges=0,
        phase=Phase.PAUSED,
        place=None,
        not_kept=None,
        shows_lesson=False,
        drop_purged=lambda: False,
    )
    for name, value in changed.items():
        target = e if hasattr(e, name) and not hasattr(made, name) else made
        setattr(target, name, value)
        if name == "phase":
            e.phase = value
    return made


def watch(made, others=()):
    return NewsWatch(made, lambda: others)


@pytest.mark.parametrize(
    ("changed", "pause"),
    [
        ({}, IDLE_S),
        ({"phase": Phase.RUNNING}, FRAMES_S),
        ({"phase": Phase.RUNNING, "place": object()}, PROGRESS_S),
        ({"work": 1}, PROGRESS_S),
        ({"run": None}, PROGRESS_S),
        ({"run": None, "error": "broken"}, IDLE_S),
        ({"noise": None}, FRAMES_S),
        ({"revision": 4}, FRAMES_S),
        ({"mode": "follow"}, FRAMES_S),
        ({"classroom": SessionLimits()}, polling.CLASSROOM_FACTOR * IDLE_S),
    ],
)
def test_a_page_looks_again_the_sooner_the_more_is_expected(changed, pause):
    assert watch(tab(**changed)).pause_s == pytest.approx(pause)


def test_the_follow_map_is_news_until_the_browser_has_all_of_it():
    follow = SimpleNamespace(positions=[0] * 4, retrained=object())
    made = tab(mode="follow", follow=follow)
    assert not watch(made).busy
    made.outbox.follow = 3
    assert watch(made).busy
    made.outbox.follow = 4
    made.experiment.fork_run = SimpleNamespace(frames=[0] * 2)
    assert watch(made).busy
    made.experiment.fork_follow, made.outbox.fork_follow = SimpleNamespace(positions=[0] * 2), 2
    assert not watch(made).busy
    follow.retrained = None
    assert watch(made).busy


def test_frames_that_wait_are_sent_at_once():
    made = tab()
    assert watch(made).look("t").pause_s == IDLE_S
    made.outbox.behind = True
    found = watch(made).look("t")
    assert (found.packet, found.pause_s) == (b"t 1", 0.0)


def test_a_page_of_an_earlier_run_gets_no_news():
    assert watch(tab()).look("another") is None


def test_a_look_asks_for_the_follow_map_only_while_the_browser_shows_it():
    made = tab()
    watch(made).look("t")
    assert made.experiment.asked == 0
    made.mode = "follow"
    watch(made).look("t")
    assert made.experiment.asked == 1


def test_pauses_grow_with_the_tabs_that_play():
    others = [watch(tab(phase=Phase.RUNNING)), watch(tab(phase=Phase.RUNNING)), watch(tab())]
    assert watch(tab(), others).pause_s == pytest.approx(3 * IDLE_S)


def test_a_verdict_is_news_for_the_strip_of_a_chain():
    chain = SimpleNamespace(earlier=("a request",))
    assert watch(tab(setup=chain, verdict="yes")).pulse() != watch(tab(setup=chain)).pulse()
    assert watch(tab(verdict="yes")).pulse() == watch(tab()).pulse()


@pytest.mark.parametrize(
    "change",
    [{"token": "u"}, {"purges": 1}, {"life": 1}, {"forks": 1}, {"not_kept": "full"}, {"references": []}],
)
def test_whatever_the_buttons_depend_on_changes_the_pulse(change):
    assert watch(tab(**change)).pulse() != watch(tab()).pulse()
