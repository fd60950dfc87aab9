"""Worker threads that drive Runs and other sliced work, taking turns, so that many sessions share few cores fairly."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakKeyDictionary

import torch

from core.errors import LabError

log = logging.getLogger(__name__)


class SlicedTask:
    """A generator as a Task: each ``yield`` ends a slice. An error goes to ``on_error`` and ends it. ``weight``: see Runner."""

    def __init__(
        self, work: Iterator[object], on_error: Callable[[LabError], None], weight: float = 1.0
    ) -> None:
        self._work = work
        self._on_error = on_error
        self.weight = weight
        self.alive = True

    def tick(self) -> bool:
        """Run to the next ``yield``."""
        try:
            next(self._work)
            return True
        except StopIteration:
            pass
        except LabError as error:
            self._on_error(error)
        except Exception as error:
            log.exception("work behind an experiment failed")
            self._on_error(LabError(f"{type(error).__name__}: {error}".splitlines()[0]))
        self.alive = False
        return False


class Task(Protocol):
    """Work in slices of well under a second.

    It may say more of itself: ``weight`` (a float), ``account`` (an object) and ``waits`` (a bool); see Runner.
    """

    def tick(self) -> bool:
        """One slice; whether another is wanted."""
        ...


@dataclass
class _Account:
    """What one task had, or several that count as one."""

    had: float = 0.0  # seconds by weight, from where it came in
    tasks: int = 0  # that wait or run
    since: dict[int, tuple[float, float]] = field(
        default_factory=dict
    )  # id(task) in a thread -> start, weight

    def by(self, now: float) -> float:
        """What it had until ``now``, slices in progress with it."""
        return self.had + sum((now - start) / weight for start, weight in self.since.values())


class Scheduler:
    """``workers`` threads (default: one for each core) that share their time among tasks, a slice at a time.

    Next is always the task whose account had least, so that long slices do not crowd out short ones. Time of a task with a ``weight``
    below 1 counts for more, so that what plays goes before what is only compared with. A task's account is its own unless it has an
    ``account``, which several may share: a run and its frames have one share together. A task that ``waits`` for another comes after all that
    do not. A task that wants no more turns is dropped; submit it again to go on. A task is never in two threads at once.
    """

    def __init__(self, workers: int | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self.workers = workers or max(1, os.cpu_count() or 1)
        self._clock = clock  # seconds, by which shares are counted
        self._waiting: list[Task] = []
        # who comes back soon comes back with what it had, or it would be first each time
        self._accounts: WeakKeyDictionary[object, _Account] = WeakKeyDictionary()
        self._least = 0.0  # what the account that was taken last had had: where a new one comes in
        self._known: dict[int, str] = {}  # id(task) -> "waiting" | "running" | "again" | "dropped"
        self._change = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closing = False
        atexit.register(self.close)  # a thread inside a torch call when the interpreter goes ends in an abort

    def submit(self, task: Task) -> None:
        """Give ``task`` turns until it wants no more; does nothing when it has them already."""
        with self._change:
            state = self._known.get(id(task))
            if state in ("running", "dropped"):
                self._known[id(task)] = "again"
            elif state is None:
                self._known[id(task)] = "waiting"
                account = self._account(task)
                if not account.tasks:
                    account.had = max(account.had, self._least)
                account.tasks += 1
                self._waiting.append(task)
                if len(self._threads) < self.workers:
                    name = f"runner-{len(self._threads)}"
                    self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
                    self._threads[-1].start()
                self._change.notify()

    def discard(self, task: Task) -> None:
        """No more turns for ``task``; the slice in progress ends by itself."""
        with self._change:
            state = self._known.get(id(task))
            if state == "waiting":
                self._waiting.remove(task)
                self._account(task).tasks -= 1
                del self._known[id(task)]
            elif state is not None:
                self._known[id(task)] = "dropped"

    def close(self, wait_s: float = 2.0) -> None:
        """No more turns for anybody; waits for the slices in progress."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join(wait_s)

    def __len__(self) -> int:
        """Tasks that wait or run."""
        with self._change:
            return len(self._known)

    def _work(self) -> None:
        torch.set_num_threads(
            1
        )  # of this worker; a config that wants more asks for them around its own slices
        while True:
            with self._change:
                while not self._waiting and not self._closing:
                    self._change.wait()
                if self._closing:
                    return
                start = self._clock()
                idle, had, task = self._next(start)
                self._waiting.remove(task)
                account, weight = self._account(task), getattr(task, "weight", 1.0)
                if not idle:
                    self._least = max(self._least, had)
                    account.since[id(task)] = (start, weight)
                self._known[id(task)] = "running"
            try:
                more = task.tick()
            except Exception:
                log.exception("a task raised")
                more = False
            with self._change:
                if not idle:
                    del account.since[id(task)]
                    account.had += (self._clock() - start) / weight
                state = self._known.pop(id(task))
                if state == "again" or (more and state == "running"):
                    self._known[id(task)] = "waiting"
                    self._waiting.append(task)
                    self._change.notify()
                else:
                    account.tasks -= 1

    def _account(self, task: Task) -> _Account:
        return self._accounts.setdefault(getattr(task, "account", task), _Account())

    def _next(self, now: float) -> tuple[bool, float, Task]:
        """Whether it only waits, what its account had, and the task."""
        keys = [(getattr(task, "waits", False), self._account(task).by(now)) for task in self._waiting]
        at = min(range(len(keys)), key=keys.__getitem__)
        return *keys[at], self._waiting[at]
