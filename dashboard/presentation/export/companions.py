"""The original model and the retrained models of a kept run, taken from the caches; nothing is trained for an export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from core.data.registry import load
from core.data.split import Split
from core.errors import LabError, RequestError
from core.evaluation.reference_band import Retrained
from core.methods import method
from core.models.base import Net
from core.models.uploads import load_uploaded_model
from core.projection.projection import Projection
from core.runs.observer import Observer
from core.runs.original_models import net_training, original
from core.runs.records import Frame
from core.runs.reference_models import retraining, usual_count
from core.runs.storage import KeptRun, chain_original
from core.runs.storage.serialization import weights_key
from core.runtime.device import pick_device
from core.runtime.progress import Work

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Companions:
    """The models that belong to a kept run: its original, and the retrained models that are in the cache."""

    split: Split
    original: Net
    retrained: tuple[Retrained, ...]


def companions(kept: KeptRun) -> Companions:
    """Return the models that belong to a kept run.

    Raises LabError where its images or its original model are no longer there.
    """
    setup = kept.setup
    split = setup.split(load(setup.dataset, data_dir=setup.data_dir, download=False))
    if split.dataset.fingerprint != kept.about["dataset"]:
        raise RequestError(f"run {kept.id} was made from other images than {split.dataset.title} has now")
    device = str(pick_device(setup.device))
    model: Net | None
    if setup.earlier:
        model = chain_original(setup, split, device)
    elif setup.model is not None:
        model = load_uploaded_model(setup.model, split.dataset).to(device)
    else:
        unlearner = method(setup.method, setup.config(split))
        config = kept.training or net_training(setup, split, unlearner)
        model = _cached(original(split, unlearner, seed=setup.seed, device=device, config=config))
    if model is None or weights_key(model) != kept.about["original"]:
        raise RequestError(
            f"the original model of run {kept.id} is no longer kept; open the run in the Lab first"
        )
    found = []
    for number in range(usual_count(split.dataset.family)):
        made = _cached(retraining(split, model, seed=setup.seed, number=number))
        if made is None:
            break
        found.append(made)
    return Companions(split, model, tuple(found))


def frames_beside(kept: KeptRun) -> tuple[Frame, ...]:
    """Return a frame of each retrained model on the map of the run; () where its models or images are not there."""
    try:
        found = companions(kept)
    except LabError:
        return ()
    if not found.retrained:
        return ()
    observer = Observer(found.split, found.original, kept.eval_config, seed=kept.setup.seed)
    e0 = observer.original.train.representations
    if kept.map_positions is None or len(kept.map_positions) != len(e0):
        return ()
    observer.projection = Projection.from_state({"representations": e0, "positions": kept.map_positions})
    frames = []
    for one in found.retrained:
        shares_weights = observer.knows_initial_weights and one.number == 0
        frames.append(observer.look(one.model) if shares_weights else observer.look_turned(one.model)[0])
    return tuple(frames)


def _cached(work: Work[Result]) -> Result | None:
    """Return the result of work that needs no training, else None: such work yields progress before it trains."""
    try:
        next(work)
    except StopIteration as end:
        result: Result = end.value
        return result
    work.close()
    return None
