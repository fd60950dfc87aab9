"""The English of the page Judge."""

from __future__ import annotations

BEING_READ = "The data are being read."
ORIGINAL = "Original model (.safetensors)"
UNLEARNED = "Unlearned model (.safetensors)"
RETRAINED = "Retrained models (optional; two or more make a band)"
UPLOAD_FIRST = "Upload the original and the unlearned model first"
JUDGE = "Judge"
ADVICE = "Choose the architecture that it was trained with."
EVALUATING = "Evaluating the models"
NO_RUN = "The Lab has no finished run"
JUDGE_RUN = "Judge the Lab's run"
DOWNLOAD_MODELS = "Download its models"
DOWNLOAD_HELP = "Original, unlearned and retrained models, and the forgotten ids, as one zip"
ATTACKS = "**Attacks on the unlearned model**: AUC with its 95 % interval. At 0.5 the attack cannot tell"
UNLEARNED_ROW = "Unlearned"
ORIGINAL_ROW = "Original"
NOT_FINISHED = "the Lab has no finished run; play one to its end first"


def intro(title: str, what: str, forgotten: int, number: int, kind: str) -> str:
    """Say what the page answers, and for which request."""
    return f"**How close are finished models to retraining?** The page shows every figure of an unlearned model beside its original and models retrained without the {kind}. It trains nothing. It uses the Lab's request: {title}, {what} ({forgotten:,} of {number:,} {kind}). Change it in the Lab or on *Forget set*."


def how(kind: str) -> str:
    """Say how models must be saved, and where they come from."""
    return f"All models must have the same architecture and be saved by `safetensors.torch.save_file(model.state_dict(), …)`. The page *Runs* exports the original, the unlearned and the retrained models of a finished run together. On *Forget set*, choose the ids of the forgotten {kind} or read them from a file."


def example(label: str) -> str:
    """Say what the example shows."""
    return f"{label}: each model a row, green inside the band of the retrained models."


def interval(auc: float, low: float | None, high: float | None) -> str:
    """Return an AUC with its interval."""
    return f"{auc:.2f} ({low:.2f} to {high:.2f})"


def retrained_row(number: int) -> str:
    """Return the title of a retrained model's row."""
    return f"Retrained {number}"


def lab_run(retrained: int) -> str:
    """Say which models are judged."""
    beside = f"{retrained} retrained model{'s' * (retrained != 1)}" if retrained else "no retrained model yet"
    return f"The Lab's run beside its original and {beside}."
