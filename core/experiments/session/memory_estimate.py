"""Memory: an upper estimate of what a run will hold, made before it plays, and the limit for it.

It counts images and their copies, nets with gradients and moments, both VAEs, representations, saved states, frames, the record of the
steps, and the activations of the largest batch. docs/performance.md compares estimates with measurements.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from core.config import EvalConfig, LAFConfig, TrainConfig
from core.data.mapped import memory_bytes
from core.data.split import Split
from core.errors import RequestError
from core.experiments.automatic_run import expected_training
from core.models.registry import build
from core.models.uploads import load_uploaded_model, model_info
from core.models.uploads.store import WRAPPED
from core.runs.reference_models import usual_count
from core.runs.setup import Setup

MB = 1e6
FLOAT = 4
SHARE = 0.5  # of the machine's memory, for one run
PROCESS = 100 * MB  # libraries that a first run imports, and what the allocator keeps
STEP = 3_000  # bytes of one step's record
IMAGES = 3.0  # D, D_r and D_f with the parts that are measured
COPIES = 12  # of the weights: original, teacher and student, gradients, moments of two optimisers
TRAINING = 5  # of the weights, while a reference is retrained beside the run
MOST_TRIALS = 6  # of the search for settings, each of which keeps its best model
WRITING = 3  # of a state, while it is copied and written
KEPT_ACTIVATIONS = 2.5  # of a forward pass, with the gradients that the backward pass makes of them
_CGROUP = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_ADVICE = {
    "images": "choose a smaller dataset",
    "networks": "choose a smaller net, or fewer clients, shards and slices",
    "VAEs": "choose a smaller latent size",
    "representations": "choose a smaller dataset",
    "saved states": "choose a smaller latent size or net",
    "frames": "choose fewer epochs or steps",
    "steps": "choose fewer epochs or steps, or larger batches",
    "batches": "choose smaller batches",
}


class MemoryLimits(Protocol):
    """Limits of one run; ``core.experiments.session.limits.SessionLimits`` has them."""

    @property
    def states_mb(self) -> float:
        """Memory for saved states."""
        ...

    @property
    def run_limit_mb(self) -> float:
        """Memory in all."""
        ...


@dataclass(frozen=True)
class Memory:
    """An estimate in bytes, by what they are for."""

    parts: Mapping[str, float]

    @property
    def total_mb(self) -> float:
        """The sum of all parts, in MB (10^6 bytes)."""
        return sum(self.parts.values()) / MB

    def require(self, limit_mb: float) -> None:
        """Raise RequestError, naming the largest part, where the run would hold more than ``limit_mb``."""
        if self.total_mb <= limit_mb:
            return
        largest = max(_ADVICE, key=lambda name: self.parts.get(name, 0.0))
        raise RequestError(
            f"this run would hold up to {self.total_mb:,.0f} MB of memory, most of it for {largest}, and the limit is "
            f"{limit_mb:,.0f} MB; {_ADVICE[largest]}"
        )


@dataclass(frozen=True)
class NetSize:
    """Numbers in the weights of a net, in its representation, and in all activations of one image."""

    weights: int
    width: int
    activations: int


def machine_mb() -> float:
    """Return the memory that one run may hold: a share of the machine's, or of the container's where that is less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP:
        with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
            found.append(int(Path(path).read_text()))
    return SHARE * min(found) / MB


