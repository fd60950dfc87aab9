"""The position of a model among retrained models, read-out by read-out, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.evaluation.attacks.finding import attack_finding
from core.evaluation.metric_specs import metric_band
from core.evaluation.metrics import Reading, js_between, mean_js
from core.evaluation.reference_band import Band
from dashboard.presentation.text.readouts.readout_rows import JS, NEWEST, Row, rows_for

NO_STEPS = ("auc", "planted")  # not shares of images, so they have no resolution of one image


@dataclass(frozen=True)
class BandPosition:
    """The position of one value in its band.

    ``gap``: as in core.evaluation.reference_band.BandPlace. ``inside`` is None where there is no band yet or the interval
    reaches the band.
    """

    text: str  # for a narrow column
    words: str  # the same for a sentence
    inside: bool | None
    gap: float

    def as_dict(self, *, is_final: bool = True) -> dict[str, str]:
        """Return the position in the format of docs/wire.md; without a tone until the band ``is_final``."""
        tone = {True: "inside", False: "outside", None: "none"}[self.inside if is_final else None]
        return {"text": self.text, "words": self.words, "tone": tone}


@dataclass(frozen=True)
class ReferenceBands:
    """The bands of the retrained models that are ready, by the key of the row."""

    rows: tuple[Row, ...]
    references: tuple[Reading, ...]
    total: int  # retrained models that the experiment will have
    bands: Mapping[str, Band]

    @classmethod
    def of(
        cls,
        task: str,
        references: Sequence[Reading],
        counts: Mapping[str, int],
        *,
        plant: str | None = None,
        total: int | None = None,
    ) -> ReferenceBands:
        """Return the bands of ``references``.

        ``counts``: images behind each row. ``total``: retrained models to expect (default: those that are ready).
        """
        rows = (*rows_for(task, plant, chain=NEWEST.key in counts), JS)
        bands = {}
        for row in rows:
            if row is JS:
                continue
            step = 0.0 if row.key in NO_STEPS else 1 / max(1, counts[row.key])
            found = metric_band(row.metric, [v for r in references if (v := row.value(r)) is not None], step)
            if found is not None:
                bands[row.key] = found
        if len(references) > 2:  # two models have one distance, which makes no band
            found = metric_band("js", js_between([r.forget_probabilities for r in references]))
            assert found is not None
            bands["js"] = found
        return cls(rows, tuple(references), max(len(references), total or 0), bands)

    @property
    def is_complete(self) -> bool:
        """True once every retrained model is there, and with it every band that there will be."""
        return len(self.references) >= max(1, self.total)

    @property
    def progress(self) -> str:
        """Return the progress, such as "2 of 5 retrained"."""
        return f"{len(self.references)} of {self.total} retrained"

    def specs(self) -> list[dict[str, Any]]:
        """Return the rows in the format of docs/wire.md."""
        specs = []
        for row in self.rows:
            found = self.bands.get(row.key)
            spec = {
                name: getattr(row, name)
                for name in ("key", "label", "symbol", "unit", "digits", "role", "help")
            }
            spec["range"] = list(row.range)
            spec["reference"] = list(found.values) if found else None
            spec["band"] = [found.low, found.high] if found and len(found.values) > 1 else None
            specs.append(spec)
        return specs

    def compare(self, reading: Reading) -> Compared:
        """Return the values of all rows, and their positions where there are retrained models."""
        values = {row.key: row.value(reading) for row in self.rows}
        values["js"] = distance(reading, self.references)
        positions_in_band = {
            row.key: position_in_band(row, value, self.bands[row.key], reading)
            for row in self.rows
            if row.key in self.bands and (value := values[row.key]) is not None
        }
        return Compared(reading, values, positions_in_band)


@dataclass(frozen=True)
class Compared:
    """One model compared with retrained ones; ``values`` by key of the row, None for a missing value."""

    reading: Reading
    values: Mapping[str, float | None]
    positions_in_band: Mapping[str, BandPosition]

    @property
    def apart(self) -> float:
        """The mean distance of the accuracies from their bands, in [0, 1]; with one retrained model, from its values."""
        gaps = [
            abs(s.gap) for key, s in self.positions_in_band.items() if key not in ("js", "auc", "one_answer")
        ]
        return sum(gaps) / max(1, len(gaps))

    def is_outside(self, *keys: str) -> list[str]:
        """Return those of ``keys`` (default: all rows) that are outside their bands for certain."""
        return [k for k, s in self.positions_in_band.items() if s.inside is False and (not keys or k in keys)]


def position_in_band(row: Row, value: float, reference: Band, reading: Reading) -> BandPosition:
    """Return the position of ``value`` in ``reference``; an AUC whose interval reaches the band cannot be told from it."""
    place = reference.place(value)
    low, high = (reading.attack.auc_low, reading.attack.auc_high) if row.key == "auc" else (value, value)
    side = "above" if place.gap > 0 else "below"
    if row.unit == "%":
        short, long = f"{100 * abs(place.gap):.1f}", f"{100 * abs(place.gap):.1f} points"
    else:
        short = f"{abs(place.gap):.2f}"
        long = f"{short}{row.unit}"
    if place.inside is None:
        same = float(short) == 0
        text = "the same" if same else f"{short} {side}"
        words = f"{'the same as' if same else f'{long} {side}'} one retrained model: no band yet"
        return BandPosition(text, words, None, place.gap)
    if place.inside:
        assert place.percentile is not None
        where = f"{ordinal(place.percentile)} percentile of {place.count}"
        return BandPosition("typical", f"inside the band, {where} retrained models", True, 0.0)
    if (
        row.key == "auc"
        and low is not None
        and high is not None
        and attack_finding(low, high, reference) == "cannot tell"
    ):
        words = f"{long} {side} the band, but its interval reaches the band of {place.count} retrained models: cannot tell"
        return BandPosition("cannot tell", words, None, 0.0)
    if float(short) == 0:
        short, long = "just", "hardly"
    return BandPosition(
        f"{short} {side}", f"{long} {side} the band of {place.count} retrained models", False, place.gap
    )


def ordinal(percentile: float) -> str:
    """Return a percentile as an ordinal, such as "62nd"."""
    n = min(99, max(1, round(percentile)))
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def distance(reading: Reading, references: Sequence[Reading]) -> float | None:
    """Return the mean Jensen-Shannon divergence to ``references`` on D_f, in nats; None without references."""
    return mean_js(reading.forget_probabilities, [r.forget_probabilities for r in references])
