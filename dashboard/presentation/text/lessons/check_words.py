"""A lesson's check in words: "forgotten, train: below 2 %" for ``train_f < 2 %``."""

from __future__ import annotations

from typing import Any

from core.errors import RequestError
from core.lessons.checks import read_check
from core.lessons.fact_names import MEASURED, READINGS

FACTS = {
    "train_r": "remaining, train",
    "train_f": "forgotten, train",
    "newest_f": "newest request, train",
    "test": "test",
    "test_r": "remaining, test",
    "test_f": "forgotten, test",
    "clean_f": "true labels of the mislabelled images",
    "one_answer": "forgotten images with the most common answer",
    "auc": "attack AUC",
    "auc_low": "lower end of the attack AUC's interval",
    "auc_high": "upper end of the attack AUC's interval",
    "js": "distance to the retrained models",
    "naive_auc": "attack AUC against all digits",
    "fair_auc": "attack AUC against the same class",
    "neighbours": "neighbours of the same class",
    "probe": "accuracy of the linear probe",
    "steps": "steps",
    "total_steps": "steps of the whole run",
    "frames": "frames",
    "phase": "the run",
    "seconds": "seconds of the method",
    "retrain_seconds": "seconds of retraining",
    "references": "retrained models",
    "angle_r": "degrees that remaining images turned",
    "angle_f": "degrees that forgotten images turned",
    "vae_first": "first loss of autoencoder 1",
    "vae_last": "last loss of autoencoder 1",
    "vae_best": "best loss of autoencoder 1",
    "vae_f_first": "first loss of autoencoder 2",
    "vae_f_last": "last loss of autoencoder 2",
    "vae_f_best": "best loss of autoencoder 2",
    "dataset": "the dataset",
    "task": "the task",
    "classes": "the class to forget",
    "method": "the method",
    "seed": "the seed",
    "net": "chosen net",
    "request": "number of the request",
    "share": "share of labels that the repair reads",
    "losses": "losses of a step",
    "schedule": "the schedule",
    "lr_ue": "lr_UE",
    "lr_ra": "lr_RA",
    "tau": "τ",
    "epochs": "epochs",
    "weight_remain": "weight of remain",
    "weight_forget": "weight of forget",
    "weight_align": "weight of align",
    "weight_repel": "weight of repel",
    "vae_lr": "learning rate of the autoencoders",
    "vae_latent": "latent size",
    "vae_kl_weight": "KL weight",
    "vae_epochs": "epochs of the autoencoders",
    "vae_output": "decoder output",
}
PLACES = {
    "original": "before unlearning",
    "retrained": "in the retrained models",
    "retrained_low": "in the lowest retrained model",
    "retrained_high": "in the highest retrained model",
    "fork": "in the fork",
    "lowest": "at its lowest",
    "highest": "at its highest",
}
VALUES = {
    "phase": {"done": "finished"},
    "losses": {"ue": "L_UE alone", "ra": "L_RA alone", "both": "L_UE and L_RA"},
    "task": {
        "class": "class removal",
        "data": "data removal",
        "noise": "noisy labels",
        "indices": "chosen images",
    },
    "method": {"laf": "LAF", "laf+r": "LAF with repair", "nothing": "do nothing"},
}
SIGNS = {
    "<": "below",
    "<=": "at most",
    ">": "above",
    ">=": "at least",
    "==": "",
    "!=": "not",
}
PERCENT = {"share", *READINGS, *MEASURED} - {"auc", "auc_low", "auc_high", "js", "naive_auc", "fair_auc"}


def in_words(clause: str) -> str:
    """Return one clause of a check in words; return it unchanged where it is not one comparison or alarm."""
    try:
        root = read_check(clause).root
    except RequestError:
        return clause
    if root[0] == "not":
        inner = root[1]
        return f"no alarm “{inner[1]}”" if inner[0] == "alarm" else f"not: {_words(inner) or clause}"
    return _words(root) or clause


def _words(root: tuple[Any, ...]) -> str | None:
    if root[0] == "alarm":
        return f"the alarm “{root[1]}” is on"
    if root[0] != "clause":
        return None
    _, _, parts, signs = root
    if len(parts) == 3 and {*signs} <= {"<", "<="}:
        low, middle, high = parts
        return f"{_side(middle, middle)}: between {_side(low, middle)} and {_side(high, middle)}"
    told = []
    for a, sign, b in zip(parts, signs, parts[1:], strict=False):
        told.append(" ".join(filter(None, (f"{_side(a, a)}:", SIGNS[sign], _side(b, a)))))
    return "; ".join(told)


def _side(node: tuple[Any, ...], subject: tuple[Any, ...]) -> str:
    """Return one side of a comparison; ``subject`` is the side that it is compared with."""
    name = _first_fact(subject)
    if node[0] == "value":
        return _value(node[1], name)
    if node[0] == "fact":
        return _fact(node[1], None if node is subject else name)
    _, sign, a, b = node
    if sign in "+-" and b[0] == "value" and _base(_first_fact(a) or name) in PERCENT:
        return f"{_side(a, subject)} {'plus' if sign == '+' else 'minus'} {100 * b[1]:g} points"
    if sign == "-" and a == ("value", 0.0):
        return f"−{_side(b, subject)}"
    word = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}[sign]
    return f"{_side(a, subject)} {word} {_number(b, subject)}"


def _number(node: tuple[Any, ...], subject: tuple[Any, ...]) -> str:
    return f"{node[1]:g}" if node[0] == "value" and not isinstance(node[1], str) else _side(node, subject)


def _fact(name: str, subject: str | None) -> str:
    """Return a fact in words; "its value" for the same figure as the subject's, in another place."""
    prefix, _, rest = name.rpartition(".")
    if subject is not None and _base(subject) == rest and subject != name:
        return f"its value {PLACES.get(prefix, 'now')}"
    return f"{FACTS[rest]}, {PLACES[prefix]}" if prefix else FACTS[rest]


def _value(value: Any, name: str | None) -> str:
    base = _base(name)
    if isinstance(value, str):
        return VALUES.get(base, {}).get(value, value)
    return f"{100 * value:g} %" if base in PERCENT else f"{value:g}"


def _base(name: str | None) -> str:
    return "" if name is None else name.rpartition(".")[2]


def _first_fact(node: tuple[Any, ...]) -> str | None:
    """Return the first fact in a side; None where there is none."""
    if node[0] == "fact":
        return str(node[1])
    sides = node[2:] if node[0] == "sum" else ()
    return next((found for side in sides if (found := _first_fact(side)) is not None), None)
