"""The images on which every model of an evaluation is measured, and what follows from their number."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from core.data.images import LabelledImages
from core.data.split import Split
from core.evaluation.attacks.member_sets import as_members, draw_sets
from core.evaluation.attacks.scores import ATTACKS
from core.evaluation.representations.nearest_remaining import same_mix
from core.evaluation.representations.probes import SHOWN
from core.runtime import seeding

MAX_IMAGES = {"remain": 10_000, "forget": 30_000, "test": 10_000}
KLOM = ("klom_f", "klom_f_95", "klom_r", "klom_r_95")
MAX_DEEP = {"remain": 1000, "forget": 500, "test": 500}  # images whose representations are kept


class EvaluationSample:
    """The images of a Split on which every model is evaluated: at most MAX_IMAGES of D_r, of D_f and of the test set.

    The attack's sets are drawn from all images, by the one draw that frames and reports have too.
    """

    def __init__(self, split: Split, seed: int) -> None:
        self.split, self.seed = split, seed
        self.remain = self._draw(split.remain_rows.cpu(), "remain")  # rows of split.train in random order
        self.forget = self._draw(split.forget_rows.cpu(), "forget")
        self.test = self._draw(torch.arange(len(split.test)), "test")  # rows of split.test
        self.touched = split.test_is_touched.cpu()[self.test]
        self.sets = draw_sets(split)
        self.unseen = as_members(split, self.sets)

    def _draw(self, rows: Tensor, name: str) -> Tensor:
        generator = seeding.generator(self.seed, "judge", name)
        return rows[torch.randperm(len(rows), generator=generator)[: MAX_IMAGES[name]]]

    @property
    def parts(self) -> dict[str, tuple[LabelledImages, Tensor]]:
        """The images and the sampled rows of "remain", "forget" and "test"."""
        train, test = self.split.train, self.split.test
        return {"remain": (train, self.remain), "forget": (train, self.forget), "test": (test, self.test)}

    @property
    def non_members_are_stamped(self) -> bool:
        """True if the non-members bear a trigger, so that they need a separate forward pass."""
        return self.split.planted is not None and self.split.planted.kind == "trigger"

    def deep(self, name: str) -> LabelledImages:
        """Return the images of "remain", "forget" or "test" whose representations are kept."""
        if name == "test":  # touched classes only
            return self.split.test.take(self.test[self.touched][: MAX_DEEP[name]])
        return self.split.train.take((self.remain if name == "remain" else self.forget)[: MAX_DEEP[name]])

    @cached_property
    def shown(self) -> int:
        """Number of images of D_f that relearning is fine-tuned on; 0 where there are too few."""
        n = min(len(self.forget), MAX_DEEP["forget"])
        return 0 if n < 4 else min(SHOWN, n // 4)

    def unseen_like(self, rows: Tensor) -> Tensor:
        """Return places in ``test`` of test images with the classes of the training ``rows`` in the same proportions."""
        return same_mix(self.split.true_y.cpu()[rows], self.split.test.y.cpu()[self.test])


def missing_value_reasons(sample: EvaluationSample, references: int) -> dict[str, str]:
    """Return the reason for each metric that may lack a value, beside ``references`` retrained models."""
    sets = sample.sets
    no_retrained = "There is no retrained model to compare with."
    attack = (
        f"Too few images for an attack: {len(sets.members):,} forgotten, {len(sets.non_members):,} unseen of the same kind; "
        "read the per-image scores instead."
    )
    reasons = {f"auc_{name}": attack for name in ATTACKS} | {"asr_paper": attack}
    pairs = ("js", "cka_retrained", "average_gap", "tug_of_war", *KLOM, "layer_probe")
    reasons |= dict.fromkeys(pairs, no_retrained)
    if references:
        reasons |= dict.fromkeys(
            KLOM,
            f"{references} retrained models are too few: among themselves they are at the largest value, 11.5 nats, too.",
        )
        reasons["layer_probe"] = "Too few forgotten or unseen images for a probe at each layer."
    reasons |= {
        "probe": "Too few classes or test images for a probe.",
        "relearn": f"{len(sample.forget)} forgotten images are too few, or the model has no gradient.",
    }
    if not references:
        reasons |= dict.fromkeys(("probe", "relearn"), no_retrained)
    return reasons | {
        "attack_p": attack,
        "near_r": "Too few remaining images.",
        "near_auc": "Too few remaining images, or no unseen images of their classes.",
        "test_r": "Every class has forgotten images.",
        "test_f": "No test image is of a class with forgotten images.",
        "angle": "Too few images.",
        "angle_ratio": "The remaining images did not move, so there is no noise floor.",
        "seconds": "The time of this model is not known.",
        "peak_memory_mb": "The memory of this model is not known.",
    }


def resolutions(sample: EvaluationSample, near: int = 0) -> dict[str, float]:
    """Return the smallest step 1 / n of each metric that is a share among n images; ``near``: images of D_r nearest to D_f."""
    n_f, sets = len(sample.forget), sample.sets
    counts = {
        "train_r": len(sample.remain),
        "train_f": n_f,
        "clean_f": n_f,
        "test": len(sample.test),
        "test_r": int((~sample.touched).sum()),
        "test_f": int(sample.touched.sum()),
        "commonest_share": n_f,
        "asr_paper": 2 * min(len(sets.members), len(sets.non_members)),
        "probe": len(sample.deep("test")),
        "near_r": near,
    }
    return {key: 1 / count for key, count in counts.items() if count}
