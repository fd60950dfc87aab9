"""LAF's knobs: what each is called, what it does, and from when a change of it counts; pure, no screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.config import SCHEDULES, LAFConfig
from core.errors import ConfigError

NEXT_STEP, NEXT_RUN = "from the next step", "in the next run"


@dataclass(frozen=True)
class Hyperparameter:
    """One setting of LAF. ``key`` is the field's name, "vae." before those of the two VAEs."""

    key: str
    label: str
    help: str
    choices: Mapping[Any, str] | None = None  # value -> what it is called; None: a number
    whole: bool = False

    @property
    def when(self) -> str:
        """From when a change counts while a run is paused."""
        return NEXT_RUN if self.key.startswith("vae") else NEXT_STEP

    def of(self, laf: LAFConfig) -> Any:
        """Its value in ``laf``."""
        return getattr(laf.vae if self.key.startswith("vae.") else laf, self.key.removeprefix("vae."))


SIDES = {"both": "both", "ue": "L_UE", "ra": "L_RA"}
BOUNDED = {True: "bounded φ(m)", False: "plain m"}
KNOBS = (
    Hyperparameter(
        "losses",
        "Step only",
        "What a step is on: both losses, or one alone to see what it does by itself.",
        SIDES,
    ),
    Hyperparameter(
        "schedule",
        "Schedule",
        "Alternate: a step on each in turn. Two-stage: all of L_UE first. Joint: one step on the sum, at lr_RA.",
        {k: k for k in SCHEDULES},
    ),
    Hyperparameter(
        "lr_ue", "lr_UE", "How far a step on L_UE goes: it makes the VAE of D_f fail on what must go."
    ),
    Hyperparameter(
        "lr_ra", "lr_RA", "How far a step on L_RA goes; below 2 · lr_UE the model is not held together."
    ),
    Hyperparameter(
        "temperature",
        "τ",
        "Sharpness of the push in L_RA: near 100 nothing is forgotten, below 1 the model is wrecked.",
    ),
    Hyperparameter(
        "bounded",
        "Squared error",
        "φ keeps the maximised error from exploding; plain is as the paper states it.",
        BOUNDED,
    ),
    Hyperparameter("ue_per_ra", "L_UE per L_RA", "Steps on L_UE for each one on L_RA.", whole=True),
    Hyperparameter(
        "epochs", "Epochs", "Passes over the shorter of D_f and D_r: how long the run is.", whole=True
    ),
    Hyperparameter("weight_remain", "Weight of remain", "In L_UE: keep D_r as its VAE knows it."),
    Hyperparameter("weight_forget", "Weight of forget", "In L_UE: make D_f unlike what its VAE knows."),
    Hyperparameter("weight_align", "Weight of align", "In L_RA: hold D_r where the original had it."),
    Hyperparameter("weight_repel", "Weight of repel", "In L_RA: push D_f away from there."),
    Hyperparameter(
        "vae.latent", "Latent size", "Numbers through which a VAE must press a representation.", whole=True
    ),
    Hyperparameter("vae.kl_weight", "KL weight", "How strongly latents are drawn to a standard normal."),
    Hyperparameter(
        "vae.output",
        "Decoder output",
        "Linear reproduces representations; sigmoid is the reference's and cannot.",
        {"linear": "linear", "sigmoid": "sigmoid"},
    ),
    Hyperparameter("vae.lr", "VAE's lr", "Learning rate of both VAEs; too high and they diverge."),
    Hyperparameter(
        "vae_data",
        "h is fitted on",
        "The paper's stand-in for D_r is all of D; fitted on D_r, h has seen nothing of what must go.",
        {"all": "all of D", "remain": "D_r"},
    ),
    Hyperparameter("vae.epochs", "VAE's epochs", "Passes over the representations.", whole=True),
)


def laf_of(config: Any) -> LAFConfig | None:
    """LAF's part of a method's settings; None of a method without knobs."""
    laf = getattr(config, "laf", config)
    return laf if isinstance(laf, LAFConfig) else None


def shown(laf: LAFConfig) -> list[Hyperparameter]:
    """The knobs of ``laf``: steps in place of epochs where steps are what it counts."""
    steps = Hyperparameter("steps", "Steps", "How long the run is.", whole=True)
    return [steps if knob.key == "epochs" and laf.steps is not None else knob for knob in KNOBS]


def turned(config: Any, values: Mapping[str, Any]) -> Any:
    """``config`` with the knobs at ``values`` (by key). Raises ConfigError in the names that the page shows."""
    laf = laf_of(config)
    assert laf is not None
    for knob in shown(laf):
        value = values.get(knob.key, knob.of(laf))
        if value is None:
            raise ConfigError(f"{knob.label} is empty; it was {said(knob, knob.of(laf))}")
    try:
        vae = {k.removeprefix("vae."): v for k, v in values.items() if k.startswith("vae.")}
        now = replace(
            laf,
            vae=replace(laf.vae, **vae),
            **{k: v for k, v in values.items() if not k.startswith("vae.")},
        )
    except ConfigError as error:
        told = str(error)
        for knob in sorted(shown(laf), key=lambda k: -len(k.key)):
            name = knob.key.removeprefix("vae.")
            if told.startswith(f"{name} "):
                told = f"{knob.label} {told.removeprefix(name).strip()}"
                break
        raise ConfigError(f"{told}. Nothing was changed.") from error
    return replace(config, laf=now) if hasattr(config, "laf") else now


def said(knob: Hyperparameter, value: Any) -> str:
    """A value as a person reads it."""
    if knob.choices is not None:
        return str(knob.choices.get(value, value))
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def differences(before: Any, now: Any) -> list[tuple[Hyperparameter, Any, Any]]:
    """Knobs that stand elsewhere, with both values."""
    a, b = laf_of(before), laf_of(now)
    if a is None or b is None:
        return []
    return [(k, k.of(a), k.of(b)) for k in shown(b) if k.of(a) != k.of(b)]


def described(before: Any, now: Any) -> str:
    """What was changed: "lr_RA 0.006 → 0.001, τ 15 → 100"."""
    found = [f"{k.label} {said(k, a)} → {said(k, b)}" for k, a, b in differences(before, now)]
    return ", ".join(found) or "nothing changed"
