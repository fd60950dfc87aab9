"""Measure how cost grows from 1,000 to 1,000,000 images on disk: python -m benchmarks.scale [--images 1000,10000,…]

Colour images of 32×32 are generated block by block into a temporary folder, and used as a user would use them (``load(FOLDER)``): the
original is trained for some steps, LAF forgets class 0, the model is evaluated on all images, and retraining is begun. Each
number of images has a process of its own, whose peak of resident memory is printed. Times are CPU seconds of one thread.

``--whole`` plays one `laf run` on so many images instead, with the search for settings, one retrained model and the verdict, and prints the
JSON's seconds and peak. Each training is cut after ``--steps`` steps, since more of them take time and no memory.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from benchmarks.machine import machine
from core import LAF, LAFConfig, Run, TrainConfig, evaluate, forget_classes, load
from core.config import replace
from core.data.split import Split
from core.methods.retrain import Retrain
from core.models.base import Net, Provenance
from core.models.registry import build
from core.runtime.device import peak_memory_mb
from core.training.supervised import SupervisedTrainer

COUNTS = (1_000, 10_000, 60_000, 300_000, 1_000_000)
TEST = 1_000
CLASSES, SHAPE, BLOCK = 10, (3, 32, 32), 2_000
HEAD = (
    "images",
    "MB of pixels",
    "kept, s",
    "original, ms a step",
    "LAF, ms a step",
    "retraining, ms a step",
    "training, s for 1,000",
    "representations, s for 1,000",
    "VAE, s for 1,000",
    "evaluation, s for 1,000",
    "peak, MB",
)


def generate(folder: Path, name: str, count: int) -> None:
    """Write ``count`` images of noise over the pattern of their class, and their labels, to ``folder``."""
    chance = np.random.default_rng(0)
    patterns = chance.integers(0, 128, (CLASSES, *SHAPE), dtype=np.uint8)
    y = np.random.default_rng(count).integers(0, CLASSES, count)
    with (folder / f"x_{name}.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *SHAPE)}
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, count, BLOCK):
            of = y[first : first + BLOCK]
            file.write((patterns[of] + chance.integers(0, 128, (len(of), *SHAPE), dtype=np.uint8)).data)
    np.save(folder / f"y_{name}.npy", y)


def ms_a_step(step: Callable[[], object], steps: int) -> float:
    """Return the milliseconds of each of ``steps`` steps after three that warm up."""
    for _ in range(3):
        step()
    start = time.process_time()
    for _ in range(steps):
        step()
    return 1e3 * (time.process_time() - start) / steps


def forget(model: Net, split: Split, steps: int) -> tuple[Net, list[float]]:
    """Return the model after LAF, and seconds: of all representations, of one epoch of both VAEs, and milliseconds a step."""
    config = LAFConfig.preset("own-colour", "class")
    config = replace(config, steps=steps + 3, vae=replace(config.vae, epochs=1))
    method = LAF(config)
    state = method.start(model, split.unlabelled(), seed=0)
    start = time.process_time()
    while state.filled < len(state.representations):
        method.prepare(state, config)
    filled = time.process_time()
    while method.prepare(state, config) is not None:
        pass
    fitted = time.process_time()
    each = ms_a_step(lambda: method.step(state, config), steps)
    return method.result(state).eval(), [filled - start, fitted - filled, each]


def measure(count: int, net: str, steps: int) -> list[str]:
    """Return one row of the table, measured in this process."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAF_HOME"] = f"{home}/home"
        folder = Path(home) / "images"
        folder.mkdir()
        generate(folder, "train", count)
        generate(folder, "test", TEST)
        start = time.process_time()
        dataset = load(folder)
        kept = time.process_time() - start
        for file in folder.iterdir():
            file.unlink()
        split = forget_classes(dataset, [0])
        config = TrainConfig(net, epochs=1, batch_size=64, lr=1e-3)
        model = build(net, SHAPE, CLASSES, seed=0)
        trainer = SupervisedTrainer.start(model, split.train, config, seed=0, stage="train")
        training = ms_a_step(trainer.step, steps)
        model.eval().provenance = Provenance(net, 0, config, 0.0)
        unlearned, (represent, vaes, unlearn) = forget(model, split, steps)
        start = time.process_time()
        evaluate(unlearned, split)
        evaluated = time.process_time() - start
        epochs = 1 + (steps + 3) * config.batch_size // len(split.remain_rows)
        run = Run(Retrain(replace(config, epochs=epochs)), model, split)
        retraining = ms_a_step(run.advance, steps)
        thousands = count / 1000
        n_f = len(split.forget_rows) / 1000
        return [
            f"{count:,}",
            f"{(count + TEST) * np.prod(SHAPE) / 1e6:,.0f}",
            f"{kept:.1f}",
            f"{training:.1f}",
            f"{unlearn:.1f}",
            f"{retraining:.1f}",
            f"{training / config.batch_size:.3f}",
            f"{represent / thousands:.3f}",
            f"{vaes / (thousands + n_f):.3f}",
            f"{evaluated / (thousands + TEST / 1000):.3f}",
            f"{peak_memory_mb():,.0f}",
        ]


def whole_run(count: int, net: str, steps: int) -> dict[str, Any]:
    """Play `laf run` on ``count`` images in this process, with trainings of ``steps`` steps; return what it prints as JSON."""
    from core.methods import retrain
    from dashboard.cli.main import main as laf

    length, all_steps = SupervisedTrainer.total.fget, retrain.step_count  # type: ignore[attr-defined]
    cut = mock.patch.object(SupervisedTrainer, "total", property(lambda one: min(steps, length(one))))
    cut_too = mock.patch.object(retrain, "step_count", lambda *a, **k: min(steps, all_steps(*a, **k)))
    with tempfile.TemporaryDirectory() as home, cut, cut_too:
        os.environ["LAF_HOME"] = f"{home}/home"
        folder, result = Path(home) / "images", Path(home) / "result.json"
        folder.mkdir()
        generate(folder, "train", count)
        generate(folder, "test", TEST)
        asked = ["run", "--dataset", str(folder), "--classes", "0", "--net", net, "--settings", "automatic"]
        with contextlib.suppress(SystemExit):
            laf([*asked, "--json", str(result)])
        found: dict[str, Any] = json.loads(result.read_text())
        return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--images", default=",".join(map(str, COUNTS)), help="numbers of training images")
    arguments.add_argument("--net", default="cnn", help="net of the original")
    arguments.add_argument("--steps", type=int, default=60, help="steps that are timed (default: 60)")
    arguments.add_argument("--one", type=int, help="measure one number of images in this process")
    arguments.add_argument("--whole", type=int, metavar="N", help="play one `laf run` on N images instead")
    a = arguments.parse_args()
    if a.whole is not None:
        print(f"laf run on {a.whole:,} colour images of 32×32, net {a.net}, {machine()}", flush=True)
        found = whole_run(a.whole, a.net, a.steps)
        print(json.dumps({"seconds": found["seconds"], "peak, MB": peak_memory_mb()}, indent=1))
        return
    if a.one is not None:
        print("| " + " | ".join(measure(a.one, a.net, a.steps)) + " |")
        return
    print(f"colour images of 32×32, net {a.net}, class 0, one thread, {machine()}\n")
    print("| " + " | ".join(HEAD) + " |\n|" + "---:|" * len(HEAD), flush=True)
    for count in a.images.split(","):
        command = [
            sys.executable,
            "-m",
            "benchmarks.scale",
            "--one",
            count,
            "--net",
            a.net,
            "--steps",
            str(a.steps),
        ]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
