"""A training recipe for data that no preset was measured on: the net, the rate and the number of epochs, and a check that it learnt.

The net follows from the size, the channels and the kind of the images and from the device. Epochs are found on a part of D that is held
out: cycles of falling rate, each as long as all before it, until one no longer helps or the arithmetic allowed is spent. The bound is
counted in multiplications and not timed, so that the same data and seed give the same recipe on every machine. Retrained references
follow it as well, since it is a TrainConfig and travels with the model's Provenance.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from core.config import TrainConfig
from core.data.images import Dataset, LabelledImages
from core.models.base import Net, multiply_adds, outputs
from core.models.registry import build
from core.runtime import seeding
from core.runtime.device import pick_device, torch_threads
from core.runtime.progress import Progress, Work, run_to_end
from core.training.supervised import SupervisedTrainer

MOST_WORK = 1.2e12  # multiply-adds of the final training: about 40 s of one core
SEARCH_WORK = 1.2e12  # of the cycles on the held-out part
A_SECOND = {
    "cpu": 3e10,
    "mps": 3e11,
    "cuda": 2e12,
}  # multiply-adds, measured in training; for the estimate that is said first
FIRST_CYCLE = 5  # epochs
MOST_EPOCHS = 40
LEAST_EPOCHS = 3
GAIN = 0.005  # of held-out accuracy: a cycle must bring as much, or the one before was long enough
HELD_OUT = 0.15
MOST_HELD_OUT = 1000  # images
NEIGHBOURS = 5
SMALL = 12  # pixels: up to this, grey images suit the net for digits
FLAT = 0.15  # share of the commonest pixel value from which grey images are drawings and not photographs
_PASSES = 3  # forward, and backward at twice the work

_RATES = {
    "digits-cnn": (3e-3, 1e-4),
    "cnn": (2e-3, 1e-4),
    "small-resnet": (4e-3, 5e-4),
    "resnet18": (1e-3, 5e-4),
}


@dataclass(frozen=True)
class Recipe:
    """A training that was found for a dataset, with what it was chosen by."""

    config: TrainConfig
    tried: tuple[tuple[int, float], ...]  # epochs so far, and the accuracy on the held-out part after them
    expected_s: float = field(compare=False)  # of training once with ``config``
    reason: str = ""  # in one sentence


@dataclass(frozen=True)
class LearningCheck:
    """An original's accuracy on test images beside that of its nearest training images in pixels; in [0, 1]."""

    accuracy: float
    neighbours: float
    chance: float  # of the commonest class
    learnt: bool
    reason: str  # one sentence


