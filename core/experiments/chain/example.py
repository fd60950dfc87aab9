"""The shipped example of a chain: the deletion of one subject, which arrives as ten requests of two images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from core.config import EvalConfig
from core.data.images import Dataset
from core.data.registry import load
from core.experiments.chain.carried_map import carried_map
from core.experiments.outcome.judging import end_of, judge
from core.methods import method
from core.projection.projection import Projection, UmapBackend
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.original_models import original
from core.runs.reference_models import retraining, usual_count
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.storage import chain_original, record, setup_after, stop_run
from core.runtime.device import pick_device
from core.runtime.progress import Progress, Work, with_progress

REQUESTS, IMAGES = 10, 2  # of each
STAGE = "chain"  # key of a Progress


def example_subject(dataset: Dataset, count: int = REQUESTS * IMAGES) -> list[int]:
    """Return the ids of ``count`` training images that stand in for one subject: those nearest to the first image, in pixels.

    The embedded digits do not say who wrote them; near images have one style of writing. The nearest come first.
    """
    x = dataset.train.x.flatten(1).float()
    nearest = torch.cdist(x[:1], x)[0].argsort(stable=True)[:count]
    return [int(i) for i in dataset.train.ids[nearest]]


def example_requests(dataset: Dataset) -> list[tuple[int, ...]]:
    """Return the ids of each request of the example."""
    ids = example_subject(dataset)
    return [tuple(sorted(ids[k : k + IMAGES])) for k in range(0, len(ids), IMAGES)]


def play_example(token: str | None = None, *, umap: UmapBackend | None = None, seed: int = 0) -> Work[str]:
    """Play and keep the example on digits, a slice at each ``next``; return the id of its last run.

    ``token``: of the browser that the runs belong to. Raises what a run or retraining raised.
    """
    first = Setup(task="indices", classes=(), seed=seed)
    requests = example_requests(load(first.dataset))
    return (yield from play_requests(replace(first, settings="preset"), requests, token, umap=umap))


def play_requests(
    first: Setup,
    requests: Sequence[tuple[int, ...]],
    token: str | None = None,
    *,
    umap: UmapBackend | None = None,
) -> Work[str]:
    """Play and keep a chain of requests for the images ``requests``, ids by request, with the choices of ``first``.

    Return the id of the last run. Raises as ``play_example``.
    """
    run_id = ""
    for number, ids in enumerate(requests):
        before = first if not number else setup_after(run_id, token)
        setup = replace(before, task="indices", ids=ids, settings=first.settings)
        yield Progress(STAGE, number, len(requests))

        def told(_: Progress, done: int = number) -> Progress:
            return Progress(STAGE, done, len(requests))

        run_id = yield from with_progress(_play(setup, token, umap), told)
    return run_id


def _play(setup: Setup, token: str | None, umap: UmapBackend | None) -> Work[str]:
    """Play and keep one request, with its verdict and figures; return the id of its run."""
    split = setup.split(load(setup.dataset, data_dir=setup.data_dir))
    device = str(pick_device(setup.device))
    if setup.earlier:
        model = chain_original(setup, split, device)
    else:
        model = yield from original(split, seed=setup.seed, device=device)
    observer = Observer(split, model, EvalConfig.preset(split.dataset.family), seed=setup.seed)
    e0 = observer.original.train.representations
    carried = carried_map(setup, e0, umap) if setup.earlier else None
    observer.projection = carried or Projection.fit(e0, seed=setup.seed, umap=umap)
    unlearner = method(setup.method, setup.config(split))
    run = Run(unlearner, model, split, seed=setup.seed, observer=observer, checkpoints=Checkpoints())
    recorder = record(run, setup, token=token)
    run.play()
    while run.tick():
        yield next(reversed(run.progress.values()))
    if run.error is not None:
        raise run.error
    frames = []
    for number in range(usual_count(split.dataset.family, model)):
        made = yield from retraining(split, model, seed=setup.seed, number=number)
        frames.append(observer.look(made.model))
    verdict = judge(run, frames, None)
    assert verdict is not None
    recorder.tell(verdict={**verdict.as_dict(), "text": verdict.describe()}, ended=end_of(run, frames))
    stop_run(run)
    return recorder.id


__all__ = ["example_requests", "example_subject", "play_example", "play_requests"]
