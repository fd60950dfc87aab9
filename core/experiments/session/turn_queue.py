"""Who may play when more people want to than there are cores: a few seats, one line, and turns that end while others wait."""

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
    """Where somebody stands in the line."""

    number: int  # 1: next
    wait_s: float  # predicted


class TurnQueue:
    """At most ``count`` play at once; the others wait in the order in which they came.

    A seat is given back by who pauses or finishes, and after ``turn_s`` seconds while others wait: who still wants to play goes to
    the end of the line. Nobody is therefore overtaken, and of n who play without end each has a seat ``count / n`` of the time.
    """

    def __init__(self, count: int, turn_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        if count < 1 or turn_s <= 0:
            raise RequestError(f"there must be a seat, held for some time, not {count} for {turn_s:g} s")
        self.count = count
        self.turn_s = turn_s
        self._clock = clock
        self._sitting: OrderedDict[Turn, float] = OrderedDict()  # since when
        self._line: OrderedDict[Turn, None] = OrderedDict()
        self._turns: deque[float] = deque(maxlen=TURNS_REMEMBERED)  # seconds of the last turns
        self._lock = threading.Lock()

    def seat(self) -> Turn:
        """For one who may want to play."""
        return Turn(self)

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        with self._lock:
            return len(self._line)

    # of a Seat

    def _sits(self, seat: Turn) -> bool:
        """Whether it is its turn; where not, it stands in line from now on."""
        with self._lock:
            if seat not in self._sitting and seat not in self._line:
                self._line[seat] = None
            called = self._call()
            sits = seat in self._sitting
        for other in called:
            if other is not seat:
                other._wake()
        return sits

    def _leave(self, seat: Turn) -> None:
        with self._lock:
            self._line.pop(seat, None)
            since = self._sitting.pop(seat, None)
            if since is not None:
                self._turns.append(min(self.turn_s, self._clock() - since))
            called = self._call()
        for other in called:
            other._wake()

    def _call(self) -> list[Turn]:
        """End the turns that are over and fill the free seats; who was called."""
        now, called = self._clock(), []
        while self._line:
            if len(self._sitting) >= self.count:
                first, since = next(iter(self._sitting.items()))  # sat down first
                if now - since < self.turn_s:
                    break
                del self._sitting[first]
                self._turns.append(self.turn_s)
                self._line[first] = None
            seat, _ = self._line.popitem(last=False)
            self._sitting[seat] = now
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
        """Seconds until the one at ``number`` is called, if turns go on as the last ones went."""
        now = self._clock()
        usual = sum(self._turns) / len(self._turns) if self._turns else self.turn_s
        free = []
        for since in self._sitting.values():
            held = now - since
            free.append((usual if held < usual else self.turn_s) - held)
        heapq.heapify(free)
        for _ in range(number - 1):
            heapq.heapreplace(free, free[0] + usual)
        return max(0.0, free[0])


class Turn:
    """One player's claim, for all runs that it plays side by side; the runs ask for it by a key each."""

    def __init__(self, seats: TurnQueue) -> None:
        self._seats = seats
        self._wanting: dict[object, Callable[[], None]] = {}
        self._lock = threading.Lock()

    def may_play(self, key: object, wake: Callable[[], None]) -> bool:
        """Whether it is this player's turn; where not, ``wake`` is called once it is, from any thread."""
        with self._lock:
            self._wanting[key] = wake
        return self._seats._sits(self)

    def rest(self, key: object) -> None:
        """The run of ``key`` wants no more for now; with the last one the seat, or the place in line, is given up."""
        with self._lock:
            self._wanting.pop(key, None)
            if self._wanting:
                return
        self._seats._leave(self)

    def leave(self) -> None:
        """Give up seat and place for all runs."""
        with self._lock:
            self._wanting.clear()
        self._seats._leave(self)

    @property
    def place(self) -> QueuePosition | None:
        """Where it stands in line; None while it plays, or does not want to."""
        return self._seats._place(self)

    def _wake(self) -> None:
        with self._lock:
            wakes = list(self._wanting.values())
        for wake in wakes:
            wake()
