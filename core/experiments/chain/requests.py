"""RequestChain: requests one after another, each run beginning with the result of the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.data.images import Dataset
from core.data.later_request import at_once, forget_more
from core.data.split import Split
from core.errors import IllegalMoveError, RequestError
from core.models.base import Net
from core.runs.records import Phase
from core.runs.run import Run


class RequestChain:
    """Runs of requests that arrive one after another.

    ``model`` is trained on all training images of the first request. Each later run begins with the result of the run before.
    Its D_r is what remains, and its method never sees what earlier requests forgot. Its ``Split`` holds all images asked so far, so
    that metrics, retrained models and attacks are about all of them. Models and splits are never changed.
    """

    def __init__(self, model: Net, dataset: Dataset, *, seed: int = 0) -> None:
        self.model = model
        self.dataset = dataset
        self.seed = seed
        self.runs: tuple[Run, ...] = ()

    def __repr__(self) -> str:
        return f"RequestChain: {len(self.runs)} requests of {self.dataset.title}, seed {self.seed}"

    def forget(self, request: Callable[[Dataset], Split], unlearner: Any, **run: Any) -> Run:
        """Add a request and return its Run, which has not begun; ``run``: further arguments of ``Run``.

        ``request`` makes the Split of the images that remain, such as ``lambda rest: forget_classes(rest, [3])``. ``unlearner``: a
        method or its name. Raises IllegalMoveError while the run before is not done, and RequestError as ``forget_more``.
        """
        split = self.split_after(request)
        model = self.runs[-1].result if self.runs else self.model
        made = Run(unlearner, model, split, seed=self.seed, **run)
        self.runs = (*self.runs, made)
        return made

    def split_after(self, request: Callable[[Dataset], Split]) -> Split:
        """Return the Split of all requests and one more. Raises as ``forget``."""
        if not self.runs:
            return request(self.dataset)
        if self.runs[-1].phase is not Phase.DONE:
            raise IllegalMoveError(
                f"request {len(self.runs)} is {self.runs[-1].phase}; play it to its end before the next one"
            )
        return forget_more(self.split, request)

    @property
    def split(self) -> Split:
        """The Split of all requests so far. Raises RequestError before the first."""
        if not self.runs:
            raise RequestError("the chain has no request yet; give it one with forget()")
        return self.runs[-1].stepper.split

    @property
    def at_once(self) -> Split:
        """The Split that forgets all images asked so far in one request, for a run on ``model``."""
        return at_once(self.split)

    def until(self, number: int) -> RequestChain:
        """Return another chain of the first ``number`` requests; this one does not change.

        Raises RequestError for more requests than there are.
        """
        if not 0 <= number <= len(self.runs):
            raise RequestError(f"the chain has {len(self.runs)} requests; it cannot go back to {number}")
        twin = RequestChain(self.model, self.dataset, seed=self.seed)
        twin.runs = self.runs[:number]
        return twin

    def fork(self, number: int, step: int, config: Any = None) -> RequestChain:
        """Return another chain whose last request is a fork of request ``number`` after ``step``; this one does not change.

        Raises RequestError for an unknown request, and as ``Run.fork``.
        """
        if not 1 <= number <= len(self.runs):
            raise RequestError(f"the chain has requests 1 to {len(self.runs)}; it has no request {number}")
        twin = self.until(number - 1)
        twin.runs = (*twin.runs, self.runs[number - 1].fork(step, config))
        return twin


__all__ = ["RequestChain"]
