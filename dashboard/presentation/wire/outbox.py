"""What the browser is sent of an Experiment, in the format of docs/wire.md; pure, no screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.evaluation.metrics import Reading
from core.experiments.session.experiment import Experiment
from core.methods import METHODS
from core.methods.step import Stage
from core.runs.records import Frame
from core.runs.reference_models import usual_count
from core.runs.run import Phase, Run
from core.runtime.progress import Progress
from dashboard.presentation.text import run_history, status_text
from dashboard.presentation.text.band_position import Compared, ReferenceBands
from dashboard.presentation.text.loss_charts import loss_charts, loss_terms, outcome_charts
from dashboard.presentation.wire.packet import pack
from dashboard.presentation.wire.scene import half, pixels, shares

OVERLAP = 10  # frames sent again: a payload in thirty never reaches the browser
WINDOW = 60  # frames in a packet at most
REPEATS = 3  # packets in which something new that is sent once is repeated

PREPARING = {
    "load": "Reading the images",
    "train": "Training the original model",
    "map": "Laying out the map of its representations",
    "retrain": "Retraining from scratch",
}


@dataclass
class Outbox:
    """What one mounted page has been sent already."""

    is_sure: bool = False  # whether what is sent arrives: nothing is sent twice
    frames: int = 0
    follow: int = 0
    fork: int = 0  # frames of the fork ``fork_id``
    fork_follow: int = 0  # and of its follow map
    fork_id: int = 0
    life: int = 0
    revision: int = -1
    repeats: int = 0
    look_at: int | None = None  # step that an address asked for: shown first, instead of the newest
    readings: dict[tuple[int, int, int], dict[str, Any]] = field(
        default_factory=dict
    )  # by (fork or 0, frame, revision)
    watch: run_history.Watch = field(default_factory=run_history.Watch)
    bands: ReferenceBands | None = None  # of ``yard_revision``
    bands_revision: int = -1
    untouched: Compared | None = None  # the original model by that yardstick

    @property
    def _overlap(self) -> int:
        return 0 if self.is_sure else OVERLAP

    @property
    def _again(self) -> int:
        return 1 if self.is_sure else REPEATS

    def rewind(self, lack: dict[str, Any]) -> None:
        """The browser says what it lacks: send from there again."""
        if lack.get("life") == self.life:
            self.frames = min(self.frames, max(0, int(lack.get("from") or 0)))
            self.follow = min(self.follow, max(0, int(lack.get("follow") or 0)))
            if lack.get("fork") is not None:
                self.fork = min(self.fork, max(0, int(lack["fork"])))
            if lack.get("fork_follow") is not None:
                self.fork_follow = min(self.fork_follow, max(0, int(lack["fork_follow"])))
        if lack.get("rev") != self.revision:
            self.revision = -1
        self.repeats = self._again

    def heard(self, lack: dict[str, Any] | None) -> None:
        """What a browser that took all packets so far says it lacks; what was not sent yet comes anyhow."""
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
        """Whether frames wait to be sent."""
        run, twin = experiment.run, experiment.fork_run
        if run is None:
            return False
        forked = twin is not None and (self.fork_id != experiment.forks or self.fork < len(twin.frames))
        gone = twin is None and self.fork_id != 0
        behind = self.life != experiment.life or self.frames < len(run.frames)
        return behind or forked or gone or self.repeats > 0

    def packet(self, experiment: Experiment, token: str, crowd: int = 1) -> bytes:
        """The next packet: the status, the frames that are new, and an overlap; ``crowd``: tabs that play on this server."""
        run = experiment.run
        header: dict[str, Any] = {
            "kind": "feed",
            "run": token,
            "status": status(experiment),
            "crowd": crowd,
        }
        if run is None:
            empty = {
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
            }
            return pack({**header, **empty}, {})
        if experiment.life != self.life:
            # the frames before a way back are kept by a browser that saw the life before; by others they are asked for
            kept = experiment.kept_frames if experiment.life == self.life + 1 else 0
            self.frames, self.follow, self.life = min(self.frames, kept), 0, experiment.life
            self.readings.clear()
            self.repeats = self._again
        total, revision, split = len(run.frames), experiment.revision, experiment.split
        assert split is not None
        references = list(experiment.references)
        if self.bands is None or self.bands_revision != revision:
            self.bands, self.bands_revision = reference_bands(experiment), revision
            assert experiment.observer is not None
            self.untouched = self.bands.compare(experiment.observer.original.reading)
        window = range(max(0, self.frames - self._overlap), min(total, self.frames + WINDOW))
        told = window
        if revision != self.revision:
            self.revision, self.repeats = revision, self._again
        if self.repeats:
            told = range(total)
        self.frames = max(self.frames, window.stop)
        arrays = _frame_arrays(experiment, [run.frames[i] for i in window])
        if self.look_at is not None:
            header["look_at"] = max(
                (f.number for f in run.frames if f.step <= (self.look_at or 0)), default=0
            )
        header |= {
            "life": self.life,
            "rev": revision,
            "total": total,
            "rows": self.bands.specs(),
            "charts": loss_charts(
                experiment.setup.method, (f.record for f in run.frames[:total] if f.record is not None)
            ),
            "outcomes": outcome_charts(split.task),
            "references": {
                "done": len(self.bands.references),
                "total": self.bands.total,
                "fits": [r.fit for r in references],
            },
            "readings": [self._reading(experiment, run, run.frames[i], revision) for i in told],
            "seqs": list(window),
            "follow_seqs": [],
            "retrained": False,
            "retrained_rev": revision if references else 0,
            "noise": None if experiment.noise is None else experiment.noise._asdict(),
            "kept": experiment.kept_frames,
            "changes": run_history.changes(run),
            "marks": run_history.marks(run),
            "alarms": self.watch.alarms(experiment, run),
            "travel": run_history.travel(experiment),
            "layers": run_history.layers(experiment),
            "slow": experiment.slow,
        }
        if references and self.repeats:
            header["retrained"] = True
            seen = _frame_arrays(experiment, [r.frame for r in references])
            arrays |= {f"retrained_{name}": values for name, values in seen.items()}
        self.repeats = max(0, self.repeats - 1)
        self._follow(experiment, header, arrays)
        self._fork(experiment, header, arrays)
        return pack(header, arrays)

    def _fork(self, experiment: Experiment, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """The second run's frames from where it left the first one's."""
        told, twin = run_history.fork_of(experiment), experiment.fork_run
        header |= {"fork": told, "fork_seqs": [], "fork_readings": [], "fork_follow_seqs": []}
        if told is None or twin is None:
            self.fork_id = 0
            return
        shared = told["shared"]
        if told["id"] != self.fork_id:
            self.fork_id, self.fork = told["id"], shared
            self.fork_follow = shared
        window = range(max(shared, self.fork - self._overlap), min(told["total"], self.fork + WINDOW))
        self.fork = max(self.fork, window.stop)
        every = range(shared, told["total"]) if self.repeats else window
        header["fork_seqs"] = list(window)
        header["fork_readings"] = [
            self._reading(experiment, twin, twin.frames[i], self.revision, told["id"]) for i in every
        ]
        seen = _frame_arrays(experiment, [twin.frames[i] for i in window])
        arrays |= {f"fork_{name}": seen[name] for name in ("position", "prediction") if name in seen}
        track = experiment.fork_follow
        if track is not None:
            laid = track.positions
            window = range(
                max(shared, self.fork_follow - self._overlap), min(len(laid), self.fork_follow + WINDOW)
            )
            self.fork_follow = max(self.fork_follow, window.stop)
            header["fork_follow_seqs"] = list(window)
            if len(window):
                arrays["fork_follow"] = np.stack([pixels(laid[i], half(experiment)) for i in window])

    def _follow(self, experiment: Experiment, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        track = experiment.follow
        if track is None:
            return
        window = range(max(0, self.follow - self._overlap), min(len(track.positions), self.follow + WINDOW))
        self.follow = max(self.follow, window.stop)
        header["follow_seqs"] = list(window)
        edge = half(experiment)
        if len(window):
            arrays["follow"] = np.stack([pixels(track.positions[i], edge) for i in window])
        if track.retrained is not None:
            header["retrained_follow"] = True
            arrays["retrained_follow"] = pixels(track.retrained, edge)

    def _reading(
        self, experiment: Experiment, run: Run, frame: Frame, revision: int, fork: int = 0
    ) -> dict[str, Any]:
        key = (fork, frame.number, revision)
        if key not in self.readings:
            assert self.bands is not None
            assert self.untouched is not None
            self.readings[key] = reading(experiment, run, frame, self.bands, self.untouched, revision)
        return self.readings[key]


def reference_bands(experiment: Experiment) -> ReferenceBands:
    """The bands of the references that there are."""
    split = experiment.split
    assert split is not None
    total = wanted_references(experiment)
    references = [r.frame.reading for r in experiment.references]
    return ReferenceBands.of(
        split.task, references, counts(experiment), plant=split.request.plant, total=total
    )


def wanted_references(experiment: Experiment) -> int:
    """How many retrained models there will be."""
    assert experiment.dataset is not None
    wanted = experiment.reference_count
    return usual_count(experiment.dataset.family) if wanted is None else wanted


def reading(
    experiment: Experiment, run: Run, frame: Frame, bands: ReferenceBands, untouched: Compared, revision: int
) -> dict[str, Any]:
    """One frame's numbers and its sentence; ``untouched`` is the original model by the same yardstick."""
    split, observer = experiment.split, experiment.observer
    assert split is not None
    assert observer is not None
    task, now, record, classes = split.task, frame.reading, frame.record, split.dataset.classes
    forget = observer.evaluator.is_forget.numpy()
    error = experiment.retrain_error
    waiting = status_text.waiting(len(bands.references), bands.total, str(error) if error else None)
    attack, compared = now.attack, bands.compare(now)
    note = {"one_answer": f"called {classes[now.commonest]}", **too_few(now)}
    if untouched.values["js"] is not None:
        note["js"] = f"was {untouched.values['js']:.2f}"
    return {
        "seq": frame.number,
        "rev": revision,
        "step": frame.step,
        "steps": run.total_steps,
        "epoch": record.epoch if record else 0,
        "stage": record.stage if record else "original",
        "sentence": status_text.sentence(task, compared, untouched, bands, classes, waiting),
        "values": compared.values,
        "interval": {} if attack.auc is None else {"auc": [attack.auc_low, attack.auc_high]},
        "note": note,
        "place": {key: found.as_dict() for key, found in compared.positions_in_band.items()},
        "loss": loss_terms(record) if record else None,
        "seconds": sum(v for k, v in frame.seconds.items() if k != "evaluate"),
        "angle": {
            "remain": float(np.median(frame.angles[~forget])),
            "forget": float(np.median(frame.angles[forget])),
        },
        "norm": {
            "remain": _norm(frame.representations[~forget]),
            "forget": _norm(frame.representations[forget]),
        },
    }


