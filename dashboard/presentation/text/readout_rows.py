"""The read-outs of each task as rows: what they are called and what they mean; no screen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from core.data.planted import PLANTS
from core.evaluation.metrics import Reading


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


def rows_for(task: str, plant: str | None = None) -> list[Row]:
    """The read-outs of a task, the ones that decide first."""
    remain_train = Row(
        "remain_train",
        "remaining, train",
        "Train_r",
        "remain",
        "Accuracy on the training images that stay.",
        lambda r: r.train_r,
    )
    by_label = ", by their wrong labels: lower is better" if task == "noise" else ""
    forget_train = Row(
        "forget_train",
        "wrong labels, train" if task == "noise" else "forgotten, train",
        "Train_f",
        "forget",
        f"Accuracy on the images to forget{by_label}.",
        lambda r: r.train_f,
    )
    test = Row("test", "test", "Test", "remain", "Accuracy on all test images.", lambda r: r.test)
    if task == "class":
        rows = [
            remain_train,
            forget_train,
            Row(
                "remain_test",
                "remaining, test",
                "Test_r",
                "remain",
                "Accuracy on test images of the other classes.",
                lambda r: r.test_r,
            ),
            Row(
                "forget_test",
                "forgotten, test",
                "Test_f",
                "forget",
                "Accuracy on test images of the forgotten class.",
                lambda r: r.test_f,
            ),
        ]
    elif task == "noise":
        clean = Row(
            "clean_f",
            "true labels, train",
            "clean_f",
            "remain",
            "Accuracy on the mislabelled images by their true labels: what unlearning wrong labels is for.",
            lambda r: r.clean_f,
        )
        rows = [clean, forget_train, remain_train, test]
    else:
        rows = [remain_train, forget_train, test]
    if plant is not None:
        rows.insert(
            0,
            Row(
                "planted",
                "planted sign",
                "",
                "forget",
                f"Mean probability of the planted answer: {PLANTS[plant].sign}. A model that never saw the plant hardly gives it.",
                lambda r: r.planted,
            ),
        )
    return [
        *rows,
        Row(
            "one_answer",
            "forgotten, one answer",
            "max share",
            "forget",
            "Share of the forgotten images that get the commonest answer. Retrained models, too, have to call them something.",
            lambda r: r.commonest_share,
        ),
        Row(
            "auc",
            "attack AUC",
            "AUC",
            "neutral",
            "Membership attack: 50 % cannot tell forgotten training images from test images of the same classes. "
            "Nearer to the retrained model is better, not lower.",
            lambda r: r.attack.auc,
            unit="",
            digits=2,
        ),
    ]


JS = Row(
    "js",
    "distance to retrained",
    "JS",
    "forget",
    "Jensen-Shannon divergence, in nats, between what this model and the retrained ones answer for each forgotten image: "
    "0 the same answers, 0.69 none in common. The band is their distance to one another.",
    lambda r: None,
    unit=" nats",
    digits=2,
    range=(0.0, math.log(2)),
)
