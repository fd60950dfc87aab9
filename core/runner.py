"""Worker threads that drive Runs and other sliced work, taking turns, so that many sessions share few cores fairly."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from typing import Protocol

import torch

log = logging.getLogger(__name__)


class Task(Protocol):
    """Work in slices of well under a second."""

    def tick(self) -> bool:
        """One slice; whether another is wanted."""
        ...


class Runner:
    """``workers`` threads (default: one for each core) that share their time among tasks, a slice at a time.

    Next is always the task that had least, so that long slices do not crowd out short ones; time of a task with a ``weight``
    below 1 counts for more, so that what plays goes before what is only compared with. A task that wants no more turns is dropped; submit it again to go on. A task is never in two threads at once.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or max(1, os.cpu_count() or 1)
        self._waiting: list[Task] = []
        self._had: dict[int, float] = {}  # id(task) -> seconds it had, by its weight, from where it came in
        self._least = 0.0  # what the task that was taken last had had: where a new one comes in
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
                self._had[id(task)] = self._least
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
                del self._known[id(task)], self._had[id(task)]
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
                task = min(self._waiting, key=lambda t: self._had[id(t)])
                self._waiting.remove(task)
                self._least = max(self._least, self._had[id(task)])
                self._known[id(task)] = "running"
            start = time.perf_counter()
            try:
                more = task.tick()
            except Exception:
                log.exception("a task raised")
                more = False
            with self._change:
                state = self._known.pop(id(task))
                had = self._had.pop(id(task)) + (time.perf_counter() - start) / getattr(task, "weight", 1.0)
                if state == "again" or (more and state == "running"):
                    self._known[id(task)] = "waiting"
                    self._had[id(task)] = had
                    self._waiting.append(task)
                    self._change.notify()