def recipe(
    dataset: Dataset,
    *,
    seed: int = 0,
    device: str = "cpu",
    net: str | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Recipe:
    """Return the training for ``dataset``; see ``find``."""
    return run_to_end(find(dataset, seed=seed, device=device, net=net), progress)


def find(dataset: Dataset, *, seed: int = 0, device: str = "cpu", net: str | None = None) -> Work[Recipe]:
    """Yield the Progress of finding a training for ``dataset``, and return it.

    ``net`` overrides the choice of the net. The labels it reads are those that the original is trained on.
    """
    config, most, epoch_work = plan(dataset, device=device, net=net)
    speed = A_SECOND[pick_device(device).type]
    if most <= 2 * FIRST_CYCLE or len(dataset.train) < 20:
        return Recipe(
            config,
            (),
            config.epochs * epoch_work / speed,
            f"the arithmetic allowed gives {config.epochs} epochs",
        )
    learn, held = _held_out(dataset.train, seed)
    model = build(config.net, dataset.shape, len(dataset.classes), seed=seed).to(pick_device(device))
    tried: list[tuple[int, float]] = []
    done, cycle, began = 0, FIRST_CYCLE, time.perf_counter()
    allowed = min(most, int(SEARCH_WORK / (epoch_work * (1 - HELD_OUT))))
    while done + cycle <= max(allowed, FIRST_CYCLE):
        trainer = SupervisedTrainer.start(
            model, learn, replace(config, epochs=cycle), seed=seed, stage=f"recipe {done}"
        )
        while trainer.number < trainer.total:
            with torch_threads(config.threads):
                trainer.step()
            if trainer.number % len(trainer.batches) == 0:
                yield Progress("recipe", done + trainer.epoch, allowed, time.perf_counter() - began)
        done += cycle
        tried.append((done, _accuracy(model, held)))
        if len(tried) > 1 and tried[-1][1] < max(a for _, a in tried[:-1]) + GAIN:
            break
        cycle = done
    epochs = _chosen(tried)
    chosen = replace(config, epochs=epochs)
    accuracy = dict(tried)[epochs]
    return Recipe(
        chosen,
        tuple(tried),
        epochs * epoch_work / speed,
        f"{epochs} epochs gave {100 * accuracy:.1f} % on images held out, and more gave no more"
        if len(tried) > 1 and epochs < tried[-1][0]
        else f"{epochs} epochs gave {100 * accuracy:.1f} % on images held out, where the arithmetic allowed ends",
    )


def plan(dataset: Dataset, *, device: str = "cpu", net: str | None = None) -> tuple[TrainConfig, int, float]:
    """Return the training before epochs are found (with the most that are allowed), that most, and the work of one epoch."""
    photographs = are_photographs(dataset.train)
    net = net or choose_net(dataset.shape, photographs=photographs, device=device)
    lr, decay = _RATES.get(net, (1e-3, 5e-4))
    macs = multiply_adds(build(net, dataset.shape, len(dataset.classes), seed=0), dataset.shape)
    epoch_work = float(_PASSES * macs * len(dataset.train))
    most = max(LEAST_EPOCHS, min(MOST_EPOCHS, int(MOST_WORK / epoch_work)))
    batch = 64 if len(dataset.train) >= 1000 else 32
    return TrainConfig(net, most, batch, lr, decay, augment=photographs, decays=True), most, epoch_work


def choose_net(shape: tuple[int, int, int], *, photographs: bool, device: str = "cpu") -> str:
    """Return the net for images of ``shape`` (C, H, W)."""
    c, h, w = shape
    if c == 1 and not photographs:
        return "digits-cnn" if min(h, w) <= SMALL else "cnn"
    return "resnet18" if pick_device(device).type == "cuda" else "small-resnet"


def are_photographs(images: LabelledImages, most: int = 500) -> bool:
    """Return whether the images are photographs: no pixel value is as common as the background of a drawing."""
    x = images.x[:: max(1, len(images) // most)]
    common = torch.bincount(x.flatten().int(), minlength=256).max()
    return bool(common / x.numel() < FLAT) and min(x.shape[2:]) > SMALL


def check_learnt(model: Net, dataset: Dataset, *, most: int = 500) -> LearningCheck:
    """Compare ``model`` on test images with a vote of the nearest training images in pixels (at most 5,000 of them)."""
    test = dataset.test.take(torch.arange(0, len(dataset.test), max(1, len(dataset.test) // most)))
    train = dataset.train.take(torch.arange(0, len(dataset.train), max(1, len(dataset.train) // 5000)))
    accuracy = _accuracy(model, test)
    there, here = (i.x.flatten(1).float() for i in (train, test))
    near = torch.cdist(here, there).topk(min(NEIGHBOURS, len(train)), largest=False).indices
    votes = torch.nn.functional.one_hot(train.y[near], len(dataset.classes)).sum(1).argmax(1)
    neighbours = float((votes == test.y).double().mean())
    chance = float(torch.bincount(test.y).max()) / len(test)
    margin = math.sqrt(0.25 / len(test))  # one standard error of a share
    if accuracy <= chance + margin:
        return LearningCheck(
            accuracy, neighbours, chance, False, _sentence(accuracy, "the commonest class alone", chance)
        )
    if accuracy < neighbours - margin:
        return LearningCheck(
            accuracy,
            neighbours,
            chance,
            False,
            _sentence(accuracy, "nearest neighbours on pixels", neighbours),
        )
    reason = f"the original answers {100 * accuracy:.0f} % of test images right (nearest neighbours on pixels {100 * neighbours:.0f} %)"
    return LearningCheck(accuracy, neighbours, chance, True, reason)


def _sentence(accuracy: float, what: str, value: float) -> str:
    return (
        f"the original has not learnt: it answers {100 * accuracy:.0f} % of test images right, {what} {100 * value:.0f} %; "
        "train it longer, or bring more images"
    )


def _held_out(images: LabelledImages, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Return the part to learn from and the part held out, drawn at random."""
    order = torch.randperm(len(images), generator=seeding.generator(seed, "recipe", "held"))
    count = max(1, min(MOST_HELD_OUT, round(HELD_OUT * len(images))))
    return images.take(order[count:].sort().values), images.take(order[:count].sort().values)


def _chosen(tried: list[tuple[int, float]]) -> int:
    """Return the fewest epochs after which no later cycle gained GAIN."""
    best = max(accuracy for _, accuracy in tried)
    return next(epochs for epochs, accuracy in tried if accuracy >= best - GAIN)


def _accuracy(model: Net, images: LabelledImages) -> float:
    return float((outputs(model, images, batch_size=128).predictions == images.y.cpu()).double().mean())
