"""Files of weights that are broken, wrong or not finite are refused in one sentence."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save

from core.errors import DataError, LabError
from core.models.registry import NETS, build
from core.models.uploads import LAB, check
from tests.core.data.uploads.hostile import BAD_WEIGHTS, assert_one_sentence


@pytest.mark.parametrize("data", BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_a_file_of_weights_that_lies_is_one_sentence(data, digits):
    with pytest.raises(LabError) as caught:
        check(next(iter(LAB)), "", data, digits, title="mine.safetensors")
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize(
    "dtype",
    [
        torch.complex64,
        torch.bool,
        torch.float8_e4m3fn,
        torch.float8_e5m2,
        torch.int32,
        torch.uint8,
        torch.int64,
    ],
)
def test_weights_that_are_no_real_numbers_are_refused(dtype, digits):
    net = next(iter(NETS))
    state = {k: v.contiguous() for k, v in build(net, digits.shape, 10, seed=0).state_dict().items()}
    name = next(k for k, v in state.items() if v.is_floating_point())
    state[name] = state[name].contiguous().to(dtype)
    with pytest.raises(LabError, match=name) as caught:
        check(f"lab:{net}", "", save(state), digits, title="mine.safetensors")
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(torch.float32, float("nan")), (torch.float64, 1e300), (torch.bfloat16, float("inf"))],
)
def test_weights_that_are_not_finite_are_refused(dtype, value, digits):
    net = next(iter(NETS))
    state = {k: v.contiguous() for k, v in build(net, digits.shape, 10, seed=0).state_dict().items()}
    name = next(k for k, v in state.items() if v.is_floating_point())
    state[name] = torch.full_like(state[name], 0, dtype=dtype)
    state[name].view(-1)[0] = value
    with pytest.raises(DataError, match="not finite"):
        check(f"lab:{net}", "", save(state), digits, title="mine.safetensors")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_are_read(dtype, digits):
    net = next(iter(NETS))
    state = {k: v.contiguous() for k, v in build(net, digits.shape, 10, seed=0).state_dict().items()}
    given = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    own = check(f"lab:{net}", "", save(given), digits, title="\u202emine\u3164" + "x" * 60_000)
    for name, value in own.model.state_dict().items():
        torch.testing.assert_close(value, given[name].to(value.dtype))
    assert own.about.title == ("mine" + "x" * 60_000)[:100]
