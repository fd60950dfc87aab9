"""The English of the page Attack."""

from __future__ import annotations

from dashboard.presentation.text.pages.nouns import one

ATTACK = "Attack"
OPEN_LAB = "Open the Lab"
PREPARING = "The original model is still being prepared."
EVALUATING = "Evaluating models…"
BEFORE_FIRST = "The original, before the run's first step"
PLAYING = "The run is playing. The attack is repeated when it pauses."
LOGIT = "logit of its label"
RETRAINED_MEAN = "retrained, mean"
Z_HELP = "Positive: the model is surer of the label than retrained models are"
P_HELP = "Share of retrained models expected to be as sure"
TOP = "top %d %%"
THRESHOLD = "Threshold"
NO_NUMBER = "This attack gave no number."
DETECTED = "right: forgotten, detected"
DISMISSED = "right: unseen, dismissed"
MISSED = "wrong: forgotten, missed"
ACCUSED = "wrong: unseen, accused"
MODEL_OUTPUT, LOWER_LR = "the output of the model", "lower lr"  # of an error


def asks(question: str) -> str:
    """Return what an attack asks of a model's answers."""
    return f"The attack asks: {question[:1].lower()}{question[1:]}"


def intro(kind: str) -> str:
    """Say what the page answers."""
    return f"**Can an attacker tell which {kind} were used in training?** The page fills by itself as soon as the Lab has a model."


def example(label: str, kind: str) -> str:
    """Say what the example shows, and what the page will show."""
    return f"{label}: an attack that finds more than on models retrained without these {kind}. The page attacks the Lab's model, the original and the retrained models in five ways. It shows the scores of forgotten and of unseen {kind}."


def after_step(step: int, steps: int) -> str:
    """Return which model was attacked."""
    return f"The Lab's model after step {step} of {steps}"


def compared(model: str, retrained: int, later: str) -> str:
    """Say which models were attacked."""
    return f"{model}, compared with {retrained} retrained models.{later}"


def more_needed(kind: str) -> str:
    """Say that an attack has too few samples."""
    return f"This attack needs more {kind}."


def one_by_one(sentence: str, kind: str) -> str:
    """Return the heading of the table and what it shows."""
    return f"#### {one(kind).capitalize()} by {one(kind)}\n{sentence}"


def threshold_help(kind: str) -> str:
    """Return the help of the threshold."""
    return f"Share of all {kind}, by score, that the attack calls training {kind}: those right of the line"


def at_threshold(detected: float, accused: float, kind: str) -> str:
    """Say what the attack finds at the threshold, in percent."""
    return f"At this threshold the attack detects {detected:.0f} % of the forgotten {kind}, and wrongly accuses {accused:.0f} % of the unseen ones."


def detects(rate: str, detected: float) -> str:
    """Say what the attack detects at a rate of false alarms, in percent."""
    return f"At {rate} false alarms it detects {detected:.1f} %."


def too_few(kind: str) -> str:
    """Say why there is no rate at few false alarms."""
    return f"Too few unseen {kind} for a rate at 1 % false alarms: fewer than 10 false alarms are expected."


def group(title: str, shown: int, number: int, kind: str) -> str:
    """Return the description of a grid of thumbnails."""
    return f"{title}: {shown} of {number} {kind}"


def auc(value: float, low: float, high: float) -> str:
    """Return an AUC with its interval, as a sentence."""
    return f"AUC {value:.2f} (95 %: {low:.2f} to {high:.2f})."


def none_retrained(told: str) -> str:
    """Say that there is no retrained model to compare with."""
    return f"{told} No model has been retrained yet, so there is nothing to compare with."


def one_retrained(told: str, value: float) -> str:
    """Return the AUC of the only retrained model."""
    return f"{told} One retrained model has {value:.2f}: no band yet."


def beside_band(
    told: str, number: int, values: tuple[float, float], band: tuple[float, float], finding: str
) -> str:
    """Compare an attack with that on retrained models. ``finding``: "more", "less" or neither."""
    beside = f"{number} retrained models have {values[0]:.2f} to {values[1]:.2f}, their band is {band[0]:.2f} to {band[1]:.2f}"
    meaning = {
        "more": "The attack sees more here than in models that never saw these images.",
        "less": "The attack sees less here than in retrained models, which is a trace too.",
    }.get(finding, "The attack cannot tell this model from them.")
    return f"{told} {beside}. {meaning}"
