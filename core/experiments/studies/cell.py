"""A cell of a study: one method with its settings on one request and seed, with a key of its content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

from core.config import TrainConfig, as_dict
from core.data.registry import DATASETS, load
from core.errors import RequestError
from core.experiments.studies.parameters import (
    OF_CLIENTS,
    apply_settings,
    apply_train,
    family_of,
    kind_of,
    preset_cached,
    train_preset,
    value_of,
)
from core.methods import METHODS
from core.methods.base import has_own_original
from core.runs.setup import Setup, usual_classes
from core.runtime.content_cache import content_key


@dataclass(frozen=True)
class Cell:
    """One run of a study. ``point`` has the varied fields as written in the file; the rest decides the result."""

    setup: Setup
    config: Any  # of the method; None if a plug-in chooses its own
    train: TrainConfig  # of original and retrained models
    references: int  # number of retrained models to compare with
    # classes forgotten one request after another; ``setup.classes`` has all of them
    sequence: tuple[int | str, ...] = ()
    point: Mapping[str, Any] | None = None
    role: str = "reported"  # or "chosen": its seed serves to choose settings and is never reported
    label: str = ""  # of the variant

    @cached_property
    def key(self) -> str:
        """A hash of the content: cells with the same key have the same result."""
        return content_key(
            "cell",
            self._request,
            self.setup.method,
            _changed_fields(self.config),
            list(self.sequence),
            _changed_fields(self.train),
            self.references,
        )

    @cached_property
    def original_key(self) -> str:
        """A hash of the original model that the cell begins with.

        It depends on the request only for wrong labels and for methods that train their own original.
        """
        own = _method_with_own_original(self.setup.method)
        config = as_dict(self.config) if own and hasattr(self.config, "__dataclass_fields__") else None
        asked = (
            self._request
            if own or self.setup.task == "noise"
            else [self.setup.dataset, self.setup.seed, self.setup.device, *shared_by(self.setup)]
        )
        return content_key("study original", asked, _changed_fields(self.train), own, config)

    @cached_property
    def yardstick_key(self) -> str:
        """A hash of the original and retrained models that the cell is compared with."""
        return content_key("yardstick", self._request, _changed_fields(self.train), self.references)

    @property
    def plain(self) -> Cell:
        """The cell of the common original without any unlearning."""
        return replace(self, setup=replace(self.setup, method="nothing"), config=None, sequence=())

    @property
    def _request(self) -> list[Any]:
        s = self.setup
        leaves = [] if s.client is None else [s.client]
        return [s.dataset, s.task, list(s.classes), s.fraction, s.seed, s.device, *shared_by(s), *leaves]


def shared_by(setup: Setup) -> list[Any]:
    """Return what decides the clients who share the images, for keys; [] for one owner."""
    if setup.clients is None:
        return []
    return ["clients", setup.clients, setup.partition, setup.local_epochs]


def _changed_fields(config: Any) -> Any:
    """Return the fields of a config that differ from its class's defaults.

    Keys stay valid when a later version adds a field whose default is the earlier behaviour.
    """
    if not is_dataclass(config):
        return repr(config)
    try:
        default: Any = type(config)()  # type: ignore[misc]
    except TypeError:
        return as_dict(config)
    found = {}
    for f in fields(config):
        value, before = value_of(config, f.name), value_of(default, f.name)
        if f.name != "threads" and value != before:
            found[f.name] = (
                _changed_fields(value) if is_dataclass(value) and type(value) is type(before) else value
            )
    return found


def _method_with_own_original(name: str) -> str | None:
    return name if has_own_original(METHODS[name]) else None


def make_cell(
    point: Mapping[str, Any],
    seed: int,
    *,
    references: int,
    data_dir: str | None = None,
    device: str = "auto",
    role: str = "reported",
    label: str = "",
    shown: Mapping[str, Any] | None = None,
) -> Cell:
    """Return the cell of ``point``, which has values by field; presets decide the rest.

    Raises RequestError for an impossible combination of values.
    """
    name, task = str(point.get("method", "laf")), str(point.get("task", "class"))
    dataset = str(point.get("dataset", "digits"))
    family = family_of(dataset)
    sequence = tuple(point.get("sequence", ()))
    shared = {f: point[f] for f in OF_CLIENTS if f in point}
    if shared:
        task = _task_of_clients(shared, point, task)
    if sequence and task != "class":
        raise RequestError("sequence needs task class: whole classes are forgotten one after another")
    share = point.get("share")
    if share is not None and name == "laf+r" and share == 0:
        name, share = "laf", None
    config = preset_cached(name, family, task)
    config = apply_settings(config, {f: v for f, v in point.items() if kind_of(f) == "method"})
    if share is not None:
        if name not in ("laf", "laf+r"):
            raise RequestError(f"share needs method laf+r, not {name}")
        if name == "laf+r":
            config = replace(config, repair=replace(config.repair, share=float(share)))
    setup = Setup(
        dataset=dataset,
        task=task,
        classes=() if "client" in shared else sequence or _classes(point.get("classes"), task, dataset),
        fraction=point.get("fraction") if task != "class" else None,
        seed=seed,
        data_dir=data_dir,
        device=device,
        method=name,
        **shared,
    )
    train = apply_train(train_preset(family, task), {f: v for f, v in point.items() if kind_of(f) == "train"})
    return Cell(
        setup, config, train, references, sequence, dict(point if shown is None else shown), role, label
    )


def _task_of_clients(shared: Mapping[str, Any], point: Mapping[str, Any], task: str) -> str:
    """Return the task of a point with clients. Raises RequestError for fields that do not go with them."""
    if "clients" not in shared:
        raise RequestError(f"{next(iter(shared))} needs clients, the number of clients who share the images")
    if point.get("sequence"):
        raise RequestError("sequence does not go with clients; leave one of them out")
    if "client" not in shared:
        return task
    if any(field in point for field in ("task", "classes", "fraction")):
        raise RequestError("client decides what is forgotten; leave out task, classes and fraction")
    return "indices"


def _classes(given: Any, task: str, dataset: str) -> tuple[int | str, ...]:
    if given is None:
        return usual_classes(
            task, DATASETS[dataset].classes if dataset in DATASETS else len(load(dataset).classes)
        )
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)
