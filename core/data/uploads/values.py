"""Uploaded vectors and series: constant features are left out, the others standardised by the training set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from core.data.images import LabelledImages, Norm, kind_of, standardised_parts
from core.data.uploads.names import printable_name
from core.data.uploads.reading.parsed import ParsedUpload
from core.errors import DataError

LEAST = 20  # samples, training and test together
_SHOWN = 3  # names of features in a note


def value_parts(
    found: ParsedUpload, test: Tensor, name: str
) -> tuple[LabelledImages, LabelledImages, Norm, tuple[str, ...], list[str]]:
    """Return training set, test set, their Norm, the names of the features that stay, and notes.

    A feature of a vector, or a channel of a series, that is the same in all training samples is left out. ``test`` is a mask (N,).
    Raises DataError for fewer than LEAST samples, and where nothing but constant values is left.
    """
    kind = kind_of(found.x.shape[1:])
    what = "feature" if kind == "vectors" else "channel"
    train = found.x[~test].transpose(0, 1).flatten(1)
    stays = train.amin(1) < train.amax(1)
    if not bool(stays.any()):
        raise DataError(f"{name} has only constant {what}s, from which nothing can be learnt; add others")
    features = (
        tuple(f for f, s in zip(found.features, stays.tolist(), strict=True) if s) if found.features else ()
    )
    notes = _constant(found.features, stays, what)
    notes.append(
        f"Each {what} is standardised: the training set's mean becomes 0 and its standard deviation 1."
    )
    return *standardised_parts(found.x[:, stays], found.y, test), features, notes


def require_enough(found: ParsedUpload, name: str) -> None:
    """Raise DataError for fewer than LEAST vectors or series, of which too few could be held out."""
    kind, count = kind_of(found.x.shape[1:]), len(found.y)
    if kind != "images" and count < LEAST:
        raise DataError(
            f"{name} has {count} {kind} only; at least {LEAST} are needed to train and to test on"
        )


def subjects_of(found: ParsedUpload) -> tuple[tuple[str, ...], Tensor]:
    """Return the names of the subjects in the column of a CSV, and the index of each line's subject (N,) int64; -1: unknown."""
    names = tuple(sorted({s for s in found.subjects if s}))
    number = {name: i for i, name in enumerate(names)} | {"": -1}
    return names, torch.tensor([number[s] for s in found.subjects], dtype=torch.int64)


def _constant(names: Sequence[str], stays: Tensor, what: str) -> list[str]:
    """Return a sentence about the constant features or channels that are left out; [] where there are none."""
    gone = (~stays).nonzero().flatten().tolist()
    if not gone:
        return []
    shown = [f"“{printable_name(names[i])}”" if names else str(i + 1) for i in gone[:_SHOWN]]
    more = f" and {len(gone) - _SHOWN:,} more" if len(gone) > _SHOWN else ""
    return [
        f"Left out, the same in all training samples: {what}{'s' if len(gone) > 1 else ''} {', '.join(shown)}{more}."
    ]
