"""Alarms: failures of unlearning that have a name; when each began, what it means, and what to try. Pure functions of a run.

Alarms are for users; no method reads one. Thresholds are constants with their reasons. tests/core/runs/test_diagnostics.py triggers
each alarm with settings that truly fail, and none with the preset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.errors import DivergedError
from core.evaluation.reference_band import Band, band
from core.methods.step import Step
from core.runs.records import Frame

if TYPE_CHECKING:
    from core.evaluation.metrics import Reading
    from core.runs.run import Run

WINDOW = 20  # steps over which a cosine is averaged: one mini-batch says little
# mean cosine at which a step along two gradients of equal length is no longer than along one of them
CONFLICT = -0.5
# share of the run, and at least 3 frames; a shorter fall is a dip, which presets have in their first steps
LASTS = 0.1
DIP = 5  # steps within which presets recover from Adam's large first ones
EARLY = 0.25  # of the run; by then the presets have begun to forget
HARM = 0.02  # of accuracy on what remains: three standard errors of 300 test images at 99 %
WRECK = 0.10  # of accuracy on what remains: too much for any forgetting
GAIN = 0.05  # of Train_f towards the retrained models' that counts as a beginning
MOVED = 5.0  # degrees by which D_f turned beyond noise; a preset turns it by 40 in a quarter of its run
STILL = 1.0  # degrees in a quarter of a run
BEYOND = 0.02  # of Train_f past the end of the band of retrained models
DWELLS = 0.25  # of the run with one answer; the presets pass through this within a fifth of theirs
ONE_ANSWER = 0.15  # of D_f with one answer past that band: seeds of one preset differ by less
GROWS = 2.0  # times the loss at its lowest: epochs of a VAE that learns differ by a tenth
EXPLODES = 1000.0  # times the lowest, even if it came down again; the presets begin at 60
LEARNS = 0.9  # of the first epoch's loss that a VAE must come below; the presets reach less than a half


@dataclass(frozen=True)
class Alarm:
    """One failure, from step ``began`` (0: before the first) to ``until`` (None: it lasts)."""

    name: str
    sentence: str
    began: int
    advice: str
    until: int | None = None

    def at(self, step: int) -> bool:
        """Return whether it holds after ``step``."""
        return self.began <= step and (self.until is None or step < self.until)


def alarms(run: Run, references: Sequence[Reading] = ()) -> list[Alarm]:
    """Return all alarms of ``run`` in the order they began; some need ``references``, readings of retrained models."""
    found = [*_diverged(run), *_vae(run)]
    if run.observer is not None and len(run.frames) > 1:
        seen = _Seen(run, references)
        found += [
            *_collapse(seen),
            *_cancellation(seen),
            *_stalled(seen),
            *_over_forgetting(seen),
            *_one_answer(seen),
        ]
    found += _conflict(run.steps)
    own = getattr(
        getattr(run, "unlearner", None), "advice", {}
    )  # a method that has other settings than LAF gives its own advice
    return sorted((replace(a, advice=own.get(a.name, a.advice)) for a in found), key=lambda a: a.began)


class _Seen:
    """The frames of a run as arrays, with the bands of retrained models."""

    def __init__(self, run: Run, references: Sequence[Reading]) -> None:
        assert run.observer is not None
        frames = [f for f in run.frames if f.record is not None or f.step == 0]
        forget = run.observer.evaluator.is_forget.numpy()
        n_f = max(1, int(forget.sum()))
        self.task = run.observer.evaluator.split.task
        self.total = run.total_steps
        self.steps = run.steps
        self.frames: list[Frame] = frames
        self.at = np.array([f.step for f in frames])
        self.train_f = np.array([f.reading.train_f for f in frames])
        self.kept = np.array([_kept(f.reading) if self.task == "class" else f.reading.test for f in frames])
        self.one = np.array([f.reading.commonest_share for f in frames])
        self.turned = np.array([f.turned(forget) for f in frames])
        self.band = band([r.train_f for r in references], resolution=1 / n_f)
        self.answers = band([r.commonest_share for r in references], resolution=1 / n_f)
        self.count = len(references)

    @property
    def to_go(self) -> np.ndarray:
        """(F,) True where D_f is recognised more often than by retrained models; all False if the original is in their band."""
        if not _is_band(self.band):
            return np.zeros(len(self.frames), bool)
        assert self.band is not None
        above: np.ndarray = self.train_f > self.band.high + BEYOND
        return above & bool(above[0])

    @property
    def gain(self) -> np.ndarray:
        """(F,) by how much Train_f is nearer to the retrained models' than the original's was."""
        if self.band is not None:
            goal = self.band.mean
        else:
            goal = self.train_f[0] if self.task in ("data", "indices") else 0.0
        found: np.ndarray = abs(self.train_f[0] - goal) - abs(self.train_f - goal)
        return found

    def earlier(self, values: np.ndarray) -> np.ndarray:
        """Return ``values`` a quarter of the run before each frame; nan where there is no such frame."""
        back = self.at - max(1, round(EARLY * self.total))
        place = np.searchsorted(self.at, back, side="right") - 1
        return np.where(place >= 0, values[np.maximum(place, 0)], np.nan)

    def lasting(self, holds: np.ndarray, least: float = LASTS) -> list[tuple[int, int | None]]:
        """Return first step and end (None: it lasts) of each stretch of frames in which ``holds`` is True for long enough."""
        found: list[tuple[int, int | None]] = []
        begin: int | None = None
        for k, now in enumerate([*holds.tolist(), False]):
            if now and begin is None:
                begin = k
            elif not now and begin is not None:
                last = k - 1
                if self.at[last] - self.at[begin] >= max(DIP, least * self.total) and last - begin >= 2:
                    found.append((int(self.at[begin]), int(self.at[k]) if k < len(self.at) else None))
                begin = None
        return found


def _kept(reading: Reading) -> float:
    return reading.test if reading.test_r is None else reading.test_r


def _is_band(found: Band | None) -> bool:
    """Return whether there is a band; one retrained model is one draw and makes none."""
    return found is not None and len(found.values) > 1


def _diverged(run: Run) -> list[Alarm]:
    error = run.error
    if not isinstance(error, DivergedError):
        return []
    what, _, advice = str(error).rpartition(": ")
    began = error.step if error.stage == run.stages[-1].key else 0
    return [Alarm("NaN", f"{what[0].upper()}{what[1:]}.", began, f"{advice[0].upper()}{advice[1:]}.")]


def _vae(run: Run) -> list[Alarm]:
    """Return alarms about each VAE's loss by epoch; they begin before the first step."""
    found = []
    for stage in run.stages[:-1]:
        progress = run.progress.get(stage.key)
        curve = progress.curve if progress is not None else ()
        if len(curve) < 3 or progress is None:
            continue
        low, last, over = min(curve), curve[-1], progress.done >= progress.total
        if last > GROWS * low or max(curve) > EXPLODES * low:
            sentence = f"The loss of the {stage.title} rose to {max(curve):.3g}, from {low:.3g} at its lowest; its reconstruction of D_f means nothing."
            found.append(Alarm("VAE diverges", sentence, 0, "Lower the VAE's lr, then reset."))
        elif over and low > LEARNS * curve[0]:
            sentence = f"The {stage.title} never improves: loss {curve[0]:.3g} in its first epoch, {low:.3g} at best."
            found.append(
                Alarm(
                    "VAE never improves",
                    sentence,
                    0,
                    "Raise the VAE's lr or its epochs; a sigmoid output cannot fit.",
                )
            )
    return found


