"""LAF+R: Label-Agnostic Forgetting, then supervised repair of the head on labelled remaining data."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import torch

from core.config import LAFRConfig, TrainConfig
from core.data.split import Split
from core.methods.base import IMAGES_F, IMAGES_R, LABELS_R, reason_against_change
from core.methods.laf.laf import LAF
from core.methods.laf.laf_step import LAFState
from core.methods.step import Stage, Step
from core.models.base import Net
from core.runtime import seeding
from core.runtime.progress import Progress
from core.training.supervised import SupervisedTrainer


@dataclass
class LAFRState:
    """A LAF run, and the repair of the head of the same model that follows its last step."""

    laf: LAFState
    repair: SupervisedTrainer

    @property
    def number(self) -> int:
        """Steps taken, of both kinds."""
        return self.laf.number + self.repair.number

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested plain values and tensors; ``load_state_dict`` continues from it."""
        repair = self.repair.state_dict()
        del repair["model"]  # LAF's state holds the same model
        return {"laf": self.laf.state_dict(), "repair": repair}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        self.laf.load_state_dict(state["laf"])
        self.repair.load_state_dict({**state["repair"], "model": state["laf"]["model"]})

    def share_with(self, other: LAFRState) -> None:
        """Share LAF's representations with a fork."""
        self.laf.share_with(other.laf)


class LAFR:
    """LAF without labels, then cross-entropy on a share of D_r.

    Only the head learns in the repair, as in the reference implementation.
    """

    name = "laf+r"
    title = "LAF+R"
    needs_labels = True
    Config = LAFRConfig
    reads = (IMAGES_F, IMAGES_R, LABELS_R)

    def __init__(self, config: LAFRConfig | None = None) -> None:
        self.config = config

    def configure(self, model: Net, split: Split) -> None:
        """Choose the preset of (dataset, task), unless the caller gave a config."""
        if self.config is None:
            self.config = LAFRConfig.preset(split.dataset.family, split.task)

    def refuse_change(self, before: LAFRConfig, now: LAFRConfig) -> str | None:
        """Return the reason why the settings ``now`` are refused: those of the repair cannot change; None where they are accepted."""
        if before.repair != now.repair:
            return "the repair is set up before the first step, so it cannot change during a run; reset, or begin another run"
        return reason_against_change(LAF(before.laf), before.laf, now.laf)

    def stages(self, split: Split, config: LAFRConfig) -> tuple[Stage, ...]:
        """Return LAF's stages; the last one also counts the minibatches of the repair."""
        *before, unlearn = LAF(config.laf).stages(split.unlabelled(), config.laf)
        repair = config.repair.epochs * math.ceil(_labelled_count(config, split) / config.repair.batch_size)
        return (*before, Stage("unlearn", "unlearning, then repair", unlearn.total + repair))

    def start(self, model: Net, split: Split, *, seed: int) -> LAFRState:
        """Give LAF the split without labels, and the repair a fixed random share of D_r with labels."""
        config = self.config
        assert config is not None
        laf = LAF(config.laf).start(model, split.unlabelled(), seed=seed)
        order = torch.randperm(
            len(split.remain_rows), generator=seeding.generator(seed, "repair", "labelled")
        )
        rows = split.remain_rows[order[: _labelled_count(config, split)]]
        supervised = TrainConfig(
            epochs=config.repair.epochs,
            batch_size=config.repair.batch_size,
            lr=config.repair.lr,
            weight_decay=0.0,
            threads=config.threads,
        )
        student = laf.model
        repair = SupervisedTrainer.start(
            student, split.train.take(rows), supervised, seed=seed, stage="repair", part=student.head
        )
        return LAFRState(laf, repair)

    def prepare(self, state: LAFRState, config: LAFRConfig) -> Progress | None:
        """Run one slice of LAF's preparation; return None when it is complete."""
        return LAF(config.laf).prepare(state.laf, config.laf)

    def step(self, state: LAFRState, config: LAFRConfig) -> Step:
        """Take one step of LAF until LAF ends, then one minibatch of the repair."""
        total_laf = config.laf.steps or config.laf.epochs * state.laf.steps_per_epoch
        total = total_laf + state.repair.total
        if state.laf.number < total_laf:
            return replace(LAF(config.laf).step(state.laf, config.laf), total=total)
        start = time.perf_counter()
        loss = state.repair.step()
        epoch = (state.repair.number - 1) // len(state.repair.batches) + 1
        seconds = time.perf_counter() - start
        return Step(state.number, total, epoch, "repair", {"cross_entropy": loss}, {}, seconds=seconds)

    def by_layer(self, state: LAFRState, config: LAFRConfig) -> dict[str, dict[str, float | None]]:
        """Return LAF's gradient norms and cosines for each layer; see ``LAF.by_layer``."""
        return LAF(config.laf).by_layer(state.laf, config.laf)

    def result(self, state: LAFRState) -> Net:
        """Return the model in eval mode; not a copy."""
        return state.laf.model.eval()


def _labelled_count(config: LAFRConfig, split: Split) -> int:
    """Return the number of images of D_r whose labels are read; at least 1."""
    return max(1, round(config.repair.share * len(split.remain_rows)))
