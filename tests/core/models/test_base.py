"""The protocol of a model: what it says is what methods, metrics and retraining use, and what lacks is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core import Evaluator, Retrained, Run, evaluate, finish, forget_classes, run_to_end
from core.errors import RequestError
from core.models.base import PARTS, Classifier, Net, multiply_adds, require_classifier
from core.runs.unlearned_models import unlearned_model
from tests import toys


class Bare(nn.Module):
    """A model with the parts of the protocol alone: reading any other raises."""

    def __init__(self, like: Net) -> None:
        super().__init__()
        self.extractor, self.head = like.extractor, like.head
        self.width, self.draws, self.memory = like.width, like.draws, like.memory
        self.provenance = like.provenance

    def extract(self, x):
        return self.extractor(x)

    def classify(self, e):
        return self.head(e)

    def forward(self, x):
        return self.classify(self.extract(x))


@pytest.fixture
def bare(toy_split):
    return Bare(toys.model(toy_split))


def test_the_listed_parts_are_those_of_the_protocol():
    members = {n for n in (*Classifier.__annotations__, *vars(Classifier)) if not n.startswith("_")}
    assert set(PARTS) == members
    assert isinstance(Net(), nn.Module)


@pytest.mark.parametrize("name", ["laf", "laf+r", "retrain", *toys.QUICK_OF])
def test_methods_need_no_more_than_the_protocol(name, bare, toy_split):
    if name in ("sisa", "unroll"):
        pytest.skip("trains its own original")
    run = Run(toys.quick(name), bare, toy_split, seed=0)
    finish(run)
    assert len(run.steps) == run.total_steps > 0
    assert evaluate(run.result, toy_split, references=[bare]).js is not None


def test_metrics_need_no_more_than_the_protocol(bare, toy_split):
    twin = finish(Run(toys.quick("retrain"), bare, toy_split))
    evaluator = Evaluator(toy_split, bare, [Retrained(0, twin, 0.0), Retrained(1, bare, 0.0)])
    report = run_to_end(evaluator.judge(bare))
    assert report.figures["train_f"].value == pytest.approx(evaluate(bare, toy_split).train_f)
    made = run_to_end(unlearned_model(toy_split, bare, toys.quick("finetune")))
    assert type(made.model) is Bare


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_named_by_run_evaluate_and_evaluator(part, bare, toy_split):
    if part in vars(Bare):
        lacking = type(
            "Bare", (nn.Module,), {k: v for k, v in vars(Bare).items() if k not in (part, "__init__")}
        )()
        lacking.__dict__.update(bare.__dict__)
    else:
        delattr(bare, part)
        lacking = bare
    for use in (
        lambda: Run("laf", lacking, toy_split),
        lambda: evaluate(lacking, toy_split),
        lambda: Evaluator(toy_split, lacking),
    ):
        with pytest.raises(
            RequestError, match=rf"Bare cannot be used as a model: it lacks {part}; core.wrap"
        ):
            use()


class Wrong(Bare):
    def extract(self, x):
        return self.extractor(x)[:, None]


class Tuple(Bare):
    def classify(self, e):
        return (self.head(e),)


def plain(model):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 4))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda m: None, "a model must be an nn.Module, got None"),
        (plain, "Sequential cannot be used as a model: it lacks width, extractor, head"),
        (
            Wrong,
            r"Wrong.extract must return representations \(2, 128\) of two images, but returns a tensor \(2, 1, 128\)",
        ),
        (Tuple, "Tuple.classify must return logits .* but returns a tuple"),
    ],
    ids=["none", "plain", "width", "tuple"],
)
def test_a_model_of_another_form_is_told_in_one_sentence(make, words, toy_split, toy_model):
    model = make(toy_model)
    if isinstance(model, Bare):
        model.provenance = None
    with pytest.raises(RequestError, match=words) as caught:
        Run("laf", model, toy_split)
    assert "\n" not in str(caught.value)


def test_a_model_for_other_images_or_classes_is_told(bare, digits):
    bare.provenance = None
    with pytest.raises(RequestError, match=r"Bare.classify must return logits \(2, 10\)"):
        evaluate(bare, forget_classes(digits, [0]))
    with pytest.raises(RequestError, match=r"Bare cannot take images of 3x8x8 \(channels x height x width\)"):
        require_classifier(bare, (3, 8, 8), 4)


def test_a_model_that_the_lab_trained_on_other_data_is_told_too(toy_model, digits):
    with pytest.raises(RequestError, match=r"DigitsCNN.classify must return logits \(2, 10\)"):
        Run("laf", toy_model, forget_classes(digits, [0]))


def test_the_check_changes_neither_mode_nor_generator(bare):
    bare.provenance = None
    bare.train()
    state = torch.get_rng_state()
    require_classifier(bare, (1, 8, 8), 4)
    assert bare.training
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_of_unknown_training_is_not_held_against_another_net(bare, toy_split):
    bare.provenance = None
    with pytest.raises(
        RequestError, match="the training of Bare is not known, so no model is retrained like it"
    ):
        Run("retrain", bare, toy_split)
    assert Run(toys.quick("retrain"), bare, toy_split).config == toys.TRAIN, "unless the caller names the net"


def test_multiply_adds_are_counted():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(32, 5))
    assert multiply_adds(net, (1, 4, 4)) == 4 * 4 * 2 * 9 + 32 * 5
