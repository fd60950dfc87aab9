"""Models retrained from scratch on D_r, in slices, and cached by content. One model is one draw, so there are several."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from typing import Any, Self

from core.config import as_dict, environment
from core.config.preset_tables import QUICK
from core.data.split import Split, require_split
from core.errors import CancelledError, LabError
from core.evaluation.reference_band import Retrained
from core.methods.retrain import Retrain
from core.models.base import Net, Provenance, multiply_adds, require_classifier
from core.models.own_modules import has_factory
from core.models.registry import build
from core.runs.run import Phase, Run
from core.runtime import seeding
from core.runtime.bounds import require_whole
from core.runtime.content_cache import content_key, models
from core.runtime.device import torch_threads, usable_cores
from core.runtime.progress import Progress, Work, require_listener, run_to_end

LEAST = 1_000_000  # multiplications for one image, for ``gains_beside``
log = logging.getLogger(__name__)


def usual_count(family: str, model: Net | None = None) -> int:
    """Return the usual number of retrained models: 5 of a QUICK family, whose retraining takes seconds, else 3.

    ``$LAF_REFERENCES`` sets another number. Raises RequestError when it cannot be used.

    It is 0, and a warning is logged, for an original ``model`` whose training cannot be repeated.
    """
    if model is not None and model.provenance is not None and not has_factory(model.provenance.net):
        log.warning("%r: there are no retrained models to compare with", model)
        return 0
    asked = environment.reference_count()
    if asked is not None:
        return asked
    return 5 if family in QUICK else 3


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

    ``workers`` threads train one model each, by default one for each core where ``gains_beside``; each model has the bits it
    has alone.
    ``progress`` tells the steps of all of them. Raises LabError when training fails; the other trainings stop.
    """
    require_split(split, "references")
    require_classifier(model, split.dataset.shape, len(split.dataset.classes))
    require_listener(progress)
    if count is not None:
        require_whole("count", count)
    total = usual_count(split.dataset.family, model) if count is None else count
    if workers is None:
        workers = usable_cores() if gains_beside(model, split) else 1
    each = [retraining(split, model, seed=seed, number=number) for number in range(total)]
    if min(total, workers) <= 1:
        return [run_to_end(work, progress) for work in each]
    return _train_beside(each, workers, progress)


def gains_beside(model: Net, split: Split) -> bool:
    """Return whether models like ``model`` gain by training in two threads at once: on the CPU, each on one core.

    Threads of a small net, such as that of digits, would mostly wait for the interpreter's lock.
    """
    if next(model.parameters()).device.type != "cpu":
        return False
    if model.provenance is not None and model.provenance.config.threads != 1:
        return False
    return multiply_adds(model, split.dataset.shape) >= LEAST


class RetrainedBeside:
    """A model that a thread of its own retrains, or takes from the cache, while the caller does other work.

    It is a context: at its end the thread stops. Within it torch computes on one thread.
    """

    def __init__(self, split: Split, model: Net, *, seed: int = 0) -> None:
        self._work = retraining(split, model, seed=seed)
        self._stop = threading.Event()
        self._now: Progress | None = None

    @property
    def is_trained(self) -> bool:
        """True if the model was not in the cache."""
        return self._now is not None

    @property
    def is_done(self) -> bool:
        """True once the model is there, so that its core is free."""
        return self._made.done()

    def __enter__(self) -> Self:
        self._ends = ExitStack()
        self._ends.enter_context(torch_threads(1))
        self._thread = self._ends.enter_context(ThreadPoolExecutor(1, thread_name_prefix="retrain"))
        self._ends.callback(self._stop.set)
        self._made = self._thread.submit(self._train)
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.close()

    def _train(self) -> Retrained:
        def tell(progress: Progress) -> None:
            self._now = progress
            if self._stop.is_set():
                raise CancelledError("retraining was stopped before it was finished")

        with closing(self._work):
            return run_to_end(self._work, tell)

    def result(self, progress: Callable[[Progress], object] | None = None) -> Retrained:
        """Wait for the model and return it; tell ``progress`` meanwhile. Raises what training raised."""
        while True:
            done = wait([self._made], timeout=0.1).done
            if progress is not None and self._now is not None:
                progress(self._now)
            if done:
                return self._made.result()


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

    # torch's number of threads is the process's: it must not change while one of them trains
    with torch_threads(1), ThreadPoolExecutor(workers, thread_name_prefix="retrain") as threads:
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
