"""Unlearned models: the result of a method on an original model, in slices, and cached by content for comparisons."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from core.config import as_dict
from core.data.split import Split
from core.errors import CancelledError
from core.methods.base import Unlearner, has_own_original
from core.models.base import Net, device_of
from core.models.own_modules import PREFIX
from core.runs.run import Phase, Run
from core.runtime.content_cache import ContentCache, content_key
from core.runtime.progress import Work
from core.training.supervised import copy_of

unlearned_models_of = ContentCache("outcomes", most=64)


@dataclass(frozen=True, eq=False)
class UnlearnedModel:
    """The result of a run. Time and memory are those of the run itself, also where it comes from the cache."""

    method: str
    model: Net
    steps: int
    seconds: dict[str, float]  # by stage, without evaluation
    peak_memory_mb: dict[str, float]  # by stage: allocated on a GPU, else of the process so far
    config: dict[str, Any]

    @property
    def total_s(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())


def unlearned_model(split: Split, model: Net, unlearner: Unlearner, *, seed: int = 0) -> Work[UnlearnedModel]:
    """Run ``unlearner`` on ``model`` to its end, or take the result from the cache.

    Raises what the method raised (LabError), CancelledError when the run was stopped.
    """
    run = Run(unlearner, model, split, seed=seed)
    config = (
        as_dict(run.config) if hasattr(run.config, "__dataclass_fields__") else {"repr": repr(run.config)}
    )
    key = _key(split, model, unlearner, config, seed)
    # a plug-in's result is not cached: the key does not show that its code changed
    kept = unlearned_models_of.get(key) if _is_ours(unlearner) else None
    if kept is not None:
        twin = copy_of(model)
        twin.load_state_dict(kept["weights"])
        return UnlearnedModel(
            unlearner.name, twin.eval(), kept["steps"], kept["seconds"], kept["peak_memory_mb"], config
        )
    yield from played(run)
    seconds = {k: v for k, v in run.seconds.items() if k != "evaluate"}
    made = UnlearnedModel(
        unlearner.name, run.result, len(run.steps), seconds, dict(run.peak_memory_mb), config
    )
    kept = {
        "weights": copy.deepcopy(made.model.state_dict()),
        "steps": made.steps,
        "seconds": seconds,
        "peak_memory_mb": made.peak_memory_mb,
    }
    unlearned_models_of.put(key, kept, dataset=split.dataset.name, kind="outcome")
    return made


def played(run: Run) -> Work[Run]:
    """Yield the Progress of ``run`` up to its end, and return it. Raises what the method raised, and CancelledError where it was stopped."""
    run.play()
    while run.tick():
        yield next(reversed(run.progress.values()))
    if run.error is not None:
        raise run.error
    if run.phase is not Phase.DONE:
        raise CancelledError("the run was stopped before it was finished")
    return run


def _key(split: Split, model: Net, unlearner: Unlearner, config: dict[str, Any], seed: int) -> str:
    """Return the cache key of a result."""
    weights = [value for _, value in sorted(model.state_dict().items())]
    clean_y: Any = [] if split.clean_y is None else split.clean_y
    parts = [
        config,
        seed,
        split.dataset.fingerprint,
        split.remain_rows,
        clean_y,
        device_of(model).type,
        *weights,
    ]
    if split.earlier_rows is not None:  # else D_f is all that does not remain
        parts.append(split.newest_rows)
    if has_own_original(unlearner):  # its originals may differ by more than their weights
        made = model.provenance
        parts.append("" if made is None else f"{made.given} {made.seed}")
    if model.provenance is not None and model.provenance.net.startswith(PREFIX):
        parts.append(
            model.provenance.net
        )  # two wrapped modules may have the same weights and another forward
    return content_key("outcome", unlearner.name, *parts)


def _is_ours(unlearner: Unlearner) -> bool:
    return type(unlearner).__module__.startswith("core.")
