"""What the original model says of each training image, filters over that, and which images one might want forgotten.

Long work is a generator that yields Progress, so that a Runner can take it in slices; its return value is the result.
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

NEIGHBOURS = 10  # that vote in `memorised`
SAME_COSINE = 0.98  # a near-duplicate's representation points the same way at least this well,
SAME_PIXELS = 0.12  # and its pixels differ by at most this, root mean square, black to white being 1
_SLICE = 1024  # images in one forward pass
_BLOCK = 256  # rows whose distances to everything are held at once: 60,000 columns are 60 MB
_SMALLEST = 1e-12  # probabilities below it count as it: a loss of 27.6 at most


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """What a model says of N training images, row by row in the order of ``Dataset.train``."""

    ids: Whole  # (N,)
    labels: Whole  # (N,)
    predictions: Whole  # (N,) the most probable class
    confidences: Floats  # (N,) its probability
    own: Floats  # (N,) the probability of the image's own label
    losses: Floats  # (N,) cross-entropy, -log own, nats
    margins: Floats  # (N,) own minus the largest other probability, in [-1, 1]; below 0: answered wrongly
    unit: Tensor  # (N, width) float32, representations of length 1
    subjects: Whole | None = None  # (N,) as in Dataset.subject_of

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """(N,) whether the answer is the image's own label."""
        found: npt.NDArray[np.bool_] = self.predictions == self.labels
        return found


def gather_facts(model: Net, dataset: Dataset) -> Generator[Progress, None, ImageFacts]:
    """One forward pass over all training images, a slice at a time."""
    train = dataset.train
    n, start = len(train), time.perf_counter()
    probabilities, representations = [], []
    for first in range(0, n, _SLICE):
        rows = torch.arange(first, min(n, first + _SLICE), device=train.x.device)
        out = outputs(model, train.unlabelled().take(rows))
        probabilities.append(out.probabilities)
        representations.append(torch.nn.functional.normalize(out.representations, dim=1))
        yield Progress("facts", first + len(rows), n, time.perf_counter() - start)
    p, y = torch.cat(probabilities), train.y.cpu()
    own = p.gather(1, y[:, None])[:, 0]
    others = p.scatter(1, y[:, None], -1.0).max(1).values  # one class only: -1, and the margin is own + 1
    confidence, prediction = p.max(1)
    return ImageFacts(
        ids=train.ids.cpu().numpy(),
        labels=y.numpy(),
        predictions=prediction.numpy(),
        confidences=confidence.numpy(),
        own=own.numpy(),
        losses=-own.clamp_min(_SMALLEST).log().numpy(),
        margins=(own - others).numpy(),
        unit=torch.cat(representations),
        subjects=None if dataset.subject_of is None else dataset.subject_of.cpu().numpy(),
    )


@dataclass(frozen=True)
class Filter:
    """Which images are shown: all that pass every part. An empty part lets everything through."""

    classes: tuple[int, ...] = ()
    predictions: tuple[int, ...] = ()
    confidence: tuple[float, float] = (0.0, 1.0)  # both ends count
    loss: tuple[float, float] = (0.0, float("inf"))
    right: bool | None = None  # only right, only wrong, or both
    subjects: tuple[int, ...] = ()

    def mask(self, facts: ImageFacts) -> npt.NDArray[np.bool_]:
        """(N,) whether each image passes."""
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
        return passed

    @property
    def is_open(self) -> bool:
        """Whether everything passes."""
        return self == Filter()


def memorised(facts: ImageFacts, *, k: int = NEIGHBOURS) -> Generator[Progress, None, Floats]:
    """(N,) how much of the model's confidence in an image's own label the *other* images do not account for, in [-1, 1].

        s_i = p(y_i | x_i) - 1/k |{j in N_k(i): y_j = y_i}|

    N_k(i) are the k other training images whose representations point most nearly the same way as x_i's (cosine). Near 1: the
    model is sure of a label that no image like it has. A cheap **proxy** of leave-one-out memorisation, for which one would train
    many models without each image; the representations themselves were learned with x_i among the data, so a model that moved
    an odd image in among its own class hides it from this score. On digits with 5 % wrong labels, 61 % of as many first images
    are wrongly labelled ones (by chance: 5 %).
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
    """An image that is not picked, and the picked one it nearly equals."""

    id: int
    of: int
    cosine: float  # of their representations
    pixels: float  # root mean square difference, black to white being 1


def near_duplicates(
    facts: ImageFacts,
    dataset: Dataset,
    picked: Sequence[int] | Whole,
    *,
    cosine: float = SAME_COSINE,
    pixels: float = SAME_PIXELS,
) -> Generator[Progress, None, list[NearDuplicate]]:
    """The images that are not ``picked`` (ids) but nearly equal one that is, and would stay in D_r; the nearest first.

    Nearly equal: cos(e_i, e_j) >= ``cosine`` **and** RMS(x_i - x_j) <= ``pixels``. Of each image its nearest twin is told, by pixels.
    """
    start = time.perf_counter()
    is_picked = torch.from_numpy(np.isin(facts.ids, picked))
    inside, outside = is_picked.nonzero().flatten(), (~is_picked).nonzero().flatten()
    found: list[NearDuplicate] = []
    target = facts.unit[inside]
    for first in range(0, len(outside), _BLOCK):
        rows = outside[first : first + _BLOCK]
        alike = facts.unit[rows] @ target.T  # (B, P)
        found += _nearest_twins(facts, dataset, rows, inside, alike, cosine, pixels)
        yield Progress("twins", first + len(rows), len(outside), time.perf_counter() - start)
    return sorted(found, key=lambda t: (t.pixels, t.id))


def _nearest_twins(
    facts: ImageFacts,
    dataset: Dataset,
    rows: Tensor,
    inside: Tensor,
    alike: Tensor,
    cosine: float,
    pixels: float,
) -> list[NearDuplicate]:
    """The twin of each of ``rows`` (B,) among ``inside`` (P,), where there is one; ``alike`` (B, P) are the cosines."""
    i, j = (alike >= cosine).nonzero(as_tuple=True)
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
                float(alike[a[p], b[p]]),
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
    """(N,) rows in ``order``, a key of ORDERS; ties by id. "memorised" needs its ``scores`` and goes by id without them."""
    keys: dict[str, npt.NDArray[Any] | None] = {
        "class": facts.labels,
        "loss": -facts.losses,
        "unsure": facts.confidences,
        "margin": facts.margins,
        "memorised": None if scores is None else -scores,
    }
    key = keys.get(order)
    found: Whole = np.lexsort((facts.ids,) if key is None else (facts.ids, key)).astype(np.int64)
    return found
