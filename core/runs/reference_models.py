"""Models retrained from scratch on D_r, in slices, and cached by content. One model is one draw, so there are several."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

from core.config import as_dict
from core.data.split import Split
from core.errors import CancelledError, LabError
from core.evaluation.reference_band import Retrained
from core.methods.retrain import Retrain
from core.models.base import Net, Provenance
from core.models.own_modules import has_factory
from core.models.registry import build
from core.runs.run import Phase, Run
from core.runtime import seeding
from core.runtime.content_cache import content_key, models
from core.runtime.device import usable_cores
from core.runtime.progress import Progress, Work, run_to_end

log = logging.getLogger(__name__)


def usual_count(family: str, model: Net | None = None) -> int:
    """Return the usual number of retrained models: retraining digits takes seconds, other data minutes.

    It is 0, and a warning is logged, for an original ``model`` whose training cannot be repeated.
    """
    if model is not None and model.provenance is not None and not has_factory(model.provenance.net):
        log.warning("%r: there are no retrained models to compare with", model)
        return 0
    return 5 if family in ("digits", "own-small") else 3


def retraining(split: Split, model: Net, *, seed: int = 0, number: int = 0) -> Work[Retrained]:
    """Retrain model number ``number`` for the original ``model`` in slices, or take it from the cache.

    Raises LabError when training fails.
    """
    provenance = model.provenance
    given = provenance is not None and provenance.given is not None
    own = seeding.derive_seed(seed, "reference", number) if number else seed
    run = Run(Retrain(begin=own if number else None), model, split, seed=own)
    device = next(model.parameters()).device.type
    begin = own if number else provenance.seed if provenance and not given else None
    key = content_key(
        "retrained", split.dataset.fingerprint, split.remain_rows, as_dict(run.config), own, begin, device
    )
    kept = models.get(key)
    if kept is None:
        yield Progress("retrain", 0, run.total_steps)
        run.play()
        while run.tick():
            yield run.progress["retrain"]
        if run.error is not None:
            raise LabError(f"retraining failed: {run.error}")
        if run.phase is not Phase.DONE:
            raise CancelledError("retraining was stopped before it was finished")
        kept = {"weights": run.result.state_dict(), "seconds": run.seconds["retrain"]}
        models.put(key, kept, dataset=split.dataset.name, kind="retrained model")
    return Retrained(number, restore(split, run.config, own, kept, device), kept["seconds"])


def references(
    split: Split,
    model: Net,
    *,
    count: int | None = None,
    seed: int = 0,
    progress: Callable[[Progress], object] | None = None,
    workers: int | None = None,
) -> list[Retrained]:
    """Return ``count`` retrained models (default: ``usual_count``), in the order of their numbers.

    ``workers`` threads train one model each, on a CPU by default one for each core; each model has the bits it has alone.
    ``progress`` tells the steps of all of them. Raises LabError when training fails; the other trainings stop.
    """
    total = usual_count(split.dataset.family, model) if count is None else count
    if workers is None:
        workers = usable_cores() if next(model.parameters()).device.type == "cpu" else 1
    each = [retraining(split, model, seed=seed, number=number) for number in range(total)]
    if min(total, workers) <= 1:
        return [run_to_end(work, progress) for work in each]
    return _train_beside(each, workers, progress)


def _train_beside(
    each: list[Work[Retrained]], workers: int, progress: Callable[[Progress], object] | None
) -> list[Retrained]:
    """Run all work of ``each`` in threads; ``progress`` is called by one thread at a time."""
    stop, turn = threading.Event(), threading.Lock()
    now: dict[int, Progress] = {}

    def train(number: int) -> Retrained:
        def tell(slice_: Progress) -> None:
            if stop.is_set():
                raise CancelledError("retraining was stopped before it was finished")
            with turn:
                now[number] = slice_
                if progress is not None:
                    done, seconds = sum(p.done for p in now.values()), sum(p.seconds for p in now.values())
                    progress(Progress("retrain", done, len(each) * slice_.total, seconds))

        with closing(each[number]):
            return run_to_end(each[number], tell)

    with ThreadPoolExecutor(workers, thread_name_prefix="retrain") as threads:
        trained = [threads.submit(train, number) for number in range(len(each))]
        try:
            wait(trained, return_when=FIRST_EXCEPTION)
            failed = next((f.exception() for f in trained if f.done() and f.exception() is not None), None)
            if failed is not None:
                raise failed
            return [f.result() for f in trained]
        finally:
            stop.set()


def restore(split: Split, config: Any, seed: int, kept: dict[str, Any], device: str) -> Net:
    """Return a net for the dataset of ``split`` from its entry in the cache."""
    model = build(config.net, split.dataset.shape, len(split.dataset.classes), seed=seed)
    model.load_state_dict(kept["weights"])
    model.provenance = Provenance(config.net, seed, config, kept["seconds"])
    return model.to(device).eval()
