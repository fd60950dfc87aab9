"""Preparation: from a Setup to what can be played: images, original model, measurements and map, in slices."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

from core.config import EvalConfig
from core.data.images import Dataset
from core.data.registry import OWN, load
from core.data.split import Split
from core.errors import LabError
from core.experiments.session.background import BackgroundTasks
from core.experiments.session.preparation_cache import Prepared, SetupClaim
from core.methods import method
from core.methods.base import require_no_model
from core.models.base import Net
from core.models.uploads import load_uploaded_model
from core.projection.projection import Projection, UmapBackend
from core.runs.observer import Observer
from core.runs.original_models import original
from core.runs.setup import Setup
from core.runtime.content_cache import content_key, maps
from core.runtime.device import pick_device
from core.runtime.progress import Progress, WorkStepper
from core.runtime.purge_watch import purge_generation


class Preparation:
    """Prepares a Setup in the background and calls ``when_ready`` with the result, or notes ``error``.

    ``config`` are the settings of the next run: the given ones, else the preset's. ``token`` is of the browser, which may have its own
    title for the images.
    """

    def __init__(
        self,
        setup: Setup,
        tasks: BackgroundTasks,
        claim: SetupClaim,
        when_ready: Callable[[Prepared], None],
        *,
        umap: UmapBackend | None = None,
        config: Any = None,
        eval_config: EvalConfig | None = None,
        token: str | None = None,
    ) -> None:
        self.setup = setup
        self.config = config
        self.eval_config = eval_config
        self.dataset: Dataset | None = None
        self.split: Split | None = None
        self.model: Net | None = None
        self.observer: Observer | None = None
        self.projection: Projection | None = None
        self.prepared: Prepared | None = None
        self.error: LabError | None = None
        self._tasks = tasks
        self._claim = claim
        self._when_ready = when_ready
        self._umap = umap
        self._token = token
        self._generation = purge_generation()

    def start(self) -> None:
        """Begin to prepare; on return it is done where the cache has the setup. Wait where another Experiment prepares it."""
        found = self._claim.get()
        if found is not None:
            self._adopt(found)
        elif self._claim.claim(self._start_again):
            self._tasks.give_slices(self._prepare(), self._fail)
        else:
            self._tasks.work["load"] = Progress("load", 0, 1)

    def _start_again(self) -> None:
        def again() -> Iterator[None]:
            yield
            if self.prepared is None and not self._tasks.closed:
                self._tasks.work.pop("load", None)
                self.start()

        if not self._tasks.closed:
            self._tasks.give_slices(again(), self._fail)

    def _fail(self, error: LabError) -> None:
        self.error = error
        self._tasks.work.clear()
        self._claim.release()

    def _prepare(self) -> Iterator[None]:
        work = self._tasks.work
        work["load"] = Progress("load", 0, 1)
        yield
        dataset = load(self.setup.dataset, data_dir=self.setup.data_dir, download=False)
        split = self.setup.split(dataset)
        self.config = self.config or self.setup.config(split)
        self.dataset, self.split = dataset, split
        work.pop("load")
        yield
        model = yield from self._get_original(split)
        yield
        eval_config = self.eval_config or EvalConfig.preset(split.dataset.family)
        observer = Observer(split, model, eval_config, seed=self.setup.seed)
        yield
        projection, key = yield from self._map(model, observer)
        observer.projection = projection
        self._adopt(
            Prepared(
                dataset, split, self.config, model, observer, projection, key, generation=self._generation
            )
        )

    def _get_original(self, split: Split) -> Generator[None, None, Net]:
        """Load the uploaded model, take the original from the cache, or train it."""
        device = str(pick_device(self.setup.device))
        unlearner = method(self.setup.method, self.config)
        if self.setup.model is not None:
            require_no_model(unlearner)
            return load_uploaded_model(self.setup.model, split.dataset).to(device)
        training = WorkStepper(original(split, unlearner, seed=self.setup.seed, device=device))
        while training.advance():
            if training.progress is not None:
                self._tasks.work["train"] = training.progress
            yield
        self._tasks.work.pop("train", None)
        return training.result

    def _map(self, model: Net, observer: Observer) -> Generator[None, None, tuple[Projection, str]]:
        """Lay out the map, or take it from the cache by its key: the same model and images give the same map."""
        e0 = observer.original.train.representations
        weights = [value for _, value in sorted(model.state_dict().items())]
        dataset = observer.evaluator.split.dataset
        key = content_key("map", dataset.fingerprint, observer.rows, self.setup.seed, *weights)
        kept = maps.get(key)
        if kept is not None:
            return Projection.from_state({**kept, "representations": e0}, umap=self._umap), key
        self._tasks.work["map"] = Progress("map", 0, 1)
        made: list[Projection] = []
        failed: list[LabError] = []

        def fit() -> Iterator[None]:
            made.append(Projection.fit(e0, seed=self.setup.seed, umap=self._umap))
            yield

        self._tasks.give_map_slices(fit(), failed.append)
        while not made:
            if failed:
                raise failed[0]
            time.sleep(0.02)
            yield
        maps.put(key, {"positions": made[0].positions}, dataset=dataset.name)
        self._tasks.work.pop("map")
        return made[0], key

    def _adopt(self, prepared: Prepared) -> None:
        """Take over what was prepared and hand it on."""
        self.dataset, self.split, self.config = prepared.dataset, prepared.split, prepared.config
        title = self._own_title(prepared.dataset)
        if title != prepared.dataset.title:
            # ``prepared`` is shared with browsers that have another title for the same images
            self.dataset = replace(prepared.dataset, title=title)
            # not ``self.dataset``: a split may have changed labels
            self.split = replace(prepared.split, dataset=replace(prepared.split.dataset, title=title))
        self.model, self.observer, self.projection = prepared.model, prepared.observer, prepared.projection
        self.prepared = prepared
        if not prepared.references:
            self._claim.put(prepared)
        self._when_ready(prepared)

    def _own_title(self, dataset: Dataset) -> str:
        """Return the title that this browser gave the images."""
        if self._token is None or not dataset.name.startswith(OWN):
            return dataset.title
        from core.data.uploads import store

        try:
            return store.about(dataset.name, self._token).title or dataset.title
        except LabError:  # removed meanwhile
            return dataset.title
