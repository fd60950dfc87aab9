"""A scheduler: worker threads that run tasks slice by slice, so that many sessions share few cores fairly."""

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
    """A generator as a Task; each ``yield`` ends a slice.

    An error ends the task and goes to ``on_error`` as a LabError. Scheduler describes ``weight``.
    """

    def __init__(
        self, work: Iterator[object], on_error: Callable[[LabError], None], weight: float = 1.0
    ) -> None:
        self._work = work
        self._on_error = on_error
        self.weight = weight
        self.alive = True

    def tick(self) -> bool:
        """Run one slice; return whether the generator continues."""
        try:
            next(self._work)
            return True
        except StopIteration:
            pass  # the work is done
        except LabError as error:
            self._on_error(error)
        except Exception as error:
            log.exception("a background task failed")
            self._on_error(LabError(f"{type(error).__name__}: {error}".splitlines()[0]))
        self.alive = False
        return False


class Task(Protocol):
    """Work in slices of well under a second.

    A task may have the attributes ``weight`` (float), ``account`` (object) and ``waits`` (bool), which Scheduler describes.
    """

    def tick(self) -> bool:
        """Run one slice; return whether the task needs another."""
        ...


@dataclass
class _UsedTime:
    """Processor time that one task used, or several tasks that count as one."""

    seconds: float = 0.0  # of finished slices, each divided by its task's weight
    tasks: int = 0  # queued or running
    running: dict[int, tuple[float, float]] = field(
        default_factory=dict
    )  # id(task) -> start of slice, weight

    def until(self, now: float) -> float:
        """Return the seconds used until ``now``, including the slices in progress."""
        return self.seconds + sum((now - start) / weight for start, weight in self.running.values())


class Scheduler:
    """``workers`` threads (default: one for each core) that run tasks in turn, one slice at a time.

    The next slice goes to the task that has used the least time. So long slices do not crowd out short ones.
    Used time is divided by the task's ``weight``. A task of weight 0.5 gets half as much time as one of
    weight 1. Tasks with the same ``account`` object share one count of used time, as a run and its frames do.
    A task that ``waits`` for another task comes after all tasks that do not wait. A task that needs no more
    slices is dropped; submit it again to continue it. A task never runs in two threads at once.
    """

    def __init__(self, workers: int | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self.workers = workers or max(1, os.cpu_count() or 1)
        self._clock = clock  # returns seconds
        self._queue: list[Task] = []
        # kept while the key lives: a task that is submitted again does not start at zero
        self._used: WeakKeyDictionary[object, _UsedTime] = WeakKeyDictionary()
        self._least = 0.0  # used time of the task that was chosen last; a new task starts there
        self._state: dict[int, str] = {}  # id(task) -> "waiting" | "running" | "again" | "dropped"
        self._change = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closing = False
        atexit.register(
            self.close
        )  # the interpreter aborts when it ends while a thread is inside a torch call

    def submit(self, task: Task) -> None:
        """Run slices of ``task`` until it needs no more; do nothing when it is submitted already."""
        with self._change:
            state = self._state.get(id(task))
            if state in ("running", "dropped"):
                self._state[id(task)] = "again"
            elif state is None:
                self._state[id(task)] = "waiting"
                used = self._used_by(task)
                if not used.tasks:
                    used.seconds = max(used.seconds, self._least)
                used.tasks += 1
                self._queue.append(task)
                if len(self._threads) < self.workers:
                    name = f"scheduler-{len(self._threads)}"
                    self._threads.append(threading.Thread(target=self._run_tasks, name=name, daemon=True))
                    self._threads[-1].start()
                self._change.notify()

    def discard(self, task: Task) -> None:
        """Stop running ``task``; a slice in progress runs to its end."""
        with self._change:
            state = self._state.get(id(task))
            if state == "waiting":
                self._queue.remove(task)
                self._used_by(task).tasks -= 1
                del self._state[id(task)]
            elif state is not None:
                self._state[id(task)] = "dropped"

    def close(self, wait_s: float = 2.0) -> None:
        """Stop all tasks; wait up to ``wait_s`` for each worker's slice in progress."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join(wait_s)

    def __len__(self) -> int:
        """Return the number of tasks that are queued or running."""
        with self._change:
            return len(self._state)

    def _run_tasks(self) -> None:
        # a config that wants more threads sets them around its own slices
        torch.set_num_threads(1)
        while True:
            with self._change:
                while not self._queue and not self._closing:
                    self._change.wait()
                if self._closing:
                    return
                start = self._clock()
                task, used, counted = self._take(start)
            try:
                more = task.tick()
            except Exception:
                log.exception("a task raised")
                more = False
            with self._change:
                if counted:
                    began, weight = used.running.pop(id(task))
                    used.seconds += (self._clock() - began) / weight
                self._put_back(task, used, more)

    def _take(self, now: float) -> tuple[Task, _UsedTime, bool]:
        """Remove the next task from the queue.

        Return it, its used time and whether this slice counts (False: it waits).
        """
        keys = [(getattr(task, "waits", False), self._used_by(task).until(now)) for task in self._queue]
        at = min(range(len(keys)), key=keys.__getitem__)
        waits, seconds = keys[at]
        task = self._queue.pop(at)
        used = self._used_by(task)
        if not waits:
            self._least = max(self._least, seconds)
            used.running[id(task)] = (now, getattr(task, "weight", 1.0))
        self._state[id(task)] = "running"
        return task, used, not waits

    def _put_back(self, task: Task, used: _UsedTime, more: bool) -> None:
        """Queue a task again after its slice, where it needs ``more`` or was submitted meanwhile."""
        state = self._state.pop(id(task))
        if state == "again" or (more and state == "running"):
            self._state[id(task)] = "waiting"
            self._queue.append(task)
            self._change.notify()
        else:
            used.tasks -= 1

    def _used_by(self, task: Task) -> _UsedTime:
        return self._used.setdefault(getattr(task, "account", task), _UsedTime())
