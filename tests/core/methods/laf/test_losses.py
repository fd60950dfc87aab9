"""Each equation against plain NumPy in float64, to a tolerance relative to the sum of absolute terms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core import losses
from core.errors import ConfigError

DTYPES = {torch.float32: 2e-6, torch.float64: 1e-13}  # tolerance, of the sum of absolute terms


# the oracle: METHOD.md, word for word


def np_m(e, e_hat):
    with np.errstate(over="ignore"):
        return ((e_hat - e) ** 2).sum(1)


def np_phi(m):
    return np.exp(1 - 1 / (1 + m))


def np_distance(e, e0):
    scale = [np.maximum(np.abs(a).max(1, keepdims=True), 1e-300) for a in (e, e0)]
    a, b = e / scale[0], e0 / scale[1]
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return 1 - (a * b).sum(1) / np.where(norms > 0, norms, 1)


def np_logsumexp(x):
    return x.max() + np.log(np.exp(x - x.max()).sum())


def np_vae(e, e_hat, mu, log_var):
    reconstruction = ((e_hat - e) ** 2).sum() / len(e)
    return reconstruction, -0.5 * (log_var + 1 - mu**2 - np.exp(log_var)).sum() / len(e)


def batches(seed, n_r, n_f, width, dtype, scale=1.0):
    """e_r, other_r, e_f, other_f, and the same as float64 arrays."""
    rng = np.random.default_rng(seed)
    made = [torch.tensor(scale * rng.normal(size=(n, width)), dtype=dtype) for n in (n_r, n_r, n_f, n_f)]
    return made, [t.double().numpy() for t in made]


def near(value, expected, size, dtype):
    assert torch.isfinite(value)
    assert value.dtype == dtype
    assert value.shape == ()
    assert abs(float(value) - expected) <= DTYPES[dtype] * max(size, 1e-30)


shapes = {
    "seed": st.integers(0, 10**6),
    "n_r": st.integers(1, 40),
    "n_f": st.integers(1, 40),
    "width": st.integers(2, 64),
    "dtype": st.sampled_from(list(DTYPES)),
    "scale": st.sampled_from([1e-3, 1.0, 30.0, 1e3]),
}


@settings(max_examples=60, deadline=None)
@given(**shapes, bounded=st.booleans())
def test_unlearning_loss_matches_the_formula(seed, n_r, n_f, width, dtype, scale, bounded):
    t, a = batches(seed, n_r, n_f, width, dtype, scale)
    m_r, m_f = np_m(a[0], a[1]), np_m(a[2], a[3])
    remain, forget = (np_phi(m_r), np_phi(m_f)) if bounded else (m_r, m_f)
    size = remain.sum() + forget.sum()
    terms = losses.extractor_unlearning_terms(*t, bounded=bounded)
    near(terms[0], remain.sum(), size, dtype)
    near(terms[1], forget.sum(), size, dtype)
    near(losses.extractor_unlearning_loss(*t, bounded=bounded), remain.sum() - forget.sum(), size, dtype)


@settings(max_examples=60, deadline=None)
@given(**shapes, temperature=st.sampled_from([1e-3, 0.1, 1.0, 5.0, 20.0, 1e4]))
def test_alignment_loss_matches_the_formula(seed, n_r, n_f, width, dtype, scale, temperature):
    t, a = batches(seed, n_r, n_f, width, dtype, scale)
    d_r, d_f = np_distance(a[0], a[1]), np_distance(a[2], a[3])
    align, repel = d_r.sum(), n_r * np_logsumexp(d_f / temperature)
    # d = 1 - cos: its own two terms count, and an error in d_f is divided by the temperature
    size = 2 * n_r + n_r * (abs(repel) / n_r + 2 / temperature)
    terms = losses.representation_alignment_terms(*t, temperature=temperature)
    near(terms[0], align, size, dtype)
    near(terms[1], repel, size, dtype)
    near(losses.representation_alignment_loss(*t, temperature=temperature), align - repel, size, dtype)
    naive = sum(np.log(np.exp(d) / np.exp(d_f / 5.0).sum()) for d in d_r)  # the first form of the equation
    near(losses.representation_alignment_loss(*t, temperature=5.0), naive, 2 * n_r + abs(naive) + n_r, dtype)


@settings(max_examples=40, deadline=None)
@given(**shapes)
def test_vae_terms_match_the_formula(seed, n_r, n_f, width, dtype, scale):
    rng = np.random.default_rng(seed)
    (e, e_hat, *_), a = batches(seed, n_r, n_f, width, dtype, scale)
    mu, log_var = (torch.tensor(rng.normal(size=(n_r, 8)), dtype=dtype) for _ in "ab")
    expected = np_vae(a[0], a[1], mu.double().numpy(), log_var.double().numpy())
    reconstruction, kl = losses.vae_terms(e, e_hat, mu, log_var)
    near(reconstruction, expected[0], expected[0], dtype)
    parts = np.abs(log_var.double().numpy()) + 1 + mu.double().numpy() ** 2 + np.exp(log_var.double().numpy())
    near(kl, expected[1], parts.sum() / n_r, dtype)


@settings(max_examples=100, deadline=None)
@given(m=st.floats(0, allow_nan=False), dtype=st.sampled_from(list(DTYPES)))
def test_phi_stays_between_1_and_e(m, dtype):
    value = losses.bounded_error(torch.tensor(m, dtype=dtype))
    assert 1 <= float(value) <= np.e * (1 + 1e-6)
    # where m / (m + 1) can be computed at all it says the same
    if m < 1e30:
        assert float(value) == pytest.approx(np.exp(m / (m + 1)), rel=1e-6)


def test_phi_of_infinity_is_e():
    assert float(losses.bounded_error(torch.tensor(torch.inf))) == pytest.approx(np.e, rel=1e-6)


def test_a_squared_error_that_overflows_gives_e_and_a_finite_gradient():
    e = torch.full((3, 4), 1e25, requires_grad=True)
    terms = losses.extractor_unlearning_terms(e, -e.detach(), e, -e.detach())
    assert [float(t.detach()) for t in terms] == pytest.approx([3 * np.e] * 2, rel=1e-6)
    (terms[0] - 0.5 * terms[1]).backward()
    assert torch.isfinite(e.grad).all()


EXTREME = {"zero": 0.0, "tiny": 1e-30, "small": 1e-12, "huge": 1e18, "overflows when squared": 1e25}


@pytest.mark.parametrize("scale", EXTREME.values(), ids=EXTREME)
@pytest.mark.parametrize("temperature", [1e-3, 20.0, 1e6])
@pytest.mark.parametrize("n", [1, 5])
def test_losses_and_gradients_stay_finite_on_extreme_inputs(scale, temperature, n):
    t, _ = batches(0, n, n, 8, torch.float32)
    student = [(x * scale).requires_grad_(True) for x in (t[0], t[2])]
    ue = losses.extractor_unlearning_loss(student[0], t[1], student[1], t[3])
    ra = losses.representation_alignment_loss(student[0], t[1], student[1], t[3], temperature=temperature)
    for loss in (ue, ra):
        gradients = torch.autograd.grad(loss, student, retain_graph=True)
        assert torch.isfinite(loss)
        assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("scale", [1e-20, 1e-9, 1.0, 1e18, 1e25])
def test_the_angle_does_not_depend_on_the_length(scale):
    """cos has no unit: a representation of any length that float32 can hold has the distance of its direction."""
    t, a = batches(3, 6, 6, 16, torch.float32)
    distance = losses.cosine_distance(t[0] * scale, t[1] * scale)
    np.testing.assert_allclose(distance.double(), np_distance(a[0], a[1]), atol=5e-6)


def test_a_zero_representation_is_at_a_right_angle():
    d = losses.cosine_distance(torch.zeros(2, 4), torch.ones(2, 4))
    assert d.tolist() == [1, 1]


@pytest.mark.parametrize("temperature", [0, -1, -0.0, float("nan")])
def test_temperature_must_be_positive(temperature):
    t, _ = batches(0, 2, 2, 4, torch.float32)
    with pytest.raises(ConfigError, match="temperature must be > 0"):
        losses.representation_alignment_loss(*t, temperature=temperature)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("shape", [(3, 4), (2, 5), (1, 4), (2, 1)])  # the last two would broadcast
def test_shapes_must_agree(which, shape):
    t, _ = batches(0, 2, 2, 4, torch.float32)
    t[which] = torch.ones(shape)
    with pytest.raises(ConfigError, match="same shape"):
        losses.extractor_unlearning_loss(*t)
    with pytest.raises(ConfigError, match="same shape"):
        losses.representation_alignment_loss(*t, temperature=5)


def test_vae_shapes_must_agree():
    with pytest.raises(ConfigError, match="same shape"):
        losses.vae_terms(torch.ones(2, 4), torch.ones(2, 1), torch.ones(2, 3), torch.ones(2, 3))


def test_the_contracts_names_are_reached_through_core():
    import core

    assert core.losses is losses
    for name in core.__all__:
        if name != "Projection":
            assert getattr(core, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = core.nonsense
