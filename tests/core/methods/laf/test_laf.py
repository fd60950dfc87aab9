"""Label-Agnostic Forgetting: blind to labels, true to METHOD.md, and it forgets."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from core.config import EvalConfig, VAEConfig
from core.data import Dataset, LabelledImages, Split
from core.errors import DivergedError
from core.evaluation.metrics import evaluate
from core.methods import LAF
from core.runs.observer import Observer
from core.runs.run import Phase, Run, finish
from tests import toys


def laf(split, model, config=toys.QUICK, seed=0):
    run = Run(LAF(config), model, split, seed=seed)
    finish(run)
    return run


def prepared(split, model, config=toys.QUICK, seed=0):
    """The method and its state just before step 1."""
    unlearner = LAF(config)
    state = unlearner.start(model, split.unlabelled(), seed=seed)
    while unlearner.prepare(state, config) is not None:
        pass
    return unlearner, state


@pytest.fixture(scope="module")
def run(toy_split, toy_model):
    return laf(toy_split, toy_model)


# blind


def test_permuted_labels_change_no_record_and_no_weight(toy_split, toy_model, run):
    d, t = toy_split.dataset, toy_split.train
    y = t.y[torch.randperm(len(t), generator=torch.Generator().manual_seed(5))]
    labels = LabelledImages(t.x, t.ids, t.white, y)
    test = LabelledImages(d.test.x, d.test.ids, d.test.white, d.test.y.flip(0))
    permuted = Dataset(d.name, d.title, d.classes, labels, test)
    other = Split(permuted, toy_split.request, toy_split.remain_rows, toy_split.forget_rows)
    blind = laf(other, toy_model)
    assert blind.steps == run.steps
    assert toys.same(blind.result.state_dict(), run.result.state_dict())


def test_a_method_that_needs_no_labels_is_handed_none(toy_split, toy_model):
    handed = []

    class Spy(LAF):
        def start(self, model, split, *, seed):
            handed.append(split)
            return super().start(model, split, seed=seed)

    Run(Spy(toys.QUICK), toy_model, toy_split).advance()
    assert not hasattr(handed[0], "dataset")
    assert not hasattr(handed[0].train, "y")


def test_inputs_are_never_changed(toy_split, toy_model):
    before = toys.weights(toy_model)
    tensors = [toy_split.train.x, toy_split.train.y, toy_split.train.ids, toy_split.test.x, toy_split.test.y]
    copies = [t.clone() for t in (*tensors, toy_split.remain_rows, toy_split.forget_rows)]
    flags = [(p.requires_grad, p.grad) for p in toy_model.parameters()]
    result = laf(toy_split, toy_model).result
    assert toys.same(before, toy_model.state_dict())
    assert all(
        torch.equal(a, b)
        for a, b in zip((*tensors, toy_split.remain_rows, toy_split.forget_rows), copies, strict=True)
    )
    assert [(p.requires_grad, p.grad) for p in toy_model.parameters()] == flags
    assert not {p.data_ptr() for p in result.parameters()} & {p.data_ptr() for p in toy_model.parameters()}


def test_the_head_receives_no_gradient_and_never_moves(toy_model, run):
    after = run.result
    assert toys.same(after.head.state_dict(), toy_model.head.state_dict())
    assert not toys.same(after.extractor.state_dict(), toy_model.extractor.state_dict())


# true to the method: a plain loop straight from METHOD.md, in float64, on the same batches and the same noise


def sampled(vae, e, generator):
    """h(e): encode, sample, decode."""
    h = vae.encoder(e)
    mu, log_var = vae.mu(h), vae.log_var(h)
    z = mu + torch.randn(mu.shape, generator=generator).double() * torch.exp(log_var / 2)
    return vae.decoder(z)


def plain_step(extract, params, teacher, h, h_f, x_r, x_f, noise, adam_ue, adam_ra, config):
    """One pair of steps; losses, gradient norms and their cosine."""
    found = {}
    e_r, e_f = extract(x_r), extract(x_f)

    def phi(m):
        return torch.exp(m / (m + 1)) if config.bounded else m

    remain = phi(((sampled(h, e_r, noise) - e_r) ** 2).sum(1)).sum()
    forget = phi(((sampled(h_f, e_f, noise) - e_f) ** 2).sum(1)).sum()
    found |= {"ue": remain - forget, "ue_remain": remain, "ue_forget": forget}
    g_ue = torch.autograd.grad(remain - forget, params)
    for p, g in zip(params, g_ue, strict=True):
        p.grad = g
    adam_ue.step()

    def d(x):
        return 1 - functional.cosine_similarity(extract(x), teacher(x), dim=1)

    d_r, d_f = d(x_r), d(x_f)
    align, repel = d_r.sum(), len(d_r) * torch.log(torch.exp(d_f / config.temperature).sum())
    found |= {"ra": align - repel, "ra_align": align, "ra_repel": repel}
    g_ra = torch.autograd.grad(align - repel, params)
    for p, g in zip(params, g_ra, strict=True):
        p.grad = g
    adam_ra.step()
    a, b = (torch.cat([g.flatten() for g in gs]) for gs in (g_ue, g_ra))
    norms = {"ue": float(a.norm()), "ra": float(b.norm())}
    cosine = float(a @ b) / (norms["ue"] * norms["ra"])
    return {k: float(v.detach()) for k, v in found.items()}, norms, cosine


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_steps_match_a_plain_loop(toy_split, toy_model, bounded, output):
    config = replace(toys.QUICK, bounded=bounded, vae=replace(toys.QUICK.vae, output=output))
    unlearner, state = prepared(toy_split, toy_model, config)
    _, twin = prepared(toy_split, toy_model, config)  # gives batches, noise and VAEs to the plain loop
    student, teacher = (toys.model(toy_split).double().eval() for _ in "ab")
    teacher.requires_grad_(False)
    h, h_f = twin.vae.vae.double(), twin.vae_f.vae.double()
    params = list(student.extractor.parameters())
    adam_ue, adam_ra = (torch.optim.Adam(params, lr=lr) for lr in (config.lr_ue, config.lr_ra))
    train = toy_split.train
    twin.remain.restart()
    twin.forget.restart()
    for number in range(1, 4):
        step = unlearner.step(state, config)
        x_r = train.x[toy_split.remain_rows[twin.remain.draw()]].double() / 16
        x_f = train.x[toy_split.forget_rows[twin.forget.draw()]].double() / 16
        losses, norms, cosine = plain_step(
            student.extract, params, teacher.extract, h, h_f, x_r, x_f, twin.noise, adam_ue, adam_ra, config
        )
        tolerance = 1e-5 * 4 ** (number - 1)  # float32 drifts from float64 as steps add up
        size = {"ue": losses["ue_remain"] + losses["ue_forget"], "ra": 16 + abs(losses["ra_repel"])}
        for name, value in losses.items():
            assert step.losses[name] == pytest.approx(value, abs=tolerance * size[name[:2]]), name
        assert step.losses.keys() == losses.keys()
        assert step.grad_norms == pytest.approx(norms, rel=20 * tolerance)
        assert step.grad_cosine == pytest.approx(cosine, abs=tolerance)
        assert (step.number, step.total, step.epoch, step.stage) == (number, 10, 1, "unlearn")


def test_a_step_is_a_pair_of_batches_and_the_shorter_loader_ends_the_epoch(run, toy_split):
    assert len(run.steps) == 2 * min(math.ceil(120 / 8), math.ceil(40 / 8)) == run.total_steps
    assert [s.number for s in run.steps] == list(range(1, 11))
    assert [s.epoch for s in run.steps] == [1] * 5 + [2] * 5
    assert [(s.key, s.total) for s in run.stages] == [("vae", 3 * 5), ("vae_f", 3 * 2), ("unlearn", 10)]


def test_the_losses_add_up_and_the_cosine_is_one(run):
    for step in run.steps:
        v = step.losses
        assert v["ue"] == pytest.approx(v["ue_remain"] - v["ue_forget"], abs=1e-5)
        assert v["ra"] == pytest.approx(v["ra_align"] - v["ra_repel"], abs=1e-5)
        assert -1 <= step.grad_cosine <= 1
        assert step.seconds > 0


@pytest.mark.parametrize("output", ["linear", "sigmoid"])
def test_fitting_brings_the_reconstruction_error_down(toy_split, toy_model, output):
    config = replace(toys.QUICK, vae=VAEConfig(latent=4, epochs=40, batch_size=32, lr=3e-3, output=output))
    unlearner = LAF(config)
    state = unlearner.start(toy_model, toy_split.unlabelled(), seed=0)
    with torch.no_grad():
        e = toy_model.extract(toy_split.train.floats(slice(None)))

    def error(fit, rows):
        with torch.no_grad():
            return float(
                (fit.vae(e[rows], torch.Generator().manual_seed(0))[0] - e[rows]).square().sum(1).mean()
            )

    everything = torch.arange(len(e))
    before = error(state.vae, everything), error(state.vae_f, toy_split.forget_rows)
    while unlearner.prepare(state, config) is not None:
        pass
    after = error(state.vae, everything), error(state.vae_f, toy_split.forget_rows)
    assert after[0] < 0.8 * before[0]
    assert after[1] < 0.8 * before[1]
    assert not any(p.requires_grad for p in (*state.vae.vae.parameters(), *state.vae_f.vae.parameters()))
    torch.testing.assert_close(state.representations, e, rtol=1e-5, atol=1e-6)


# a loss that is no number


def test_a_diverging_run_fails_with_stage_and_step_and_keeps_what_came_before(toy_split, toy_model):
    observer = Observer(toy_split, toy_model, EvalConfig())
    run = Run(LAF(replace(toys.QUICK, lr_ue=1e18, lr_ra=1e-3)), toy_model, toy_split, observer=observer)
    with pytest.raises(DivergedError) as caught:
        finish(run)
    error = caught.value
    assert run.phase is Phase.FAILED
    assert run.error is error
    assert f"step {error.step} of" in str(error)
    assert error.step == len(run.steps) + 1
    assert error.stage in [stage.key for stage in run.stages], "as in Progress"
    assert len(run.frames) == error.step  # frame 0 and one for each step before
    assert "\n" not in str(error)


def test_a_run_that_fails_on_the_way_keeps_every_step_and_frame_before(toy_split, toy_model):
    run = Run(LAF(toys.QUICK), toy_model, toy_split, observer=Observer(toy_split, toy_model, EvalConfig()))
    for _ in range(4):
        run.advance()
    kept = list(run.steps), list(run.frames)
    with torch.no_grad():
        run.stepper.state.model.extractor[0].weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(DivergedError, match="step 5 of") as caught:
        run.advance()
    assert (caught.value.step, run.phase) == (5, Phase.FAILED)
    assert (run.steps, run.frames) == kept
    assert [f.step for f in run.frames] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("lr", [1e3, 1e9, 1e25])
@pytest.mark.parametrize("which", ["lr_ue", "lr_ra"])
def test_a_wrecked_model_ends_as_done_or_as_diverged_never_otherwise(toy_split, toy_model, which, lr):
    observer = Observer(toy_split, toy_model, EvalConfig())
    run = Run(LAF(replace(toys.QUICK, **{which: lr})), toy_model, toy_split, observer=observer)
    while run.phase is not Phase.FAILED and run.phase is not Phase.DONE:
        try:
            run.advance()
        except Exception:
            assert run.phase is Phase.FAILED
    assert run.error is None or isinstance(run.error, DivergedError), run.error
    for step in run.steps:
        assert all(math.isfinite(v) for v in (*step.losses.values(), *step.grad_norms.values()))


def test_a_vae_that_diverges_is_named(toy_split, toy_model):
    config = replace(toys.QUICK, vae=replace(toys.QUICK.vae, lr=1e30))
    with pytest.raises(DivergedError, match="VAE of D ") as caught:
        laf(toy_split, toy_model, config)
    assert caught.value.stage == "vae"


def test_an_infinite_weight_is_found_at_the_first_step(toy_split):
    model = toys.model(toy_split)
    with torch.no_grad():
        model.extractor[0].weight[0, 0, 0, 0] = torch.inf
    with pytest.raises(DivergedError, match="step 1 of"):
        laf(toy_split, model)


# it forgets


def test_class_removal_by_the_preset_forgets(unlearned, class_split, retrained):
    report = evaluate(unlearned.result, class_split, references=[retrained])
    assert report.train_f <= 0.05
    assert report.test_f <= 0.05
    assert report.test_r >= evaluate(retrained, class_split).test_r - 0.02
