"""Hyperparameters of LAF and of its variant MDA: their labels, help texts, and when a change takes effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.config import SCHEDULES, LAFConfig
from core.errors import ConfigError
from core.methods.baselines.label_free.mda import MDAConfig

NEXT_STEP, NEXT_RUN = "from the next step", "in the next run"


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter of a method; ``key`` is the config field's name, with "vae." before those of the two VAEs."""

    key: str
    label: str
    help: str
    choices: Mapping[Any, str] | None = None  # value -> label; None: a number
    whole: bool = False

    @property
    def when(self) -> str:
        """The point at which a change takes effect while a run is paused."""
        before = self.key.startswith("vae") or self.key in ("target", "newcomer", "newcomer_epochs")
        return NEXT_RUN if before else NEXT_STEP

    def of(self, laf: Any) -> Any:
        """Return the value in ``laf``, a LAFConfig or an MDAConfig."""
        return getattr(laf.vae if self.key.startswith("vae.") else laf, self.key.removeprefix("vae."))


NOTHING = "nothing changed"
SIDES = {"both": "both", "ue": "L_UE", "ra": "L_RA"}
BOUNDED = {True: "bounded φ(m)", False: "plain m"}
HYPERPARAMETERS = (
    Hyperparameter(
        "losses",
        "Step only",
        "The losses of a step: both, or one alone to see its own effect.",
        SIDES,
    ),
    Hyperparameter(
        "schedule",
        "Schedule",
        "Alternate: a step on each loss in turn. Two-stage: all steps on L_UE first. Joint: one step on the sum, at lr_RA.",
        {k: k for k in SCHEDULES},
    ),
    Hyperparameter(
        "lr_ue", "lr_UE", "Learning rate of L_UE, which makes the VAE of D_f fail on the images to forget."
    ),
    Hyperparameter("lr_ra", "lr_RA", "Learning rate of L_RA; below 2 × lr_UE the model falls apart."),
    Hyperparameter(
        "temperature",
        "τ",
        "Sharpness of the push in L_RA: near 100 nothing is forgotten, below 1 the model breaks.",
    ),
    Hyperparameter(
        "bounded",
        "Squared error",
        "φ bounds the error that L_UE maximises; plain is the paper's form.",
        BOUNDED,
    ),
    Hyperparameter("ue_per_ra", "L_UE per L_RA", "Steps on L_UE for each step on L_RA.", whole=True),
    Hyperparameter(
        "epochs", "Epochs", "Length of the run: passes over the shorter of D_f and D_r.", whole=True
    ),
    Hyperparameter("weight_remain", "Weight of remain", "In L_UE: keeps D_r as its VAE knows it."),
    Hyperparameter("weight_forget", "Weight of forget", "In L_UE: makes D_f unlike what its VAE knows."),
    Hyperparameter("weight_align", "Weight of align", "In L_RA: keeps D_r where the original had it."),
    Hyperparameter("weight_repel", "Weight of repel", "In L_RA: pushes D_f away from there."),
    Hyperparameter("vae.latent", "Latent size", "Length of a VAE's code for a representation.", whole=True),
    Hyperparameter(
        "vae.kl_weight", "KL weight", "How strongly codes are drawn to a standard normal distribution."
    ),
    Hyperparameter(
        "vae.output",
        "Decoder output",
        "Linear can reproduce representations; sigmoid, as in the reference implementation, cannot.",
        {"linear": "linear", "sigmoid": "sigmoid"},
    ),
    Hyperparameter("vae.lr", "VAE's lr", "Learning rate of both VAEs; they diverge if it is too high."),
    Hyperparameter(
        "vae_data",
        "h is fitted on",
        "The paper uses all of D in place of D_r; fitted on D_r, h has not seen the images to forget.",
        {"all": "all of D", "remain": "D_r"},
    ),
    Hyperparameter("vae.epochs", "VAE's epochs", "Passes of a VAE over the representations.", whole=True),
)

