"""The request behind a record: requester, date, number and command, and the results for each subject's images."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.data.images import LabelledImages
from core.data.split import Split
from core.errors import RequestError
from core.evaluation.reference_band import Retrained
from core.models.base import Net, outputs
from core.runs.setup import Setup
from core.runtime.bounds import quote_value
from core.runtime.content_cache import content_key

LONGEST = 200  # characters of a requester, a date, a number or a subject
MOST_LINES = 400_000


@dataclass(frozen=True)
class DeletionRequest:
    """The words of a request that no measurement gives; empty where they are not known.

    Raises RequestError for a text that is too long or holds what cannot be printed.
    """

    requester: str = ""
    received: str = ""  # a date, as the user writes it
    number: str = ""

    def __post_init__(self) -> None:
        for name, text in (
            ("requester", self.requester),
            ("date", self.received),
            ("reference number", self.number),
        ):
            if len(text) > LONGEST or not text.isprintable():
                raise RequestError(
                    f"the {name} {quote_value(text)} is too long or cannot be printed; "
                    f"write at most {LONGEST} characters in one line"
                )

    def listed(self, split: Split) -> dict[str, str]:
        """Return what is known for the record; without a number, one that follows from the data and the ids."""
        ids = split.train.ids[split.forget_rows].sort().values
        number = self.number or f"LAF-{content_key(split.dataset.fingerprint, ids)[:10]}"
        known = {"requester": self.requester, "received": self.received, "reference number": number}
        return {name: text or "not stated" for name, text in known.items()}


@dataclass(frozen=True)
class SubjectResult:
    """Counts of one subject's forgotten images that get their label, from the unlearned model and from each retrained one."""

    name: str
    images: int
    recognised: int
    retrained: tuple[int, ...]

    @property
    def sentence(self) -> str:
        """The result in words, for users."""
        beside = (
            f"; retrained models {min(self.retrained)} to {max(self.retrained)}" if self.retrained else ""
        )
        return f"{self.recognised} of {self.images} images still get their label{beside}"


def parse_subjects(text: str, title: str) -> dict[str, tuple[int, ...]]:
    """Return the ids of each subject in a CSV with the columns ``id`` and ``subject``, in order of appearance.

    Raises RequestError that names ``title``, the line and what would be right.
    """
    head = text.partition("\n")[0]
    mark = ";" if ";" in head and "," not in head else ","
    lines = [
        (n, [cell.strip() for cell in line])
        for n, line in enumerate(csv.reader(io.StringIO(text), delimiter=mark), 1)
        if any(map(str.strip, line))
    ]
    lines[:1] = [(n, [cell.casefold() for cell in line]) for n, line in lines[:1]]
    if not lines or not {"id", "subject"} <= set(lines[0][1]):
        raise RequestError(f"{title} must begin with a header line that has the columns id and subject")
    if len(lines) > MOST_LINES:
        raise RequestError(f"{title} has more than {MOST_LINES:,} lines")
    at = [lines[0][1].index(name) for name in ("id", "subject")]
    found: dict[str, list[int]] = {}
    subject_of: dict[int, str] = {}
    for number, line in lines[1:]:
        if len(line) <= max(at):
            raise RequestError(f"{title} has too few values in line {number}; it needs an id and a subject")
        digits, subject = (line[i] for i in at)
        if not (digits.isdecimal() and digits.isascii() and len(digits) < 19):
            raise RequestError(f"{title} has {quote_value(digits)} in line {number}, which is no image id")
        if not subject or len(subject) > LONGEST or not subject.isprintable():
            raise RequestError(
                f"{title} has no subject in line {number} that can be printed in {LONGEST} characters"
            )
        if subject_of.setdefault(int(digits), subject) != subject:
            raise RequestError(f"{title} gives image {digits} a second subject in line {number}")
        found.setdefault(subject, []).append(int(digits))
    if not found:
        raise RequestError(f"{title} names no image; each line after the first needs an id and a subject")
    return {name: tuple(dict.fromkeys(ids)) for name, ids in found.items()}


def subject_results(
    split: Split, unlearned: Net, references: Sequence[Retrained], subjects: Mapping[str, Sequence[int]]
) -> tuple[SubjectResult, ...]:
    """Return one result for each of ``subjects`` (name to ids) with images in D_f."""
    row_of = {int(i): row for row, i in enumerate(split.train.ids.tolist())}
    forgotten = set(split.forget_rows.tolist())
    found = []
    for name, ids in subjects.items():
        rows = [row_of[i] for i in ids if i in row_of and row_of[i] in forgotten]
        if not rows:
            continue
        images = split.train.take(split.forget_rows.new_tensor(rows))
        retrained = tuple(_recognised(r.model, images) for r in references)
        found.append(SubjectResult(name, len(rows), _recognised(unlearned, images), retrained))
    return tuple(found)


def _recognised(model: Net, images: LabelledImages) -> int:
    """Return how many of ``images`` get their label from ``model``."""
    return int((outputs(model, images).predictions == images.y.cpu()).sum())


def command_of(setup: Setup) -> str:
    """Return the command that repeats the run."""
    parts = ["laf run", f"--dataset {setup.dataset}"]
    if setup.clients is not None:
        parts.append(
            f"--clients {setup.clients} --partition {setup.partition} --local-epochs {setup.local_epochs} "
            f"--server {setup.server}"
        )
    if setup.plant is not None:
        parts.append(f"--plant {setup.plant}")
    elif setup.client is not None:
        parts.append(f"--client {setup.client}")
    else:
        indices = setup.task == "indices"
        chosen = "--indices IDS.txt" if indices else f"--classes {','.join(map(str, setup.classes))}"
        parts.append(f"--task {setup.task} {chosen}")
        if setup.fraction is not None:
            parts.append(f"--fraction {setup.fraction:g}")
    if setup.net is not None:
        parts.append(f"--net {setup.net}")
    parts += [f"--method {setup.method}", f"--settings {setup.settings}", f"--seed {setup.seed}", "--json -"]
    return " ".join(parts)
