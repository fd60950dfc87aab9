"""LAF on MNIST, VAEs and unlearning: the plain loop, the Lab's exact arithmetic and its fast form, in one run.

python -m benchmarks.speed --data-dir DIR [--task class|noise|data] [--classes 0] [--seed 0] [--whole | --part] [--bf16]
python -m benchmarks.speed --digits
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import dataclass

import torch

from benchmarks.machine import machine
from benchmarks.plain_loop import plain_laf
from core import LAF, LAFConfig, Run, forget_classes, forget_fraction, forget_noisy, load
from core.config import VAEConfig, replace
from core.data.split import Split
from core.evaluation.metrics import evaluate
from core.methods.laf.fast import fast
from core.models.base import Net
from core.runs.original_models import original
from core.runtime.progress import run_to_end

# The paper's, for its CNN; τ of data removal is its own
PAPER = {
    "class": LAFConfig(),
    "noise": LAFConfig(vae=VAEConfig(output="sigmoid")),
    "data": LAFConfig(temperature=5.0),
}
STEP_GFLOP = 2.46  # forward and backward of 64 images through the CNN, twice; docs/performance.md has the sum


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one thread."""

    name: str
    vae: float
    unlearn: float
    steps: int
    model: Net | None  # None where it was not run to its end
    peak_mb: float

    @property
    def total(self) -> float:
        return self.vae + self.unlearn


def plain(model: Net, split: Split, config: LAFConfig, *, seed: int, whole: bool) -> Cost:
    """To its end, or from 300 batches of each VAE and 60 steps times their number."""
    of = {} if whole else {"most_steps": 60, "most_batches": 300}
    found = plain_laf(model, split, config, seed=seed, **of)
    stages = LAF(config).stages(split.unlabelled(), config)
    batches, steps = stages[0].total + stages[1].total, stages[2].total
    vae = found.seconds["vae"] * batches / found.vae_batches
    unlearn = found.seconds["unlearn"] * steps / len(found.losses)
    done = found.model if whole else None
    return Cost("plain loop" if whole else "plain loop, from a part", vae, unlearn, steps, done, peak_mb())


def ours(
    name: str, model: Net, split: Split, config: LAFConfig, *, seed: int, most: int | None = None
) -> Cost:
    """To its end; or its VAEs of one epoch and ``most`` steps, times their number."""
    total = LAF(config).stages(split.unlabelled(), config)[2].total
    epochs = config.vae.epochs
    if most is not None:
        config = replace(config, steps=most, vae=replace(config.vae, epochs=1))
    run = Run(LAF(config), model, split, seed=seed)
    marks = [time.thread_time()]
    filled: list[float] = []  # when each image's representation was there: once, however many epochs follow
    run.on_progress = lambda p: filled.append(time.thread_time()) if p.done and not filled else None
    while not run.phase.over:
        run.advance()
        if len(run.steps) == 1:
            marks.append(time.thread_time())
    now = time.thread_time()
    vae, unlearn = marks[1] - marks[0] - (now - marks[1]) / max(1, len(run.steps) - 1), now - marks[1]
    unlearn *= len(run.steps) / max(1, len(run.steps) - 1)
    if most is not None:
        once = filled[0] - marks[0]
        vae = once + (vae - once) * epochs
        return Cost(f"{name}, from a part", vae, unlearn * total / most, total, None, peak_mb())
    return Cost(name, vae, unlearn, total, run.result, peak_mb())


