"""The methods by name. A new one is one small file and one line here, or an entry point of another installed package."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from core.config import LAFConfig, LAFRConfig, TrainConfig, origin
from core.data.split import Split
from core.errors import RequestError
from core.methods.base import Unlearner
from core.methods.laf.laf import LAF
from core.methods.presets import baseline_origin, preset
from core.runtime.bounds import quoted

log = logging.getLogger(__name__)

GROUP = "laf_lab.methods"  # of entry points; each names a class that follows the Unlearner protocol
_OWN = {  # in the order in which they are shown
    "nothing": "core.methods.baselines.no_op:Nothing",
    "retrain": "core.methods.retrain:Retrain",
    "finetune": "core.methods.baselines.finetune:Finetune",
    "neggrad": "core.methods.baselines.neggrad:NegGrad",
    "neggrad+": "core.methods.baselines.neggrad:NegGradPlus",
    "random-label": "core.methods.baselines.random_label:RandomLabel",
    "boundary-shrink": "core.methods.baselines.boundary_shrink:BoundaryShrink",
    "sisa": "core.methods.sisa:SISA",
    "unroll": "core.methods.unroll:Unroll",
    "bad-teacher": "core.methods.baselines.bad_teacher:BadTeacher",
    "scrub": "core.methods.baselines.scrub:Scrub",
    "salun": "core.methods.baselines.salun:SalUn",
    "laf": "core.methods.laf.laf:LAF",
    "laf+r": "core.methods.laf.laf_r:LAFR",
}


class Registry(Mapping[str, Callable[..., Unlearner]]):
    """All methods by name; each is imported when it is first asked for. Plug-ins are looked for once, in ``broken`` is why one
    could not be loaded."""

    def __init__(self) -> None:
        self._added: dict[str, Callable[..., Unlearner]] = {}
        self._plugged: dict[str, Callable[..., Unlearner]] | None = None
        self.broken: dict[str, str] = {}

    def add(self, name: str, make: Callable[..., Unlearner]) -> None:
        """Make ``make`` known as ``name`` in this process. Raises RequestError for the name of one of the Lab's own."""
        if name in _OWN:
            raise RequestError(f"{name!r} is one of the Lab's own methods; choose another name")
        self._added[name] = make

    def __getitem__(self, name: str) -> Callable[..., Unlearner]:
        if name in _OWN:
            module, _, attribute = _OWN[name].partition(":")
            found: Callable[..., Unlearner] = getattr(importlib.import_module(module), attribute)
            return found
        return {**self._plug_ins(), **self._added}[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*_OWN, *{**self._plug_ins(), **self._added}])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _plug_ins(self) -> dict[str, Callable[..., Unlearner]]:
        if self._plugged is None:
            found: dict[str, Callable[..., Unlearner]] = {}
            for point in entry_points(group=GROUP):
                try:
                    if point.name in _OWN:
                        raise RequestError("it has the name of one of the Lab's own methods")
                    made = point.load()
                    require_unlearner(made)
                    found[point.name] = made
                except Exception as error:  # whatever foreign code raises must not take the Lab down
                    why = self.broken[point.name] = _why(error)
                    log.warning("the method %s of %s was not loaded: %s", point.name, point.value, why)
            self._plugged = found
        return self._plugged


def _why(error: Exception) -> str:
    """One line."""
    said = (str(error).splitlines() or [""])[0]
    return said if isinstance(error, RequestError) else f"{type(error).__name__}: {said}"


def require_unlearner(made: Any) -> None:
    """Raises RequestError when a class lacks something of the Unlearner protocol."""
    wanted = ("name", "title", "needs_labels", "configure", "stages", "start", "prepare", "step", "result")
    lacks = [name for name in wanted if not hasattr(made, name)]
    if lacks:
        name = getattr(made, "__name__", None) or f"an object of {type(made).__name__}"
        raise RequestError(f"{name} is no method of unlearning: it lacks {', '.join(lacks)}")


METHODS = Registry()
"""All methods by name, plug-ins of other packages among them: `METHODS["laf"](config)` makes one."""


def maker(name: str) -> Callable[..., Unlearner]:
    """Return what makes the method ``name``. Raises RequestError for an unknown name and for a plug-in that was not loaded."""
    if name not in METHODS:
        if name in METHODS.broken:
            raise RequestError(f"the method {name!r} was not loaded: {METHODS.broken[name]}")
        raise RequestError(f"unknown method {quoted(name)}; there are: {', '.join(METHODS)}")
    return METHODS[name]


def method(name: str, *args: Any) -> Unlearner:
    """Make the method ``name``, with its config if one is given; None counts as none. Raises RequestError for an unknown name."""
    return maker(name)(*[a for a in args if a is not None])


def preset_of(name: str, split: Split) -> Any:
    """The settings that the method ``name`` starts from for the dataset and task of ``split``; None where a plug-in decides itself.

    Raises RequestError where there are none.
    """
    return preset_for(name, split.dataset.family, split.task)


def preset_for(name: str, family: str, task: str) -> Any:
    """As ``preset_of``, by the names of a dataset's family and of a task."""
    kinds: dict[str, Any] = {"laf": LAFConfig, "laf+r": LAFRConfig}
    if name in kinds:
        return kinds[name].preset(family, task)
    if name == "retrain":
        return TrainConfig.preset(family, task)
    made: Any = maker(name)
    return preset(name, family, task, made.Config) if name in _OWN else None


def origin_of(name: str, family: str, task: str) -> str:
    """Where the settings of ``preset_of`` come from, in a few words."""
    if name in ("laf", "laf+r"):
        return origin(family, task)
    if name == "retrain":
        return "as the original was trained"
    return baseline_origin(name, family, task) if name in _OWN else "its own"


__all__ = [
    "LAF",
    "METHODS",
    "Unlearner",
    "method",
    "origin_of",
    "preset_for",
    "preset_of",
    "require_unlearner",
]
