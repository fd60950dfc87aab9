"""Facts about each training image under the original model, filters over them, and suggestions of images to forget.

Long work is a generator that yields Progress and returns its result.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.data.images import Dataset
from core.models.base import Net, outputs
from core.runtime.progress import Progress

Floats: TypeAlias = npt.NDArray[np.float32]
Whole: TypeAlias = npt.NDArray[np.int64]

NEIGHBOURS = 10  # of an image, for `memorised`
SAME_COSINE = 0.98  # least cosine between the representations of near-duplicates
SAME_PIXELS = 0.12  # largest root mean square difference of their pixels, which are in [0, 1]
_BATCH = 1024  # images in one forward pass
_BLOCK = 256  # rows whose distances to all others are in memory; 60,000 columns take 60 MB
_MIN_PROBABILITY = 1e-12  # smaller probabilities count as this, so a loss is at most 27.6


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """Facts about N training images under one model, in the order of ``Dataset.train``."""

    ids: Whole  # (N,)
    labels: Whole  # (N,)
    predictions: Whole  # (N,) the most probable class
    confidences: Floats  # (N,) its probability
    own: Floats  # (N,) the probability of the image's own label
    losses: Floats  # (N,) cross-entropy, -log own, nats
    margins: Floats  # (N,) own minus the largest other probability, in [-1, 1]; below 0: wrong
    unit: Tensor  # (N, width) float32, representations of length 1
    subjects: Whole | None = None  # (N,) as in Dataset.subject_of
    clients: Whole | None = None  # (N,) the client who has the image; None: one owner

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """(N,) True where the prediction is the image's own label."""
        right: npt.NDArray[np.bool_] = self.predictions == self.labels
        return right


def gather_facts(model: Net, dataset: Dataset) -> Generator[Progress, None, ImageFacts]:
    """Return the facts from one forward pass over all training images, a batch at each ``next``."""
    train = dataset.train
    n, start = len(train), time.perf_counter()
    p = unit = torch.empty(0, 0)
    for first in range(0, n, _BATCH):
        rows = torch.arange(first, min(n, first + _BATCH), device=train.x.device)
        out = outputs(model, train.unlabelled().take(rows))
        if not first:  # allocated once, since a list of parts would take twice the memory when it is joined
            p = torch.empty(n, out.probabilities.shape[1])
            unit = torch.empty(n, out.representations.shape[1])
        p[first : first + len(rows)] = out.probabilities
        unit[first : first + len(rows)] = torch.nn.functional.normalize(out.representations, dim=1)
        yield Progress("facts", first + len(rows), n, time.perf_counter() - start)
    y = train.y.cpu()
    own = p.gather(1, y[:, None])[:, 0]
    others = p.scatter(1, y[:, None], -1.0).max(1).values  # -1 where there is only one class
    confidence, prediction = p.max(1)
    return ImageFacts(
        ids=train.ids.cpu().numpy(),
        labels=y.numpy(),
        predictions=prediction.numpy(),
        confidences=confidence.numpy(),
        own=own.numpy(),
        losses=-own.clamp_min(_MIN_PROBABILITY).log().numpy(),
        margins=(own - others).numpy(),
        unit=unit,
        subjects=None if dataset.subject_of is None else dataset.subject_of.cpu().numpy(),
        clients=None if dataset.clients is None else dataset.clients.of.cpu().numpy(),
    )


@dataclass(frozen=True)
class Filter:
    """A filter of images. An image passes if it passes every field; an empty field passes all images."""

    classes: tuple[int, ...] = ()
    predictions: tuple[int, ...] = ()
    confidence: tuple[float, float] = (0.0, 1.0)  # in [0, 1], both ends included
    loss: tuple[float, float] = (0.0, float("inf"))
    right: bool | None = None  # only right, only wrong; None: both
    subjects: tuple[int, ...] = ()
    clients: tuple[int, ...] = ()

    def mask(self, facts: ImageFacts) -> npt.NDArray[np.bool_]:
        """Return (N,) True for each image that passes."""
        passed = (facts.confidences >= self.confidence[0]) & (facts.confidences <= self.confidence[1])
        passed &= (facts.losses >= self.loss[0]) & (facts.losses <= self.loss[1])
        if self.classes:
            passed &= np.isin(facts.labels, self.classes)
        if self.predictions:
            passed &= np.isin(facts.predictions, self.predictions)
        if self.right is not None:
            passed &= facts.right == self.right
        if self.subjects:
            passed &= facts.subjects is not None and np.isin(facts.subjects, self.subjects)
        if self.clients:
            passed &= facts.clients is not None and np.isin(facts.clients, self.clients)
        return passed

    @property
    def is_open(self) -> bool:
        """True if every image passes."""
        return self == Filter()