def _norm(representations: np.ndarray) -> float:
    """Median length of representations (n, width)."""
    return float(np.median(np.linalg.norm(representations.astype(np.float32), axis=1)))


def too_few(now: Reading) -> dict[str, str]:
    """Why there is no AUC, where there is none."""
    if now.attack.auc is not None:
        return {}
    return {
        "auc": f"too few images to attack: {now.attack.members} members, {now.attack.non_members} non-members"
    }


def counts(experiment: Experiment) -> dict[str, int]:
    """Images behind each read-out of a frame."""
    observer = experiment.observer
    assert observer is not None
    e = observer.evaluator
    n_f = int(e.is_forget.sum())
    touched = int(e.split.test_is_touched.cpu()[e.test_rows].sum())
    n_test = len(e.test_rows)
    return {
        "remain_train": len(e.train_rows) - n_f,
        "forget_train": n_f,
        "one_answer": n_f,
        "clean_f": n_f,
        "planted": 0 if e.split.planted is None else len(e.split.planted.probe),
        "remain_test": n_test - touched,
        "forget_test": touched,
        "test": n_test,
    }


def status(experiment: Experiment) -> dict[str, Any]:
    """Phase, stages, work behind, clock and errors."""
    run = experiment.run
    work = dict(experiment.work)
    error = experiment.error or (run.error if run else None)
    found: dict[str, Any] = {
        "phase": "preparing",
        "sentence": None,
        "error": str(error) if error else None,
        "stages": [],
    }
    if run is None:
        found["phase"] = "failed" if error else "preparing"
        found["sentence"] = None if error else preparing(work)
    else:
        found["phase"] = str(experiment.phase)
        done = run.progress
        found["stages"] = [stage_bar(s, done.get(s.key), experiment.left_s(s)) for s in run.stages]
    found["work"] = [_bar(p) for p in work.values()] if run is not None else []
    if run is not None and "retrain" in work:
        which = f", {len(experiment.references) + 1} of {wanted_references(experiment)}"
        found["work"][list(work).index("retrain")]["label"] += which
    seconds = [r.seconds for r in experiment.references]
    spent = sum(v for k, v in dict(run.seconds).items() if k != "evaluate") if run else 0.0
    found["clock"] = {
        "method": METHODS[experiment.setup.method].title,  # type: ignore[attr-defined]
        "seconds": spent,
        "retrain": [min(seconds), max(seconds)] if seconds else None,
        "sentence": status_text.clock(spent, seconds, done=run is not None and run.phase is Phase.DONE),
    }
    return found


