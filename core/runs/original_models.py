"""The original model g_D of a split, trained once and cached by content; some methods train their own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from core.config import TrainConfig, as_dict
from core.data.images import Dataset
from core.data.split import Split
from core.errors import RequestError
from core.methods.base import OwnOriginal, has_own_original
from core.models.base import Net, Provenance, device_of
from core.models.registry import build
from core.runs.reference_models import restore
from core.runs.setup import Setup
from core.runtime.content_cache import content_key, models
from core.runtime.progress import Work
from core.training.recipe import plan
from core.training.supervised import Training


def original(
    split: Split,
    unlearner: Any = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    config: TrainConfig | None = None,
) -> Work[Net]:
    """Train the original in slices, or take it from the cache.

    ``unlearner``: a method that may train its own original, for which ``config`` is not used. ``config``: default the preset's.
    Raises DivergedError when training fails, RequestError for a method that trains its own original where clients share the images.
    """
    own = unlearner is not None and has_own_original(unlearner)
    _require_no_clients(split, unlearner)
    kind = device.split(":")[0]
    if own:
        unlearner.configure_original(split)
        plain = TrainConfig.preset(split.dataset.family, split.task)
        key = _own_key(split, unlearner, plain, seed, kind)
    else:
        plain = config or TrainConfig.preset(split.dataset.family, split.task)
        key = original_key(split, plain, seed, kind)
    kept = models.get(key)
    if kept is not None:
        if own:
            model: Net = unlearner.restore_original(split, kept["weights"], kept["memory"]).to(device).eval()
            model.provenance = Provenance(**{**kept["provenance"], "config": plain})
            return model
        return restore(split, plain, seed, kept, device)
    training: OwnOriginal
    if own:
        training = unlearner.train_original(split, seed=seed, device=device)
    else:
        training = Training(split, seed=seed, config=plain, device=device)
    while (now := training.tick()) is not None:
        yield now
    model = training.result
    keep: dict[str, Any] = {"weights": model.state_dict(), "seconds": training.seconds}
    if own:
        model.provenance = Provenance(plain.net, seed, plain, training.seconds, given=unlearner.name)
        keep["memory"] = model.memory
        keep["provenance"] = {k: v for k, v in asdict(model.provenance).items() if k != "config"}
    models.put(key, keep, dataset=split.dataset.name, kind="trained model")
    return model


def net_training(setup: Setup, split: Split, unlearner: Any = None) -> TrainConfig | None:
    """Return the training of the net that ``setup`` chooses, as long as its arithmetic allows; None: it chooses none.

    Raises RequestError for a net that cannot take the images, and for a chosen net or clients with a method that trains an original of
    its own.
    """
    _require_no_clients(split, unlearner)
    if setup.net is None:
        return None
    if unlearner is not None and has_own_original(unlearner):
        raise RequestError(
            f"{unlearner.title} trains an original of its own and takes no chosen net; leave the net out"
        )
    return planned_training(split.dataset, setup.net, setup.device)


def _require_no_clients(split: Split, unlearner: Any) -> None:
    """Raise RequestError where clients share the images and ``unlearner`` trains an original of its own."""
    if split.dataset.clients is None or unlearner is None or not has_own_original(unlearner):
        return
    raise RequestError(
        f"{unlearner.title} trains an original of its own, and clients train theirs together; leave the clients out"
    )


def planned_training(dataset: Dataset, net: str, device: str) -> TrainConfig:
    """Return the training of ``net`` that a recipe plans. Raises RequestError for a net that cannot take the images."""
    try:
        return plan(dataset, net=net, device=device)[0]
    except (
        RuntimeError,
        ValueError,
        ArithmeticError,
    ) as error:  # the type of the error for a wrong size differs between nets
        size = "x".join(map(str, dataset.shape))
        raise RequestError(
            f"the net {net} cannot take images of {size} (channels x height x width); choose another net"
        ) from error


def original_key(split: Split, config: TrainConfig, seed: int, kind: str) -> str:
    """Return the cache key of the original of ``split``; ``kind`` of device: "cpu", "cuda" or "mps"."""
    return content_key("original", split.dataset.fingerprint, as_dict(config), seed, kind)


def ships(model: Net, split: Split) -> bool:
    """Return whether ``model`` is an original of ``split`` that ships with the Lab, so that no training was done here."""
    made = model.provenance
    if made is None or made.given is not None:
        return False
    return models.ships(original_key(split, made.config, made.seed, device_of(model).type))


def untrained(split: Split, config: TrainConfig | None = None, *, seed: int = 0, device: str = "cpu") -> Net:
    """Return the net of ``original`` before its training, with the Provenance that it will have; default ``config`` as there."""
    config = config or TrainConfig.preset(split.dataset.family, split.task)
    model = build(config.net, split.dataset.shape, len(split.dataset.classes), seed=seed).to(device).eval()
    model.provenance = Provenance(config.net, seed, config, 0.0)
    return model


def _own_key(split: Split, unlearner: Any, config: TrainConfig, seed: int, kind: str) -> str:
    """Return the cache key of a method's own original."""
    parts: list[Any] = [split.dataset.fingerprint, as_dict(config), as_dict(unlearner.config), seed, kind]
    if unlearner.original_knows_forget_set:  # training must know which images a request concerns
        parts.append(split.forget_rows)
    return content_key("original", unlearner.name, *parts)
