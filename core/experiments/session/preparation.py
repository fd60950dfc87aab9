"""Preparation: from a Setup to what can be played: images, original model, measurements and map, in slices."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any, TypeVar, cast

from core.config import EvalConfig
from core.data.images import Dataset
from core.data.registry import OWN, load
from core.data.split import Split
from core.errors import LabError
from core.experiments.automatic_run import AutomaticRecord, settings_search, training_recipe
from core.experiments.chain.carried_map import carried_map
from core.experiments.outcome.trial_paths import TrialPath, trial_paths
from core.experiments.session.background import BackgroundTasks
from core.experiments.session.preparation_cache import Prepared, SetupClaim
from core.methods import method
from core.methods.base import require_no_model
from core.methods.laf.automatic.trials import AutomaticSettings
from core.models.base import Net
from core.models.uploads import load_uploaded_model
from core.projection.map_cache import cached_map, keep_map, map_key
from core.projection.projection import Projection, UmapBackend
from core.runs.observer import Observer
from core.runs.original_models import net_training, original, untrained
from core.runs.setup import Setup
from core.runs.storage import chain_original
from core.runtime.device import pick_device
from core.runtime.progress import Progress, Work, WorkStepper
from core.runtime.purge_watch import purge_generation
from core.training.recipe import Recipe, check_learnt

T = TypeVar("T")


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
        # called where a recipe was found, with the split and an untrained original: references can be retrained already
        self.when_training_is_known: Callable[[Split, Net], None] | None = None

    def start(self) -> None:
        """Begin to prepare; on return it is done where the cache has the setup. Wait where another Experiment prepares it."""
        found = self._claim.get()
        if found is not None:
            self._adopt(found)
        elif self._claim.claim(self._start_again):
            self._tasks.give_slices(self._prepare(), self._fail)
        else:
            self._tasks.work["load"] = Progress("load", 0, 1)

    @property
    def automatic(self) -> AutomaticRecord | None:
        """The record of the settings that were found on these images; None for others, and before they are found."""
        return None if self.prepared is None else self.prepared.automatic

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
        given = self.config  # by the user
        self.config = given or self.setup.config(split)
        self.dataset, self.split = dataset, split
        work.pop("load")
        yield
        model, recipe = yield from self._get_original(split)
        yield
        # the original of a later request has forgotten classes, which its test accuracy would be blamed for
        learning = None if self.setup.earlier else check_learnt(model, split.dataset)
        yield
        eval_config = self.eval_config or EvalConfig.preset(split.dataset.family)
        observer = Observer(split, model, eval_config, seed=self.setup.seed)
        yield
        (projection, key), found = yield from self._map_and_settings(model, observer)
        observer.projection = projection
        automatic: AutomaticRecord | None = None
        trials: tuple[TrialPath, ...] = ()
        if found is not None:
            trials = yield from _paths(found, model, observer, projection)
            automatic = AutomaticRecord(found, recipe).without_models()
            self.config = given or found.config
        self._adopt(
            Prepared(
                dataset,
                split,
                self.config,
                model,
                observer,
                projection,
                key,
                generation=self._generation,
                learning=learning,
                automatic=automatic,
                trials=trials,
            )
        )

    def _get_original(self, split: Split) -> Generator[None, None, tuple[Net, Recipe | None]]:
        """Load the uploaded model, take the original from the cache, or train it; with automatic settings, find how first.

        Return the model, and the recipe of its training where one was found.
        """
        seed, device = self.setup.seed, str(pick_device(self.setup.device))
        unlearner = method(self.setup.method, self.config)
        if self.setup.earlier:
            require_no_model(unlearner)
            return chain_original(self.setup, split, device), None
        if self.setup.model is not None:
            require_no_model(unlearner)
            return load_uploaded_model(self.setup.model, split.dataset).to(device), None
        recipe, config = None, net_training(self.setup, split, unlearner)
        if self.setup.settings == "automatic":
            search = training_recipe(split, seed=seed, device=device, net=self.setup.net)
            recipe = yield from self._do("recipe", search)
        if recipe is not None:
            config = recipe.config
        if recipe is not None and self.when_training_is_known is not None:
            self.when_training_is_known(split, untrained(split, config, seed=seed, device=device))
        work = original(split, unlearner, seed=seed, device=device, config=config)
        model = yield from self._do("train", work)
        return model, recipe

    def _do(self, stage: str, work: Work[T]) -> Generator[None, None, T]:
        """Do ``work`` in slices as ``stage``, and return its result."""
        stepper = WorkStepper(work)
        while stepper.advance():
            if stepper.progress is not None:
                self._tasks.work[stage] = stepper.progress
            yield
        self._tasks.work.pop(stage, None)
        return stepper.result

    def _map_and_settings(
        self, model: Net, observer: Observer
    ) -> Generator[None, None, tuple[tuple[Projection, str], AutomaticSettings | None]]:
        """Lay out the map and, with automatic settings, search for them meanwhile; return both."""
        mapping: WorkStepper[tuple[Projection, str]] = WorkStepper(cast("Any", self._map(model, observer)))
        going_on = mapping.advance()  # the map is laid out in another thread while this one searches
        found = None
        if self.setup.settings == "automatic":
            search = settings_search(observer.evaluator.split, model, seed=self.setup.seed)
            found = yield from self._do("automatic", search)
        while going_on and mapping.advance():
            yield
        return mapping.result, found

    def _map(self, model: Net, observer: Observer) -> Generator[None, None, tuple[Projection, str]]:
        """Lay out the map, or take it from the cache by its key: the same model and images give the same map."""
        e0 = observer.original.train.representations
        dataset = observer.evaluator.split.dataset
        before = [request.run for request in self.setup.earlier[-1:]]  # whose last frame the map begins with
        key = map_key(model, dataset, observer.rows, self.setup.seed, after=before)
        found = cached_map(key, e0, self._umap)
        if found is not None:
            return found, key
        if self.setup.earlier and (carried := carried_map(self.setup, e0, self._umap)) is not None:
            return carried, key
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
        keep_map(key, made[0], dataset)
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


def _paths(
    found: AutomaticSettings, model: Net, observer: Observer, projection: Projection
) -> Generator[None, None, tuple[TrialPath, ...]]:
    """Place each trial's best model on the map, one in a slice; return the paths."""
    paths = []
    for path in trial_paths(found, model, observer, projection):
        paths.append(path)
        yield
    return tuple(paths)