MDA_HYPERPARAMETERS = (
    Hyperparameter("lr", "lr", "Learning rate of the extractor; the head stays as it is."),
    Hyperparameter(
        "epochs", "Epochs", "Length of the run: passes over the shorter of D_f and D_r.", whole=True
    ),
    Hyperparameter("weight_align", "Weight of align", "Keeps D_r where the original had it."),
    Hyperparameter("weight_forget", "Weight of forget", "Leads D_f to its new answers."),
    Hyperparameter(
        "newcomer",
        "Share of the newcomer",
        "Share of the answers of a net that learns D_r anew for a short while, in the struck ones that D_f learns; 0 takes the original's alone.",
    ),
    Hyperparameter(
        "newcomer_epochs",
        "Newcomer's epochs",
        "Passes of the newcomer over D_r, at most 20,000 images in all.",
        whole=True,
    ),
    Hyperparameter(
        "votes",
        "Share of votes",
        "Share of similar images' answers in the struck ones that D_f learns; 0 takes the original's alone.",
    ),
    Hyperparameter(
        "renew",
        "Renewal of votes",
        "Weight of the present model's answers in the neighbours' votes, reached at the last step; 0 keeps the original's.",
    ),
    Hyperparameter(
        "sharpness",
        "Sharpness of votes",
        "Power of the neighbours' votes; above 1 a majority counts for more.",
    ),
    Hyperparameter(
        "target",
        "D_f learns",
        "The original's answers without those to forget, for a class; the votes of similar images of D_r, for wrong labels.",
        {"struck": "struck answers", "neighbours": "neighbours' votes"},
    ),
)


def laf_config(config: Any) -> Any:
    """Return the LAFConfig or MDAConfig in a method's config; None for a method without hyperparameters."""
    laf = getattr(config, "laf", config)
    return laf if isinstance(laf, LAFConfig | MDAConfig) else None


def hyperparameters_of(laf: LAFConfig | MDAConfig) -> list[Hyperparameter]:
    """Return the hyperparameters of ``laf``, with steps in place of epochs where the config counts steps."""
    if isinstance(laf, MDAConfig):
        return [_counted(parameter, laf) for parameter in MDA_HYPERPARAMETERS]
    return [_counted(parameter, laf) for parameter in HYPERPARAMETERS]


def _counted(parameter: Hyperparameter, laf: LAFConfig | MDAConfig) -> Hyperparameter:
    """Return the hyperparameter "steps" in place of "epochs" where ``laf`` counts steps."""
    steps = Hyperparameter("steps", "Steps", "Length of the run.", whole=True)
    return steps if parameter.key == "epochs" and laf.steps is not None else parameter


def with_values(config: Any, values: Mapping[str, Any]) -> Any:
    """Return ``config`` with the hyperparameters set to ``values`` (by key).

    Raises ConfigError that uses the page's labels.
    """
    laf = laf_config(config)
    assert laf is not None
    for parameter in hyperparameters_of(laf):
        value = values.get(parameter.key, parameter.of(laf))
        if value is None:
            raise ConfigError(
                f"{parameter.label} is empty; it was {value_text(parameter, parameter.of(laf))}"
            )
    try:
        vae = {k.removeprefix("vae."): v for k, v in values.items() if k.startswith("vae.")}
        plain = {k: v for k, v in values.items() if not k.startswith("vae.")}
        now = replace(laf, **({"vae": replace(laf.vae, **vae)} if vae else {}), **plain)
    except ConfigError as error:
        message = str(error)
        for parameter in sorted(hyperparameters_of(laf), key=lambda k: -len(k.key)):
            name = parameter.key.removeprefix("vae.")
            if message.startswith(f"{name} "):
                message = f"{parameter.label} {message.removeprefix(name).strip()}"
                break
        raise ConfigError(f"{message}. Nothing was changed.") from error
    return replace(config, laf=now) if hasattr(config, "laf") else now


def value_text(parameter: Hyperparameter, value: Any) -> str:
    """Return a value as the page shows it."""
    if parameter.choices is not None:
        return str(parameter.choices.get(value, value))
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def differences(before: Any, now: Any) -> list[tuple[Hyperparameter, Any, Any]]:
    """Return the hyperparameters that differ, with both values."""
    a, b = laf_config(before), laf_config(now)
    if a is None or b is None:
        return []
    return [(k, k.of(a), k.of(b)) for k in hyperparameters_of(b) if k.of(a) != k.of(b)]


def describe_changes(before: Any, now: Any) -> str:
    """Return the differences in words, such as "lr_RA 0.006 → 0.001, τ 15 → 100"."""
    found = [f"{k.label} {value_text(k, a)} → {value_text(k, b)}" for k, a, b in differences(before, now)]
    return ", ".join(found) or NOTHING