def _collapse(seen: _Seen) -> list[Alarm]:
    fall = seen.kept[0] - seen.kept
    harm = (fall >= HARM) & (seen.gain < GAIN)
    found = []
    for began, until in seen.lasting(harm | (fall >= WRECK)):
        k = int(np.argmax(np.where((seen.at >= began) & (seen.at < (until or seen.total + 1)), fall, -1)))
        points, gone = 100 * fall[k], 100 * (seen.train_f[0] - seen.train_f[k])
        what = "the other classes" if seen.task == "class" else "test images"
        sentence = (
            f"Accuracy on {what} fell by up to {points:.0f} points; on the images to forget by {gone:.0f}."
        )
        found.append(Alarm("Collapse", sentence, began, _hold(seen.steps), until))
    return found


def _hold(steps: Sequence[Step]) -> str:
    """Return the advice against a collapse, by the losses that the last step moved on."""
    moves = steps[-1].moves if steps else {}
    if set(moves) == {"ue"}:
        return "L_UE alone destroys: step on both losses."
    if set(moves) == {"joint"}:
        return "Alternate the two losses instead of one step on their sum."
    return "Raise τ, or lower both rates; keep lr_RA at least twice lr_UE."


def _cancellation(seen: _Seen) -> list[Alarm]:
    """Return alarms: both losses move the parameters, D_f turns, and it is still recognised."""
    moved = np.array([_both(f.record) for f in seen.frames])
    late = seen.at >= EARLY * seen.total
    holds = moved & late & (seen.turned >= MOVED) & (seen.gain < GAIN) & seen.to_go
    found = []
    for began, until in seen.lasting(holds):
        k = int(np.searchsorted(seen.at, began))
        sentence = (
            f"Both losses move the parameters and D_f has turned by {seen.turned[k]:.0f}° or more, "
            f"but {100 * seen.train_f[k]:.0f} % of it is still recognised."
        )
        advice = "Lower τ so that L_RA pushes harder, or raise lr_RA to twice lr_UE and more."
        found.append(Alarm("Cancellation", sentence, began, advice, until))
    return found