def memorised(facts: ImageFacts, *, k: int = NEIGHBOURS) -> Generator[Progress, None, Floats]:
    """Return (N,) the memorisation of each image, in [-1, 1], a cheap **proxy** of leave-one-out memorisation.

        s_i = p(y_i | x_i) - 1/k |{j in N_k(i): y_j = y_i}|

    N_k(i) are the k other training images with the most similar representations (cosine). Near 1, the model is sure of a
    label that no similar image has. Leave-one-out memorisation needs many models that each train without one image.
    Here x_i took part in learning the representations. A model that represents an odd image like its class hides it from
    this score. On digits with 5 % wrong labels, 61 % of as many top images are wrongly labelled (by chance: 5 %).
    """
    n, start = len(facts), time.perf_counter()
    k = min(k, n - 1)
    score = np.zeros(n, np.float32)
    labels = torch.from_numpy(facts.labels)
    for first in range(0, n, _BLOCK):
        rows = torch.arange(first, min(n, first + _BLOCK))
        cosine = facts.unit[rows] @ facts.unit.T  # (B, N)
        cosine[torch.arange(len(rows)), rows] = -torch.inf
        near = cosine.topk(k, dim=1).indices if k else torch.empty(len(rows), 0, dtype=torch.int64)
        share = (labels[near] == labels[rows, None]).float().sum(1) / max(1, k)
        score[rows.numpy()] = facts.own[rows.numpy()] - share.numpy()
        yield Progress("memorised", first + len(rows), n, time.perf_counter() - start)
    return score


class NearDuplicate(NamedTuple):
    """An image that is not picked, with the picked image that it nearly equals."""

    id: int
    of: int
    cosine: float  # of their representations
    pixels: float  # root mean square difference of pixels in [0, 1]


def near_duplicates(
    facts: ImageFacts,
    dataset: Dataset,
    picked: Sequence[int] | Whole,
    *,
    cosine: float = SAME_COSINE,
    pixels: float = SAME_PIXELS,
) -> Generator[Progress, None, list[NearDuplicate]]:
    """Return the images that nearly equal a ``picked`` image (ids) but would stay in D_r; the nearest first.

    Nearly equal means cos(e_i, e_j) >= ``cosine`` **and** RMS(x_i - x_j) <= ``pixels``. Each image comes with its nearest
    twin by pixels.
    """
    start = time.perf_counter()
    is_picked = torch.from_numpy(np.isin(facts.ids, picked))
    inside, outside = is_picked.nonzero().flatten(), (~is_picked).nonzero().flatten()
    duplicates: list[NearDuplicate] = []
    target = facts.unit[inside]
    for first in range(0, len(outside), _BLOCK):
        rows = outside[first : first + _BLOCK]
        cosines = facts.unit[rows] @ target.T  # (B, P)
        duplicates += _nearest_twins(facts, dataset, rows, inside, cosines, cosine, pixels)
        yield Progress("twins", first + len(rows), len(outside), time.perf_counter() - start)
    return sorted(duplicates, key=lambda t: (t.pixels, t.id))


def _nearest_twins(
    facts: ImageFacts,
    dataset: Dataset,
    rows: Tensor,
    inside: Tensor,
    cosines: Tensor,
    cosine: float,
    pixels: float,
) -> list[NearDuplicate]:
    """Return the nearest twin of each of ``rows`` (B,) among ``inside`` (P,), if any; ``cosines`` is (B, P)."""
    i, j = (cosines >= cosine).nonzero(as_tuple=True)
    x, white = dataset.train.x, dataset.train.white
    best: dict[int, NearDuplicate] = {}
    for first in range(0, len(i), 4 * _BLOCK):
        a, b = i[first : first + 4 * _BLOCK], j[first : first + 4 * _BLOCK]
        gap = (x[rows[a].to(x.device)].float() - x[inside[b].to(x.device)].float()).flatten(1) / white
        rms = gap.square().mean(1).sqrt().cpu()
        for p in (rms <= pixels).nonzero().flatten().tolist():
            twin = NearDuplicate(
                int(facts.ids[rows[a[p]]]),
                int(facts.ids[inside[b[p]]]),
                float(cosines[a[p], b[p]]),
                float(rms[p]),
            )
            if twin.id not in best or (twin.pixels, twin.of) < (best[twin.id].pixels, best[twin.id].of):
                best[twin.id] = twin
    return list(best.values())


ORDERS = {
    "id": "id",
    "class": "class",
    "loss": "loss, highest first",
    "unsure": "confidence, lowest first",
    "margin": "margin, smallest first",
    "memorised": "most memorised first",
}


def ordered(order: str, facts: ImageFacts, scores: Floats | None = None) -> Whole:
    """Return (N,) the rows in ``order``, a key of ORDERS; ties by id. "memorised" without ``scores`` is by id."""
    keys: dict[str, npt.NDArray[Any] | None] = {
        "class": facts.labels,
        "loss": -facts.losses,
        "unsure": facts.confidences,
        "margin": facts.margins,
        "memorised": None if scores is None else -scores,
    }
    key = keys.get(order)
    rows: Whole = np.lexsort((facts.ids,) if key is None else (facts.ids, key)).astype(np.int64)
    return rows
