"""Models measured on all images: the reports of ``evaluate``, each forward pass once, and answers from the cache."""

from __future__ import annotations

import pytest
import torch

from core.evaluation.measuring import on_all_images
from core.evaluation.measuring.on_all_images import OnAllImages
from core.evaluation.metrics import evaluate
from core.models import base
from core.runtime.content_cache import answers


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    monkeypatch.setattr(answers, "_memory", type(answers._memory)())
    return tmp_path


@pytest.mark.parametrize("workers", [1, 3])
def test_each_model_has_the_report_it_has_alone(digits_model, unlearned, retrained, class_split, workers):
    models = {"original": digits_model, "unlearned": unlearned.result, "retrained": retrained}
    measured = OnAllImages(class_split)
    for name, model in models.items():
        measured.add(name, model, workers=workers)
    found = measured.reports("retrained", "original")
    assert list(found) == list(models)
    for name, model in models.items():
        alone = evaluate(model, class_split, references=[retrained, digits_model])
        assert found[name] == alone
        assert torch.equal(found[name].forget_probabilities, alone.forget_probabilities)


def test_answers_that_are_kept_are_not_computed_again(digits_model, class_split, own_home, monkeypatch):
    monkeypatch.setattr(on_all_images, "WORTH_KEEPING", 0)
    first = OnAllImages(class_split)
    first.add("original", digits_model, keep=True)
    answers._memory.clear()  # the second process
    monkeypatch.setattr(base, "_batch_outputs", None)
    second = OnAllImages(class_split)
    second.add("original", digits_model, keep=True)
    assert second.reports("original") == first.reports("original")
    with pytest.raises(TypeError):  # nothing is taken from the cache unasked
        OnAllImages(class_split).add("original", digits_model)


def test_answers_of_other_weights_are_not_taken(digits_model, unlearned, class_split, own_home, monkeypatch):
    monkeypatch.setattr(on_all_images, "WORTH_KEEPING", 0)
    measured = OnAllImages(class_split)
    measured.add("original", digits_model, keep=True)
    measured.add("unlearned", unlearned.result, keep=True)
    assert (
        measured.reports("original")["unlearned"].train_f != measured.reports("original")["original"].train_f
    )
    assert len(list((own_home / "answers").glob("*.safetensors"))) == 2


def test_quick_answers_are_not_kept(digits_model, class_split, own_home):
    OnAllImages(class_split).add("original", digits_model, keep=True)
    assert not (own_home / "answers").exists()
