"""The read-outs of each task as rows, with their labels and help texts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from core.data.planted import PLANTS
from core.evaluation.metrics import Reading

METRICS = {
    "remain_train": "train_r",
    "forget_train": "train_f",
    "newest_f": "train_f",
    "remain_test": "test_r",
    "forget_test": "test_f",
    "one_answer": "commonest_share",
    "auc": "auc_learned",
}


@dataclass(frozen=True)
class Row:
    """One read-out."""

    key: str
    label: str
    symbol: str
    role: str  # "remain", "forget" or "neutral"
    help: str
    value: Callable[[Reading], float | None]
    unit: str = "%"
    digits: int = 1
    range: tuple[float, float] = (0.0, 1.0)

    @property
    def metric(self) -> str:
        """The key in METRIC_SPECS of the same metric in an EvaluationReport."""
        return METRICS.get(self.key, self.key)


REMAIN_TRAIN = Row(
    "remain_train",
    "remaining, train",
    "Train_r",
    "remain",
    "Accuracy on the training images that stay.",
    lambda r: r.train_r,
)
FORGET_TRAIN = Row(
    "forget_train",
    "forgotten, train",
    "Train_f",
    "forget",
    "Accuracy on the images to forget.",
    lambda r: r.train_f,
)
NEWEST = Row(
    "newest_f",
    "newest request, train",
    "newest_f",
    "forget",
    "Accuracy on the images of the newest request. “Forgotten, train” is on the images of all requests so far.",
    lambda r: r.newest_f,
)
WRONG_LABELS = replace(
    FORGET_TRAIN,
    label="wrong labels, train",
    help="Accuracy on the images to forget, by their wrong labels: lower is better.",
)
TRUE_LABELS = Row(
    "clean_f",
    "true labels, train",
    "clean_f",
    "remain",
    "Accuracy on the mislabelled images by their true labels, the aim of unlearning wrong labels.",
    lambda r: r.clean_f,
)
TEST = Row("test", "test", "Test", "remain", "Accuracy on all test images.", lambda r: r.test)
REMAIN_TEST = Row(
    "remain_test",
    "remaining, test",
    "Test_r",
    "remain",
    "Accuracy on test images of the other classes.",
    lambda r: r.test_r,
)
FORGET_TEST = Row(
    "forget_test",
    "forgotten, test",
    "Test_f",
    "forget",
    "Accuracy on test images of the forgotten class.",
    lambda r: r.test_f,
)
ONE_ANSWER = Row(
    "one_answer",
    "most common answer",
    "max share",
    "forget",
    "Share of the forgotten images that get the most common answer. Retrained models also give them some answer.",
    lambda r: r.commonest_share,
)
AUC = Row(
    "auc",
    "AUC, learned",
    "AUC",
    "neutral",
    "Membership attack by a logistic regression on sorted probabilities: at 0.5 it cannot tell forgotten training images "
    "from test images of the same classes. "
    "Closer to the retrained models is better, not lower.",
    lambda r: r.attack.auc,
    unit="",
    digits=2,
)
JS = Row(
    "js",
    "distance to retrained",
    "JS",
    "forget",
    "Jensen-Shannon divergence, in nats, between the answers of this model and of the retrained ones to each forgotten "
    "image: 0 for equal answers, 0.69 for none in common. The band is the distance of retrained models to each other.",
    lambda r: None,
    unit=" nats",
    digits=2,
    range=(0.0, math.log(2)),
)
BY_TASK = {
    "class": (REMAIN_TRAIN, FORGET_TRAIN, REMAIN_TEST, FORGET_TEST),
    "noise": (TRUE_LABELS, WRONG_LABELS, REMAIN_TRAIN, TEST),
}
OTHER_TASKS = (REMAIN_TRAIN, FORGET_TRAIN, TEST)


def rows_for(task: str, plant: str | None = None, *, chain: bool = False) -> list[Row]:
    """Return the read-outs of a task, the decisive ones first; ``chain``: of a request that follows others."""
    rows = [*BY_TASK.get(task, OTHER_TASKS), ONE_ANSWER, AUC]
    if chain:
        rows.insert(2, NEWEST)
    return rows if plant is None else [_planted(plant), *rows]


def _planted(plant: str) -> Row:
    return Row(
        "planted",
        "planted sign",
        "",
        "forget",
        f"Mean probability of the planted answer: {PLANTS[plant].sign}. A model that never saw the plant rarely gives it.",
        lambda r: r.planted,
    )
