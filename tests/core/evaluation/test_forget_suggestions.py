"""Facts about images, filters and suggestions, against loops written another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.data import LabelledImages, plant
from core.data.clients import with_clients
from core.evaluation.forget_suggestions import (
    ORDERS,
    Filter,
    ImageFacts,
    gather_facts,
    memorised,
    near_duplicates,
    ordered,
)
from core.runtime.progress import Progress
from core.training.supervised import train
from tests import toys


def finish(work):
    """The result of a generator, and the Progress it told."""
    told = []
    while True:
        try:
            told.append(next(work))
        except StopIteration as stop:
            return stop.value, told


@pytest.fixture(scope="module")
def known(toy_model, toy_split):
    return finish(gather_facts(toy_model, toy_split.dataset))[0]


@pytest.fixture(scope="module")
def noisy(digits):
    """Digits with 5 % wrong labels, and the facts of the model trained on them."""
    split = plant(digits, "canaries", seed=0)
    return split, finish(gather_facts(train(split, seed=0), split.dataset))[0]


def test_facts_are_what_the_model_says_one_image_at_a_time(known, toy_model, toy_split):
    images = toy_split.train
    assert known.ids.tolist() == images.ids.tolist()
    for row in range(0, len(images), 13):
        with torch.no_grad():
            e = toy_model.extract(images.floats(slice(row, row + 1)))
            logits = toy_model.classify(e)[0].double().numpy()
        p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        y = int(images.y[row])
        assert known.predictions[row] == p.argmax()
        assert known.confidences[row] == pytest.approx(p.max(), abs=1e-5)
        assert known.losses[row] == pytest.approx(-np.log(p[y]), rel=1e-3, abs=1e-5)
        assert known.margins[row] == pytest.approx(p[y] - np.delete(p, y).max(), abs=1e-5)
        unit = e[0].numpy() / np.linalg.norm(e[0].numpy())
        np.testing.assert_allclose(known.unit[row], unit, atol=1e-5)


def test_progress_ends_with_every_image(toy_model, digits, digits_model):
    _, told = finish(gather_facts(digits_model, digits))
    assert all(isinstance(p, Progress) and p.stage == "facts" for p in told)
    assert [p.done for p in told] == [1024, 1437]
    assert told[-1].total == 1437


def random_facts(n: int = 60, width: int = 5, k: int = 4) -> ImageFacts:
    g = torch.Generator().manual_seed(3)
    p = torch.rand(n, k, generator=g).softmax(1)
    y = torch.randint(0, k, (n,), generator=g)
    unit = torch.nn.functional.normalize(torch.randn(n, width, generator=g), dim=1)
    own = p.gather(1, y[:, None])[:, 0]
    return ImageFacts(
        np.arange(100, 100 + n),
        y.numpy(),
        p.argmax(1).numpy(),
        p.max(1).values.numpy(),
        own.numpy(),
        -own.log().numpy(),
        own.numpy(),
        unit,
        torch.randint(-1, 3, (n,), generator=g).numpy(),
        torch.randint(0, 5, (n,), generator=g).numpy(),
    )


def test_memorised_is_its_formula():
    facts = random_facts()
    score, _ = finish(memorised(facts, k=7))
    e = facts.unit.double().numpy()
    for i in range(len(facts)):
        others = [j for j in range(len(facts)) if j != i]
        near = sorted(others, key=lambda j: -float(e[i] @ e[j]))[:7]
        share = sum(facts.labels[j] == facts.labels[i] for j in near) / 7
        assert score[i] == pytest.approx(facts.own[i] - share, abs=1e-6)


def test_wrong_labels_that_were_learned_are_suggested_first(noisy):
    split, facts = noisy
    score, _ = finish(memorised(facts))
    wrong = np.isin(np.arange(len(facts)), split.forget_rows.numpy())
    first = np.argsort(-score)[: wrong.sum()]
    assert wrong[first].mean() > 6 * wrong.mean()


def test_near_duplicates_are_those_of_a_double_loop():
    facts = random_facts(40)
    g = torch.Generator().manual_seed(4)
    x = torch.randint(0, 3, (40, 1, 2, 2), generator=g).to(torch.uint8)
    images = LabelledImages(x, torch.from_numpy(facts.ids), 8, torch.from_numpy(facts.labels))
    dataset = replace(toys.dataset(), train=images)
    picked = facts.ids[::3]
    found, _ = finish(near_duplicates(facts, dataset, picked, cosine=0.3, pixels=0.15))
    e, pixels = facts.unit.double().numpy(), x.double().numpy().reshape(40, -1) / 8
    expected = {}
    for i in range(40):
        for j in range(0, 40, 3):
            if i % 3 == 0 or e[i] @ e[j] < 0.3:
                continue
            rms = np.sqrt(((pixels[i] - pixels[j]) ** 2).mean())
            if rms <= 0.15 and rms < expected.get(100 + i, (9, 0))[0]:
                expected[100 + i] = (rms, 100 + j)
    assert expected
    assert {t.id for t in found} == set(expected)
    for twin in found:
        assert twin.pixels == pytest.approx(expected[twin.id][0], abs=1e-6)
        assert twin.cosine == pytest.approx(float(e[twin.id - 100] @ e[twin.of - 100]), abs=1e-5)
    assert [t.pixels for t in found] == sorted(t.pixels for t in found)


def test_every_planted_copy_of_a_picked_image_is_found_and_nothing_picked_is(digits):
    split = plant(digits, "duplicates", seed=0)
    facts, _ = finish(gather_facts(train(split, seed=0), split.dataset))
    originals = split.planted.probe.ids
    copies = set(split.forget.ids.tolist()) - set(originals.tolist())
    found, _ = finish(near_duplicates(facts, split.dataset, originals.numpy()))
    assert copies <= {t.id for t in found}
    assert not {t.id for t in found} & set(originals.tolist())
    assert all(t.pixels == 0 for t in found if t.id in copies)


def test_nothing_picked_has_no_duplicates(known, toy_split):
    assert finish(near_duplicates(known, toy_split.dataset, []))[0] == []
    assert finish(near_duplicates(known, toy_split.dataset, known.ids))[0] == []


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (Filter(), lambda f, i: True),
        (Filter(classes=(1, 3)), lambda f, i: f.labels[i] in (1, 3)),
        (Filter(predictions=(0,)), lambda f, i: f.predictions[i] == 0),
        (Filter(confidence=(0.3, 0.35)), lambda f, i: 0.3 <= f.confidences[i] <= 0.35),
        (Filter(loss=(1.3, 1.5)), lambda f, i: 1.3 <= f.losses[i] <= 1.5),
        (Filter(right=True), lambda f, i: f.labels[i] == f.predictions[i]),
        (Filter(right=False), lambda f, i: f.labels[i] != f.predictions[i]),
        (Filter(subjects=(0, 2)), lambda f, i: f.subjects[i] in (0, 2)),
        (Filter(clients=(1, 4)), lambda f, i: f.clients[i] in (1, 4)),
        (
            Filter(classes=(0, 1), right=False, subjects=(1,)),
            lambda f, i: f.labels[i] in (0, 1) and f.labels[i] != f.predictions[i] and f.subjects[i] == 1,
        ),
    ],
)
def test_a_filter_lets_through_what_passes_each_part(wanted, passes):
    facts = random_facts()
    mask = wanted.mask(facts)
    assert mask.tolist() == [bool(passes(facts, i)) for i in range(len(facts))]
    assert wanted.is_open == (wanted == Filter())


def test_a_filter_by_subject_passes_nothing_where_no_subject_is_known():
    assert not Filter(subjects=(0,)).mask(replace(random_facts(), subjects=None)).any()


def test_facts_name_the_client_who_has_each_image(toy_model):
    shared = with_clients(toys.dataset(), 3, seed=1)
    facts, _ = finish(gather_facts(toy_model, shared))
    passed = facts.ids[Filter(clients=(2,)).mask(facts)]
    assert passed.tolist() == shared.train.ids[shared.clients.of == 2].tolist()
    assert not Filter(clients=(2,)).mask(replace(facts, clients=None)).any()


def test_every_order_is_a_permutation_with_ties_by_id():
    facts = random_facts()
    scores = np.round(facts.own, 1)
    keys = {
        "class": facts.labels,
        "loss": -facts.losses,
        "unsure": facts.confidences,
        "margin": facts.margins,
        "memorised": -scores,
    }
    for order in ORDERS:
        rows = ordered(order, facts, scores)
        key = keys.get(order, np.zeros(len(facts)))
        assert rows.tolist() == sorted(range(len(facts)), key=lambda i: (key[i], facts.ids[i]))
