"""SessionLimits: how much of one machine each browser may use, and all together: turns, tabs, kept things, memory, disk.

A browser without its cookie gets a new allowance of its own; the limits of all together hold for it too.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cached_property

from core.data.images import Dataset
from core.data.mapped import memory_bytes
from core.errors import RequestError
from core.experiments.session.memory_estimate import machine_mb
from core.experiments.session.turn_queue import TurnQueue
from core.runs.storage import runs_of
from core.runtime.storage import home

MADE = ("runs", "datasets", "own-models", "forget-sets", "studies")  # folders that browsers fill
DISK_CHECK_S = 10.0  # between two counts of the disk: the page asks at every rerun
STATES = 8  # the states of one run may take 1 / STATES of a session's memory
LEAST = {
    "players": 0,
    "turn_s": 1,
    "runs": 0,
    "upload_mb": 1,
    "session_mb": 8,
    "run_mb": 64,
    "sessions": 1,
    "datasets": 0,
    "models": 0,
    "disk_mb": 1,
}


@dataclass(frozen=True)
class SessionLimits:
    """The limits of a classroom, and the turn queue that all its sessions share."""

    players: int = 0  # runs that play at once; 0: one for each core
    turn_s: float = 30.0  # length of a turn while others wait
    runs: int = 20  # kept on disk for a browser
    upload_mb: int = 20  # of a file
    session_mb: int = 256  # of the images of a dataset; saved states of a run may take an eighth of it
    run_mb: int = 2048  # of a run in all, as ``memory_estimate`` estimates it
    sessions: int = 60  # open tabs, of all browsers
    datasets: int = 60  # uploaded, of all browsers
    models: int = 60  # uploaded models that are kept, of all browsers
    disk_mb: int = 20_000  # of what browsers make under $LAF_HOME; downloaded data does not count

    def __post_init__(self) -> None:
        """Raise RequestError for a limit below its least value."""
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise RequestError(
                    f"a classroom's {name} must be at least {least}, got {getattr(self, name):g}"
                )

    @cached_property
    def seats(self) -> TurnQueue:
        """The turn queue of all sessions of the process."""
        return TurnQueue(self.players or max(1, os.cpu_count() or 1), self.turn_s)

    @property
    def states_mb(self) -> float:
        """Memory for the saved states of one run; the others are in files."""
        return self.session_mb / STATES

    @property
    def run_limit_mb(self) -> float:
        """Memory for a run in all; never more than the machine has for one."""
        return min(float(self.run_mb), machine_mb())

    def check_upload(self, name: str, size: int) -> None:
        """Raise RequestError for a file of ``size`` bytes that is too large."""
        if size > self.upload_mb * 2**20:
            raise RequestError(
                f"{name} has {size / 2**20:,.1f} MB; in this classroom a file may have {self.upload_mb} MB. "
                "Upload a smaller one, or use the Lab on your own machine"
            )

    def check_images(self, dataset: Dataset) -> None:
        """Raise RequestError for a dataset that takes more memory than a session may."""
        size = sum(memory_bytes(part.x) for part in (dataset.train, dataset.test)) / 2**20
        if size > self.session_mb:
            raise RequestError(
                f"the images of {dataset.title} take {size:,.0f} MB; in this classroom a session may hold {self.session_mb} MB. "
                "Choose a smaller dataset"
            )

    def check_sessions(self, count: int) -> None:
        """Raise RequestError where ``count`` open sessions are the most there may be."""
        if count >= self.sessions:
            raise RequestError(
                f"The room is full: {self.sessions} tabs are open, the most in this classroom. Close one that you no longer need, "
                "or try again in a minute"
            )

    def check_dataset(self) -> None:
        """Raise RequestError where no further dataset can be kept."""
        if len(list((home() / "datasets").glob("own-*"))) >= self.datasets:
            raise RequestError(
                f"this classroom keeps at most {self.datasets} uploaded datasets; remove one that you no longer need"
            )
        self.check_disk()

    def check_model(self) -> None:
        """Raise RequestError where no further model can be kept."""
        if len(list((home() / "own-models").glob("*.safetensors"))) >= self.models:
            raise RequestError(
                f"this classroom keeps at most {self.models} own models; remove one that you no longer need"
            )
        self.check_disk()

    def check_disk(self) -> None:
        """Raise RequestError where this classroom has used all the disk that it may."""
        if self.used_mb >= self.disk_mb:
            raise RequestError(
                f"this classroom has used all of its {self.disk_mb:,} MB of disk; delete runs or data that you no longer need"
            )

    @property
    def used_mb(self) -> float:
        """Disk space of all that browsers made under $LAF_HOME; counted again every few seconds."""
        now, (when, where, found) = time.monotonic(), self._last_count[0]
        if where != str(home()) or now - when > DISK_CHECK_S:
            found = sum(_bytes(str(home() / name)) for name in MADE) / 2**20
            self._last_count[0] = (now, str(home()), found)
        return found

    @cached_property
    def _last_count(self) -> list[tuple[float, str, float]]:
        """The result of the last count of the disk, with its time and its home."""
        return [(0.0, "", 0.0)]

    def why_not_kept(self, token: str) -> str | None:
        """Return one sentence why no further run of the browser with ``token`` is kept; None where one is."""
        if not self.runs:
            return "this classroom keeps none"
        if len(runs_of(token)) >= self.runs:
            return f"this browser has {self.runs} kept runs, the most in this classroom; delete some on the page Runs, then press Reset"
        try:
            self.check_disk()
        except RequestError as error:
            return str(error)
        return None


def _bytes(folder: str) -> int:
    """Return the size of all files in a folder and below; links to one file count each, as in the list of runs."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        total += _bytes(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
                except OSError:  # deleted meanwhile
                    continue
    except OSError:
        return 0
    return total
