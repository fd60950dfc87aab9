"""What a step costs, against the plain loop, in one run: python -m benchmarks.steps [--mnist DIR] [--steps N]"""

from __future__ import annotations

import argparse

import torch

from benchmarks.machine import machine
from benchmarks.plain_loop import plain_laf
from core import LAF, LAFConfig, Run, forget_classes, load, train
from core.config import TrainConfig, replace

VAE_EPOCHS = 3  # as MNIST's preset; with more of them, computing representations once pays more


def measure(name: str, data_dir: str | None, steps: int) -> tuple[str, float, float, float, float]:
    """Dataset, ms a step plain and ours, ms a VAE batch plain and ours."""
    split = forget_classes(load(name, data_dir=data_dir), [0])
    model = train(split, config=replace(TrainConfig.preset(name), epochs=1))
    config = LAFConfig.preset(name, "class")
    _, plain = plain_laf(model, split, config, most_steps=steps, vae_epochs=VAE_EPOCHS)
    batches = VAE_EPOCHS * sum(
        -(-n // config.vae.batch_size) for n in (len(split.train), len(split.forget_rows))
    )
    ours = Run(LAF(replace(config, vae=replace(config.vae, epochs=VAE_EPOCHS))), model, split)
    while len(ours.steps) < min(steps, int(plain["steps"])):
        ours.advance()
    per_vae = 1e3 * (ours.seconds["vae"] + ours.seconds["vae_f"]) / batches
    ours_ms = 1e3 * ours.seconds["unlearn"] / len(ours.steps)
    return name, 1e3 * plain["unlearn"] / plain["steps"], ours_ms, 1e3 * plain["vae"] / batches, per_vae


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mnist", metavar="DIR", help="folder that holds MNIST/raw")
    arguments.add_argument("--steps", type=int, default=60)
    a = arguments.parse_args()
    torch.set_num_threads(1)
    print(f"Step cost, one thread, {machine()}\n")
    print(
        "| dataset | plain ms a step | ours | ratio | plain ms a VAE batch | ours | ratio |\n|---|---|---|---|---|---|---|"
    )
    for name in ["digits", *["mnist"] * bool(a.mnist)]:
        name, plain, ours, plain_vae, vae = measure(name, a.mnist if name == "mnist" else None, a.steps)
        print(
            f"| {name} | {plain:.1f} | {ours:.1f} | {plain / ours:.2f}× | {plain_vae:.2f} | {vae:.2f} | {plain_vae / vae:.2f}× |"
        )


if __name__ == "__main__":
    main()