def peak_mb() -> float:
    """Return the peak memory of the process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def core_gflops() -> float:
    """Return the best GFLOP/s of one core now, on a product of two 1024 x 1024 matrices."""
    a = torch.randn(1024, 1024)
    best = 9.0
    for _ in range(8):
        start = time.thread_time()
        a @ a
        best = min(best, time.thread_time() - start)
    return 2 * 1024**3 / best / 1e9


def figures(model: Net | None, split: Split) -> str:
    """Return Train_f, Test and Test_r in %."""
    if model is None:
        return "– | – | –"
    r = evaluate(model, split)
    return " | ".join("–" if v is None else f"{100 * v:.2f}" for v in (r.train_f, r.test, r.test_r))


def row(cost: Cost, of: Cost, split: Split, peak: float) -> str:
    step = 1e3 * cost.unlearn / cost.steps
    near = f"{100 * STEP_GFLOP / (step / 1e3) / peak:.0f} %" if cost.name.startswith("exact") else "–"
    return (
        f"| {cost.name} | {cost.vae:.1f} | {cost.unlearn:.1f} | {cost.total:.1f} | {of.total / cost.total:.2f}× | {step:.1f} | {near} | "
        f"{cost.peak_mb:,.0f} | {figures(cost.model, split)} |"
    )


def on_digits(seed: int, repeats: int = 7) -> None:
    """Measure class removal by the preset with a trained model given: the first run of the process, then others."""
    digits = load("digits")
    split = forget_classes(digits, [0], seed=seed)
    config = LAFConfig.preset("digits", "class")
    model = run_to_end(original(split, seed=seed))
    runs = []
    for _ in range(repeats):
        start = time.perf_counter()
        cost = ours("exact", model, split, config, seed=seed)
        runs.append((cost, time.perf_counter() - start))
    slow = plain(model, split, config, seed=seed, whole=True)
    print(f"\n### digits, class 0, seed {seed}, the preset; one thread, {machine()}\n")
    print(
        "| | VAEs, s | unlearning, s | in all, CPU s | by the clock, s | ratio |\n|---|---:|---:|---:|---:|---:|"
    )
    ranked = sorted(runs, key=lambda r: r[0].total)
    first, median, best = runs[0], ranked[repeats // 2], ranked[0]
    print(f"| plain loop | {slow.vae:.2f} | {slow.unlearn:.2f} | {slow.total:.2f} | | 1.00× |")
    for name, (cost, clock) in {
        "exact, first run of the process": first,
        f"exact, median of {repeats}": median,
        "exact, best": best,
    }.items():
        print(
            f"| {name} | {cost.vae:.2f} | {cost.unlearn:.2f} | {cost.total:.2f} | {clock:.2f} | {slow.total / cost.total:.2f}× |"
        )


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--data-dir", metavar="DIR", help="folder that holds MNIST/raw")
    arguments.add_argument("--digits", action="store_true", help="digits instead of MNIST")
    arguments.add_argument("--task", choices=list(PAPER), default="class")
    arguments.add_argument("--classes", default="0", help="for class removal, one run for each: 0,3,8")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument(
        "--whole", action="store_true", help="the plain loop to its end, not from a part of it"
    )
    arguments.add_argument("--bf16", action="store_true", help="60 steps in bfloat16, besides")
    arguments.add_argument("--part", action="store_true", help="the exact run from a part of it, too")
    arguments.add_argument(
        "--only-fast", action="store_true", help="no exact run: how the fast form ends, and its cost"
    )
    a = arguments.parse_args()
    torch.set_num_threads(1)
    if a.digits:
        on_digits(a.seed)
        return
    if a.data_dir is None:
        arguments.error("name MNIST's folder with --data-dir, or ask for --digits")
    mnist = load("mnist", data_dir=a.data_dir)
    split_of = {
        "class": lambda c: forget_classes(mnist, [c], seed=a.seed),
        "noise": lambda _: forget_noisy(mnist, range(5), 0.6, seed=a.seed),
        "data": lambda _: forget_fraction(mnist, range(5, 10), 0.4, seed=a.seed),
    }[a.task]
    for c in [int(c) for c in a.classes.split(",")] if a.task == "class" else [0]:
        split = split_of(c)
        config = PAPER[a.task]
        model = run_to_end(original(split, seed=a.seed))
        peak = core_gflops()
        what = f"class {c}" if a.task == "class" else split.request.describe(mnist.classes)
        print(
            f"\n### MNIST, {what}, seed {a.seed}; one thread, {machine()}; a core multiplies {peak:.0f} GFLOP/s\n"
        )
        print(
            "| | VAEs, s | unlearning, s | in all, s | ratio | ms a step | of the core's peak | peak MB | Train_f | Test | Test_r |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
        print(f"| original |{' – |' * 7} {figures(model, split)} |", flush=True)
        slow = plain(model, split, config, seed=a.seed, whole=a.whole)
        print(row(slow, slow, split, peak), flush=True)
        if not a.only_fast:
            part = 60 if a.part else None
            print(
                row(ours("exact", model, split, config, seed=a.seed, most=part), slow, split, peak),
                flush=True,
            )
        if a.bf16:
            half = replace(config, precision="bf16")
            print(
                row(ours("exact, bf16", model, split, half, seed=a.seed, most=60), slow, split, peak),
                flush=True,
            )
        settings = fast(LAFConfig.preset("mnist", a.task), "mnist", a.task)
        print(row(ours("fast", model, split, settings, seed=a.seed), slow, split, peak), flush=True)


if __name__ == "__main__":
    main()
