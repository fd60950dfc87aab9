"""The packets that one browser tab is sent of an Experiment, in the format of docs/wire.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.experiments.session.experiment import Experiment
from core.runs.records import Frame
from core.runs.run import Run
from dashboard.presentation.text import run_history
from dashboard.presentation.text.pages import nouns
from dashboard.presentation.text.readouts.band_position import Compared, ReferenceBands
from dashboard.presentation.text.readouts.loss_charts import loss_charts, outcome_charts
from dashboard.presentation.wire import outcome
from dashboard.presentation.wire.frame_readings import frame_arrays, reading, reference_bands
from dashboard.presentation.wire.packet import pack
from dashboard.presentation.wire.scene import map_radius, position_units
from dashboard.presentation.wire.status import status

WINDOW = 60  # most frames in a packet of a page
EMPTY: dict[str, Any] = {  # the header's fields before there is a run
    "life": 0,
    "rev": 0,
    "total": 0,
    "rows": [],
    "charts": [],
    "references": {"done": 0, "total": 0, "fits": []},
    "readings": [],
    "seqs": [],
    "follow_seqs": [],
    "retrained": False,
    "kept": 0,
    "travel": {"continue": run_history.NO_MODEL, "fork": run_history.NO_MODEL},
}


@dataclass
class Outbox:
    """The state of one mounted page: what it has been sent already."""

    window: int = WINDOW  # most frames in a packet
    frames: int = 0
    follow: int = 0
    fork: int = 0  # frames of the fork ``fork_id``
    fork_follow: int = 0  # and of its follow map
    fork_id: int = 0
    life: int = 0
    revision: int = -1
    is_stale: bool = False  # all readings and the retrained arrays must be sent with the next packet
    look_at: int | None = None  # step in the URL: shown first, instead of the newest
    replay: bool = False  # whether the browser plays the recorded frames once, as soon as it has all
    # by (fork or 0, frame, revision)
    readings: dict[tuple[int, int, int], dict[str, Any]] = field(default_factory=dict)
    alarm_cache: run_history.AlarmCache = field(default_factory=run_history.AlarmCache)
    bands: ReferenceBands | None = None
    bands_revision: int = -1  # the experiment's revision that ``bands`` belong to
    untouched: Compared | None = None  # the original model compared with ``bands``

    def rewind(self, lack: dict[str, Any]) -> None:
        """Send again from what the browser ``lack``s (docs/wire.md)."""
        if lack.get("life") == self.life:
            self.frames = min(self.frames, max(0, int(lack.get("from") or 0)))
            self.follow = min(self.follow, max(0, int(lack.get("follow") or 0)))
            if lack.get("fork") is not None:
                self.fork = min(self.fork, max(0, int(lack["fork"])))
            if lack.get("fork_follow") is not None:
                self.fork_follow = min(self.fork_follow, max(0, int(lack["fork_follow"])))
        if lack.get("rev") != self.revision:
            self.revision = -1
        self.is_stale = True

    def heard(self, lack: dict[str, Any] | None) -> None:
        """Rewind where the browser ``lack``s something that was sent; what was not sent yet follows in any case."""
        if lack is None:
            return
        sent = {
            "from": self.frames,
            "follow": self.follow,
            "fork": self.fork,
            "fork_follow": self.fork_follow,
        }
        holes = any(lack.get(key) is not None and int(lack[key]) < n for key, n in sent.items())
        if holes or lack.get("life") != self.life or lack.get("rev") != self.revision:
            self.rewind(lack)

    def is_behind(self, experiment: Experiment) -> bool:
        """Return True while frames wait to be sent."""
        run, twin = experiment.run, experiment.fork_run
        if run is None:
            return False
        forked = twin is not None and (self.fork_id != experiment.forks or self.fork < len(twin.frames))
        gone = twin is None and self.fork_id != 0
        behind = self.life != experiment.life or self.frames < len(run.frames)
        return behind or forked or gone or self.is_stale

    def packet(self, experiment: Experiment, token: str, crowd: int = 1) -> bytes:
        """Return the next packet: the status and new frames.

        ``crowd``: number of browser tabs that play on this server.
        """
        run = experiment.run
        header: dict[str, Any] = {"kind": "feed", "run": token, "status": status(experiment), "crowd": crowd}
        if run is None:
            return pack(nouns.in_kind({**header, **EMPTY}, nouns.kind_of(experiment.dataset)), {})
        self._begin_life(experiment)
        total, revision = len(run.frames), experiment.revision
        self._update_bands(experiment, revision)
        window = range(self.frames, min(total, self.frames + self.window))
        if revision != self.revision:
            self.revision, self.is_stale = revision, True
        read = range(total) if self.is_stale else window
        self.frames = max(self.frames, window.stop)
        arrays = frame_arrays(experiment, [run.frames[i] for i in window])
        if self.look_at is not None:
            header["look_at"] = max((f.number for f in run.frames if f.step <= self.look_at), default=0)
        if self.replay:
            header["replay"] = True
        header |= self._run_fields(experiment, run, total, revision) | {
            "readings": [self._reading(experiment, run, run.frames[i], revision) for i in read],
            "seqs": list(window),
            "follow_seqs": [],
            "retrained": False,
        }
        references = list(experiment.references)
        if references and self.is_stale:
            header["retrained"] = True
            seen = frame_arrays(experiment, [r.frame for r in references])
            arrays |= {f"retrained_{name}": values for name, values in seen.items()}
        self._add_follow_map(experiment, header, arrays)
        self._add_fork(experiment, header, arrays)
        self.is_stale = False
        return pack(nouns.in_kind(header, nouns.kind_of(experiment.dataset)), arrays)

    def _begin_life(self, experiment: Experiment) -> None:
        """Start over where the run was reset or rewound since the last packet."""
        if experiment.life == self.life:
            return
        # a browser that saw the previous life keeps the frames before the rewind; others ask for them
        kept = experiment.kept_frames if experiment.life == self.life + 1 else 0
        self.frames, self.follow, self.life = min(self.frames, kept), 0, experiment.life
        self.readings.clear()
        self.is_stale = True

    def _update_bands(self, experiment: Experiment, revision: int) -> None:
        if self.bands is None or self.bands_revision != revision:
            self.bands, self.bands_revision = reference_bands(experiment), revision
            assert experiment.observer is not None
            self.untouched = self.bands.compare(experiment.observer.original.reading)

    def _run_fields(self, experiment: Experiment, run: Run, total: int, revision: int) -> dict[str, Any]:
        """Return the header's fields about the whole run; a worker may add frames after ``total`` meanwhile."""
        split, bands, references = experiment.split, self.bands, list(experiment.references)
        assert split is not None
        assert bands is not None
        records = (f.record for f in run.frames[:total] if f.record is not None)
        return {
            "life": self.life,
            "rev": revision,
            "total": total,
            "rows": bands.specs(),
            "charts": loss_charts(experiment.setup.method, records),
            "outcomes": outcome_charts(split.task),
            "references": {
                "done": len(bands.references),
                "total": bands.total,
                "fits": [r.fit for r in references],
            },
            "retrained_rev": revision if references else 0,
            "noise": None if experiment.noise is None else experiment.noise._asdict(),
            "kept": experiment.kept_frames,
            "changes": run_history.changes(run),
            "marks": run_history.marks(run),
            "stop": outcome.stop(run),
            **self._outcome(experiment, run, total),
            "alarms": self.alarm_cache.alarms(experiment, run),
            "travel": run_history.travel(experiment),
            "layers": run_history.layers(experiment),
            "slow": experiment.slow,
        }

    def _outcome(self, experiment: Experiment, run: Run, total: int) -> dict[str, Any]:
        """Return the verdict and the step nearest to retraining, both only once the run is final."""
        assert self.bands is not None
        assert self.untouched is not None
        if not outcome.is_final(run, self.bands):
            return {"verdict": None, "nearest": None}
        every = [self._reading(experiment, run, f, self.revision) for f in run.frames[:total]]
        return {
            "verdict": outcome.verdict(experiment, run, self.bands, self.untouched),
            "nearest": outcome.nearest(every),
        }

    def _add_fork(self, experiment: Experiment, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Add the fork's frames from the step where it left the first run."""
        fork, twin = run_history.fork_of(experiment), experiment.fork_run
        header |= {"fork": fork, "fork_seqs": [], "fork_readings": [], "fork_follow_seqs": []}
        if fork is None or twin is None:
            self.fork_id = 0
            return
        assert self.bands is not None
        assert self.untouched is not None
        fork["verdict"] = outcome.verdict(experiment, twin, self.bands, self.untouched)
        shared = fork["shared"]
        if fork["id"] != self.fork_id:
            self.fork_id, self.fork = fork["id"], shared
            self.fork_follow = shared
        window = range(max(shared, self.fork), min(fork["total"], self.fork + self.window))
        self.fork = max(self.fork, window.stop)
        every = range(shared, fork["total"]) if self.is_stale else window
        header["fork_seqs"] = list(window)
        header["fork_readings"] = [
            self._reading(experiment, twin, twin.frames[i], self.revision, fork["id"]) for i in every
        ]
        seen = frame_arrays(experiment, [twin.frames[i] for i in window])
        arrays |= {f"fork_{name}": seen[name] for name in ("position", "prediction") if name in seen}
        track = experiment.fork_follow
        if track is not None:
            laid = track.positions
            window = range(max(shared, self.fork_follow), min(len(laid), self.fork_follow + self.window))
            self.fork_follow = max(self.fork_follow, window.stop)
            header["fork_follow_seqs"] = list(window)
            if len(window):
                arrays["fork_follow"] = np.stack(
                    [position_units(laid[i], map_radius(experiment)) for i in window]
                )

    def _add_follow_map(self, experiment: Experiment, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        track = experiment.follow
        if track is None:
            return
        window = range(self.follow, min(len(track.positions), self.follow + self.window))
        self.follow = max(self.follow, window.stop)
        header["follow_seqs"] = list(window)
        edge = map_radius(experiment)
        if len(window):
            arrays["follow"] = np.stack([position_units(track.positions[i], edge) for i in window])
        if track.retrained is not None:
            header["retrained_follow"] = True
            arrays["retrained_follow"] = position_units(track.retrained, edge)

    def _reading(
        self, experiment: Experiment, run: Run, frame: Frame, revision: int, fork: int = 0
    ) -> dict[str, Any]:
        key = (fork, frame.number, revision)
        if key not in self.readings:
            assert self.bands is not None
            assert self.untouched is not None
            self.readings[key] = reading(experiment, run, frame, self.bands, self.untouched, revision)
        return self.readings[key]
