"""The losses of all requests of a chain, for the loss balance that shows them one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.methods.step import Step
from core.runs.storage import ChainLink
from dashboard.presentation.text.readouts.loss_charts import loss_terms

MOST = 100  # readings of one request


def chain_balance(
    links: Sequence[ChainLink], steps: Mapping[str, Sequence[Step]], here: str | None
) -> list[dict[str, Any]]:
    """Return each request of a chain with its losses after each step.

    ``steps``: those of each kept run, by its id. ``here``: the run that is open, whose readings the browser has already; None for a
    request that has not begun, which comes last. A long request has at most MOST readings, evenly over its steps.
    """
    found = [
        _request(link.number, link.forget, link.run, () if link.run == here else steps.get(link.run, ()))
        for link in links
    ]
    if here is None:
        found.append(_request(len(found) + 1, "", "", ()))
    return [{**request, "open": request["run"] == (here or "")} for request in found]


def _request(number: int, forget: str, run: str, steps: Sequence[Step]) -> dict[str, Any]:
    readings = [{"step": s.number, "loss": _rounded(loss_terms(s))} for s in _thinned(steps)]
    return {"number": number, "forget": forget, "run": run, "steps": len(steps), "readings": readings}


def _thinned(steps: Sequence[Step]) -> list[Step]:
    """Return at most MOST of ``steps``, evenly, with the first and the last."""
    if len(steps) <= MOST:
        return list(steps)
    return [steps[round(k * (len(steps) - 1) / (MOST - 1))] for k in range(MOST)]


def _rounded(terms: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else float(f"{value:.4g}") for name, value in terms.items()}


__all__ = ["chain_balance"]
