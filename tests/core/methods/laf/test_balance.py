"""Both losses of a step, their gradients and moves, against torch.autograd by hand; and what each knob does to a step."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch

from core import losses
from core.config import LAFConfig
from core.errors import ConfigError
from core.methods import LAF
from core.methods.laf.laf_step import Batch
from core.runs.run import Run, finish
from tests import toys


def ready(split, model, config: LAFConfig, steps: int = 0):
    """A state after ``steps`` steps; before the first one nothing has turned, and L_RA has no gradient."""
    unlearner = LAF(config)
    state = unlearner.start(model, split.unlabelled(), seed=3)
    while unlearner.prepare(state, config) is not None:
        pass
    for _ in range(steps):
        unlearner.step(state, config)
    return unlearner, state


def by_hand(state, config: LAFConfig):
    """Both gradients on the next pair of batches, one parameter after the other, in float64 where it matters."""
    twin = copy.deepcopy(state)
    batch = Batch.draw(twin)
    parameters = list(twin.model.extractor.parameters())

    def gradient(loss):
        return torch.cat([g.flatten().double() for g in torch.autograd.grad(loss, parameters)])

    e = twin.model.extract(batch.x)
    e_r, e_f = e[: batch.n_r], e[batch.n_r :]
    hat_r, hat_f = twin.vae.vae(e_r, twin.noise)[0], twin.vae_f.vae(e_f, twin.noise)[0]
    m_r, m_f = ((hat_r - e_r) ** 2).sum(1), ((hat_f - e_f) ** 2).sum(1)
    phi = (lambda m: torch.exp(m / (m + 1))) if config.bounded else (lambda m: m)
    ue = config.weight_remain * phi(m_r).sum() - config.weight_forget * phi(m_f).sum()
    d = 1 - torch.nn.functional.cosine_similarity(e, batch.e0)
    align = d[: batch.n_r].sum()
    repel = batch.n_r * torch.log(torch.exp(d[batch.n_r :] / config.temperature).sum())
    return (lambda: gradient(ue)), (
        lambda: gradient(config.weight_align * align - config.weight_repel * repel)
    )


WEIGHTED = replace(toys.QUICK, weight_remain=0.5, weight_forget=2.0, weight_align=3.0, weight_repel=0.25)


@pytest.mark.parametrize("config", [toys.QUICK, WEIGHTED, replace(toys.QUICK, bounded=False, lr_ue=1e-5)])
def test_norms_and_cosine_are_those_of_autograd_by_hand(toy_split, toy_model, config):
    """In the joint schedule both gradients are taken at the same weights, so that a cosine by hand needs no step between."""
    config = replace(config, schedule="joint")
    unlearner, state = ready(toy_split, toy_model, config, steps=3)
    ue = by_hand(state, config)[0]()
    ra = by_hand(state, config)[1]()
    step = unlearner.step(state, config)
    assert step.grad_norms["ue"] == pytest.approx(float(ue.norm()), rel=1e-5)
    assert step.grad_norms["ra"] == pytest.approx(float(ra.norm()), rel=1e-5)
    assert step.grad_cosine == pytest.approx(float(ue @ ra / (ue.norm() * ra.norm())), abs=1e-5)


def test_the_cosine_by_layer_adds_up_to_that_of_all_and_takes_no_step(toy_split, toy_model):
    config = replace(toys.QUICK, schedule="joint")
    unlearner, state = ready(toy_split, toy_model, config, steps=3)
    before = copy.deepcopy(state.state_dict())
    layers = unlearner.by_layer(state, config)
    after = state.state_dict()
    assert torch.equal(before["noise"], after["noise"])
    assert torch.equal(before["forget"]["generator"], after["forget"]["generator"])
    assert toys.same(before["model"], after["model"])
    step = unlearner.step(state, config)
    for name in ("ue", "ra"):
        assert math.hypot(*(v[name] for v in layers.values())) == pytest.approx(
            step.grad_norms[name], rel=1e-5
        )
    dot = sum(v["cosine"] * v["ue"] * v["ra"] for v in layers.values())
    assert dot / (step.grad_norms["ue"] * step.grad_norms["ra"]) == pytest.approx(step.grad_cosine, abs=1e-5)
    assert len(layers) == 3


def test_moves_are_how_far_the_weights_went(toy_split, toy_model):
    unlearner, state = ready(toy_split, toy_model, replace(toys.QUICK, losses="ra"))
    before = torch.cat([p.detach().flatten() for p in state.model.extractor.parameters()]).double()
    step = unlearner.step(state, replace(toys.QUICK, losses="ra"))
    after = torch.cat([p.detach().flatten() for p in state.model.extractor.parameters()]).double()
    assert step.moves == {"ra": pytest.approx(float((after - before).norm()), rel=1e-5)}


# what each knob does


@pytest.mark.parametrize(("only", "other"), [("ue", "ra"), ("ra", "ue")])
def test_one_loss_alone_leaves_the_other_ones_optimiser_untouched(toy_split, toy_model, only, other):
    config = replace(toys.QUICK, losses=only)
    unlearner, state = ready(toy_split, toy_model, config)
    step = unlearner.step(state, config)
    assert set(step.grad_norms) == {only} == set(step.moves)
    assert getattr(state, f"optimiser_{other}").number == 0
    assert step.grad_cosine is None


def test_two_stages_take_as_many_steps_of_each_and_in_order(toy_split, toy_model):
    run = Run(LAF(replace(toys.QUICK, schedule="two-stage")), toy_model, toy_split)
    finish(run)
    assert [set(s.grad_norms) for s in run.steps] == [{"ue"}] * 10 + [{"ra"}] * 10


def test_more_steps_on_l_ue_are_those_of_as_many_optimiser_steps(toy_split, toy_model):
    config = replace(toys.QUICK, ue_per_ra=3)
    unlearner, state = ready(toy_split, toy_model, config)
    unlearner.step(state, config)
    assert (state.optimiser_ue.number, state.optimiser_ra.number) == (3, 1)


def test_a_joint_step_is_adam_on_the_sum(toy_split, toy_model):
    config = replace(toys.QUICK, schedule="joint")
    unlearner, state = ready(toy_split, toy_model, config)
    total = by_hand(state, config)[0]() + by_hand(state, config)[1]()
    before = torch.cat([p.detach().flatten() for p in state.model.extractor.parameters()])
    unlearner.step(state, config)
    after = torch.cat([p.detach().flatten() for p in state.model.extractor.parameters()])
    # Adam's first step is lr · g / (|g| + ε)
    expected = -config.lr_ra * total / (total.abs() + 1e-8)
    large = total.abs() > 1e-5
    torch.testing.assert_close((after - before).double()[large], expected[large], rtol=1e-3, atol=1e-7)


def test_a_term_of_weight_zero_has_no_gradient(toy_split, toy_model):
    config = replace(toys.QUICK, weight_remain=0.0, weight_forget=0.0)
    unlearner, state = ready(toy_split, toy_model, config)
    step = unlearner.step(state, config)
    assert step.grad_norms["ue"] == 0
    assert step.losses["ue"] == 0
    assert step.losses["ue_forget"] > 0
    assert step.grad_cosine is None


def test_the_default_knobs_are_the_paper(toy_split, toy_model):
    _, state = ready(toy_split, toy_model, toys.QUICK)
    batch = Batch.draw(copy.deepcopy(state))
    e = state.model.extract(batch.x)
    align, repel = losses.representation_alignment_terms(
        e[: batch.n_r], batch.e0[: batch.n_r], e[batch.n_r :], batch.e0[batch.n_r :], temperature=20
    )
    assert LAFConfig().schedule == "alternate"
    assert float(align.detach()) == pytest.approx(0, abs=1e-4)
    assert math.isfinite(float(repel.detach()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"schedule": "chaos"},
        {"losses": "none"},
        {"ue_per_ra": 0},
        {"weight_align": -1.0},
        {"weight_repel": math.nan},
    ],
)
def test_wrong_knobs_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        replace(toys.QUICK, **wrong)
