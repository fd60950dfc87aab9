"""The filter of the page Forget set: the clients that it offers and what they let through."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.clients import with_clients
from core.evaluation.forget_suggestions import Filter, ImageFacts
from dashboard.forms.forget import selection as form
from tests import toys


@pytest.fixture
def shown(monkeypatch):
    """Return the options of each choice by its label; the user takes the last of them, and leaves sliders as they are."""
    found = {}

    def several(label, options, *, format_func, **_):
        found[label] = [format_func(k) for k in options]
        return list(options)[-1:] if label == "Client" else []

    monkeypatch.setattr(form.st, "multiselect", several)
    monkeypatch.setattr(form.st, "segmented_control", lambda *_, **__: None)
    monkeypatch.setattr(form.st, "slider", lambda _, low, high, value, **__: value)
    return found


def facts_of(dataset):
    n = len(dataset.train)
    numbers, shares = dataset.train.y.numpy(), np.full(n, 0.5, np.float32)
    of = None if dataset.clients is None else dataset.clients.of.numpy()
    ids = dataset.train.ids.numpy()
    return ImageFacts(ids, numbers, numbers, shares, shares, shares, shares, torch.zeros(n, 2), clients=of)


def test_images_are_filtered_by_the_client_who_has_them(shown):
    shared = with_clients(toys.dataset(), 3, seed=1)
    sizes = shared.clients.sizes()
    wanted = form._filter_form(facts_of(shared), shared, "t")
    assert shown["Client"] == [f"client {k} ({sizes[k]} images)" for k in range(3)]
    assert wanted == Filter(clients=(2,))
    assert wanted.mask(facts_of(shared)).tolist() == (shared.clients.of == 2).tolist()


def test_data_of_one_owner_offer_no_client(shown):
    assert form._filter_form(facts_of(toys.dataset()), toys.dataset(), "t").is_open
    assert "Client" not in shown
