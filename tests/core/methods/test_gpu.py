"""On a GPU the same run comes to the same result, within the noise of another order of additions."""

from __future__ import annotations

import pytest
import torch

from core import (
    LAF,
    METHODS,
    LAFConfig,
    Run,
    TrainConfig,
    VAEConfig,
    evaluate,
    finish,
    forget_classes,
    load,
    train,
)
from core.data import Dataset, LabelledImages
from core.data.images import Norm

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]


def test_class_removal_on_a_gpu_ends_where_the_cpu_does():
    split = forget_classes(load("digits"), [0])
    reports = {}
    for device in ("cpu", "cuda"):
        model = train(split, device=device)
        assert next(model.parameters()).device.type == device
        gold = finish(Run(METHODS["retrain"](), model, split))
        reports[device] = evaluate(finish(Run(LAF(), model, split)), split, references=[gold])
    cpu, gpu = reports["cpu"], reports["cuda"]
    for name in ("train_r", "train_f", "test_r"):
        assert getattr(gpu, name) == pytest.approx(getattr(cpu, name), abs=0.03)


def coloured(seed: int = 3) -> Dataset:
    """Four fixed 32x32 colour patterns under noise, normalised as CIFAR-10 is."""
    g = torch.Generator().manual_seed(seed)
    patterns = torch.randint(0, 256, (4, 3, 32, 32), generator=g)

    def part(n: int, start: int) -> LabelledImages:
        y = torch.arange(4).repeat(n)
        shake = torch.randint(-80, 81, (len(y), 3, 32, 32), generator=g)
        x = (patterns[y] + shake).clamp(0, 255).to(torch.uint8)
        return LabelledImages(x, torch.arange(start, start + len(y)), 255, y, norm=Norm.of(x))

    return Dataset("patterns", "Patterns", tuple("abcd"), part(100, 0), part(50, 1000), family="own-colour")


def test_resnet18_runs_end_to_end_on_a_gpu_as_on_the_cpu():
    split = forget_classes(coloured(), [0])
    config = TrainConfig("resnet18", epochs=2, batch_size=32, lr=1e-3, augment=True)
    laf = LAFConfig(epochs=8, lr_ue=1e-4, lr_ra=5e-4, temperature=10, vae=VAEConfig(latent=16))
    reports = {}
    for device in ("cpu", "cuda"):
        model = train(split, device=device, config=config)
        gold = finish(Run(METHODS["retrain"](), model, split))
        run = Run(LAF(laf), model, split)
        assert next(finish(run).parameters()).device.type == device
        reports[device] = evaluate(run.result, split, references=[gold])
    cpu, gpu = reports["cpu"], reports["cuda"]
    for name in ("train_r", "train_f", "test_r"):
        assert getattr(gpu, name) == pytest.approx(getattr(cpu, name), abs=0.05)
