"""The record of a deletion request: request, method, cost, tests against retrained models, and the command to repeat it.

It is evidence and no legal guarantee, and it says so.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from core.config import as_dict
from core.data.split import Split
from core.evaluation.attacks.result import AttackResult
from core.evaluation.reference_band import Retrained
from core.evaluation.report import EvaluationReport, Metric
from core.experiments.audit_request import DeletionRequest, SubjectResult, command_of, subject_results
from core.methods import METHODS, origin_of
from core.models.base import Net, device_of
from core.runs.setup import Setup
from core.runtime.content_cache import VERSION, content_key

NOT_A_GUARANTEE = (
    "This page reports measurements on one model. It is no proof that nothing of the images is left in it, and no legal guarantee. "
    "A test that finds nothing may lack the power to find it, and other attacks may find more."
)
STAGES = {
    "vae": "VAE of D",
    "vae_f": "VAE of D_f",
    "unlearn": "steps",
    "repair": "repair",
    "retrain": "retraining",
}
MODERATE_AUC = 0.6  # an attack that could not have detected this AUC counts as "no power"
TESTED = (
    *("train_r", "train_f", "test", "test_r", "test_f", "clean_f", "planted", "js", "commonest_share"),
    *("klom_f", "layer_probe", "near_r", "near_auc"),
)


@dataclass(frozen=True)
class Check:
    """One test of the unlearned model against the retrained models."""

    name: str
    found: str
    expected: str  # the result of retrained models
    verdict: str  # "passed", "failed", "no power" or "not tested"
    why: str  # one sentence


@dataclass(frozen=True)
class DeletionRecord:
    """The contents of the record, as plain values."""

    asked: Mapping[str, str]
    done: Mapping[str, str]
    cost: Mapping[str, str]
    checks: tuple[Check, ...]
    tuned: str  # how settings were chosen with labels or retrained models
    settings: Mapping[str, Any]
    hashes: Mapping[str, str]
    command: str
    machine: Mapping[str, str]
    request: Mapping[str, str] = field(default_factory=dict)  # requester, date and reference number
    strongest: str = ""  # a sentence about all attacks together
    subjects: tuple[SubjectResult, ...] = ()
    caution: str = NOT_A_GUARANTEE

    def count(self, verdict: str) -> int:
        """Return the number of checks with this verdict."""
        return sum(c.verdict == verdict for c in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


AUTOMATIC = "short trials on these images, without labels or retrained models"


def audit(
    setup: Setup,
    split: Split,
    original: Net,
    unlearned: Net,
    references: Sequence[Retrained],
    report: EvaluationReport,
    *,
    config: Any,
    seconds: Mapping[str, float],
    peak_memory_mb: float,
    request: DeletionRequest | None = None,
    subjects: Mapping[str, Sequence[int]] | None = None,
) -> DeletionRecord:
    """Return the record of one finished run.

    ``report`` is the evaluation of ``unlearned``; ``seconds`` are by stage of unlearning; ``subjects`` are ids by name.
    """
    ids = split.train.ids[split.forget_rows]
    is_automatic = setup.settings == "automatic"
    origin = AUTOMATIC if is_automatic else origin_of(setup.method, split.dataset.family, split.task)
    return DeletionRecord(
        asked={
            "data": f"{split.dataset.title}, {len(split.train):,} training images",
            "to forget": f"{split.request.describe(split.dataset.classes)}: {len(ids):,} images",
            "ids": _listed_ids(ids.tolist()),
        },
        done=_done(setup.method, origin, original),
        cost=_cost(seconds, [r.seconds for r in references], peak_memory_mb),
        checks=tuple(_checks(report, len(references))),
        tuned=_tuning_sentence(setup.method, origin),
        settings=as_dict(config) if hasattr(config, "__dataclass_fields__") else {"config": repr(config)},
        hashes={
            "data": content_key(split.dataset.fingerprint),
            "ids to forget": content_key(ids.sort().values),
            "original weights": weights_hash(original),
            "unlearned weights": weights_hash(unlearned),
            **{f"retrained weights {r.number + 1}": weights_hash(r.model) for r in references},
        },
        command=command_of(setup),
        machine=_machine(original),
        request=(request or DeletionRequest()).listed(split),
        strongest=report.strongest.sentence
        if report.strongest is not None
        else "No attack has enough images.",
        subjects=subject_results(split, unlearned, references, subjects or {}),
    )


def _machine(original: Net) -> dict[str, str]:
    return {
        "LAF Lab": f"{_version()}, results version {VERSION}",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device_of(original)),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _done(name: str, origin: str, original: Net) -> dict[str, str]:
    kind = METHODS[name]
    return {
        "method": str(getattr(kind, "title", name)),
        "settings from": origin,
        "labels read by the method": "yes" if getattr(kind, "needs_labels", True) else "no",
        "original model": _origin_of_model(original),
    }


def _cost(seconds: Mapping[str, float], retrain_s: Sequence[float], peak_memory_mb: float) -> dict[str, str]:
    spent = sum(seconds.values())
    stages = " + ".join(f"{STAGES.get(k, k)} {v:.1f} s" for k, v in seconds.items())
    return {
        "unlearning": f"{stages} = {spent:.1f} s",
        "retraining, for comparison": _time_range(retrain_s) if retrain_s else "no model was retrained",
        "beside each other": _ratio(spent, retrain_s),
        "peak memory of the process": f"{peak_memory_mb:,.0f} MB",
    }


def _checks(report: EvaluationReport, references: int) -> list[Check]:
    checks = [_accuracy_check(report.figures[k], references) for k in TESTED if k in report.figures]
    return [*checks, *(_attack_check(result) for result in report.attacks.values())]


def _accuracy_check(figure: Metric, count: int) -> Check:
    name = f"{figure.label} ({figure.symbol})" if figure.symbol else figure.label
    if figure.value is None:
        return Check(name, "–", "–", "not tested", figure.why or "there are no such images")
    value = _figure_text(figure, figure.value)
    if figure.band is None or figure.place is None or figure.place.inside is None:
        return Check(
            name,
            value,
            "–",
            "not tested",
            f"{count or 'no'} retrained model{'s' * (count != 1)} make no band",
        )
    expected = f"{_figure_text(figure, figure.band.low)} to {_figure_text(figure, figure.band.high)}"
    if figure.place.inside:
        return Check(name, value, expected, "passed", f"inside the 95 % band of {count} retrained models")
    side = "above" if figure.place.gap > 0 else "below"
    gap = _figure_text(figure, abs(figure.place.gap)).replace(" %", " points")
    return Check(name, value, expected, "failed", f"{gap} {side} the band")


def _attack_check(result: AttackResult) -> Check:
    """Return the check of one attack; it has "no power" if it could not have detected a moderate leak."""
    name = f"AUC, {result.title.lower()}"
    if result.auc is None or result.low is None or result.high is None:
        return Check(name, "–", "0.5", "not tested", result.why or "too few images")
    found = f"{result.auc:.2f} ({result.low:.2f} to {result.high:.2f})"
    power = result.power.sentence if result.power is not None else ""
    finding, reference = result.finding, result.band
    expected = "0.5"
    if finding != "no band" and reference is not None:
        expected = f"{reference.low:.2f} to {reference.high:.2f}"
    if finding in ("more", "less"):
        where = "above" if finding == "more" else "below"
        why = f"its interval is {where} the band of {len(result.reference_aucs)} retrained models"
        return Check(name, found, expected, "failed", why)
    if result.sees_a_leak and finding == "cannot tell":
        why = "retrained models show the same, so it is no trace of training"
        return Check(name, found, expected, "passed", why)
    if result.sees_a_leak:
        return Check(name, found, expected, "failed", "it tells forgotten images from unseen ones")
    smallest = result.power.smallest_auc if result.power is not None else None
    if smallest is None or smallest > MODERATE_AUC:
        return Check(name, found, expected, "no power", power)
    return Check(name, found, expected, "passed", power)


def _figure_text(figure: Metric, value: float) -> str:
    """Return a value as text in the unit that the page shows."""
    scaled = 100 * value if figure.unit == "%" else value
    return f"{scaled:.{figure.digits}f}{' ' * bool(figure.unit)}{figure.unit}"


def _tuning_sentence(name: str, origin: str) -> str:
    if name in ("retrain", "nothing"):
        return "nothing"
    if origin == AUTOMATIC:
        return f"nothing: the settings come from {origin}"
    return (
        f"The settings of the method ({origin}) were chosen by looking at labels and at retrained models, on other seeds than this "
        "one. No stopping step was chosen on this run."
    )


def weights_hash(model: Net) -> str:
    """Return a hash of all parameters and buffers by name."""
    digest = hashlib.blake2b(digest_size=12)
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _origin_of_model(model: Net) -> str:
    made = model.provenance
    if made is None:
        return "given"
    if made.given is not None and made.seconds == 0:
        return f"uploaded, {made.net}"
    return f"{made.net}, trained in {made.seconds:.1f} s from seed {made.seed}"


def _time_range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    each = f"{low:.1f} s" if len(values) == 1 else f"{low:.1f} to {high:.1f} s each"
    return f"{each}, {len(values)} model{'s' * (len(values) > 1)}"


def _ratio(spent: float, retrain_s: Sequence[float]) -> str:
    if not retrain_s or not spent:
        return "–"
    typical = sorted(retrain_s)[len(retrain_s) // 2]
    if typical <= spent:
        return f"retraining is the cheaper way here: {typical / spent:.1f} times the time of unlearning"
    return f"retraining takes {typical / spent:.1f} times as long"


def _listed_ids(ids: Sequence[int], most: int = 12) -> str:
    listed = ", ".join(map(str, ids[:most]))
    return (
        listed if len(ids) <= most else f"{listed}, … ({len(ids):,} in all; the file of ids has all of them)"
    )


def _version() -> str:
    try:
        return version("laf-lab")
    except PackageNotFoundError:
        return "not installed"