def preparing(work: dict[str, Progress]) -> str:
    """What goes on before there is a map."""
    for p in work.values():
        text = PREPARING[p.stage]
        if p.total > 1:
            text += f": step {p.done:,} of {p.total:,}"
        return text + _left(p)
    return "Preparing"


def stage_bar(stage: Stage, progress: Progress | None, left_s: float | None) -> dict[str, Any]:
    """One stage of the run on the timeline."""
    return {
        "key": stage.key,
        "label": stage.title,
        "done": 0 if progress is None else progress.done,
        "total": stage.total,
        "left_s": left_s,
    }


def _bar(p: Progress) -> dict[str, Any]:
    return {"label": PREPARING[p.stage], "done": p.done, "total": p.total, "left_s": p.left_s}


def _left(p: Progress) -> str:
    return "" if p.left_s is None or p.done == p.total else f", {p.left_s:.0f} s left"


def _off(off_map: np.ndarray) -> np.ndarray:
    """Neighbour distances to a byte: 4 of them are half-way (128), far away is 255."""
    return shares(off_map / (off_map + 4.0))


def _frame_arrays(experiment: Experiment, frames: list[Frame]) -> dict[str, np.ndarray]:
    if not frames:
        return {}
    edge = half(experiment)
    assert all(f.positions is not None and f.off_map is not None for f in frames)
    return {
        "position": np.stack([pixels(f.positions, edge) for f in frames]),  # type: ignore[arg-type]
        "off_map": np.stack([_off(f.off_map) for f in frames]),  # type: ignore[arg-type]
        "prediction": np.stack([f.predictions for f in frames]),
        "confidence": np.stack([shares(f.confidences) for f in frames]),
        "angle": np.stack([np.rint(f.angles).astype(np.uint8) for f in frames]),
    }
