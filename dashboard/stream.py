"""What the browser is sent of an Experiment, in the format of docs/wire.md; pure, no screen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.experiment import Experiment
from core.metrics import Reading
from core.records import Frame, Progress, Stage, Step
from core.run import Phase, Run
from core.tasks import Reference
from dashboard import rows, words
from dashboard.scene import half, pixels, shares
from dashboard.wire import pack

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

    frames: int = 0
    follow: int = 0
    life: int = 0
    revision: int = -1
    repeats: int = 0
    readings: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)  # by (frame, revision)

    def rewind(self, lack: dict[str, Any]) -> None:
        """The browser says what it lacks: send from there again."""
        if lack.get("life") == self.life:
            self.frames = min(self.frames, max(0, int(lack.get("from") or 0)))
            self.follow = min(self.follow, max(0, int(lack.get("follow") or 0)))
        if lack.get("rev") != self.revision:
            self.revision = -1
        self.repeats = REPEATS

    def packet(self, experiment: Experiment, token: str) -> bytes:
        """The next packet: the status, the frames that are new, and an overlap."""
        run = experiment.run
        header: dict[str, Any] = {"kind": "feed", "run": token, "status": status(experiment)}
        if run is None:
            empty = {
                "life": 0,
                "rev": 0,
                "total": 0,
                "rows": [],
                "readings": [],
                "seqs": [],
                "follow_seqs": [],
                "retrained": False,
            }
            return pack({**header, **empty}, {})
        if experiment.life != self.life:
            self.frames, self.follow, self.life = 0, 0, experiment.life
            self.readings.clear()
        total, revision, split = len(run.frames), experiment.revision, experiment.split
        assert split is not None
        references = list(experiment.references)
        window = range(max(0, self.frames - OVERLAP), min(total, self.frames + WINDOW))
        told = window
        if revision != self.revision:
            self.revision, self.repeats = revision, REPEATS
        if self.repeats:
            told = range(total)
        self.frames = max(self.frames, window.stop)
        arrays = _frame_arrays(experiment, [run.frames[i] for i in window])
        header |= {
            "life": self.life,
            "rev": revision,
            "total": total,
            "rows": rows.row_specs(split.task, [r.frame.reading for r in references], split.request.plant),
            "readings": [self._reading(experiment, run, run.frames[i], revision) for i in told],
            "seqs": list(window),
            "follow_seqs": [],
            "retrained": False,
            "retrained_rev": revision if references else 0,
            "noise": None if experiment.noise is None else experiment.noise._asdict(),
        }
        if references and self.repeats:
            header["retrained"] = True
            arrays |= _retrained_arrays(experiment, references[0])
        self.repeats = max(0, self.repeats - 1)
        self._follow(experiment, header, arrays)
        return pack(header, arrays)

    def _follow(self, experiment: Experiment, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        track = experiment.follow
        if track is None:
            return
        window = range(max(0, self.follow - OVERLAP), min(len(track.positions), self.follow + WINDOW))
        self.follow = max(self.follow, window.stop)
        header["follow_seqs"] = list(window)
        edge = half(experiment)
        if len(window):
            arrays["follow"] = np.stack([pixels(track.positions[i], edge) for i in window])
        if track.retrained is not None:
            header["retrained_follow"] = True
            arrays["retrained_follow"] = pixels(track.retrained, edge)

    def _reading(self, experiment: Experiment, run: Run, frame: Frame, revision: int) -> dict[str, Any]:
        key = (frame.number, revision)
        if key not in self.readings:
            self.readings[key] = reading(experiment, run, frame, revision)
        return self.readings[key]


def reading(experiment: Experiment, run: Run, frame: Frame, revision: int) -> dict[str, Any]:
    """One frame's numbers and its sentence."""
    split, observer = experiment.split, experiment.observer
    assert split is not None
    assert observer is not None
    task, plant, now, record = split.task, split.request.plant, frame.reading, frame.record
    references = [r.frame.reading for r in experiment.references]
    original = observer.original.reading
    forget = observer.evaluator.is_forget.numpy()
    waiting = "Retraining from scratch, to compare with, is still running."
    if experiment.retrain_error is not None:
        waiting = str(experiment.retrain_error)
    attack = now.attack
    return {
        "seq": frame.number,
        "rev": revision,
        "step": frame.step,
        "steps": run.total_steps,
        "epoch": record.epoch if record else 0,
        "stage": record.stage if record else "original",
        "sentence": words.sentence(task, now, original, references, split.dataset.classes, waiting),
        "values": rows.values(task, now, references, plant),
        "interval": {} if attack.auc is None else {"auc": [attack.auc_low, attack.auc_high]},
        "note": {"one_answer": f"called {split.dataset.classes[now.commonest]}", **too_few(now)},
        "distance": rows.gaps(task, now, original, references, counts(experiment), plant),
        "loss": loss_terms(record) if record else None,
        "seconds": sum(v for k, v in frame.seconds.items() if k != "evaluate"),
        "angle": {
            "remain": float(np.median(frame.angles[~forget])),
            "forget": float(np.median(frame.angles[forget])),
        },
    }


def loss_terms(record: Step) -> dict[str, float | None]:
    """The terms of both losses per image; gradient norms and cosine.

    Repel comes less the constant log |B_f|, which no gradient sees: with it, each smaller last batch would show as a dip.
    """
    sizes = record.images
    found: dict[str, float | None] = {}
    for name, images in (
        ("ue_remain", "remain"),
        ("ue_forget", "forget"),
        ("ra_align", "remain"),
        ("ra_repel", "remain"),
    ):
        if name in record.losses:
            found[name] = record.losses[name] / sizes[images]
    if "ra_repel" in found and found["ra_repel"] is not None:
        found["ra_repel"] -= math.log(sizes["forget"])
    found |= {f"grad_{k}": v for k, v in record.grad_norms.items()}
    return {**found, "cosine": record.grad_cosine}


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
        found["phase"] = str(run.phase)
        done = run.progress
        found["stages"] = [stage_bar(s, done.get(s.key)) for s in run.stages]
    found["work"] = [_bar(p) for p in work.values()] if run is not None else []
    reference = next(iter(experiment.references), None)
    spent = sum(v for k, v in dict(run.seconds).items() if k != "evaluate") if run else 0.0
    found["clock"] = {
        "method": experiment.setup.method.upper(),
        "seconds": spent,
        "retrain": reference.seconds if reference else None,
        "sentence": words.clock(
            spent, reference.seconds if reference else None, done=run is not None and run.phase is Phase.DONE
        ),
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


def stage_bar(stage: Stage, progress: Progress | None) -> dict[str, Any]:
    """One stage of the run on the timeline."""
    found: dict[str, Any] = {
        "key": stage.key,
        "label": stage.title,
        "done": 0,
        "total": stage.total,
        "left_s": None,
    }
    return found if progress is None else {**found, "done": progress.done, "left_s": progress.left_s}


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


def _retrained_arrays(experiment: Experiment, reference: Reference) -> dict[str, np.ndarray]:
    return {f"retrained_{k}": v[0] for k, v in _frame_arrays(experiment, [reference.frame]).items()}
