"""What one of many people on one machine may take: a seat for a while, so many kept runs, files and images of a size."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from core.data.images import Dataset
from core.errors import RequestError
from core.memory_estimate import machine_mb
from core.runs import list_runs
from core.seats import Seats

STATES = 8  # the share of a session's memory that the states of one run may take, 1 / STATES


@dataclass(frozen=True)
class Classroom:
    """The limits, for each browser or each session, and the seats that they all share."""

    players: int = 0  # runs that play at once; 0: one for each core
    turn_s: float = 30.0  # a seat is held while others wait
    runs: int = 20  # kept on disk for a browser
    upload_mb: int = 20  # of a file
    session_mb: int = 256  # of the images of a dataset; states of a run in memory have an eighth of it
    run_mb: int = 2048  # that a run may hold in all, as ``core.memory_estimate`` reckons it

    def __post_init__(self) -> None:
        for name, least in (
            ("players", 0),
            ("turn_s", 1),
            ("runs", 0),
            ("upload_mb", 1),
            ("session_mb", 8),
            ("run_mb", 64),
        ):
            if getattr(self, name) < least:
                raise RequestError(
                    f"a classroom's {name} must be at least {least}, got {getattr(self, name):g}"
                )

    @cached_property
    def seats(self) -> Seats:
        """Shared by all sessions of the process."""
        return Seats(self.players or max(1, os.cpu_count() or 1), self.turn_s)

    @property
    def states_mb(self) -> float:
        """Of the states of one run in memory; what does not fit lies in files."""
        return self.session_mb / STATES

    @property
    def run_limit_mb(self) -> float:
        """Of all that a run holds: never more than the machine has for one."""
        return min(float(self.run_mb), machine_mb())

    def check_upload(self, name: str, size: int) -> None:
        """Raises RequestError for a file of ``size`` bytes that is too large."""
        if size > self.upload_mb * 2**20:
            raise RequestError(
                f"{name} has {size / 2**20:,.1f} MB; in this classroom a file may have {self.upload_mb} MB: "
                "bring a smaller one, or play it on a machine of your own"
            )

    def check_images(self, dataset: Dataset) -> None:
        """Raises RequestError for a dataset that takes more memory than a session may."""
        size = sum(part.x.nbytes for part in (dataset.train, dataset.test)) / 2**20
        if size > self.session_mb:
            raise RequestError(
                f"the images of {dataset.title} take {size:,.0f} MB; in this classroom a session may hold {self.session_mb} MB: "
                "choose a smaller dataset"
            )

    def why_not_kept(self, token: str) -> str | None:
        """Why no further run of the browser with ``token`` is kept, in a sentence; None where one is."""
        if sum(info.is_of(token) for info in list_runs(token)[0]) < self.runs:
            return None
        if not self.runs:
            return "this classroom keeps none"
        return f"this browser has {self.runs} kept runs, the most in this classroom; delete some on the page Runs, then press Reset"
