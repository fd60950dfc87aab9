"""Setup: what a user chose, as plain values; the command line and the page both begin with one."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from core.config import PARTITIONS, SERVERS, TASKS, LAFConfig, LAFRConfig, paper_preset
from core.data.clients import LOCAL_EPOCHS, forget_client, with_clients
from core.data.images import Dataset
from core.data.later_request import forget_more, require_not_forgotten
from core.data.planted import plant
from core.data.split import Split, forget_classes, forget_fraction, forget_indices, forget_noisy
from core.errors import ConfigError, RequestError
from core.methods.laf.fast import SPEEDS, fast
from core.models.registry import NETS
from core.runtime import bounds
from core.runtime.bounds import Bound, check, quote_value

FRACTIONS = {"data": 0.4, "noise": 0.6}  # the paper's
MOST_SEED = 2**31 - 1  # the largest that the page and studies accept
AT_ANY_SERVER = ("laf", "nothing", "retrain")  # methods that need no image at the server
MOST_CLIENTS = 100  # each holds a model and its moments
SETTINGS = (  # where the settings of the method come from
    "automatic",  # found on the data at hand, without labels or retrained models; for exact LAF
    "preset",
    "paper",  # for LAF on the paper's datasets
)
# (dataset, task) whose measured preset is the usual choice: there it is better than automatic settings, or those were not measured
PRESET_IS_USUAL = {("digits", "noise"), ("mnist", "class"), ("mnist", "data"), ("mnist", "noise")}


@dataclass(frozen=True)
class EarlierRequest:
    """An earlier request of a chain: the images that it forgot, and the kept run whose result is the next request's original."""

    run: str  # id of the kept run; "": a run of this process that is not kept
    weights: str  # hash of the run's result, ``core.runs.storage.serialization.weights_key``
    task: str
    classes: tuple[int | str, ...] = ()
    fraction: float | None = None
    ids: tuple[int, ...] = ()
    plant: str | None = None
    seed: int = 0
    client: int | None = None


