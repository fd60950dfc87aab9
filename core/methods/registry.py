"""The registry of methods. A method is one line of ``_BUILT_IN``, or an entry point of another installed package."""

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
from core.runtime.bounds import quote_value

log = logging.getLogger(__name__)

ENTRY_POINT_GROUP = "laf_lab.methods"  # each entry point names a class that follows the Unlearner protocol
_BUILT_IN = {  # in display order
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
    "guided": "core.methods.baselines.guided:Guided",
    "ssd": "core.methods.baselines.training_free.dampening:SSD",
    "lfssd": "core.methods.baselines.training_free.dampening:LFSSD",
    "jit": "core.methods.baselines.label_free.jit:JiT",
    "esc": "core.methods.baselines.training_free.esc:ESC",
    "delete": "core.methods.baselines.label_free.delete:Delete",
    "mda": "core.methods.baselines.label_free.mda:MDA",
    "laf": "core.methods.laf.laf:LAF",
    "laf+r": "core.methods.laf.laf_r:LAFR",
}


class UnknownMethodError(RequestError, KeyError):
    """A name that is no method's; also a KeyError, as of any mapping."""

    __str__ = Exception.__str__  # KeyError would quote the sentence


class Registry(Mapping[str, Callable[..., Unlearner]]):
    """All methods by name, each imported at its first use. Plug-ins are looked up once."""

    def __init__(self) -> None:
        self._added: dict[str, Callable[..., Unlearner]] = {}
        self._plug_ins: dict[str, Callable[..., Unlearner]] | None = None  # None: not looked up yet
        self.broken: dict[str, str] = {}  # by name of a plug-in, the reason why it could not be loaded

    def add(self, name: str, make: Callable[..., Unlearner]) -> None:
        """Register ``make``, a class or a function that makes a method, as ``name`` in this process.

        Raises RequestError for the name of a built-in method, a name that is no text, and a class that lacks a part of the protocol.
        """
        if not isinstance(name, str):
            raise RequestError(f"METHODS.add takes a name and a class, got {quote_value(name)} as the name")
        if name in _BUILT_IN:
            raise RequestError(f"{name!r} is the name of a built-in method; choose another name")
        if not callable(make):
            raise RequestError(
                f"METHODS.add takes a class or a function that makes a method, got {quote_value(make)}; "
                f"write METHODS.add({name!r}, {type(make).__name__})"
            )
        if isinstance(make, type):
            require_unlearner(make)
        self._added[name] = make

    def __getitem__(self, name: str) -> Callable[..., Unlearner]:
        if name in _BUILT_IN:
            module, _, attribute = _BUILT_IN[name].partition(":")
            method_class: Callable[..., Unlearner] = getattr(importlib.import_module(module), attribute)
            return method_class
        found = {**self._load_plug_ins(name), **self._added}
        if name not in found:
            raise UnknownMethodError(self._reason(name))
        return found[name]

    def _reason(self, name: object) -> str:
        """Return the reason why there is no method ``name``."""
        if isinstance(name, str) and name in self.broken:
            return f"the method {name!r} was not loaded: {self.broken[name]}"
        return f"unknown method {quote_value(name)}; there are: {', '.join(self)}"

    def __iter__(self) -> Iterator[str]:
        return iter([*_BUILT_IN, *{**self._load_plug_ins(), **self._added}])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"Methods: {', '.join(self)}"

    def _load_plug_ins(self, wanted: object = None) -> dict[str, Callable[..., Unlearner]]:
        """Return the plug-ins. A broken one is logged, except ``wanted``, whose reason the caller raises."""
        if self._plug_ins is None:
            loaded: dict[str, Callable[..., Unlearner]] = {}
            for point in entry_points(group=ENTRY_POINT_GROUP):
                try:
                    if point.name in _BUILT_IN:
                        raise RequestError("it has the name of a built-in method")
                    plug_in = point.load()
                    require_unlearner(plug_in)
                    loaded[point.name] = plug_in
                except Exception as error:  # a plug-in may raise anything; the other methods must still work
                    reason = self.broken[point.name] = _first_line(error)
                    if point.name != wanted:
                        log.warning("the method %s of %s was not loaded: %s", point.name, point.value, reason)
            self._plug_ins = loaded
        return self._plug_ins


def _first_line(error: Exception) -> str:
    line = (str(error).splitlines() or [""])[0]
    return line if isinstance(error, RequestError) else f"{type(error).__name__}: {line}"


def require_unlearner(candidate: Any) -> None:
    """Raise RequestError when a class lacks a member of the Unlearner protocol."""
    wanted = ("name", "title", "needs_labels", "configure", "stages", "start", "prepare", "step", "result")
    lacks = [name for name in wanted if not hasattr(candidate, name)]
    lacks += _missing_of_baseline(candidate)
    if lacks:
        name = getattr(candidate, "__name__", None) or f"an object of {type(candidate).__name__}"
        raise RequestError(f"{name} is not a method of unlearning: it lacks {', '.join(lacks)}")


def _missing_of_baseline(candidate: Any) -> list[str]:
    """Return the members that a subclass of Baseline must write itself and lacks."""
    from core.methods.baselines.base import Baseline

    kind = candidate if isinstance(candidate, type) else type(candidate)
    if not issubclass(kind, Baseline):
        return []
    lacks = [] if kind.configure is not Baseline.configure or hasattr(kind, "Config") else ["Config"]
    return [*lacks, *sorted(kind.__abstractmethods__)]


METHODS = Registry()
"""All methods by name, with the plug-ins of other packages: `METHODS["laf"](config)` makes one."""


def method_class(name: str) -> Callable[..., Unlearner]:
    """Return the class of the method ``name``. Raises RequestError for an unknown name and for a plug-in that was not loaded."""
    return METHODS[name]


def as_unlearner(given: Any) -> Unlearner:
    """Return the method called ``given``, or ``given`` itself. Raises RequestError for anything else, naming what it lacks."""
    if isinstance(given, str):
        return method(given)
    if isinstance(given, type):
        raise RequestError(f"a run takes an object, not the class {given.__name__}; write {given.__name__}()")
    require_unlearner(given)
    found: Unlearner = given
    return found


def method(name: str, *args: Any) -> Unlearner:
    """Make the method ``name``, with the config in ``args`` unless that is None. Raises RequestError for an unknown name."""
    return method_class(name)(*[a for a in args if a is not None])


def preset_of(name: str, split: Split) -> Any:
    """Return the preset of the method ``name`` for the dataset and the task of ``split``; None for a plug-in.

    Raises RequestError where there is no preset.
    """
    return preset_for(name, split.dataset.family, split.task)


def preset_for(name: str, family: str, task: str) -> Any:
    """Return the preset of the method ``name`` for a dataset's family and a task; see ``preset_of``."""
    laf_configs: dict[str, Any] = {"laf": LAFConfig, "laf+r": LAFRConfig}
    if name in laf_configs:
        return laf_configs[name].preset(family, task)
    if name == "retrain":
        return TrainConfig.preset(family, task)
    chosen: Any = method_class(name)
    return preset(name, family, task, chosen.Config) if name in _BUILT_IN else None


def origin_of(name: str, family: str, task: str) -> str:
    """Return a phrase that names the source of the settings of ``preset_of``."""
    if name in ("laf", "laf+r"):
        return origin(family, task)
    if name == "retrain":
        return "as the original was trained"
    return baseline_origin(name, family, task) if name in _BUILT_IN else "its own"


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
