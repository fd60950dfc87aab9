"""Chains of kept runs: the result of a finished run as the original of the next request."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import torch
from safetensors.torch import load_file

from core.config import TrainConfig, as_dict
from core.data.split import Split
from core.errors import IllegalMoveError, LabError, RequestError, StoreError
from core.models.base import Net, Provenance
from core.models.registry import build
from core.runs.records import Frame, Phase
from core.runs.run import Run
from core.runs.setup import EarlierRequest, Setup
from core.runs.storage.folder import RunFolder, run_folder
from core.runs.storage.index import require_visible, run_info
from core.runs.storage.recorder import Recorder
from core.runs.storage.serialization import config_like, setup_from, weights_key
from core.runtime.content_cache import content_key
from core.runtime.purge_watch import PurgeWatch
from core.training.supervised import copy_of

MOST_HELD = 16  # results of this process that are not kept on disk

_held: OrderedDict[str, tuple[Net, Frame | None]] = OrderedDict()
_lock = Lock()
_purged = PurgeWatch()


@dataclass(frozen=True)
class ChainLink:
    """One request of a chain as a list shows it."""

    number: int  # from 1
    run: str  # id of the kept run
    forget: str  # "class 3"
    phase: Phase | None  # None: the run is gone
    verdict: dict[str, Any] | None  # of ``Verdict.as_dict``, with its "text"; None before there was one
    ended: dict[str, Any] | None  # figures at its end, of ``core.experiments.outcome.judging.end_of``


def setup_after(run_id: str, token: str | None = None) -> Setup:
    """Return the Setup of a kept run with that run among its earlier requests, to be given the next request.

    Raises RequestError for a run that ``token`` may not see, is not finished or was purged; StoreError where a file of it is damaged.
    """
    folder = require_visible(run_id, token)
    about = folder.read_about()
    setup = setup_from(about["setup"])
    if about.get("purged"):
        raise RequestError(
            f"run {run_id} was purged of images, so no request can follow it; begin with a run of the data as it is now"
        )
    if about["phase"] != Phase.DONE or not folder.model.is_file():
        raise RequestError(
            f"run {run_id} is not finished, so it has no result that a request could follow; play it to its end first"
        )
    _require_earlier(setup)
    return _after(setup, run_id, weights_key_of(folder))


def setup_after_run(setup: Setup, run: Run) -> Setup:
    """Return ``setup_after`` of ``run``, which has the choices ``setup`` and need not be kept on disk.

    Raises IllegalMoveError unless it is done, and as ``setup_after``.
    """
    if run.phase is not Phase.DONE:
        raise IllegalMoveError(
            f"the run is {run.phase}, so it has no result that a request could follow; play it to its end first"
        )
    recorder = run.recorder
    if isinstance(recorder, Recorder) and recorder.is_kept:
        return setup_after(recorder.id)
    result = run.result
    weights = weights_key(result)
    hold(weights, result, run.frames[-1] if run.frames else None)
    return _after(setup, "", weights)


def _after(setup: Setup, run_id: str, weights: str) -> Setup:
    """Return ``setup`` without its request, which is now among the earlier ones."""
    now = EarlierRequest(
        run_id,
        weights,
        setup.task,
        setup.classes,
        setup.fraction,
        setup.ids,
        setup.plant,
        setup.seed,
        setup.client,
    )
    usual = Setup()
    return replace(
        setup,
        task=usual.task,
        classes=usual.classes,
        fraction=None,
        ids=(),
        plant=None,
        client=None,
        earlier=(*setup.earlier, now),
    )


def chain_original(setup: Setup, split: Split, device: str) -> Net:
    """Return the original of a later request: the result of the run before, which retraining knows how to train from scratch.

    Raises RequestError where that run is gone or has changed, StoreError where its weights cannot be read.
    """
    _require_earlier(setup)
    before = setup.earlier[-1]
    if not before.run:
        return _held_result(before).to(device).eval()
    folder = run_folder(before.run)
    about = folder.read_about()
    if about["dataset"] != split.dataset.fingerprint:
        raise RequestError(
            f"{_name(setup)} was purged, or made from other images of {split.dataset.title}; the chain cannot go on"
        )
    model = _empty_net(about, setup, split)
    weights = _weights(folder)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise RequestError(
            f"the result of {_name(setup)} is no plain network, so no request can follow it; use another method for that request"
        ) from error
    if weights_key(model) != before.weights:
        raise RequestError(
            f"{_name(setup)} was changed after this request began; begin this request again from its result now"
        )
    return model.to(device).eval()


def chain_links(run_id: str, token: str | None = None) -> list[ChainLink]:
    """Return all requests of the chain that ends with a kept run, first to last.

    Raises RequestError where ``token`` may see no such run.
    """
    earlier = run_info(run_id, token).setup.earlier
    return [*links_before(earlier, token), _link(len(earlier) + 1, run_id, token)]


def links_before(earlier: tuple[EarlierRequest, ...], token: str | None = None) -> list[ChainLink]:
    """Return the requests ``earlier`` of a chain, first to last; one that is gone has no phase."""
    return [_link(number, request.run, token) for number, request in enumerate(earlier, 1)]


def weights_key_of(folder: RunFolder) -> str:
    """Return ``weights_key`` of the result of a kept run. Raises StoreError where it cannot be read."""
    return content_key("weights", *[value for _, value in sorted(_weights(folder).items())])


def _held_result(request: EarlierRequest) -> Net:
    """Return a copy of a result of this process. Raises RequestError where it is no longer held."""
    found = held(request.weights)
    if found is None:
        raise RequestError("the run before this request was not kept and is gone; begin a new chain")
    model: Net = copy_of(found[0])
    return model


def _link(number: int, run_id: str, token: str | None) -> ChainLink:
    try:
        about = require_visible(run_id, token).read_about()
        phase = Phase(about["phase"])
        return ChainLink(
            number, run_id, str(about["forget"]), phase, about.get("verdict"), about.get("ended")
        )
    except (LabError, KeyError, ValueError):
        return ChainLink(number, run_id, "deleted", None, None, None)


def _require_earlier(setup: Setup) -> None:
    """Raise RequestError where a run of an earlier request is gone or was purged."""
    for number, request in enumerate(setup.earlier, 1):
        if not request.run:
            continue
        try:
            about = run_folder(request.run).read_about()
        except LabError as error:
            raise RequestError(
                f"request {number} of this chain is gone: run {request.run} was deleted or purged; begin a new chain"
            ) from error
        if about.get("purged"):
            raise RequestError(
                f"request {number} of this chain was purged of images (run {request.run}), so the chain cannot go on; begin a new one"
            )


def _name(setup: Setup) -> str:
    return f"request {len(setup.earlier)} of this chain (run {setup.earlier[-1].run})"


def _weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    try:
        weights: dict[str, torch.Tensor] = load_file(folder.model)
        return weights
    except Exception as error:  # safetensors raises its own kinds
        raise StoreError(f"{folder.model} cannot be read; delete the run") from error


def _empty_net(about: dict[str, Any], setup: Setup, split: Split) -> Net:
    """Return a net for the weights of a kept run, with the Provenance of the chain's first original."""
    if setup.model is not None:
        from core.models.uploads import load_uploaded_model

        return load_uploaded_model(setup.model, split.dataset)
    made = about.get("training") or _usual_training(about, split)
    config = config_like(TrainConfig(), made["config"])
    model = build(config.net, split.dataset.shape, len(split.dataset.classes), seed=int(made["seed"]))
    model.provenance = Provenance(config.net, int(made["seed"]), config, float(made["seconds"]))
    return model


def _usual_training(about: dict[str, Any], split: Split) -> dict[str, Any]:
    """Return the training of a run that an earlier version kept, which did not note it."""
    found = (about.get("automatic") or {}).get("training")
    config = None if found is None else found["config"]
    if config is None:
        config = as_dict(TrainConfig.preset(split.dataset.family, split.task))
    return {"config": config, "seed": about["setup"]["seed"], "seconds": 0.0}


def hold(weights: str, model: Net, last: Frame | None) -> None:
    """Hold the result of a run with the hash ``weights``, and its last frame; drop the one unused longest."""
    with _lock:
        if _purged.changed():
            _held.clear()
        _held[weights] = model, last
        _held.move_to_end(weights)
        while len(_held) > MOST_HELD:
            _held.popitem(last=False)


def held(weights: str) -> tuple[Net, Frame | None] | None:
    """Return the result with the hash ``weights`` and its last frame, or None."""
    with _lock:
        if _purged.changed():
            _held.clear()
        return _held.get(weights)


__all__ = [
    "ChainLink",
    "chain_links",
    "chain_original",
    "links_before",
    "setup_after",
    "setup_after_run",
    "weights_key_of",
]