@dataclass(frozen=True)
class Setup:
    """The choices of a user: enough to make the same Experiment again."""

    dataset: str = "digits"
    task: str = "class"
    classes: tuple[int | str, ...] = (0,)
    fraction: float | None = None  # for tasks "data" and "noise"; None: the paper's
    seed: int = 0
    data_dir: str | None = None
    device: str = "auto"
    ids: tuple[int, ...] = ()  # for task "indices"
    plant: str | None = None  # a key of PLANTS; decides task and images
    method: str = "laf"
    model: str | None = None  # key of an uploaded or wrapped model, used as original; None: one is trained
    share: float | None = None  # of D_r's labels, in (0, 1], for method "laf+r"; None: its preset's
    speed: str = "exact"  # a key of core.methods.laf.fast.SPEEDS, for methods "laf" and "laf+r"
    precision: str = "float32"  # a key of core.config.PRECISIONS, likewise
    settings: str = "preset"  # one of SETTINGS
    earlier: tuple[
        EarlierRequest, ...
    ] = ()  # the requests before this one, first to last; (): the first request
    net: str | None = (
        None  # a key of core.models.registry.NETS that the original is trained as; None: the dataset's own
    )
    clients: int | None = None  # who share the training images and average their weights; None: one owner
    partition: str = "iid"  # a key of PARTITIONS, of the images among ``clients``; ``seed`` decides it
    local_epochs: int = LOCAL_EPOCHS  # of each client in a round
    client: int | None = None  # who leaves; decides the images of task "indices"
    server: str = "images"  # a key of SERVERS: what clients let the server hold

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "fraction": bounds.FRACTION,
        "seed": bounds.whole(MOST_SEED, low=0),
        "share": bounds.SHARE,
        "clients": bounds.whole(MOST_CLIENTS, low=2),
        "local_epochs": bounds.whole(100),
        "client": bounds.whole(MOST_CLIENTS - 1, low=0),
    }

    def __post_init__(self) -> None:
        """Raise ConfigError for a value that is wrong for every dataset. Lists of classes and ids become tuples."""
        for name in ("classes", "ids"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        check(self)
        for c in self.classes:
            if not isinstance(c, str) and not _is_count(c):
                raise ConfigError(f"classes must be whole numbers or names, got {quote_value(c)}")
        for i in self.ids:
            if not _is_count(i):
                raise ConfigError(f"ids must be whole numbers from 0 up, got {quote_value(i)}")
        if self.net is not None and self.net not in NETS:
            raise ConfigError(f"unknown net {quote_value(self.net)}; there are: {', '.join(NETS)}")
        if self.net is not None and self.model is not None:
            raise ConfigError("a chosen net is trained by the Lab; leave it out with a model of your own")
        self._require_clients()

    def _require_clients(self) -> None:
        """Raise ConfigError for choices about clients that exclude each other or others."""
        if self.partition not in PARTITIONS:
            raise ConfigError(
                f"unknown partition {quote_value(self.partition)}; there are: {', '.join(PARTITIONS)}"
            )
        if self.server not in SERVERS:
            raise ConfigError(f"unknown server {quote_value(self.server)}; there are: {', '.join(SERVERS)}")
        if self.server != "images" and self.clients is None:
            raise ConfigError(
                "a server that holds representations only is one of clients; choose how many clients there are"
            )
        if self.client is not None and self.clients is None:
            raise ConfigError(
                f"client {self.client} can leave only where clients share the data; choose how many clients there are"
            )
        if self.client is not None and (self.task != "indices" or self.plant is not None):
            raise ConfigError(
                "the client who leaves decides what is forgotten; leave out task, plant, classes and fraction"
            )
        if self.clients is not None and self.model is not None:
            raise ConfigError("clients train the original together; leave them out with a model of your own")

    def split(self, dataset: Dataset) -> Split:
        """Return the Split of ``dataset`` for these choices. Raises RequestError when the request is wrong."""
        self._require_settings()
        split = self._chain(dataset)
        if self.model is not None:
            from core.models.uploads import require_original

            require_original(self.model, dataset, split)
        return split

    @property
    def can_be_automatic(self) -> bool:
        """True if automatic settings exist for the method, its speed and its precision, at a server that holds images."""
        chosen = (self.method, self.speed, self.precision, self.server)
        return chosen == ("laf", "exact", "float32", "images")

    @property
    def usual_settings(self) -> str:
        """The origin of settings unless a user chooses one: "automatic" where it exists and no measured preset is better."""
        usual = self.net is None and self.clients is None  # presets are of the usual nets, of one owner
        better = usual and (self.dataset, self.task) in PRESET_IS_USUAL
        measured = self.plant is not None or better
        return "automatic" if self.can_be_automatic and not measured else "preset"

    @property
    def _first_seed(self) -> int:
        """The seed of the first request, which the original was trained with."""
        return self.earlier[0].seed if self.earlier else self.seed

    def config(self, split: Split) -> Any:
        """Return the settings of the method by ``settings``, with the chosen speed, precision and share of labels.

        None where a plug-in decides itself. For "automatic" they are those that all trials start from, with the most steps of a trial;
        the search replaces them. Raises RequestError where there is no preset, and for settings, a speed or a precision that the
        method does not have; ConfigError for a share outside its bounds.
        """
        if self.speed not in SPEEDS:
            raise RequestError(f"unknown speed {self.speed!r}; there are: {', '.join(SPEEDS)}")
        self._require_settings()
        found = self._named_settings(split)
        if self.speed == "fast":
            found = fast(found, split.dataset.family, split.task)
        if self.server != "images" and isinstance(found, LAFConfig):
            found = replace(found, learns="last")
        if self.precision != "float32":
            found = _with_precision(found, self.precision)
        if self.share is None or self.method != "laf+r":
            return found
        return replace(found, repair=replace(found.repair, share=self.share))

    def require_held(self, config: Any) -> None:
        """Raise RequestError where LAF with ``config`` would read images, and the server holds none."""
        if self.server != "images" and isinstance(config, LAFConfig) and config.learns != "last":
            raise RequestError(
                f"with learns = {quote_value(config.learns)} LAF reads images at every step, and the server holds representations only; "
                "leave learns out"
            )

    def _require_settings(self) -> None:
        """Raise RequestError for unknown settings, and for settings that the method does not have."""
        if self.settings not in SETTINGS:
            raise RequestError(
                f"unknown settings {quote_value(self.settings)}; there are: {', '.join(SETTINGS)}"
            )
        if self.settings == "automatic" and not self.can_be_automatic:
            raise RequestError(
                "automatic settings are found for exact LAF in float32 only, on images; choose those, or the preset's settings"
            )
        if self.server != "images" and self.method not in AT_ANY_SERVER:
            raise RequestError(
                f"{quote_value(self.method)} reads images, and the server holds representations only; choose laf, or let it hold images"
            )
        if self.settings == "paper" and self.method != "laf":
            raise RequestError(
                f"the paper's settings are those of LAF, not of {quote_value(self.method)}; choose the preset's settings"
            )

    def _named_settings(self, split: Split) -> Any:
        from core.methods import preset_of

        if self.settings == "automatic":
            from core.methods.laf.automatic.trials import start_config

            return start_config(split.unlabelled(), split.task)
        if self.settings == "paper":
            return paper_preset(split.dataset.family, split.task)
        return preset_of(self.method, split)

    def _chain(self, dataset: Dataset) -> Split:
        """Return the Split of all requests, each of the images that the one before left."""
        if self.clients is not None:
            dataset = with_clients(
                dataset, self.clients, self.partition, local_epochs=self.local_epochs, seed=self._first_seed
            )
        if not self.earlier:
            return _split(self, dataset)
        split = _split(self.earlier[0], dataset)
        later: tuple[Setup | EarlierRequest, ...] = (*self.earlier[1:], self)
        for request in later:
            require_not_forgotten(split, request.classes, request.ids)
            split = forget_more(split, functools.partial(_split, request))
        return split


def _split(request: Setup | EarlierRequest, dataset: Dataset) -> Split:
    """Return the Split of one request alone."""
    if request.client is not None:
        return forget_client(dataset, request.client, seed=request.seed)
    if request.plant is not None:
        return plant(dataset, request.plant, seed=request.seed)
    if request.task not in TASKS:
        raise RequestError(f"unknown task {request.task!r}; there are: {', '.join(TASKS)}")
    if request.task == "indices":
        return forget_indices(dataset, request.ids, seed=request.seed)
    if request.task == "class":
        return forget_classes(dataset, request.classes, seed=request.seed)
    fraction = FRACTIONS[request.task] if request.fraction is None else request.fraction
    make = forget_fraction if request.task == "data" else forget_noisy
    return make(dataset, request.classes, fraction, seed=request.seed)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _with_precision(config: Any, precision: str) -> Any:
    if isinstance(config, LAFRConfig):
        return replace(config, laf=replace(config.laf, precision=precision))
    if not isinstance(config, LAFConfig):
        raise RequestError("--precision is a setting of LAF and LAF+R; leave it out for other methods")
    return replace(config, precision=precision)


def usual_classes(task: str, count: int) -> tuple[int, ...]:
    """Return the classes that a task forgets by default of a dataset with ``count`` classes: the paper's choice, scaled."""
    if task == "data":
        return tuple(range(count // 2, count))
    return tuple(range((count + 1) // 2)) if task == "noise" else (0,)
