"""The methods by name. A new one is one small file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.config import LAFConfig, LAFRConfig, TrainConfig
from core.data.split import Split
from core.methods.base import Unlearner
from core.methods.laf import LAF
from core.methods.laf_r import LAFR
from core.methods.retrain import Retrain

METHODS: dict[str, Callable[..., Unlearner]] = {
    "laf": LAF,
    "laf+r": LAFR,
    "retrain": Retrain,
}


def method(name: str, *args: Any) -> Unlearner:
    """The method ``name``. Raises RequestError for an unknown one."""
    from core.errors import RequestError

    if name not in METHODS:
        raise RequestError(f"unknown method {name!r}; there are: {', '.join(METHODS)}")
    return METHODS[name](*args)


def preset_of(name: str, split: Split) -> Any:
    """The preset of the method ``name`` for the dataset and task of ``split``. Raises RequestError where there is none."""
    kinds: dict[str, Any] = {"laf": LAFConfig, "laf+r": LAFRConfig}
    if name in kinds:
        return kinds[name].preset(split.dataset.family, split.task)
    return TrainConfig.preset(split.dataset.family, split.task)


__all__ = ["LAF", "LAFR", "METHODS", "Retrain", "Unlearner", "method", "preset_of"]
