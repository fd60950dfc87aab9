"""The losses of a step as the loss balance shows them: LAF's four terms by name, other methods' losses as they are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from core.methods.step import Step

# loss term -> the batch whose images it is averaged over
LAF_TERMS = {"ue_remain": "remain", "ue_forget": "forget", "ra_align": "remain", "ra_repel": "remain"}
LAF_LOSSES = {*LAF_TERMS, "ue", "ra"}
LAF_CHARTS: list[dict[str, Any]] = [
    {
        "name": "L_UE",
        "help": "extractor unlearning: how well the two VAEs explain the representations; mean per image of the mini-batch",
        "lines": [["ue_remain", "remain", "remain"], ["ue_forget", "forget", "forget"]],
    },
    {
        "name": "L_RA",
        "help": "representation alignment: remaining ones held where they were, forgotten ones pushed away; mean per image "
        "of the mini-batch, repel less the constant log |B_f|",
        "lines": [["ra_align", "align", "remain"], ["ra_repel", "repel", "forget"]],
    },
    {
        "name": "gradients, log",
        "help": "length of each loss's gradient, on a logarithmic axis",
        "log": True,
        "lines": [["grad_ue", "‖∇L_UE‖", "ue"], ["grad_ra", "‖∇L_RA‖", "ra"]],
    },
    {
        "name": "cosine",
        "help": "cosine between the two gradients; below 0 the two losses work against each other",
        "range": [-1, 1],
        "conflict": True,
        "lines": [["cosine", "of the two", "text"]],
    },
    {
        "name": "share of the step, %",
        "help": "each loss's share of the step: its optimiser's move over the sum of both, in %",
        "range": [0, 100],
        "lines": [["share_ue", "L_UE", "ue"], ["share_ra", "L_RA", "ra"]],
    },
]
COSINE = LAF_CHARTS[3]
COLOURS = ("ue", "ra", "accent", "muted", "text")  # for lines that belong to neither D_r nor D_f
NAMES = {"cross_entropy": "cross-entropy", "kl": "KL divergence"}
MOST = 4  # most lines in a chart that can be told apart


def loss_terms(record: Step) -> dict[str, float | None]:
    """Return LAF's loss terms per image, or other losses as "loss_…", with gradient norms "grad_…" and the cosine.

    Repel is given less the constant log |B_f|, which has no gradient; with it each smaller last batch would be a dip.
    """
    sizes, losses = record.images, record.losses
    found: dict[str, float | None] = {}
    if set(losses) <= LAF_LOSSES and sizes:
        found = {name: losses[name] / sizes[images] for name, images in LAF_TERMS.items() if name in losses}
        if "ra_repel" in losses:
            found["ra_repel"] = losses["ra_repel"] / sizes["remain"] - math.log(sizes["forget"])
    else:
        found = {f"loss_{name}": value for name, value in losses.items()}
    found |= {f"grad_{k}": v for k, v in record.grad_norms.items()}
    whole = sum(record.moves.values())
    if whole > 0 and "joint" not in record.moves:
        found |= {f"share_{k}": 100 * record.moves.get(k, 0.0) / whole for k in ("ue", "ra")}
    found |= {f"move_{k}": v for k, v in record.moves.items()}
    return {**found, "cosine": record.grad_cosine}


def outcome_charts(task: str) -> list[dict[str, Any]]:
    """Return the charts about the model over steps.

    ``of``: the field of a reading that holds the values. ``times``: the factor to the shown unit.
    """
    accuracy: dict[str, Any] = {
        "name": "accuracy, %",
        "help": "on remaining and on forgotten training images, and on test images",
        "of": "values",
        "times": 100,
        "range": [0, 100],
        "lines": [
            ["remain_train", "remaining", "remain"],
            ["forget_train", "forgotten", "forget"],
            ["remain_test" if task == "class" else "test", "test", "text"],
        ],
    }
    return [
        accuracy,
        {
            "name": "most common answer, %",
            "help": "share of the most common answer on forgotten images",
            "of": "values",
            "times": 100,
            "range": [0, 100],
            "lines": [["one_answer", "largest share", "forget"]],
        },
        {
            "name": "AUC, learned",
            "help": "membership attack; 0.5 means that it cannot tell",
            "of": "values",
            "range": [0, 1],
            "lines": [["auc", "AUC", "text"]],
        },
        {
            "name": "length",
            "help": "median length of the representations: L_RA holds angles, not lengths",
            "of": "norm",
            "lines": [["remain", "of D_r", "remain"], ["forget", "of D_f", "forget"]],
        },
        {
            "name": "angle, °",
            "help": "median angle by which representations turned away from the original's",
            "of": "angle",
            "range": [0, 180],
            "lines": [["remain", "of D_r", "remain"], ["forget", "of D_f", "forget"]],
        },
    ]


def loss_charts(method: str, steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Return the charts of a run (docs/wire.md, "charts"); those of LAF are known before its first step."""
    if method == "laf":
        return LAF_CHARTS
    repair = _chart(
        "repair",
        "cross-entropy on labelled remaining images; mean per image of the mini-batch",
        [("loss_cross_entropy", "cross-entropy")],
    )
    if method == "laf+r":
        return [*LAF_CHARTS, repair]
    names: dict[str, None] = {}
    norms: dict[str, None] = {}
    cosine = False
    for step in steps:
        names |= dict.fromkeys(step.losses)
        norms |= dict.fromkeys(step.grad_norms)
        cosine = cosine or step.grad_cosine is not None
    found = []
    if names:
        help = "losses as the method gives them, one value for each mini-batch"
        found.append(_chart("losses", help, [(f"loss_{n}", _label(n)) for n in names]))
    if norms:
        help = "Euclidean length of each loss's gradient, on a logarithmic axis"
        found.append(
            {
                **_chart("gradients, log", help, [(f"grad_{n}", f"‖∇ {_label(n)}‖") for n in norms]),
                "log": True,
            }
        )
    return [*found, COSINE] if cosine else found


def _label(name: str) -> str:
    return NAMES.get(name, name.replace("_", " "))


def _chart(name: str, help: str, lines: list[tuple[str, str]]) -> dict[str, Any]:
    """Return a chart whose lines of D_r and D_f have their own colours; the others take the remaining ones."""
    spare = iter(COLOURS)
    found = []
    for key, label in lines[:MOST]:
        plain = key.partition("_")[2]
        role = next((r for r in ("remain", "forget") if r in plain.split("_")), None)
        taken = {colour for _, _, colour in found}
        found.append([key, label, role if role is not None and role not in taken else next(spare)])
    return {"name": name, "help": help, "lines": found}
