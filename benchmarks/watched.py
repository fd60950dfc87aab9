"""Measure the cost of watching a run, in steps per second: python -m benchmarks.watched --data-dir DIR [--points 2000] [--steps 120]

MNIST, class 0, as the Lab plays it: frames are made on another thread, the follow map in a process of its own. The same steps are taken
alone, watched on the fixed map, and watched in follow mode, in turn, several times; the clock on the wall counts, since that is what a person waits for.
"""

from __future__ import annotations

import argparse
import threading
import time
from statistics import median

import torch

from benchmarks.machine import machine
from core import LAF, LAFConfig, Observer, Projection, Run, forget_classes, load, train
from core.config import EvalConfig, TrainConfig, VAEConfig, replace
from core.data.split import Split
from core.experiments.session.follow_map import FollowMap
from core.models.base import Net
from core.projection.umap_process import UmapProcess
from core.runs.engine.frame_worker import FrameWorker
from core.runtime.scheduler import Scheduler

WAYS = ("alone", "fixed map", "follow")


def rate(
    way: str, model: Net, split: Split, config: LAFConfig, observer: Observer, runner: Scheduler
) -> tuple[float, int]:
    """Return the steps a second after the first one, and the number of frames."""
    watched = way != "alone"
    run = Run(
        LAF(config),
        model,
        split,
        observer=observer if watched else None,
        watching=FrameWorker(runner) if watched else None,
    )
    run.advance()
    start, before = time.perf_counter(), len(run.steps)
    run_on = threading.Event()
    follower = None
    if way == "follow":
        assert observer.projection is not None
        follow = FollowMap(observer.projection)

        def keep_up() -> None:
            while not run_on.is_set():
                if not follow.extend(run, None):
                    time.sleep(0.02)

        follower = threading.Thread(target=keep_up)
        follower.start()
    while len(run.steps) < run.total_steps:
        run.tick()
    seconds = time.perf_counter() - start
    while run.tick():
        pass
    run_on.set()
    if follower is not None:
        follower.join()
    return (run.total_steps - before) / seconds, len(run.frames)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data-dir", required=True, help="folder that holds MNIST/raw")
    arguments.add_argument("--points", type=int, default=2000)
    arguments.add_argument("--steps", type=int, default=120)
    arguments.add_argument("--rounds", type=int, default=3)
    a = arguments.parse_args()
    torch.set_num_threads(1)
    split = forget_classes(load("mnist", data_dir=a.data_dir), [0])
    model = train(split, config=replace(TrainConfig.preset("mnist"), epochs=1))
    config = replace(
        LAFConfig.preset("mnist", "class"), steps=a.steps, vae=VAEConfig(epochs=1, batch_size=1024)
    )
    umap = UmapProcess()
    runner = Scheduler(2)
    try:
        observer = Observer(split, model, replace(EvalConfig.preset("mnist"), max_points=a.points))
        observer.projection = Projection.fit(observer.original.train.representations, seed=0, umap=umap)
        observer.projection.follow(
            observer.projection.positions, observer.projection.representations
        )  # compiled
        found: dict[str, list[tuple[float, int]]] = {way: [] for way in WAYS}
        for _ in range(a.rounds):
            for way in WAYS:
                found[way].append(rate(way, model, split, config, observer, runner))
    finally:
        runner.close()
        umap.close()
    print(f"MNIST, {a.points:,} points, {a.steps} steps, median of {a.rounds} rounds, {machine()}\n")
    print("| watched | steps a second | frames | cost |\n|---|---|---|---|")
    alone = median(r for r, _ in found["alone"])
    for way in WAYS:
        speed = median(r for r, _ in found[way])
        print(f"| {way} | {speed:.1f} | {found[way][-1][1]} | {100 * (1 - speed / alone):+.1f} % |")


if __name__ == "__main__":
    main()
