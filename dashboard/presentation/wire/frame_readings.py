"""One frame's numbers, its sentence and its arrays for the browser, and the bands of retrained models."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.evaluation.metrics import Reading
from core.experiments.session.experiment import Experiment
from core.runs.records import Frame
from core.runs.reference_models import usual_count
from core.runs.run import Run
from dashboard.presentation.text.readouts import status_text
from dashboard.presentation.text.readouts.band_position import Compared, ReferenceBands
from dashboard.presentation.text.readouts.loss_charts import loss_terms
from dashboard.presentation.wire.scene import map_radius, position_units, share_bytes


def reference_bands(experiment: Experiment) -> ReferenceBands:
    """Return the bands of the retrained models that are ready."""
    split = experiment.split
    assert split is not None
    total = wanted_references(experiment)
    references = [r.frame.reading for r in experiment.references]
    return ReferenceBands.of(
        split.task, references, counts(experiment), plant=split.request.plant, total=total
    )


def wanted_references(experiment: Experiment) -> int:
    """Return the number of retrained models that the experiment will have."""
    assert experiment.dataset is not None
    wanted = experiment.reference_count
    return usual_count(experiment.dataset.family) if wanted is None else wanted


def reading(
    experiment: Experiment, run: Run, frame: Frame, bands: ReferenceBands, untouched: Compared, revision: int
) -> dict[str, Any]:
    """Return one frame's numbers, and a sentence that does not judge them; ``untouched`` is the original model compared with the same bands."""
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
        "place": {
            key: found.as_dict(is_final=bands.is_complete)
            for key, found in compared.positions_in_band.items()
        },
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
    """Return the median Euclidean length of representations (n, width)."""
    return float(np.median(np.linalg.norm(representations.astype(np.float32), axis=1)))


def too_few(now: Reading) -> dict[str, str]:
    """Return a note for a missing AUC."""
    if now.attack.auc is not None:
        return {}
    return {
        "auc": f"too few images to attack: {now.attack.members} members, {now.attack.non_members} non-members"
    }


def counts(experiment: Experiment) -> dict[str, int]:
    """Return the number of images behind each read-out of a frame."""
    observer = experiment.observer
    assert observer is not None
    e = observer.evaluator
    n_f = int(e.is_forget.sum())
    touched = int(e.split.test_is_touched.cpu()[e.test_rows].sum())
    n_test = len(e.test_rows)
    newest = e.newest_count
    return {
        **({} if newest is None else {"newest_f": newest}),
        "remain_train": len(e.train_rows) - n_f,
        "forget_train": n_f,
        "one_answer": n_f,
        "clean_f": n_f,
        "planted": 0 if e.split.planted is None else len(e.split.planted.probe),
        "remain_test": n_test - touched,
        "forget_test": touched,
        "test": n_test,
    }


def _off_map_bytes(off_map: np.ndarray) -> np.ndarray:
    """Return distances off the map as bytes: 4 neighbour distances are 128, far away is 255."""
    return share_bytes(off_map / (off_map + 4.0))


def frame_arrays(experiment: Experiment, frames: list[Frame]) -> dict[str, np.ndarray]:
    """Return positions, predictions, confidences and angles of ``frames``, packed for the browser."""
    if not frames:
        return {}
    edge = map_radius(experiment)
    assert all(f.positions is not None and f.off_map is not None for f in frames)
    return {
        "position": np.stack([position_units(f.positions, edge) for f in frames]),  # type: ignore[arg-type]
        "off_map": np.stack([_off_map_bytes(f.off_map) for f in frames]),  # type: ignore[arg-type]
        "prediction": np.stack([f.predictions for f in frames]),
        "confidence": np.stack([share_bytes(f.confidences) for f in frames]),
        "angle": np.stack([np.rint(f.angles).astype(np.uint8) for f in frames]),
    }
