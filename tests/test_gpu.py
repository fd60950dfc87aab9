"""On a GPU the same run comes to the same result, within the noise of another order of additions."""

from __future__ import annotations

import pytest
import torch

from core import LAF, METHODS, Run, evaluate, finish, forget_classes, load, train

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
