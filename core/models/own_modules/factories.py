"""The wrapped models and factories of this process, by the names that a TrainConfig and a Setup give them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import torch

from core.data.images import Dataset
from core.data.split import Split
from core.errors import RequestError
from core.models.base import Net, require_classifier
from core.runtime import seeding

PREFIX = "module:"  # of the name of a wrapped module's net


@dataclass(frozen=True, eq=False)
class Factory:
    """The function that makes another net like a wrapped one; ``make`` is None where the caller gave none."""

    title: str
    make: Callable[[], Net] | None


_FACTORIES: dict[str, Factory] = {}  # by name of the net
_MODELS: WeakValueDictionary[str, Net] = WeakValueDictionary()  # by key


def register(model: Net, key: str, factory: Factory, net: str) -> None:
    """Make ``model`` known in this process under ``key``, and its factory under the name ``net``."""
    _FACTORIES[net] = factory
    _MODELS[key] = model


def build_wrapped(net: str, generator: torch.Generator) -> Net:
    """Return a net like the wrapped module ``net`` with initial weights drawn from ``generator``.

    Raises RequestError for a module that this process did not wrap, or that was wrapped without a factory.
    """
    factory = _FACTORIES.get(net)
    if factory is None:
        raise RequestError(f"no module is wrapped as {net[:60]!r} in this process; call core.wrap again")
    if factory.make is None:
        raise RequestError(
            f"{factory.title} was wrapped without a factory, so no model is retrained like it; give core.wrap make=FACTORY"
        )
    with seeding.SeededDraws(generator):
        return factory.make()


def has_factory(net: str) -> bool:
    """Return whether ``net``, the name of any net, can be built with fresh weights."""
    return not net.startswith(PREFIX) or (net in _FACTORIES and _FACTORIES[net].make is not None)


def wrapped(key: str, dataset: Dataset) -> Net:
    """Return a copy, in eval mode, of the model that was wrapped as ``key``, for use on ``dataset``.

    Raises RequestError when this process has no such model any more, or when it does not fit the images.
    """
    model = _MODELS.get(key)
    if model is None:
        raise RequestError(
            f"no model is wrapped as {key[:60]!r} in this process; call core.wrap again, and keep the model"
        )
    require_classifier(model, dataset.shape, len(dataset.classes))
    return copy.deepcopy(model).eval()


def require_fit(key: str, dataset: Dataset, split: Split | None = None) -> Any:
    """Raise RequestError when the model wrapped as ``key`` cannot be the original of ``dataset`` or ``split``."""
    model = wrapped(key, dataset)
    if split is not None and (split.clean_y is not None or split.planted is not None):
        raise RequestError(
            f"{model} was not trained on labels or images that the Lab changes; choose one of the Lab's models, or another task"
        )
