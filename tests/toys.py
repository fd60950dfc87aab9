"""Small data and quick settings that tests share; fresh processes that tests start import it too."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.config import LAFConfig, LAFRConfig, RepairConfig, TrainConfig, VAEConfig
from core.data import Dataset, LabelledImages, Split, forget_classes
from core.methods import LAF, METHODS, method
from core.methods.base import has_own_original
from core.models.base import Net
from core.runs.run import Run
from core.training.supervised import train

TRAIN = TrainConfig("digits-cnn", epochs=4, batch_size=32, lr=3e-3)
QUICK = LAFConfig(
    epochs=2,
    lr_ue=1e-3,
    lr_ra=3e-3,
    temperature=20,
    batch_size=8,
    vae=VAEConfig(latent=4, epochs=3, batch_size=32, lr=3e-3),
)  # 10 steps on the toy

# of each method, a few steps; what they find means nothing
QUICK_OF: dict[str, dict[str, Any]] = {
    "nothing": {},
    "finetune": {"epochs": 1},
    "neggrad": {"lr": 1e-3},
    "neggrad+": {"epochs": 1},
    "random-label": {},
    "boundary-shrink": {"lr": 1e-2},
    "sisa": {"shards": 3, "slices": 2, "train": TRAIN},
    "unroll": {"train": TRAIN, "epochs": 1, "batch_size": 16},
    "bad-teacher": {"lr": 1e-3},
    "scrub": {"epochs": 2, "msteps": 1, "forget_batch_size": 16, "lr": 1e-2},
    "salun": {},
    "guided": {"forget_epochs": 1},
    "ssd": {"alpha": 1.0},
    "lfssd": {"alpha": 1.0},
    "jit": {"copies": 3, "lr": 1e-2},
    "esc": {},
    "delete": {"lr": 1e-2},
    "mda": {},
}
_NOT_STUDENTS = ("sisa", "unroll")
_WITHOUT_TRAINING = ("ssd", "lfssd", "esc")


def quick(name: str, **settings: Any) -> Any:
    """Return the method ``name`` with a quick config and ``settings``."""
    if name == "retrain":
        return method(name, TRAIN)
    if name == "laf":
        return method(name, QUICK)
    if name == "laf+r":
        return method(name, LAFRConfig(QUICK, RepairConfig(epochs=1)))
    common = {} if name in _NOT_STUDENTS else {"epochs": 2, "batch_size": 16}
    if name in _WITHOUT_TRAINING:
        common = {"batch_size": 16}
    made: Any = METHODS[name]
    return method(name, made.Config(**{**common, **QUICK_OF[name], **settings}))


def original_for(unlearner: Any, of: Split, usual: Net) -> Net:
    """Return ``usual``, or the own original that ``unlearner`` needs."""
    if not has_own_original(unlearner):
        return usual
    training = unlearner.train_original(of, seed=0, device="cpu")
    while training.tick() is not None:
        pass
    made: Net = training.result
    return made


def dataset(*, per_class: int = 40, per_class_test: int = 20, classes: int = 4, noise: int = 5) -> Dataset:
    """Return 8x8 images of ``classes`` fixed patterns under noise; pixels in 0..16 as in digits."""
    g = torch.Generator().manual_seed(7)
    patterns = torch.randint(0, 17, (classes, 1, 8, 8), generator=g)

    def part(n: int, start: int) -> LabelledImages:
        y = torch.arange(classes).repeat(n)
        shake = torch.randint(-noise, noise + 1, (len(y), 1, 8, 8), generator=g)
        x = (patterns[y] + shake).clamp(0, 16).to(torch.uint8)
        return LabelledImages(x, torch.arange(start, start + len(y)), 16, y)

    names = tuple("abcdefghij"[:classes])
    return Dataset("toy", "Toy", names, part(per_class, 0), part(per_class_test, 10_000))


def values(kind: str, *, per_class: int = 20, classes: int = 3) -> Dataset:
    """Return "vectors" of 6 features, or "series" of 2 channels and 16 values: fixed patterns under noise, already standardised."""
    g = torch.Generator().manual_seed(3)
    shape = (6,) if kind == "vectors" else (2, 16)
    patterns = torch.randn(classes, *shape, generator=g)

    def part(n: int, start: int) -> LabelledImages:
        y = torch.arange(classes).repeat(n)
        x = patterns[y] + 0.3 * torch.randn(len(y), *shape, generator=g)
        return LabelledImages(x, torch.arange(start, start + len(y)), 1, y)

    return Dataset(
        f"toy-{kind}", "Toy", tuple("abcdefghij"[:classes]), part(per_class, 0), part(8, 10_000), kind
    )


def split() -> Split:
    return forget_classes(dataset(), [1])


def model(of: Split) -> Net:
    return train(of, seed=0, config=TRAIN)


def laf_run(config: LAFConfig = QUICK, *, seed: int = 0) -> Run:
    """Return a LAF run with data and model of its own."""
    of = split()
    return Run(LAF(config), model(of), of, seed=seed)


def weights(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Return whether all tensors are equal to the bit."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


class Flat:
    """A map without UMAP: the first two dimensions."""

    def fit(self, e: np.ndarray, seed: int) -> np.ndarray:
        return np.ascontiguousarray(e[:, :2])

    def follow(self, previous: np.ndarray, e: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(previous)


def alive(pid: int) -> bool:
    """Return whether process ``pid`` runs. A process that has ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def gone_within(seconds: float, pids: Iterable[int]) -> bool:
    """Return whether all of these processes end in so many seconds."""
    left, end = list(pids), time.monotonic() + seconds
    while (left := [pid for pid in left if alive(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    return not left
