"""Writes and reads the parameters of the page's address: dataset, task, settings, seed, run and step.

An address may come from anyone. What it does not make clear is left out, and what cannot be opened becomes a sentence.
It names only data and models that the Lab knows, never a file, and it cannot set the number of threads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from core.data.clients import LOCAL_EPOCHS
from core.data.registry import require_name
from core.errors import DataError, RequestError
from core.models.registry import NETS
from core.runs.setup import SETTINGS, Setup
from core.runs.storage.serialization import config_dict, config_like
from core.runtime.bounds import quote_value
from dashboard.presentation.text.pages.lab import address as say

MOST_IDS = 200  # in an address; a longer list belongs to a kept run
MOST_CHARACTERS = 8_000  # of all that an address says of a setup
MOST_OF_A_NAME = 100  # characters of a name
NAMES = ("dataset", "task", "plant", "method", "model", "net", "speed", "precision", "partition", "server")
DEEPEST = 4  # levels of nested tables in ``settings``; a config has three
# Fields of an address: of the setup, of its run, of a teacher's link to a lesson, and of Streamlit's embedding.
OF_SETUP = (
    *("dataset", "task", "classes", "fraction", "seed", "ids", "plant", "method", "model", "net"),
    *("share", "speed", "precision", "settings", "set"),
)
OF_RUN = ("run", "step", "after")
OTHERS = ("lesson", "class", "controls", "fixed", "present", "student", "embed", "embed_options")


@dataclass(frozen=True)
class UrlRequest:
    """The request that an address makes."""

    setup: Setup | None = None
    settings: Mapping[str, Any] | None = None  # fields of the method's config that differ from its preset
    run: str | None = None
    step: int | None = None  # the step to show
    after: str | None = None  # the kept run that the setup's request follows
    problem: str | None = (
        None  # why the setup that the address names cannot exist, or what was left out of it
    )
    usual: bool = (
        False  # whether the usual classes of task and dataset are forgotten, since the address names none
    )


def with_usual_settings(setup: Setup) -> Setup:
    """Return ``setup`` with its usual settings."""
    return replace(setup, settings=setup.usual_settings)


def usual_setup() -> Setup:
    """Return what the Lab opens without an address."""
    return with_usual_settings(Setup())


def to_params(setup: Setup, preset: Any, config: Any, run: str | None, step: int | None) -> dict[str, str]:
    """Return the parameters of an address. More than ``MOST_IDS`` chosen images are left out."""
    found = {"dataset": setup.dataset, "method": setup.method, "seed": str(setup.seed)}
    if setup.plant is not None:
        found["plant"] = setup.plant
    else:
        found["task"] = setup.task
    found |= _clients(setup)
    if setup.classes and setup.plant is None:
        found["classes"] = ",".join(map(str, setup.classes))
    if setup.fraction is not None:
        found["fraction"] = f"{setup.fraction:g}"
    if setup.ids and len(setup.ids) <= MOST_IDS:
        found["ids"] = ",".join(map(str, setup.ids))
    if setup.model is not None:
        found["model"] = setup.model
    if setup.net is not None:
        found["net"] = setup.net
    if setup.share is not None:
        found["share"] = f"{setup.share:g}"
    if setup.speed != "exact":
        found["speed"] = setup.speed
    if setup.precision != "float32":
        found["precision"] = setup.precision
    if setup.earlier:
        found["after"] = setup.earlier[-1].run
    if setup.settings != setup.usual_settings:
        found["settings"] = setup.settings
    changed = differing(preset, config)
    if changed:
        found["set"] = json.dumps(changed, separators=(",", ":"))
    if run is not None:
        found["run"] = run
        if step is not None:
            found["step"] = str(step)
    return found


def _clients(setup: Setup) -> dict[str, str]:
    """Return the parameters of federated averaging; {} for one owner."""
    if setup.clients is None:
        return {}
    found = {"clients": str(setup.clients), "partition": setup.partition}
    if setup.local_epochs != LOCAL_EPOCHS:
        found["local-epochs"] = str(setup.local_epochs)
    if setup.server != "images":
        found["server"] = setup.server
    return found if setup.client is None else {**found, "client": str(setup.client)}


def read_request(found: Mapping[str, str]) -> UrlRequest:
    """Read the parameters of an address.

    Without classes it asks for the usual ones of its task and dataset. A setup that cannot exist gives a request with a
    ``problem``; so does a field that is unknown, and the request is made without it.
    """
    step, problem = _whole(found.get("step", "")), _unknown_fields(found)
    run, after = found.get("run") or None, found.get("after") or None
    if not any(name in found for name in OF_SETUP):
        return UrlRequest(run=run, step=step, problem=problem)
    try:
        setup = _setup(found)
        usual = not setup.classes and setup.task != "indices" and setup.plant is None and after is None
        return UrlRequest(setup, _changed(found), run, step, after, problem, usual)
    except RequestError as error:
        return UrlRequest(run=run, step=step, problem=str(error))


def _unknown_fields(found: Mapping[str, str]) -> str | None:
    """Return a sentence about fields that no address has, or None."""
    unknown = [quote_value(name) for name in found if name not in (*OF_SETUP, *OF_RUN, *OTHERS)]
    if not unknown:
        return None
    return say.unknown_field(unknown[0], len(unknown) - 1, (*OF_SETUP, *OF_RUN))


def _setup(found: Mapping[str, str]) -> Setup:
    """Return the Setup that an address names. Raises RequestError for one that cannot exist."""
    size = sum(map(len, found.values()))
    if size > MOST_CHARACTERS:
        raise RequestError(say.too_long(size, MOST_CHARACTERS))
    classes = [c for c in found.get("classes", "").split(",") if c]
    ids = [i for i in found.get("ids", "").split(",") if i]
    if len(ids) > MOST_IDS:
        raise RequestError(say.too_many_ids(len(ids), MOST_IDS))
    named = _named_settings(found.get("settings", ""))
    for word in (*(found.get(name, "") for name in NAMES), *classes):
        if len(word) > MOST_OF_A_NAME:
            raise RequestError(say.no_name(quote_value(word), len(word)))
    dataset = found.get("dataset") or Setup.dataset
    require_name(dataset)
    setup = Setup(
        dataset=dataset,
        task=found.get("task") or ("indices" if ids else Setup.task),
        classes=tuple(c if (n := _whole(c)) is None else n for c in classes),
        fraction=_share(found.get("fraction", "")),
        seed=_whole(found.get("seed", "")) or 0,
        ids=tuple(n for i in ids if (n := _whole(i)) is not None),
        plant=found.get("plant"),
        method=found.get("method", "laf"),
        model=found.get("model"),
        share=_share(found.get("share", "")),
        speed=found.get("speed", "exact"),
        precision=found.get("precision", "float32"),
        net=found.get("net"),
        clients=_whole(found.get("clients", "")),
        partition=found.get("partition", "iid"),
        local_epochs=LOCAL_EPOCHS if (n := _whole(found.get("local-epochs", ""))) is None else n,
        client=_whole(found.get("client", "")),
        server=found.get("server", "images"),
    )
    return replace(setup, settings=named) if named else with_usual_settings(setup)


def _named_settings(text: str) -> str:
    """Return where the settings come from, or "" without a name. Raises RequestError for an unknown name."""
    if text.lstrip().startswith("{"):
        return "preset"  # an address of an earlier version, whose settings are changes of the preset
    if text and text not in SETTINGS:
        raise RequestError(say.unknown_settings(quote_value(text), SETTINGS))
    return text


def _changed(found: Mapping[str, str]) -> Mapping[str, Any] | None:
    """Return the settings that an address changes, or None. Raises RequestError for tables that are nested too deeply."""
    text = found.get("set", "")
    if not text and found.get("settings", "").lstrip().startswith("{"):
        text = found["settings"]
    try:
        settings = json.loads(text) if text else None
        is_shallow = _is_shallow(settings, DEEPEST)
    except RecursionError:
        is_shallow = False
    except ValueError:
        return None
    if not is_shallow:
        raise RequestError(say.NESTED_TOO_DEEPLY)
    return settings if isinstance(settings, dict) else None


def _is_shallow(value: Any, left: int) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inside is None or (left > 0 and all(_is_shallow(v, left - 1) for v in inside))


def differing(preset: Any, config: Any) -> dict[str, Any]:
    """Return the fields of ``config`` that differ from ``preset``, nested as in the config."""
    if not is_dataclass(preset) or type(preset) is not type(config):
        return {}
    found: dict[str, Any] = {}
    for f in fields(preset):
        a, b = getattr(preset, f.name), getattr(config, f.name)
        if a == b or f.name == "threads":
            continue
        nested = is_dataclass(a) and type(a) is type(b)
        changed = differing(a, b) if nested else (config_dict(b) if is_dataclass(b) else b)
        if changed != {}:
            found[f.name] = changed
    return found


def with_settings(preset: Any, settings: Mapping[str, Any] | None) -> Any:
    """Return ``preset`` with ``settings``, or None without any. Raises DataError for unknown or forbidden fields."""
    if not settings:
        return None
    _require_allowed(settings)
    if not is_dataclass(preset):
        return None
    for f in fields(preset):
        usual, wanted = getattr(preset, f.name), settings.get(f.name)
        if (
            wanted is not None
            and usual is not None
            and not is_dataclass(usual)
            and not _same_type(usual, wanted)
        ):
            raise DataError(say.other_type(f.name, quote_value(usual), quote_value(wanted)))
    found: Any = config_like(preset, dict(settings))
    return found


def _require_allowed(settings: Mapping[str, Any]) -> None:
    """Raise DataError where settings, or tables inside them, name threads or a net that is not the Lab's."""
    for key, value in settings.items():
        if key == "threads":
            raise DataError(say.THREADS)
        if key == "net" and (not isinstance(value, str) or value not in NETS):
            raise DataError(say.unknown_net(quote_value(value), list(NETS)))
        if isinstance(value, Mapping):
            _require_allowed(value)


def _same_type(usual: Any, wanted: Any) -> bool:
    if isinstance(usual, bool) or isinstance(wanted, bool):
        return type(usual) is type(wanted)
    if isinstance(usual, (int, float)):
        return isinstance(wanted, (int, float))
    return isinstance(wanted, type(usual)) or (isinstance(usual, tuple) and isinstance(wanted, list))


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _share(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


__all__ = [
    "UrlRequest",
    "differing",
    "read_request",
    "to_params",
    "usual_setup",
    "with_settings",
    "with_usual_settings",
]