def _both(record: Step | None) -> bool:
    return record is not None and ({"ue", "ra"} <= set(record.moves) or "joint" in record.moves)


def _stalled(seen: _Seen) -> list[Alarm]:
    """Return alarms: D_f neither turns nor changes its answers, though it should."""
    still = (abs(seen.turned - seen.earlier(seen.turned)) < STILL) & (
        abs(seen.train_f - seen.earlier(seen.train_f)) < GAIN / 5
    )
    found = []
    for began, until in seen.lasting(still & seen.to_go):
        k = int(np.searchsorted(seen.at, began))
        sentence = (
            f"In a quarter of the run D_f turned by less than {STILL:.0f}°; "
            f"{100 * seen.train_f[k]:.0f} % of it is still recognised."
        )
        found.append(Alarm("Stalled", sentence, began, "Raise lr_UE and lr_RA, together.", until))
    return found


def _over_forgetting(seen: _Seen) -> list[Alarm]:
    if not _is_band(seen.band):
        return []
    assert seen.band is not None
    low = seen.band.low
    found = []
    for began, until in seen.lasting(seen.train_f < low - BEYOND):
        k = int(np.searchsorted(seen.at, began))
        sentence = (
            f"Retrained models still recognise {100 * low:.0f} % or more of D_f; this one {100 * seen.train_f[k]:.0f} %: "
            "what was forgotten stands out."
        )
        found.append(
            Alarm(
                "Over-forgetting", sentence, began, "Stop earlier, raise τ, or lower lr_UE and lr_RA.", until
            )
        )
    return found


def _one_answer(seen: _Seen) -> list[Alarm]:
    if not _is_band(seen.answers) or seen.count < 3:
        return []
    assert seen.answers is not None
    assert seen.band is not None
    high = seen.answers.high
    holds = (seen.one > high + ONE_ANSWER) & (seen.train_f <= seen.band.high + BEYOND)
    found = []
    for began, until in seen.lasting(holds, DWELLS):
        k = int(np.searchsorted(seen.at, began))
        sentence = f"{100 * seen.one[k]:.0f} % of D_f get one answer, where retrained models give it to {100 * high:.0f} % at most."
        advice = "Lower the weight of repel or raise τ, use a linear decoder, give the VAEs more epochs, or go on longer."
        found.append(Alarm("One answer", sentence, began, advice, until))
    return found


def _conflict(steps: Sequence[Step]) -> list[Alarm]:
    """Return alarms: the two gradients cancel each other, step after step."""
    known = [(s.number, s.grad_cosine) for s in steps if s.grad_cosine is not None]
    if len(known) < WINDOW:
        return []
    numbers = [n for n, _ in known]
    mean = np.convolve([c for _, c in known], np.ones(WINDOW) / WINDOW, "valid")
    found: list[Alarm] = []
    begin: int | None = None
    for k, now in enumerate([*(mean < CONFLICT).tolist(), False]):
        if now and begin is None:
            begin = k
        elif not now and begin is not None:
            until = numbers[k + WINDOW - 1] if k < len(mean) else None
            sentence = f"For {k - begin + WINDOW - 1} steps the gradients of the two losses had a cosine of {mean[begin:k].mean():.2f}: each undoes the other."
            advice = "Raise lr_RA, lower lr_UE, or give the terms other weights."
            found.append(Alarm("Conflict", sentence, numbers[begin], advice, until))
            begin = None
    return found
