"""Measure each part of LAF on MNIST beside the time of its multiplications at the core's peak: python -m benchmarks.profile --data-dir DIR

One thread, CPU time; the paper's settings, a trained model that forgets class 0. Parts are taken one by one between real steps, so that they find the caches as a run leaves them.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import core.methods.laf.laf as laf
from benchmarks.machine import machine
from benchmarks.speed import STEP_GFLOP, core_gflops
from core import LAF, LAFConfig, Run, forget_classes, load
from core.config import replace
from core.methods.laf import laf_step
from core.models.pooled_conv import extract_blocks, find_blocks
from core.runs.original_models import original
from core.runtime.progress import run_to_end
from core.training.flat_parameters import FlatVector
from core.training.vae_trainer import VAETrainer

STEPS = 40


@contextmanager
def timed(parts: dict[str, tuple[Any, str]]) -> Iterator[dict[str, float]]:
    """Measure the CPU seconds inside each of the functions (title -> (owner, name)); restore the functions at the end."""
    spent: dict[str, float] = defaultdict(float)
    usual = {
        title: owner[name] if isinstance(owner, dict) else getattr(owner, name)
        for title, (owner, name) in parts.items()
    }

    def wrapped(title: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            start = time.thread_time()
            found = usual[title](*given, **named)
            spent[title] += time.thread_time() - start
            return found

        return call

    def put(which: Callable[[str], Any]) -> None:
        for title, (owner, name) in parts.items():
            if isinstance(owner, dict):
                owner[name] = which(title)
            else:
                setattr(owner, name, which(title))

    put(wrapped)
    try:
        yield spent
    finally:
        put(usual.__getitem__)


def ms(work: Callable[[], Any], count: int = 20) -> float:
    """Return the best of five means, in milliseconds."""
    work()
    best = 9.0
    for _ in range(5):
        start = time.thread_time()
        for _ in range(count):
            work()
        best = min(best, (time.thread_time() - start) / count)
    return 1e3 * best


def row(title: str, took: float, gflop: float | None = None, peak: float = 1.0) -> None:
    floor = (
        "– | –" if gflop is None else f"{1e3 * gflop / peak:.2f} | {100 * 1e3 * gflop / peak / took:.0f} %"
    )
    print(f"| {title} | {took:.2f} | {floor} |", flush=True)


def by_layer(extractor: nn.Module, x: Tensor, peak: float) -> None:
    """Forward and backward pass of each layer, with the multiplications that a dense pass makes."""
    print("\n| layer, 64 images | ms | floor, ms | of the peak |\n|---|---|---|---|")
    found = find_blocks(extractor, x)
    assert found is not None
    for number, layer in enumerate(found):
        begin = x.detach().requires_grad_(number > 0)
        if isinstance(layer, tuple):
            conv = layer[0]
            title = f"convolution {conv.in_channels} to {conv.out_channels}, pool, ReLU"
            macs, learning = conv.weight.numel() * x.shape[2] * x.shape[3], list(conv.parameters())
        else:
            title = type(layer).__name__.lower()
            macs, learning = (
                sum(p.numel() for p in layer.parameters() if p.dim() == 2),
                list(layer.parameters()),
            )
        run = partial(extract_blocks, [layer], begin)
        y = run()
        if isinstance(layer, tuple):
            title += f" ({100 * float((y > 0).float().mean()):.0f} % of the pool's winners pass)"
        once = 2e-9 * macs * len(x)
        with torch.no_grad():
            row(f"{title}: forward", ms(run), once if once else None, peak)
        if y.requires_grad:
            summed = (y * torch.randn_like(y)).sum()
            wanted = [*learning, *([begin] if number > 0 else [])]
            back = partial(torch.autograd.grad, summed, wanted, retain_graph=True)
            gflop = (2 if number > 0 else 1) * once if once else None
            row(f"{title}: backward", ms(back), gflop, peak)
            if isinstance(layer, tuple):
                dense = nn.Sequential(layer[0], nn.MaxPool2d(2), nn.ReLU())(begin)
                back = partial(
                    torch.autograd.grad, (dense * torch.randn_like(dense)).sum(), wanted, retain_graph=True
                )
                row("the same by autograd, which multiplies the zeros too", ms(back), gflop, peak)
        x = y.detach()


def by_part(run: Run, peak: float) -> None:
    """Measure the parts of a step as a run makes them."""
    parts: dict[str, tuple[Any, str]] = {
        "step": (laf.LAF, "step"),
        "two batches drawn, as floats": (laf_step.Batch, "draw"),
        "two forward passes": (laf_step.LAFState, "extract"),
        "L_UE and its slope, with both VAEs": (laf_step.SLOPES, "ue"),
        "L_RA and its slope": (laf_step.SLOPES, "ra"),
        "two backward passes": (laf_step, "_backward"),
        "two gradients into one vector": (FlatVector, "put"),
        "two steps of Adam, with the length of each": (laf, "descend"),
    }
    while len(run.steps) < 5:
        run.advance()
    with timed(parts) as spent:
        while len(run.steps) < 5 + STEPS:
            run.advance()
    whole = 1e3 * spent.pop("step") / STEPS
    print("\n| a step of LAF | ms | floor, ms | of the peak |\n|---|---|---|---|")
    for title in list(parts)[1:]:
        gflop = {"two forward passes": STEP_GFLOP / 3, "two backward passes": 2 * STEP_GFLOP / 3}.get(title)
        row(title, 1e3 * spent[title] / STEPS, gflop, peak)
    row("the rest", whole - 1e3 * sum(spent.values()) / STEPS)
    row("all of it", whole, STEP_GFLOP, peak)


def by_batch(fit: VAETrainer, e: Tensor, peak: float) -> None:
    """Measure a minibatch of the VAE of D."""
    weights = sum(layer.weight.numel() for layer in fit.vae.linears)
    gflop = 6e-9 * weights * fit.config.batch_size
    print(
        f"\n| a minibatch of {fit.config.batch_size} of a VAE | ms | floor, ms | of the peak |\n|---|---|---|---|"
    )
    row("all of it", ms(lambda: fit.step(e), 100), gflop, peak)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", required=True, help="folder that holds MNIST/raw")
    a = parser.parse_args()
    torch.set_num_threads(1)
    split = forget_classes(load("mnist", data_dir=a.data_dir), [0])
    model = run_to_end(original(split))
    peak = core_gflops()
    print(
        f"MNIST, class 0, the paper's settings; one thread, {machine()}; a core multiplies {peak:.0f} GFLOP/s"
    )
    config = LAFConfig()
    run = Run(
        LAF(replace(config, steps=5 + STEPS, vae=replace(config.vae, epochs=1, batch_size=2000))),
        model,
        split,
    )
    by_part(run, peak)
    by_layer(model.extractor, split.train.floats(slice(0, 64)), peak)
    state = run.stepper.state
    fit = VAETrainer.start(
        len(state.representations),
        model.width,
        replace(config.vae, epochs=10**6),
        state.representations.device,
        seed=0,
        stage="vae",
        title="VAE of D",
    )
    by_batch(fit, state.representations, peak)


if __name__ == "__main__":
    main()
