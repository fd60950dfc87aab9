"""TurnQueue: which browsers may play when more want to than there are cores; turns end while others wait."""

from __future__ import annotations

import heapq
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import RequestError

TURNS_REMEMBERED = 20


@dataclass(frozen=True)
class QueuePosition:
    """The position of a browser in the queue."""

    number: int  # 1: next
    wait_s: float  # predicted


class TurnQueue:
    """Lets at most ``count`` browsers play at once; the others wait in the order in which they came.

    A turn ends with a pause, with the end of the run, or after ``turn_s`` seconds while others wait. A browser that still wants to play
    then goes to the end of the queue. So no browser is overtaken, and each of n that play without end plays ``count / n`` of the time.
    """

    def __init__(self, count: int, turn_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        if count < 1 or turn_s <= 0:
            raise RequestError(
                f"a turn queue needs at least 1 seat and turns over 0 s, got {count} and {turn_s:g} s"
            )
        self.count = count
        self.turn_s = turn_s
        self._clock = clock
        self._playing: OrderedDict[Turn, float] = OrderedDict()  # with the time that each began
        self._line: OrderedDict[Turn, None] = OrderedDict()
        self._turns: deque[float] = deque(maxlen=TURNS_REMEMBERED)  # seconds of the last turns
        self._lock = threading.Lock()

    def seat(self) -> Turn:
        """Return the Turn of a browser tab that may want to play."""
        return Turn(self)

    @property
    def waiting(self) -> int:
        """Number of browser tabs that wait."""
        with self._lock:
            return len(self._line)

    # called by a Turn

    def _may_play(self, seat: Turn) -> bool:
        """Return whether ``seat`` may play; if not, it waits from now on."""
        with self._lock:
            if seat not in self._playing and seat not in self._line:
                self._line[seat] = None
            called = self._call()
            plays = seat in self._playing
        for other in called:
            if other is not seat:
                other._wake()
        return plays

    def _leave(self, seat: Turn) -> None:
        with self._lock:
            self._line.pop(seat, None)
            since = self._playing.pop(seat, None)
            if since is not None:
                self._turns.append(min(self.turn_s, self._clock() - since))
            called = self._call()
        for other in called:
            other._wake()

    def _call(self) -> list[Turn]:
        """End the turns that are over and fill the free seats; return the Turns that begin."""
        now, called = self._clock(), []
        while self._line:
            if len(self._playing) >= self.count:
                first, since = next(iter(self._playing.items()))  # plays longest
                if now - since < self.turn_s:
                    break
                del self._playing[first]
                self._turns.append(self.turn_s)
                self._line[first] = None
            seat, _ = self._line.popitem(last=False)
            self._playing[seat] = now
            called.append(seat)
        return called

    def _place(self, seat: Turn) -> QueuePosition | None:
        with self._lock:
            called = self._call()
            found = None
            if seat in self._line:
                number = 1 + list(self._line).index(seat)
                found = QueuePosition(number, self._wait_s(number))
        for other in called:
            other._wake()
        return found

    def _wait_s(self, number: int) -> float:
        """Predict the seconds until position ``number`` may play, from the length of the last turns."""
        now = self._clock()
        usual = sum(self._turns) / len(self._turns) if self._turns else self.turn_s
        free = []
        for since in self._playing.values():
            held = now - since
            free.append((usual if held < usual else self.turn_s) - held)
        heapq.heapify(free)
        for _ in range(number - 1):
            heapq.heapreplace(free, free[0] + usual)
        return max(0.0, free[0])


class Turn:
    """The claim of one browser tab, for all runs that it plays side by side; each run asks with a key of its own."""

    def __init__(self, queue: TurnQueue) -> None:
        self._queue = queue
        self._wanting: dict[object, Callable[[], None]] = {}
        self._lock = threading.Lock()

    def may_play(self, key: object, wake: Callable[[], None]) -> bool:
        """Return whether it is this tab's turn; if not, ``wake`` is called once it is, from any thread."""
        with self._lock:
            self._wanting[key] = wake
        return self._queue._may_play(self)

    def rest(self, key: object) -> None:
        """Note that the run of ``key`` does not want to play; without any other run, give up the turn or the place."""
        with self._lock:
            self._wanting.pop(key, None)
            if self._wanting:
                return
        self._queue._leave(self)

    def leave(self) -> None:
        """Give up turn and place for all runs."""
        with self._lock:
            self._wanting.clear()
        self._queue._leave(self)

    @property
    def place(self) -> QueuePosition | None:
        """Its position in the queue; None while it plays, or does not want to."""
        return self._queue._place(self)

    def _wake(self) -> None:
        with self._lock:
            wakes = list(self._wanting.values())
        for wake in wakes:
            wake()
