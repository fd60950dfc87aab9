"""From images to what can be played: the original model, its measurements and its map, in slices."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

from core.config import EvalConfig
from core.data.split import Split
from core.errors import LabError
from core.experiments.session.preparation_cache import Prepared
from core.methods import method
from core.methods.base import require_no_model
from core.models.base import Net
from core.models.uploads import load_own_model
from core.projection.projection import Projection, UmapBackend
from core.runs.observer import Observer
from core.runs.original_models import original
from core.runs.setup import Setup
from core.runtime.content_cache import content_key, maps
from core.runtime.device import pick_device
from core.runtime.progress import Progress

Beside = Callable[
    [Iterator[object], Callable[[LabError], None]], None
]  # slices, and who is told that they failed


class Preparation:
    """What a Setup leads to before anybody plays. ``work`` tells how far it is; ``beside`` takes the slices of what waits for UMAP."""

    def __init__(
        self, setup: Setup, work: dict[str, Progress], umap: UmapBackend | None, beside: Beside
    ) -> None:
        self._setup = setup
        self._work = work
        self._umap = umap
        self._beside = beside

    def prepare(
        self, split: Split, config: Any, eval_config: EvalConfig | None, generation: int
    ) -> Generator[None, None, Prepared]:
        """Model, measurements and map of ``split``. ``config``: of the method. Raises LabError where one of them cannot be had."""
        device = pick_device(self._setup.device)
        model = yield from self._original(split, config, str(device))
        yield
        observer = Observer(
            split, model, eval_config or EvalConfig.preset(split.dataset.family), seed=self._setup.seed
        )
        yield
        observer.projection, key = yield from self._map(model, observer)
        return Prepared(
            split.dataset, split, config, model, observer, observer.projection, key, generation=generation
        )

    def _original(self, split: Split, config: Any, device: str) -> Generator[None, None, Net]:
        """Brought by somebody, taken from the shelf, or trained here."""
        unlearner = method(self._setup.method, config)
        if self._setup.model is not None:
            require_no_model(unlearner)
            return load_own_model(self._setup.model, split.dataset).to(device)
        slices = original(split, unlearner, seed=self._setup.seed, device=device)
        while True:
            try:
                self._work["train"] = next(slices)
            except StopIteration as end:
                self._work.pop("train", None)
                model: Net = end.value
                return model
            yield

    def _map(self, model: Net, observer: Observer) -> Generator[None, None, tuple[Projection, str]]:
        """Laid out here, or taken from the shelf by its key: the same model and images give the same map."""
        e0 = observer.original.train.representations
        weights = [value for _, value in sorted(model.state_dict().items())]
        dataset = observer.evaluator.split.dataset
        key = content_key("map", dataset.fingerprint, observer.rows, self._setup.seed, *weights)
        kept = maps.get(key)
        if kept is not None:
            return Projection.from_state({**kept, "representations": e0}, umap=self._umap), key
        self._work["map"] = Progress("map", 0, 1)
        made: list[Projection] = []
        failed: list[LabError] = []

        def fit() -> Iterator[None]:
            made.append(Projection.fit(e0, seed=self._setup.seed, umap=self._umap))
            yield

        self._beside(fit(), failed.append)
        while not made:
            if failed:
                raise failed[0]
            time.sleep(0.02)
            yield
        maps.put(key, {"positions": made[0].positions}, dataset=dataset.name)
        self._work.pop("map")
        return made[0], key
