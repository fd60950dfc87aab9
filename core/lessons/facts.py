"""The facts about a Run that the checks of a lesson use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.evaluation.metrics import Reading, jensen_shannon
from core.lessons.fact_names import PLAIN, READINGS
from core.lessons.hyperparameters import laf_of
from core.runs.diagnostics import alarms
from core.runs.records import Frame
from core.runs.run import Run
from core.runs.setup import Setup

LAF_FIELDS = (
    "losses",
    "schedule",
    "lr_ue",
    "lr_ra",
    "epochs",
    "weight_remain",
    "weight_forget",
    "weight_align",
    "weight_repel",
)


def facts_of(
    run: Run,
    setup: Setup,
    references: Sequence[Reading] = (),
    *,
    retrain_seconds: float | None = None,
    fork: Run | None = None,
    measured: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a value for every name of ``core.lessons.fact_names``; None for an unknown value.

    ``measured`` has the results of ``core.lessons.measures``.
    """
    found: dict[str, Any] = _run_facts(run, references)
    found |= {"references": len(references), "retrain_seconds": retrain_seconds, **_setting_facts(setup, run)}
    found["alarms"] = frozenset(a.name.lower() for a in alarms(run, references))
    first = run.frames[0].reading if run.frames else None
    found |= {f"original.{k}": v for k, v in _reading_facts(first, references).items()}
    each = [_reading_facts(r, [o for o in references if o is not r]) for r in references]
    for prefix, take in (("retrained", np.mean), ("retrained_low", np.min), ("retrained_high", np.max)):
        found |= {f"{prefix}.{k}": _over(take, [r[k] for r in each]) for k in READINGS}
    by_frame = [_accuracies(f.reading) for f in run.frames]
    for prefix, over in (("lowest", np.min), ("highest", np.max)):
        found |= {f"{prefix}.{k}": _over(over, [facts[k] for facts in by_frame]) for k in READINGS}
    if fork is not None:
        fork_facts = {**_run_facts(fork, references), **_setting_facts(setup, fork)}
        found |= {f"fork.{k}": v for k, v in fork_facts.items()}
    return found | dict(measured or {})


def _run_facts(run: Run, references: Sequence[Reading]) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(PLAIN)
    last = run.frames[-1] if run.frames else None
    found |= _reading_facts(last.reading if last is not None else None, references)
    found |= {
        "steps": len(run.steps),
        "total_steps": run.total_steps,
        "frames": len(run.frames),
        "phase": str(run.phase),
        "seconds": sum(v for k, v in dict(run.seconds).items() if k != "evaluate"),
    }
    if last is not None and run.observer is not None:
        found |= _angles(last, run.observer.evaluator.is_forget.numpy())
    for key in ("vae", "vae_f"):
        curve = run.progress[key].curve if key in run.progress else ()
        if curve:
            # NaN counts as an infinite loss
            losses = [c if np.isfinite(c) else float("inf") for c in curve]
            found |= {f"{key}_first": losses[0], f"{key}_last": losses[-1], f"{key}_best": min(losses)}
    return found


def _setting_facts(setup: Setup, run: Run) -> dict[str, Any]:
    found: dict[str, Any] = {
        "dataset": setup.dataset,
        "task": setup.task,
        "classes": ",".join(map(str, setup.classes)),
        "method": setup.method,
        "net": setup.net,
        "seed": setup.seed,
        "share": setup.share,
        "request": len(setup.earlier) + 1,
    }
    laf = laf_of(run.config)
    if laf is not None:
        found |= {name: getattr(laf, name) for name in LAF_FIELDS}
        found["tau"] = laf.temperature
        found |= {
            f"vae_{name}": getattr(laf.vae, name)
            for name in ("lr", "latent", "kl_weight", "epochs", "output")
        }
    return found


def _accuracies(reading: Reading) -> dict[str, Any]:
    names = ("train_r", "train_f", "newest_f", "test", "test_r", "test_f", "clean_f")
    found: dict[str, Any] = {name: getattr(reading, name) for name in names}
    found["one_answer"] = reading.commonest_share
    found |= {name: getattr(reading.attack, name) for name in ("auc", "auc_low", "auc_high")}
    return {**found, "js": None}


def _reading_facts(reading: Reading | None, references: Sequence[Reading]) -> dict[str, Any]:
    if reading is None:
        return dict.fromkeys(READINGS)
    found = _accuracies(reading)
    if references:
        mine = reading.forget_probabilities
        found["js"] = float(np.mean([jensen_shannon(mine, r.forget_probabilities) for r in references]))
    return found


def _angles(frame: Frame, forget: np.ndarray) -> dict[str, float]:
    return {
        "angle_r": float(np.median(frame.angles[~forget])),
        "angle_f": float(np.median(frame.angles[forget])),
    }


def _over(take: Any, values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(take(known)) if known else None
