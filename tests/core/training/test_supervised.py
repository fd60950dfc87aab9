"""The one supervised loop, and retraining by it."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.config import LAFConfig, TrainConfig, VAEConfig
from core.data import Dataset, ForgetRequest, LabelledImages, Split
from core.data.images import Norm
from core.errors import CancelledError, DivergedError, RequestError
from core.methods import METHODS, method
from core.models.registry import build
from core.runs.run import Run, finish
from core.runtime.storage import load_state, save_state
from core.training.augment import crop_and_flip
from core.training.supervised import SupervisedTrainer, Training, train
from tests import toys


def disturb():
    torch.manual_seed(random.randrange(10**6))
    np.random.seed(5)  # noqa: NPY002
    torch.rand(3)
    random.random()


def test_training_repeats_to_the_bit_whatever_the_global_generators_do(toy_split, toy_model):
    training = Training(toy_split, seed=0, config=toys.TRAIN)
    while training.tick(budget_s=0.01):
        disturb()
    assert toys.same(training.result.state_dict(), toy_model.state_dict())
    other = train(toy_split, seed=1, config=toys.TRAIN)
    assert not toys.same(other.state_dict(), toy_model.state_dict())


def test_a_slice_moves_on_however_short_its_budget(toy_split):
    """Or a machine that is too busy would never get anywhere."""
    training = Training(toy_split, config=toys.TRAIN)
    assert [training.tick(budget_s=0).done for _ in range(3)] == [1, 2, 3]


def test_training_learns(toy_split, toy_model):
    with torch.no_grad():
        predicted = toy_model(toy_split.test.floats(slice(None))).argmax(1)
    assert (predicted == toy_split.test.y).float().mean() > 0.95


def test_training_moves_no_global_generator(toy_split):
    torch.manual_seed(1)
    train(toy_split, seed=0, config=replace(toys.TRAIN, epochs=1))
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))


def test_a_saved_state_continues_to_the_bit(toy_split, tmp_path):
    def start() -> SupervisedTrainer:
        shape, n = toy_split.dataset.shape, len(toy_split.dataset.classes)
        net = build("digits-cnn", shape, n, seed=0)
        return SupervisedTrainer.start(net, toy_split.train, toys.TRAIN, seed=0, stage="train")

    straight, first, second = start(), start(), start()
    losses = [straight.step() for _ in range(9)]
    head = [first.step() for _ in range(4)]
    save_state(tmp_path / "s", first.state_dict())
    second.load_state_dict(load_state(tmp_path / "s"))
    assert head + [second.step() for _ in range(5)] == losses
    assert toys.same(second.model.state_dict(), straight.model.state_dict())
    assert second.epoch == straight.epoch == 9 // 5


# nets whose training draws numbers and keeps statistics


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine(toy_split, toy_model):
    config = replace(TrainConfig(), epochs=4, batch_size=32, lr=0.5, decays=True, warmup=0.25)
    trainer = SupervisedTrainer.start(toy_model, toy_split.train, config, seed=0, stage="train")
    n = np.arange(1, trainer.total + 1)
    expected = (
        0.25 * (1 + np.cos(np.pi * (n - 1) / trainer.total)) * np.minimum(1, n / (0.25 * trainer.total))
    )
    found = []
    for trainer.number in n:
        found.append(trainer._rate())
    assert len(found) > 8
    np.testing.assert_allclose(found, expected)


def coloured(n: int = 33) -> LabelledImages:
    """Noise, 32x32, whose brighter channel is its class; with batches of 16 the last batch is one image."""
    g = torch.Generator().manual_seed(5)
    y = torch.arange(n) % 3
    x = torch.randint(0, 100, (n, 3, 32, 32), generator=g)
    x[torch.arange(n), y] += 80
    return LabelledImages(x.to(torch.uint8), torch.arange(n), 255, y, norm=Norm.of(x.to(torch.uint8)))


def started(net: str, *, augment: bool = True) -> SupervisedTrainer:
    config = TrainConfig(net, epochs=2, batch_size=16, lr=1e-3, augment=augment)
    return SupervisedTrainer.start(
        build(net, (3, 32, 32), 3, seed=0), coloured(), config, seed=0, stage="train"
    )


NETS_THAT_DRAW = [
    "resnet18",
    "tv:shufflenet_v2_x0_5@mean",
    "tv:squeezenet1_1@features.12.cat",
]  # the last has dropout


@pytest.mark.parametrize("net", NETS_THAT_DRAW)
def test_crops_dropout_and_batch_statistics_continue_to_the_bit(net, tmp_path):
    straight, first, second = started(net), started(net), started(net)
    losses = [straight.step() for _ in range(5)]
    assert straight.epoch == 1  # a batch of a single image is behind it
    head = []
    for _ in range(2):
        disturb()
        head.append(first.step())
    save_state(tmp_path / "s", first.state_dict())
    second.load_state_dict(load_state(tmp_path / "s"))
    torch.manual_seed(1)
    assert head + [second.step() for _ in range(3)] == losses
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))
    assert toys.same(second.model.state_dict(), straight.model.state_dict())


def test_a_resnet_learns_and_its_statistics_move():
    training = started("resnet18", augment=False)
    losses = [training.step() for _ in range(6)]
    assert losses[-1] < losses[0] / 2
    assert float(training.model.extractor.bn1.running_mean.abs().sum()) > 0


def test_crops_are_windows_of_the_padded_image_some_of_them_mirrored():
    x = torch.arange(1, 1 + 64 * 3 * 16 * 16).reshape(64, 3, 16, 16).float()
    cut = crop_and_flip(x, torch.Generator().manual_seed(0))
    padded = functional.pad(x, (2, 2, 2, 2))
    found = set()
    for image, made in zip(padded, cut, strict=True):
        windows = {
            (top, left): image[:, top : top + 16, left : left + 16] for top in range(5) for left in range(5)
        }
        fits = [
            (*place, mirrored)
            for place, window in windows.items()
            for mirrored in (False, True)
            if torch.equal(made, window.flip(2) if mirrored else window)
        ]
        assert len(fits) == 1
        found.update(fits)
    assert {top for top, _, _ in found} == {left for _, left, _ in found} == set(range(5))
    assert {mirrored for _, _, mirrored in found} == {False, True}


@pytest.mark.parametrize("size", [(1, 8, 8), (2, 28, 20)])
def test_crops_keep_the_shape(size):
    assert crop_and_flip(torch.rand(5, *size), torch.Generator().manual_seed(0)).shape == (5, *size)


def test_laf_leaves_a_resnets_statistics_alone_and_reads_no_label():
    """BatchNorm stays in eval mode; and with labels permuted after training the steps are the same to the bit."""
    images = coloured(48)
    records, buffers = [], []
    for shift in (0, 1):
        y = images.y if shift == 0 else (images.y + 1) % 3
        data = Dataset(
            "toy", "Toy", ("r", "g", "b"), replace(images, y=y), replace(images, ids=images.ids + 48)
        )
        rows = torch.arange(48)
        split = Split(data, ForgetRequest("class", (0,)), rows[rows % 3 != 0], rows[rows % 3 == 0])
        model = build("resnet18", (3, 32, 32), 3, seed=0).eval()
        config = LAFConfig(steps=1, lr_ue=1e-4, lr_ra=4e-4, batch_size=8, vae=VAEConfig(epochs=1))
        run = Run(METHODS["laf"](config), model, split, seed=0)
        after = finish(run)
        records.append(list(run.steps))
        buffers.append({k: v for k, v in after.state_dict().items() if "running" in k})
        assert toys.same(buffers[-1], {k: v for k, v in model.state_dict().items() if "running" in k})
        assert not toys.same(after.state_dict(), model.state_dict())
    assert records[0] == records[1]


def test_a_model_knows_how_it_came_to_be(toy_model):
    provenance = toy_model.provenance
    assert (provenance.net, provenance.seed, provenance.config) == ("digits-cnn", 0, toys.TRAIN)
    assert provenance.seconds > 0
    assert not toy_model.training


def test_progress_is_told_to_its_end(toy_split):
    seen = []
    train(toy_split, config=toys.TRAIN, progress=seen.append)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("train", 20, 20)


def test_an_unfinished_training_has_no_result(toy_split):
    training = Training(toy_split, config=toys.TRAIN)
    training.tick(budget_s=1e-9)
    with pytest.raises(CancelledError, match="stopped before"):
        _ = training.result


def test_a_loss_that_is_no_number_names_stage_and_step(toy_split):
    with pytest.raises(DivergedError, match="of train") as caught:
        train(toy_split, config=replace(toys.TRAIN, lr=1e30))
    assert caught.value.stage == "train"
    assert caught.value.step >= 2


# retraining


def with_forgotten(split: Split, change) -> Split:
    """The same split with the images of D_f changed."""
    t, d = split.train, split.dataset
    x, y = t.x.clone(), t.y.clone()
    change(x, y, split.forget_rows)
    return Split(
        Dataset(d.name, d.title, d.classes, LabelledImages(x, t.ids, t.white, y), d.test),
        split.request,
        split.remain_rows,
        split.forget_rows,
    )


@pytest.mark.parametrize("change", ["zero the images", "permute the labels"])
def test_retraining_never_sees_what_is_forgotten(toy_split, toy_model, change):
    def touch(x, y, rows):
        if change == "zero the images":
            x[rows] = 0
        else:
            y[rows] = (y[rows] + 1) % 4

    plain = finish(Run(METHODS["retrain"](), toy_model, toy_split, seed=0))
    blind = finish(Run(METHODS["retrain"](), toy_model, with_forgotten(toy_split, touch), seed=0))
    assert toys.same(plain.state_dict(), blind.state_dict())


def test_retraining_starts_from_the_originals_initial_weights(toy_split, toy_model):
    """Whatever the seed of the run: only the order of the batches comes from that."""
    for seed in (0, 9):
        unlearner = method("retrain")
        unlearner.configure(toy_model, toy_split)
        state = unlearner.start(toy_model, toy_split, seed=seed)
        assert toys.same(state.model.state_dict(), build("digits-cnn", (1, 8, 8), 4, seed=0).state_dict())
    assert unlearner.config == toys.TRAIN


def test_an_unknown_method_is_refused():
    with pytest.raises(RequestError, match=r"unknown method 'amnesia'.*retrain, .*laf, "):
        method("amnesia")
