"""A training recipe for data that no preset was measured on: the net, the rate and the number of epochs, and a check that it learnt.

The net follows from the size, the channels and the kind of the images and from the device. Epochs are found on a part of D that is held
out: cycles of falling rate, each as long as all before it, until one no longer helps or the arithmetic allowed is spent. The held-out
part also tells whether mirror images mean the same. The bound is counted in multiplications and not timed, so that the same data and
seed give the same recipe on every machine. Retrained references follow it as well, since it is a TrainConfig and travels with the
model's Provenance.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from core.config import TrainConfig
from core.data.images import Dataset, LabelledImages, kind_of
from core.errors import RequestError
from core.models.base import Net, multiply_adds, outputs
from core.models.registry import build
from core.runtime import seeding
from core.runtime.device import pick_device, torch_threads
from core.runtime.progress import Progress, Work, run_to_end
from core.training.rates import rates_of
from core.training.supervised import SupervisedTrainer

# multiply-adds a second in training, measured; turns the bounds in seconds into bounds in arithmetic
A_SECOND = {"cpu": 3e10, "mps": 3e11, "cuda": 2e12}
USUAL_S = 40  # of the final training, on one core
LONGEST_S = 300  # of the final training of data so large that USUAL_S gives fewer than LEAST_EPOCHS
SEARCH_S = 20  # of the cycles on the held-out part
FIRST_CYCLE = 5  # epochs
MOST_EPOCHS = 40
LEAST_EPOCHS = 6  # of drawings
LEAST_EPOCHS_PHOTOGRAPHS = 12
GAIN = 0.005  # of held-out accuracy: fewer epochs are chosen if more of them bring less
LITTLE = 0.01  # of held-out accuracy: a cycle that brings less is the last
KNOWN = 0.02  # the images learnt from are known by so much better than those held out before a cycle may be the last
MIRRORED = 0.05  # of held-out accuracy, besides two standard errors: mirror images that cost more mean something else
PROBE = 3000  # images: of large data, to tell whether mirror images mean the same
HELD_OUT = 0.15
MOST_HELD_OUT = 1000  # images
NEIGHBOURS = 5
SMALL = 12  # pixels: up to this, grey images suit the net for digits
FLAT = 0.15  # share of the commonest pixel value from which grey images are drawings and not photographs
_PASSES = 3  # forward, and backward at twice the work


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
    most_epochs: int | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Recipe:
    """Return the training for ``dataset``; see ``find``."""
    return run_to_end(find(dataset, seed=seed, device=device, net=net, most_epochs=most_epochs), progress)


def find(
    dataset: Dataset,
    *,
    seed: int = 0,
    device: str = "cpu",
    net: str | None = None,
    most_epochs: int | None = None,
) -> Work[Recipe]:
    """Yield the Progress of finding a training for ``dataset``, and return it.

    ``net`` overrides the choice of the net; ``most_epochs`` bounds the epochs further. The labels it reads are those that the original
    is trained on. Raises RequestError for a bound below one epoch.
    """
    if most_epochs is not None and most_epochs < 1:
        raise RequestError(f"a training needs at least 1 epoch, got a bound of {most_epochs}")
    config, most, epoch_work = plan(dataset, device=device, net=net)
    most = min(most, most_epochs or most)
    search = _Search(dataset.train, replace(config, epochs=most), seed, device, epoch_work)
    yield from search.run(dataset)
    chosen, reason = search.found()
    return Recipe(
        chosen, tuple(search.tried), chosen.epochs * epoch_work / A_SECOND[pick_device(device).type], reason
    )


def longest_s(dataset: Dataset, *, device: str = "cpu", net: str | None = None) -> float:
    """Return about how many seconds finding a recipe and one training with it take at most, to say before they begin."""
    _, most, epoch_work = plan(dataset, device=device, net=net)
    return SEARCH_S + most * epoch_work / A_SECOND[pick_device(device).type]


def plan(dataset: Dataset, *, device: str = "cpu", net: str | None = None) -> tuple[TrainConfig, int, float]:
    """Return the training before epochs are found (with the most that are allowed), that most, and the work of one epoch."""
    photographs = dataset.kind == "images" and are_photographs(dataset.train)
    net = net or choose_net(dataset.shape, photographs=photographs, device=device)
    rates = rates_of(net)
    macs = multiply_adds(build(net, dataset.shape, len(dataset.classes), seed=0), dataset.shape)
    epoch_work = float(_PASSES * macs * len(dataset.train))
    speed = A_SECOND[pick_device(device).type]
    least = _least(photographs=photographs)
    allowed = min(LONGEST_S * speed, max(USUAL_S * speed, least * epoch_work))
    most = max(1, min(MOST_EPOCHS, int(allowed / epoch_work)))
    batch = 64 if len(dataset.train) >= 1000 else 32
    config = TrainConfig(
        net, most, batch, rates.lr, rates.weight_decay, photographs, decays=True, warmup=rates.warmup
    )
    return config, most, epoch_work


class _Search:
    """Cycles of training on a part of D, and what they gave on the part held out."""

    def __init__(
        self, images: LabelledImages, config: TrainConfig, seed: int, device: str, epoch_work: float
    ) -> None:
        self.images, self.config, self.seed, self.device = images, config, seed, device
        epoch = epoch_work * (1 - HELD_OUT)
        self.allowed = min(config.epochs, int(SEARCH_S * A_SECOND[pick_device(device).type] / epoch))
        self.tried: list[tuple[int, float]] = []
        self.is_over = False  # more epochs no longer help
        self.seconds = 0.0

    def run(self, dataset: Dataset) -> Work[None]:
        """Yield the Progress of the cycles; of large data only of one, on a part, where mirror images are in question."""
        large = self.allowed < 2 * FIRST_CYCLE
        if len(self.images) < 20 or (large and not self.config.augment):
            return
        rows, held = _held_out(self.images, self.seed)
        if large:
            rows = rows[:: max(1, len(rows) // PROBE)]
        learn = self.images.take(rows)
        model = build(self.config.net, dataset.shape, len(dataset.classes), seed=self.seed)
        model.to(pick_device(self.device))
        done, cycle = 0, FIRST_CYCLE
        while not self.is_over and done + cycle <= max(self.allowed, FIRST_CYCLE):
            first = done == 0
            config = replace(self.config, epochs=cycle, mirrors=self.config.mirrors and not first)
            yield from self._cycle(model, learn, config, done)
            done += cycle
            if first and self.config.augment:
                self.config = replace(self.config, mirrors=mirrors_mean_the_same(model, held))
            if large:
                return
            self._note(done, _accuracy(model, held), _accuracy(model, learn.take(_some(len(learn)))))
            cycle = done

    def _cycle(self, model: Net, learn: LabelledImages, config: TrainConfig, done: int) -> Work[None]:
        began = time.perf_counter()
        yield Progress("recipe", done, max(self.allowed, FIRST_CYCLE), self.seconds)
        trainer = SupervisedTrainer.start(model, learn, config, seed=self.seed, stage=f"recipe {done}")
        while trainer.number < trainer.total:
            with torch_threads(config.threads):
                trainer.step()
            if trainer.number % len(trainer.batches) == 0:
                self.seconds, began = self.seconds + time.perf_counter() - began, time.perf_counter()
                yield Progress("recipe", done + trainer.epoch, max(self.allowed, FIRST_CYCLE), self.seconds)

    def _note(self, epochs: int, accuracy: float, known: float) -> None:
        """Note what a cycle gave. It is the last if it brought little and D is known better than the part held out, or (but of images) that is all right.

        With wrong labels among both, the accuracy on the part held out moves by chance before anything is learnt by heart.
        """
        brought_little = bool(self.tried) and accuracy < max(a for _, a in self.tried) + LITTLE
        self.tried.append((epochs, accuracy))
        perfect = accuracy == 1 and kind_of(self.images.x.shape[1:]) != "images"
        self.is_over = brought_little and (perfect or known > accuracy + KNOWN)

    def found(self) -> tuple[TrainConfig, str]:
        """Return the training to take, and why in one sentence."""
        most = self.config.epochs
        mirrors = "" if self.config.mirrors else "; mirror images mean something else and are left out"
        if not self.tried:
            return self.config, f"the arithmetic allowed gives {most} epochs{mirrors}"
        if not self.is_over:
            last, accuracy = self.tried[-1]
            epochs = min(most, 2 * last)
            after = (
                "where the arithmetic allowed ends"
                if epochs <= last
                else f"and more may help: {epochs} are made"
            )
            why = f"{last} epochs gave {100 * accuracy:.1f} % on images held out, {after}"
            return replace(self.config, epochs=epochs), why + mirrors
        found = _chosen(self.tried)
        # few images held out tell little, and augmented photographs gain from more epochs than a short cycle shows
        epochs = max(found, min(most, _least(photographs=self.config.augment)))
        why = f"{found} epochs gave {100 * dict(self.tried)[found]:.1f} % on images held out, and more gave no more"
        made = f", but at least {epochs} are made" if epochs > found else ""
        return replace(self.config, epochs=epochs), why + made + mirrors


def mirrors_mean_the_same(model: Net, held: LabelledImages) -> bool:
    """Return whether ``model``, which never saw a mirror image, gives those of ``held`` the right answer about as often.

    It costs a photograph of an animal little to be mirrored, and a photograph of a number much.
    """
    straight = outputs(model, held, batch_size=128).predictions == held.y.cpu()
    mirrored = outputs(model, replace(held, x=held.x.flip(-1)), batch_size=128).predictions == held.y.cpu()
    lost = straight.double() - mirrored.double()
    error = float(lost.std()) / math.sqrt(len(lost)) if len(lost) > 1 else 0.0
    return float(lost.mean()) <= MIRRORED + 2 * error


def choose_net(shape: tuple[int, ...], *, photographs: bool, device: str = "cpu") -> str:
    """Return the net for samples of ``shape``."""
    if kind_of(shape) != "images":
        return "mlp" if kind_of(shape) == "vectors" else "series-cnn"
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
    for value, what, least in (
        (chance, "the commonest class alone", chance + margin),
        (neighbours, "nearest neighbours on the raw data", neighbours - margin),
    ):
        if accuracy <= least:
            return LearningCheck(accuracy, neighbours, chance, False, _sentence(accuracy, what, value))
    reason = f"the original answers {100 * accuracy:.0f} % of test {dataset.kind} right (nearest neighbours on the raw data {100 * neighbours:.0f} %)"
    return LearningCheck(accuracy, neighbours, chance, True, reason)


def _sentence(accuracy: float, what: str, value: float) -> str:
    return (
        f"the original has not learnt: it answers {100 * accuracy:.0f} % of test images right, {what} {100 * value:.0f} %; "
        "train it longer, or bring more images"
    )


def _held_out(images: LabelledImages, seed: int) -> tuple[torch.Tensor, LabelledImages]:
    """Return the rows to learn from and the images held out, drawn at random."""
    order = torch.randperm(len(images), generator=seeding.generator(seed, "recipe", "held"))
    count = max(1, min(MOST_HELD_OUT, round(HELD_OUT * len(images))))
    return order[count:].sort().values, images.take(order[:count].sort().values)


def _least(*, photographs: bool) -> int:
    return LEAST_EPOCHS_PHOTOGRAPHS if photographs else LEAST_EPOCHS


def _some(n: int) -> torch.Tensor:
    """Return at most about MOST_HELD_OUT rows of n, evenly."""
    return torch.arange(0, n, max(1, n // MOST_HELD_OUT))


def _chosen(tried: list[tuple[int, float]]) -> int:
    """Return the fewest epochs after which no later cycle gained GAIN."""
    best = max(accuracy for _, accuracy in tried)
    return next(epochs for epochs, accuracy in tried if accuracy >= best - GAIN)


def _accuracy(model: Net, images: LabelledImages) -> float:
    return float((outputs(model, images, batch_size=128).predictions == images.y.cpu()).double().mean())
