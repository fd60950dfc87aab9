"""The two maps against a fresh UMAP fit per frame, in one run: python -m benchmarks.projection [--data-dir DIR]

A real run that forgets class 0 gives the frames. Kept: share of a forgotten point's 15 nearest by angle that are among
its 15 nearest on the map. Drift: how far points seem to move on the map, in % of its span, while their representations
only tremble by 1 % of a neighbour distance: from frame to frame, and after 70 frames.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from sklearn.manifold import trustworthiness

from benchmarks.machine import machine
from core import LAF, LAFConfig, Observer, Run, forget_classes, load, train
from core.config import TrainConfig, replace
from core.models.base import outputs
from core.projection.projection import Array, Projection
from core.projection.umap_layout import nearest, rigid_align, unit_rows, warm_up
from core.projection.umap_process import UmapProcess

FRAMES = 70
LOOKS = (10, 40, 70)  # frames at which the maps are judged, each against a fit for it alone

Step = Callable[[Array, Array, int], Array]  # previous map, representations, frame -> map


def trajectory(name: str, data_dir: str | None) -> tuple[Array, np.ndarray]:
    """Return the representations (FRAMES + 1, N, d) while class 0 is forgotten, and the mask (N,) of the forgotten."""
    split = forget_classes(load(name, data_dir=data_dir), [0])
    config = TrainConfig.preset(name)
    model = train(split, config=replace(config, epochs=1) if name == "mnist" else config)
    rows = Observer(split, model).rows
    images = split.train.take(rows)
    run = Run(LAF(LAFConfig.preset(name, "class")), model, split)
    frames = [outputs(model, images).representations]
    for due in np.linspace(0, run.total_steps, FRAMES + 1)[1:].round():
        while len(run.steps) < due and run.advance():
            pass
        frames.append(outputs(run.result, images).representations)
    return torch.stack(frames).numpy(), np.isin(rows.numpy(), split.forget_rows.numpy())


def kept(e: Array, positions: Array, rows: np.ndarray) -> float:
    near, drawn = nearest(unit_rows(e), 16)[0], nearest(positions, 16)[0]
    return float(np.mean([np.isin(near[i, 1:], drawn[i, 1:]).mean() for i in np.flatnonzero(rows)]))


def judge(step: Step, start: Projection, frames: Array, forgotten: np.ndarray, chained: bool) -> list[float]:
    """Return ms a frame, trustworthiness, kept, drift per frame in %, drift after the last in %."""
    now, ms, trust, near = start.positions, [], [], []
    for k in range(1, FRAMES + 1) if chained else LOOKS:
        began = time.perf_counter()
        now = step(now, frames[k], k)
        ms.append(1e3 * (time.perf_counter() - began))
        if k in LOOKS:
            trust.append(trustworthiness(unit_rows(frames[k]), now, n_neighbors=15))
            near.append(kept(frames[k], now, forgotten))
    still, steps, size = start.positions, [], 0.01 * start.neighbour_distance / np.sqrt(frames.shape[2])
    unit = unit_rows(frames[0])
    for k in range(1, FRAMES + 1) if chained else LOOKS:
        tremble = np.random.default_rng(k).normal(0, size, unit.shape).astype(np.float32)
        still, before = step(still, unit + tremble, k), still
        steps.append(np.linalg.norm(still - before, axis=1).mean())
    total = np.linalg.norm(still - start.positions, axis=1).mean()
    percent = 100 / start.span
    return [
        float(x)
        for x in (np.median(ms), np.mean(trust), np.mean(near), np.mean(steps) * percent, total * percent)
    ]


def measure(name: str, data_dir: str | None) -> None:
    frames, forgotten = trajectory(name, data_dir)
    warm_up()
    process = UmapProcess()
    here = Projection.fit(frames[0])
    there = Projection.from_state(here.state(), umap=process)
    there.follow(there.positions, frames[0])
    ways: dict[str, tuple[Step, bool]] = {
        "fresh fit, turned onto the last map": (
            lambda last, e, k: rigid_align(Projection.fit(e, seed=k).positions, last),
            False,
        ),
        "fixed": (lambda _, e, __: here.place(e).positions, True),
        "follow": (lambda last, e, _: here.follow(last, e), True),
        "follow, in a process of its own": (lambda last, e, _: there.follow(last, e), True),
    }
    print(
        f"{name}, {frames.shape[1]:,} points × {frames.shape[2]}, {forgotten.sum()} of them forgotten; one thread; {machine()}\n\n"
        "| map | ms a frame | of a fresh fit's | trustworthiness | of a fresh fit's | kept | drift a frame, % | after 70, % |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    reference: list[float] = []
    for way, (step, chained) in ways.items():
        ms, trust, near, per_frame, total = judge(step, here, frames, forgotten, chained)
        reference = reference or [ms, trust]
        print(
            f"| {way} | {ms:.0f} | {ms / reference[0]:.3f} | {trust:.4f} | {trust / reference[1]:.3f} | {near:.2f} "
            f"| {per_frame:.3f} | {total:.2f} |",
            flush=True,
        )
    floor = here.noise_floor()
    print(
        f"\nNoise floor, nothing moving at all: fixed {100 * floor.fixed:.4f} %, follow {100 * floor.follow:.2f} % of the span."
    )
    process.close()


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--data-dir", metavar="DIR", help="folder that holds MNIST/raw; without it, digits"
    )
    data_dir = arguments.parse_args().data_dir
    torch.set_num_threads(1)
    measure("mnist" if data_dir else "digits", data_dir)


if __name__ == "__main__":
    main()
