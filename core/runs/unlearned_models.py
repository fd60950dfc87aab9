"""What a method makes of an original model: run to its end in slices, kept by content, so that no comparison does it twice."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from core.config import as_dict
from core.data.split import Split
from core.errors import CancelledError
from core.methods.base import Unlearner, has_own_original
from core.models.base import Net, device_of
from core.runs.run import Phase, Run
from core.runtime.content_cache import ContentCache, content_key
from core.runtime.progress import Work
from core.training.supervised import copy_of

unlearned_models_of = ContentCache("outcomes", most=64)


@dataclass(frozen=True, eq=False)
class UnlearnedModel:
    """The end of a run. Timing and memory are those of when it was done."""

    method: str
    model: Net
    steps: int
    seconds: dict[str, float]  # by stage, without evaluation
    peak_memory_mb: dict[str, float]  # by stage: allocated on a GPU, else of the process so far
    config: dict[str, Any]

    @property
    def total_s(self) -> float:
        """Seconds in all."""
        return sum(self.seconds.values())


def unlearned_model(split: Split, model: Net, unlearner: Unlearner, *, seed: int = 0) -> Work[UnlearnedModel]:
    """Run ``unlearner`` on ``model`` to its end, or take what it made from the shelf.

    Raises what the method raised (LabError), CancelledError when it was stopped.
    """
    run = Run(unlearner, model, split, seed=seed)
    config = (
        as_dict(run.config) if hasattr(run.config, "__dataclass_fields__") else {"repr": repr(run.config)}
    )
    weights = [value for _, value in sorted(model.state_dict().items())]
    memory = [] if not has_own_original(unlearner) else [as_plain_key(model)]
    key = content_key(
        "outcome", unlearner.name, config, seed, split.dataset.fingerprint, split.remain_rows,
        [] if split.clean_y is None else split.clean_y, device_of(model).type, *weights, *memory,
    )  # fmt: skip
    # a plug-in's code is not ours: that it changed cannot be seen in the key
    kept = unlearned_models_of.get(key) if _is_ours(unlearner) else None
    if kept is not None:
        twin = copy_of(model)
        twin.load_state_dict(kept["weights"])
        return UnlearnedModel(
            unlearner.name, twin.eval(), kept["steps"], kept["seconds"], kept["peak_memory_mb"], config
        )
    run.play()
    while run.tick():
        yield next(reversed(run.progress.values()))
    if run.error is not None:
        raise run.error
    if run.phase is not Phase.DONE:
        raise CancelledError("the run was stopped before it was finished")
    seconds = {k: v for k, v in run.seconds.items() if k != "evaluate"}
    made = UnlearnedModel(
        unlearner.name, run.result, len(run.steps), seconds, dict(run.peak_memory_mb), config
    )
    unlearned_models_of.put(key, {
        "weights": copy.deepcopy(made.model.state_dict()), "steps": made.steps, "seconds": seconds,
        "peak_memory_mb": made.peak_memory_mb,
    }, dataset=split.dataset.name, kind="outcome")  # fmt: skip
    return made


def as_plain_key(model: Net) -> str:
    """What tells the originals of a method with its own apart besides their weights."""
    made = model.provenance
    return "" if made is None else f"{made.given} {made.seed}"


def _is_ours(unlearner: Unlearner) -> bool:
    return type(unlearner).__module__.startswith("core.")
