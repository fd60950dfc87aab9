"""Decides when a page must look for news again, and what counts as news."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import streamlit as st

from core.experiments.session.experiment import Experiment
from core.experiments.session.limits import SessionLimits
from core.experiments.session.turn_queue import QueuePosition
from core.runs.run import Phase
from dashboard.presentation.wire.outbox import Outbox
from dashboard.session.jobs.base import BackgroundJob

# Seconds between two looks at a run.
FRAMES_S = 0.1  # while frames arrive
PROGRESS_S = 0.5  # while only progress arrives
IDLE_S = 2.0  # while nothing happens; makes up for a lost message
CLASSROOM_FACTOR = 3  # in a classroom all pauses are longer: every look takes time from a run
RECENT_S = 6.0  # a tab that played within this time still counts as playing, since pauses are often short

# Seconds between two looks at the work behind a page.
SELECTION_S = 0.3  # Forget set, while its map or its scores are computed
JOB_S = 0.5  # Attack, Audit and Judge
COMPARISON_S = 1.0
STUDY_S = 2.0


class WatchedTab(Protocol):
    """The parts of a Lab that decide whether there is news."""

    classroom: SessionLimits | None
    token: str
    mode: str  # the map that the browser shows, "fixed" or "follow"
    experiment: Experiment
    outbox: Outbox
    purges: int  # purges of images that the tab has seen

    @property
    def phase(self) -> Phase | None:
        """The phase of the run and its fork together; None before there is one."""
        ...

    @property
    def place(self) -> QueuePosition | None:
        """The run's place in the classroom's line, if it waits."""
        ...

    @property
    def not_kept(self) -> str | None:
        """The reason why the run is not written to disk, if it is not."""
        ...

    @property
    def shows_lesson(self) -> bool:
        """True if the tab is in a lesson."""
        ...

    def drop_purged(self) -> bool:
        """Drop what was made from purged images; return whether anything was purged."""
        ...


@dataclass(frozen=True)
class News:
    """One look at a tab's run."""

    packet: bytes  # for the browser
    pulse: tuple[
        Any, ...
    ]  # when it differs from the one that the page was drawn with, the page is out of date
    pause_s: float  # until the next look


class NewsWatch:
    """Looks for news of one tab's run. ``others`` returns the watches of all open tabs of the process."""

    def __init__(self, tab: WatchedTab, others: Callable[[], Iterable[NewsWatch]]) -> None:
        self._tab = tab
        self._others = others
        self._played = -RECENT_S  # when the run was last seen playing

    def look(self, token: str) -> News | None:
        """Return the news for the page that shows the run ``token``; None if the tab has another run now."""
        tab = self._tab
        tab.drop_purged()
        if tab.token != token:
            return None
        if tab.mode == "follow":
            tab.experiment.want_follow()
        pulse = self.pulse()
        packet = tab.outbox.packet(tab.experiment, token, self.crowd)
        return News(packet, pulse, 0.0 if tab.outbox.is_behind(tab.experiment) else self.pause_s)

    def pulse(self) -> tuple[Any, ...]:
        """Return everything that the page's buttons and layout depend on."""
        tab, e = self._tab, self._tab.experiment
        return (
            tab.token,
            tab.purges,
            e.life,
            tab.phase,
            e.error is not None,
            len(e.references),
            e.forks,
            e.fork_run is None,
            tab.not_kept,
            tab.place is not None,
            bool(e.setup.earlier) and e.verdict is not None,  # the strip of requests shows it
            tab.shows_lesson and tab.phase is not Phase.RUNNING and e.is_looking,
        )

    @property
    def pause_s(self) -> float:
        """Seconds until the next look; longer in a classroom, and longer the more tabs play."""
        factor = max(CLASSROOM_FACTOR if self._tab.classroom is not None else 1, self.crowd)
        if not self.busy:
            return factor * IDLE_S
        only_progress = self.is_preparing or self._tab.place is not None
        return factor * (PROGRESS_S if only_progress else FRAMES_S)

    @property
    def crowd(self) -> int:
        """The number of tabs of this process that play; this tab always counts."""
        return 1 + sum(watch is not self and watch.plays for watch in self._others())

    @property
    def plays(self) -> bool:
        """True if the run plays, or played within the last ``RECENT_S`` seconds."""
        if self._tab.phase is Phase.RUNNING:
            self._played = time.monotonic()
        return time.monotonic() - self._played < RECENT_S

    @property
    def busy(self) -> bool:
        """True if news is expected soon."""
        e, outbox = self._tab.experiment, self._tab.outbox
        if e.error is not None and e.run is None:
            return False
        if e.run is None or e.work or e.phase is Phase.RUNNING or e.is_looking:
            return True
        if e.noise is None and e.references:
            return True
        return outbox.is_behind(e) or outbox.revision != e.revision or self._follow_is_behind

    @property
    def is_preparing(self) -> bool:
        """True if a model is being trained, and no frame is pending."""
        e = self._tab.experiment
        if e.run is None:
            return True
        behind = self._tab.outbox.is_behind(e) or self._follow_is_behind
        return bool(e.work) and e.phase is not Phase.RUNNING and not behind

    @property
    def _follow_is_behind(self) -> bool:
        """True if the browser shows the follow map and lacks some of its frames."""
        e, outbox = self._tab.experiment, self._tab.outbox
        if self._tab.mode != "follow" or e.run is None or e.closed:
            return False
        if e.follow is None or (e.references and e.follow.retrained is None):
            return True
        frames = len(e.run.frames)
        if len(e.follow.positions) < frames or outbox.follow < frames:
            return True
        if e.fork_run is None:
            return False
        frames = len(e.fork_run.frames)
        return e.fork_follow is None or len(e.fork_follow.positions) < frames or outbox.fork_follow < frames


def poll(every_s: float | None, draw: Callable[[], object], is_stale: Callable[[], bool]) -> None:
    """Draw a part of the page every ``every_s`` seconds (None: once), and the whole page again once ``is_stale``."""

    @st.fragment(run_every=every_s)
    def part() -> None:
        draw()
        if is_stale():
            st.rerun()

    part()


def wait_for(job: BackgroundJob[Any], text: str) -> None:
    """Show the progress of ``job`` with ``text`` beside it, and draw the whole page again when the job has ended."""

    def bar() -> None:
        if job.busy:
            p = job.progress
            st.progress(0.0 if p is None else p.done / max(1, p.total), text=text)

    poll(JOB_S, bar, lambda: not job.busy)
