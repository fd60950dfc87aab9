"""SISA: an original of several nets that each trained on a share of D, so that forgetting retrains only the touched nets.

It is exact. The result equals training without D_f, with the same assignment of the other images to shards and slices.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from core.config import TrainConfig, as_dict
from core.data.split import Split
from core.errors import RequestError
from core.methods.base import IMAGES_R, LABELS_R
from core.methods.presets import preset
from core.methods.sisa_shards import OriginalTraining, Plan, Shards, ShardTraining
from core.methods.step import Stage, Step
from core.models.base import Net, device_of
from core.runtime import bounds, seeding
from core.runtime.bounds import Bound, check
from core.runtime.progress import Progress


@dataclass(frozen=True)
class SISAConfig:
    """Settings of SISA. The paper tries 1 to 100 shards and 1 to 50 slices, on sets 30 times as large as digits.

    As in the paper, the slices of a shard share the E epochs of one training. Each slice has 2E / (R + 1) epochs.
    """

    shards: int = 5  # S
    slices: int = 2  # R of a shard; each stores a checkpoint of weights and moments
    train: TrainConfig | None = None  # of each shard; None: the preset of the dataset's originals
    threads: int = 1

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "shards": bounds.whole(1000),
        "slices": bounds.whole(1000),
        "threads": bounds.THREADS,
    }

    def __post_init__(self) -> None:
        check(self)


class SISA:
    """Sharded, Isolated, Sliced, Aggregated training; a step is a minibatch of a touched shard."""

    name = "sisa"
    title = "SISA"
    source = "Bourtoule et al. 2021, arXiv 1912.03817"
    Config = SISAConfig
    needs_labels = True
    reads = (IMAGES_R, LABELS_R)
    original_knows_forget_set = False

    def __init__(self, config: SISAConfig | None = None) -> None:
        self.config = config
        self._memory: dict[str, Any] = {}

    # its original

    def configure_original(self, split: Split) -> None:
        """Choose the preset unless the caller gave a config, and the training preset of the dataset unless the config has one."""
        config: SISAConfig = self.config or preset(self.name, split.dataset.family, split.task, SISAConfig)
        if config.train is None:
            config = replace(config, train=TrainConfig.preset(split.dataset.family, split.task))
        self.config = config

    def train_original(self, split: Split, *, seed: int, device: str) -> OriginalTraining:
        """Start training all slices of all shards on D. Raises RequestError for fewer images than slices."""
        self.configure_original(split)
        assert self.config is not None
        n, parts = len(split.train), self.config.shards * self.config.slices
        if n < parts:
            raise RequestError(
                f"{n} images cannot fill {self.config.shards} shards of {self.config.slices} slices; use fewer of them"
            )
        memory = self._new_memory(n, seed)
        everything = replace(split, remain_rows=torch.arange(n), forget_rows=torch.arange(0))
        plan = self._plan(everything, memory)
        jobs = plan.jobs(dict.fromkeys(range(plan.shards), 0))
        return OriginalTraining(ShardTraining(plan.begin().to(device), plan, jobs, "train"), memory)

    def _new_memory(self, n: int, seed: int) -> dict[str, Any]:
        """Return the memory of an original of ``n`` images that is not trained yet."""
        assert self.config is not None
        parts = self.config.shards * self.config.slices
        at = torch.randperm(n, generator=seeding.generator(seed, "sisa", "assignment")) % parts
        return {
            "config": as_dict(self.config),
            "seed": seed,
            "shard_of": at % self.config.shards,
            "slice_of": at // self.config.shards,
            "checkpoints": [],
        }

    def restore_original(self, split: Split, weights: dict[str, Any], memory: dict[str, Any]) -> Net:
        """Return the shards from their saved weights and memory."""
        model = self._plan(split, memory).begin()
        model.load_state_dict(weights)
        model.memory = memory
        return model

    def _plan(self, split: Split, memory: dict[str, Any]) -> Plan:
        assert self.config is not None
        assert self.config.train is not None
        shards, slices, train = self.config.shards, self.config.slices, self.config.train
        train = replace(train, epochs=max(1, round(2 * train.epochs / (slices + 1))))
        shard_of, slice_of = memory["shard_of"].cpu(), memory["slice_of"].cpu()
        return Plan(split, shard_of, slice_of, shards, slices, train, memory["seed"])

    # unlearning

    def configure(self, model: Net, split: Split) -> None:
        """Choose the settings of the original. Raises RequestError for any other model, other settings or other images."""
        memory = dict(model.memory)
        if "shard_of" not in memory or len(memory["shard_of"]) != len(split.train):
            raise RequestError(
                "SISA can unlearn only from an original that it trained itself on these images; choose no model"
            )
        if self.config is None:
            saved = memory["config"]
            self.config = SISAConfig(**{**saved, "train": TrainConfig(**saved["train"])})
        self.configure_original(split)
        if as_dict(self.config) != memory["config"]:
            raise RequestError("this original was trained with other settings of SISA; use the same settings")
        self._memory = memory

    def _first_touched_slices(self, split: Split, memory: dict[str, Any]) -> dict[int, int]:
        """Return the first touched slice of each touched shard."""
        first: dict[int, int] = {}
        rows = split.forget_rows.cpu()
        shards, slices = (memory[name].cpu()[rows].tolist() for name in ("shard_of", "slice_of"))
        for shard, slice_ in zip(shards, slices, strict=True):
            first[shard] = min(slice_, first.get(shard, slice_))
        return first

    def stages(self, split: Split, config: SISAConfig) -> tuple[Stage, ...]:
        """Return one stage with a step for each minibatch of the touched shards; at least 1, also where no image is left.

        Before there is an original, the steps are those of an original of seed 0.
        """
        memory = self._memory or self._new_memory(len(split.train), 0)
        plan = self._plan(split, memory)
        steps = plan.steps(plan.jobs(self._first_touched_slices(split, memory)))
        return (Stage("unlearn", "retraining touched shards", max(1, steps)),)

    def start(self, model: Net, split: Split, *, seed: int) -> ShardTraining:
        """Return touched shards to their last checkpoint before the first touched slice.

        ``seed`` has no effect: the original's seed decides.
        """
        assert isinstance(model, Shards)
        plan, device = self._plan(split, self._memory), device_of(model)
        first, student, moments = self._first_touched_slices(split, self._memory), plan.begin().to(device), {}
        for shard in range(plan.shards):
            if shard not in first:
                student.part(shard).load_state_dict(model.part(shard).state_dict())
        for checkpoint in self._memory[
            "checkpoints"
        ]:  # in order of slices: a later one replaces an earlier one
            shard = checkpoint["shard"]
            if checkpoint["slice"] < first.get(shard, 0):
                student.part(shard).load_state_dict(checkpoint["weights"])
                moments[shard] = checkpoint["optimiser"]
        plan_on_device = replace(plan, split=split.to(device))
        return ShardTraining(student.eval(), plan_on_device, plan.jobs(first), "unlearn", moments)

    def prepare(self, state: ShardTraining, config: SISAConfig) -> Progress | None:
        """Return None: there is nothing to prepare."""
        return None

    def step(self, state: ShardTraining, config: SISAConfig) -> Step:
        """Train on one minibatch; an epoch is a slice."""
        start, total, job = time.perf_counter(), max(1, state.total), state.at + 1
        losses = {"cross_entropy": state.step()} if state.jobs else {}
        state.number = max(1, state.number)
        seconds = time.perf_counter() - start
        return Step(state.number, total, job, "unlearn", losses, {}, seconds=seconds)

    def result(self, state: ShardTraining) -> Net:
        """Return all shards in eval mode; not a copy."""
        return state.model.eval()