def estimate(
    setup: Setup,
    split: Split,
    config: Any,
    *,
    eval_config: EvalConfig | None = None,
    references: int | None = None,
    states_mb: float = 64.0,
    watched: bool = True,
) -> Memory:
    """Return an upper estimate of what a run of ``config`` (None: a plug-in decides) will hold.

    ``references``: retrained models beside it; None: the usual number. ``watched``: with frames, a map and saved states.
    Raises RequestError for an unknown net.
    """
    looks = eval_config or EvalConfig.preset(split.dataset.family)
    train = expected_training(setup, split)
    net = _size(setup, split, config, train)
    n, n_f, n_test = len(split.train), len(split.forget_rows), len(split.test)
    classes = len(split.dataset.classes)
    count = usual_count(split.dataset.family) if references is None else references
    nets = max(1, getattr(config, "shards", 1))
    slices = getattr(config, "slices", 1)
    weights = nets * net.weights * FLOAT
    width = nets * net.width
    laf = _laf_config(config)
    vae = 0 if laf is None else vae_numbers(width, laf.vae.latent) * FLOAT
    steps = _steps(config, split)
    points = min(n, looks.max_points)
    frame = points * (2 * width + 21) + n_f * classes * FLOAT
    frames = min(steps, -(-steps // looks.cadence(steps))) + 1 if watched else 0
    state = 5 * weights + 6 * vae
    owners = setup.clients or 1  # each trains a net of its own
    trials = MOST_TRIALS if setup.settings == "automatic" else 0
    images = sum(
        memory_bytes(p.x, IMAGES) + IMAGES * (p.y.nbytes + p.ids.nbytes) for p in (split.train, split.test)
    )
    parts = {
        "process": PROCESS,
        "images": images,
        "networks": weights * (COPIES + TRAINING * owners + count + trials) + 3.0 * weights * (slices - 1),
        "VAEs": 8.0 * vae,
        "representations": FLOAT * width * (1.0 * n + n_f + points * 4)
        + 2.0 * FLOAT * (n + n_test) * classes,
        "saved states": (max(states_mb * MB, state) + WRITING * state) if watched else 0.0,
        "frames": float(frames * frame),
        "steps": float(steps * STEP),
        "batches": _batch_bytes(split, config, net, train, looks),
    }
    return Memory(parts)


def require_room(
    setup: Setup,
    split: Split,
    config: Any,
    classroom: MemoryLimits | None = None,
    *,
    eval_config: EvalConfig | None = None,
    references: int | None = None,
    watched: bool = True,
) -> None:
    """Raise RequestError where a run does not fit into the memory that it may hold on this machine, or in ``classroom``."""
    states = 64.0 if classroom is None else classroom.states_mb
    found = estimate(
        setup,
        split,
        config,
        eval_config=eval_config,
        references=references,
        states_mb=states,
        watched=watched,
    )
    found.require(machine_mb() if classroom is None else classroom.run_limit_mb)


def vae_numbers(width: int, latent: int) -> int:
    """Return how many numbers the weights of one VAE of ``core.models.vae`` have."""
    sides = (width, width // 2, 32)
    encoder = sum(a * b + b for a, b in itertools.pairwise(sides))
    decoder = sum(a * b + b for a, b in itertools.pairwise((latent, *reversed(sides))))
    return encoder + 2 * (32 * latent + latent) + decoder


@lru_cache(maxsize=64)
def net_size(net: str, shape: tuple[int, ...], classes: int) -> NetSize:
    """Measure a net by one forward pass over an empty image. Raises RequestError for an unknown one.

    Torch's device "meta" would need no memory, but four seconds of imports.
    """
    return _measured(build(net, shape, classes, seed=0), shape)


def _measured(model: Any, shape: tuple[int, ...]) -> NetSize:
    """Return the size of a model for images of ``shape``."""
    sizes: list[int] = []

    def note(module: nn.Module, given: Any, out: Any) -> None:
        if isinstance(
            module, nn.MultiheadAttention
        ):  # its queries, keys and values, what the heads read, and its output
            sizes.append(5 * out[0].numel())
        elif isinstance(out, torch.Tensor) and not list(module.children()):
            sizes.append(out.numel())

    hooks = [m.register_forward_hook(note) for m in model.modules()]
    with torch.no_grad():
        model.eval()(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    weights = sum(t.numel() for t in (*model.parameters(), *model.buffers()))
    return NetSize(weights, model.width, sum(sizes))


def _size(setup: Setup, split: Split, config: Any, train: TrainConfig) -> NetSize:
    """Return the size of the largest net that is used: the original's, or one that the method itself trains."""
    own = getattr(config, "train", config)
    names = {own.net} if isinstance(own, TrainConfig) else set()
    shape, classes = split.dataset.shape, len(split.dataset.classes)
    sizes = []
    if setup.model is None:
        names.add(train.net)
    elif setup.model.startswith(WRAPPED):  # of this process; it has no entry among the uploaded models
        sizes.append(_measured(load_uploaded_model(setup.model, split.dataset), shape))
    else:
        names.add(model_info(setup.model).net)
    sizes += [net_size(name, shape, classes) for name in names]
    return NetSize(*(max(getattr(s, f.name) for s in sizes) for f in fields(NetSize)))


def _laf_config(config: Any) -> LAFConfig | None:
    """Return the settings of LAF, also inside those of LAF+R; None for other methods."""
    laf = getattr(config, "laf", config)
    return laf if isinstance(laf, LAFConfig) else None


def _batch_bytes(split: Split, config: Any, net: NetSize, train: TrainConfig, looks: EvalConfig) -> float:
    """Return the bytes of the largest batch: of training, of two batches in a step, of measuring, or of the VAEs."""
    n, n_f = len(split.train), len(split.forget_rows)
    pixels = math.prod(split.dataset.shape)
    width = max(1, getattr(config, "shards", 1)) * net.width
    laf = _laf_config(config)
    latent = 0 if laf is None else 8 * laf.vae.latent
    batch = max(_batches(config), default=1)
    acts = KEPT_ACTIVATIONS * net.activations + 3 * pixels
    return FLOAT * max(
        acts * min(train.batch_size, n),
        acts * (min(batch, n) + min(batch, n_f)),
        (net.activations + pixels) * min(looks.batch_size, n),
        min(batch, n) * (8 * width + latent),
    )


def _steps(config: Any, split: Split) -> int:
    """Return an upper bound of the steps: an epoch is at most one pass over the images that the method reads."""
    steps = 0
    for part in _configs(config):
        if hasattr(part, "epochs"):
            given = getattr(part, "steps", None)
            of = len(split.forget_rows) if isinstance(part, LAFConfig) else len(split.train)
            pairs = part.epochs * math.ceil(of / part.batch_size)
            twice = 2 if getattr(part, "schedule", "") == "two-stage" else 1
            limited = given if isinstance(part, LAFConfig) else min(pairs, given or pairs)
            steps += (limited or pairs) * twice
    return max(1, steps)


def _configs(config: Any) -> list[Any]:
    """Return a config and those inside it whose steps a run records: all but the VAEs'."""
    if not is_dataclass(config):
        return []
    inside = [v for f in fields(config) if f.name != "vae" and is_dataclass(v := getattr(config, f.name))]
    return [config, *(c for v in inside for c in _configs(v))]


def _batches(config: Any) -> list[int]:
    """Return all batch sizes in a config."""
    if not is_dataclass(config):
        return []
    found = []
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            found += _batches(value)
        elif f.name.endswith("batch_size"):
            found.append(value)
    return found
