"""What a GPU gives: python -m benchmarks.gpu_check [--data-dir DIR] [--device cuda] [--budget 360] [--whole] [--small]

One table: each network in float32 and bfloat16, LAF step by step, LAF with its forward and backward pass compiled to
CUDA graphs by ``torch.compile``, and the plain loop of benchmarks/plain_loop.py; then whether a run ends on the device
where it ends on the CPU. Times are of a part of each run, times the length of the whole; --whole plays the runs to their
ends. Without --data-dir the images are random patterns of the same sizes: times do not depend on pixels.
What does not fit into --budget seconds is left out and named; on a slow GPU the estimates grow with what the first cases took.
--small makes everything small enough for a CPU.
It needs torch, torchvision, numpy, scikit-learn and safetensors.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from benchmarks.machine import clock
from benchmarks.plain_loop import plain_laf
from core import LAF, METHODS, LAFConfig, Run, Split, evaluate, finish, forget_classes, load, train
from core.config import TrainConfig, replace
from core.data import Dataset, LabelledImages
from core.data.images import Norm
from core.errors import DataError
from core.models.base import Net
from core.models.registry import NETS
from core.runtime.device import peak_memory_mb, pick_device
from core.runtime.progress import Progress

WARM = 6  # steps before the clock starts: allocation, choice of kernels, compilation, capture of CUDA graphs
NEAR = 0.05  # accuracies on device and CPU may differ by this
SAME = {"float32": 1e-3, "bf16": 3e-2}  # relative difference of the losses of compiled and eager steps


@dataclass(frozen=True)
class Case:
    """A network on a dataset in one precision."""

    title: str
    dataset: str
    net: str
    precision: str
    seconds: int  # an estimate on a fast GPU; a case that does not fit into what is left is not begun


@dataclass(frozen=True)
class Size:
    """How much of each case is done."""

    images: int  # of random patterns
    steps: int  # of LAF, under the clock
    batch: int | None  # None: the preset's
    epochs: int | None  # of training the original; None: the preset's


def cases() -> list[Case]:
    """Return the cases, the most wanted first; a vision transformer only where the registry has one."""
    found = [
        Case("ResNet-18, 32 px", "cifar10", "resnet18", "float32", 60),
        Case("ResNet-18, 32 px", "cifar10", "resnet18", "bf16", 30),
        Case("ResNet-18, 224 px", "cifar10", "resnet18-224", "float32", 60),
        Case("ResNet-18, 224 px", "cifar10", "resnet18-224", "bf16", 40),
        Case("CNN", "mnist", "cnn", "float32", 30),
    ]
    found += [Case(net, "cifar10", net, "float32", 40) for net in NETS if "vit" in net][:1]
    return found


def patterns(name: str, size: Size, *, seed: int = 3, classes: int = 10) -> Dataset:
    """Return fixed patterns under noise, of the shape of the dataset ``name``."""
    shape = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}[name]
    g = torch.Generator().manual_seed(seed)
    fixed = torch.randint(0, 256, (classes, *shape), generator=g, dtype=torch.int16)

    def part(n: int, start: int) -> LabelledImages:
        y = torch.arange(classes).repeat(n // classes)
        x = (
            (fixed[y] + torch.randint(-80, 81, (len(y), *shape), generator=g, dtype=torch.int16))
            .clamp(0, 255)
            .to(torch.uint8)
        )
        return LabelledImages(x, torch.arange(start, start + len(y)), 255, y, norm=Norm.of(x))

    names = tuple(map(str, range(classes)))
    return Dataset(
        "patterns", "Patterns", names, part(size.images, 0), part(size.images // 5, 10**6), family=name
    )


def data(name: str, folder: str | None, size: Size) -> Dataset:
    """Return the dataset from ``folder`` where that has it, else patterns of its shape."""
    if folder is not None:
        try:
            return load(name, data_dir=folder, download=False)
        except DataError as error:
            print(f"{error}; patterns instead", flush=True)
    return patterns(name, size)


@contextmanager
def compiled(run: Run, backend: str) -> Iterator[None]:
    """Compile the forward and backward pass of the model being unlearned, while the block runs; CUDA graphs on a GPU."""
    model = run.stepper.state.model
    graphs = backend == "inductor" and next(model.parameters()).is_cuda
    mode = "reduce-overhead" if graphs else None  # captures CUDA graphs
    model.extract = torch.compile(model.extract, backend=backend, mode=mode)
    try:
        yield
    finally:
        del model.extract


def prepare(run: Run, device: torch.device) -> tuple[float, float]:
    """Prepare ``run``; return the seconds until each image had its representation, and those of one epoch of both VAEs."""
    marks = [clock(device)]

    def tell(progress: Progress) -> None:
        if progress.done and len(marks) == 1:
            marks.append(clock(device))

    run.on_progress = tell
    run.advance()  # the first step, too, which is short beside an epoch
    return marks[1] - marks[0], clock(device) - marks[1]


def steps(run: Run, count: int, device: torch.device) -> tuple[float, list[float]]:
    """Take WARM and ``count`` steps; return the seconds of one and the losses of all."""
    before = len(run.steps)
    for _ in range(WARM):
        run.advance()
    start = clock(device)
    for _ in range(count):
        run.advance()
    spent = (clock(device) - start) / count
    return spent, [step.losses["ra"] for step in run.steps[before:]]


def settings(case: Case, dataset: Dataset, size: Size) -> tuple[TrainConfig, LAFConfig]:
    """Return training and LAF by the presets, for the network of ``case``."""
    training = replace(TrainConfig.preset(dataset.family), net=case.net)
    if size.epochs is not None:
        training = replace(training, epochs=size.epochs)
    laf = replace(LAFConfig.preset(dataset.family, "class"), precision=case.precision)
    return training, laf if size.batch is None else replace(laf, batch_size=size.batch)


def measure(case: Case, model: Net, split: Split, laf: LAFConfig, size: Size, backend: str) -> str:
    """Return the row of one case, from a part of each run."""
    device = next(model.parameters()).device
    *vaes, unlearning = LAF(laf).stages(split.unlabelled(), laf)
    total = unlearning.total
    part = replace(laf, steps=2 * (WARM + size.steps), vae=replace(laf.vae, epochs=1))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    losses, each, vae_s = {}, {}, 0.0
    for way in ("eager", "compiled"):
        run = Run(LAF(part), model, split)
        once, epoch = prepare(run, device)
        if way == "eager":
            each[way], losses[way] = steps(run, size.steps, device)
            vae_s = once + epoch * laf.vae.epochs
            continue
        try:
            with compiled(run, backend):
                each[way], losses[way] = steps(run, size.steps, device)
        except Exception as error:  # no compiler on this machine, or a network that it does not take
            each[way] = float("nan")
            print(
                f"{case.title}: not compiled: {type(error).__name__}: {str(error).splitlines()[0][:120]}",
                flush=True,
            )
    slow = plain_laf(model, split, replace(part, precision="float32"), most_steps=size.steps, most_batches=4)
    plain = slow.seconds["unlearn"] / len(slow.losses)
    same = agreement(losses, case.precision)
    mb = peak_memory_mb(device)
    return (
        f"| {case.title} | {case.precision} | {1e3 * plain:.1f} | {1e3 * each['eager']:.1f} | {1e3 * each['compiled']:.1f} | "
        f"{each['eager'] / each['compiled']:.2f}× | {same} | {vae_s + total * each['eager']:.0f} | {total:,} + {vaes[0].total + vaes[1].total:,} | {mb:,.0f} |"
    )


def agreement(losses: dict[str, list[float]], precision: str = "float32") -> str:
    """Return whether compiled and eager steps had the same losses, to SAME of their size."""
    if "compiled" not in losses:
        return "–"
    pairs = list(zip(losses["eager"], losses["compiled"], strict=True))
    off = max(abs(a - b) / max(1e-6, abs(a)) for a, b in pairs)
    return "same bits" if off == 0 else f"{'within' if off <= SAME[precision] else 'OFF BY'} {off:.0e}"


def whole(case: Case, model: Net, split: Split, laf: LAFConfig, seconds: float) -> str:
    """Play LAF to its end; return a row of accuracies, of the original too."""
    device = next(model.parameters()).device
    start = clock(device)
    done = finish(Run(LAF(laf), model, split))
    spent = clock(device) - start
    first, last = evaluate(model, split), evaluate(done, split)
    cells = [f"{100 * (getattr(r, n) or 0):.1f}" for r in (first, last) for n in ("train_f", "test_r")]
    return f"| {case.title} | {case.precision} | {seconds:.1f} | {spent:.1f} | {' | '.join(cells)} |"


def same_end(device: torch.device, size: Size) -> list[str]:
    """Return, for digits, whether original, retrained model and LAF on the device end where they end on the CPU."""
    split = forget_classes(load("digits"), [0])
    training = TrainConfig.preset("digits")
    training = training if size.epochs is None else replace(training, epochs=size.epochs)
    laf = LAFConfig.preset("digits", "class")
    if size.epochs is not None:
        laf = replace(laf, steps=size.steps, vae=replace(laf.vae, epochs=1))
    reports = {}
    for name in dict.fromkeys(("cpu", str(device))):
        model = train(split, device=name, config=training)
        gold = finish(Run(METHODS["retrain"](), model, split))
        reports[name] = evaluate(finish(Run(LAF(laf), model, split)), split, references=[gold])
    rows = []
    for metric in ("train_r", "train_f", "test_r"):
        values = [getattr(r, metric) for r in reports.values()]
        verdict = "agree" if max(values) - min(values) <= NEAR else f"DIFFER by more than {NEAR}"
        rows.append(f"| digits, {metric} | {' | '.join(f'{100 * v:.1f}' for v in values)} | {verdict} |")
    return rows


HEAD = (
    "| network | precision | plain loop, ms a step | eager | compiled | ratio | losses | whole LAF, s (eager) | steps + batches of VAEs | peak MB |\n"
    "|---|---|---:|---:|---:|---:|---|---:|---:|---:|"
)
WHOLE_HEAD = (
    "\n| network | precision | training, s | LAF, s | original: Train_f | Test_r | LAF: Train_f | Test_r |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|"
)


def check(
    device: torch.device, folder: str | None, size: Size, *, budget: float, to_end: bool, backend: str
) -> None:
    """Print both tables and what was left out."""
    began = time.perf_counter()
    originals: dict[tuple[str, str], tuple[Net, Split, float]] = {}
    left_out, finished = [], []
    estimated = 0.0  # seconds of the cases so far
    print(HEAD, flush=True)
    for case in cases():
        now = time.perf_counter() - began
        pace = max(1.0, now / estimated) if estimated else 1.0
        if now + pace * case.seconds > budget:
            left_out.append(f"{case.title} in {case.precision}")
            continue
        estimated += case.seconds
        key = (case.dataset, case.net)
        if key not in originals:
            split = forget_classes(data(case.dataset, folder, size), [0])
            training, _ = settings(case, split.dataset, size)
            start = clock(device)
            originals[key] = train(split, config=training, device=str(device)), split, clock(device) - start
        model, split, trained_s = originals[key]
        _, laf = settings(case, split.dataset, size)
        print(measure(case, model, split, laf, size, backend), flush=True)
        if to_end:
            finished.append(whole(case, model, split, laf, trained_s))
    if finished:
        print("\n".join([WHOLE_HEAD, *finished]), flush=True)
    print("\n| run | CPU | device | |\n|---|---:|---:|---|")
    print("\n".join(same_end(device, size)), flush=True)
    print(
        f"\nLeft out for want of time: {', '.join(left_out) or 'nothing'}. {time.perf_counter() - began:.0f} s in all."
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data-dir", metavar="DIR", help="folder that holds CIFAR-10 and MNIST; default: random patterns"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--budget", type=float, default=330.0, help="seconds, after which no case is begun")
    parser.add_argument(
        "--whole", action="store_true", help="play LAF to its end, too, with the preset's training before it"
    )
    parser.add_argument("--small", action="store_true", help="few images and steps, for a CPU")
    parser.add_argument("--backend", default="inductor", help="of torch.compile; eager needs no compiler")
    a = parser.parse_args(argv)
    device = pick_device(a.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(f"{name}, torch {torch.__version__}\n")
    size = Size(60, 2, 8, 1) if a.small else Size(50_000, 40, None, None if a.whole else 1)
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("LAF_HOME", home)
        check(device, a.data_dir, size, budget=a.budget, to_end=a.whole, backend=a.backend)


if __name__ == "__main__":
    main()
