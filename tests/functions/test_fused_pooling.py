"""Local response normalization fused with the max-pooling behind it."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functions as F
from tinynet import kernels, nn
from tinynet.kernels.dispatch import has_numba

CONSTANTS = {"n": 5, "k": 2.0, "alpha": 0.5, "beta": 0.75, "groups": 2}


def results(values, *, fused, beta=0.75, ceil_mode=True):
    """Return y and the gradient of x of the pair, in two steps or in one."""
    constants = {**CONSTANTS, "beta": beta}
    x = tn.Tensor(values, requires_grad=True)
    if fused:
        y = F.local_response_norm_max_pool2d(x, 3, 2, 1, ceil_mode=ceil_mode, **constants)
    else:
        y = F.max_pool2d(F.local_response_norm(x, **constants), 3, 2, 1, ceil_mode=ceil_mode)
    weights = np.cos(np.arange(y.data.size)).reshape(y.shape).astype(values.dtype)
    (y * tn.Tensor(weights)).sum().backward()
    return y.data, x.grad


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [2, 14, 64])
@pytest.mark.parametrize("beta", [0.75, 0.5])
def test_the_fused_op_equals_the_two_ops_bit_for_bit(rng, dtype, channels, beta):
    values = rng.standard_normal((3, channels, 9, 8)).astype(dtype)
    separate = results(values, fused=False, beta=beta)
    for a, b in zip(separate, results(values, fused=True, beta=beta), strict=True):
        assert a.any()
        assert np.array_equal(a, b)


def test_extreme_numbers_give_what_the_two_ops_give(rng):
    values = rng.standard_normal((1, 8, 9, 8)).astype(np.float32)
    values[0, 3, 4] = [np.nan, np.inf, -np.inf, 1e19, -3e38, 1e-30, 0, 1]
    with np.errstate(all="ignore"):
        for a, b in zip(results(values, fused=False), results(values, fused=True), strict=True):
            assert np.array_equal(a, b, equal_nan=True)


def test_the_number_of_threads_changes_no_bit(rng):
    values = rng.standard_normal((7, 14, 33, 32)).astype(np.float32)
    values[2, 3, 4, :3] = 1e20, 1e-30, np.inf
    before = kernels.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            kernels.set_num_threads(threads)
            with np.errstate(all="ignore"):
                found.append(results(values, fused=True))
    finally:
        kernels.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert np.array_equal(a, b, equal_nan=True)


def test_a_large_window_is_pooled_by_itself(rng):
    values = rng.standard_normal((1, 4, 17, 18)).astype(np.float32)
    x = tn.Tensor(values)
    fused = F.local_response_norm_max_pool2d(x, 17, 1)
    assert np.array_equal(fused.data, F.max_pool2d(F.local_response_norm(x), 17, 1).data)


def test_a_wrong_call_names_the_function():
    with pytest.raises(ValueError, match=r"local_response_norm_max_pool2d: n must be odd"):
        F.local_response_norm_max_pool2d(tn.ones(1, 4, 8, 8), 3, n=4)
    with pytest.raises(tn.ShapeError, match=r"local_response_norm_max_pool2d: groups=3"):
        F.local_response_norm_max_pool2d(tn.ones(1, 4, 8, 8), 3, groups=3)


class OwnNorm(nn.LocalResponseNorm):
    def forward(self, x):
        return super().forward(x) * 2


class OwnPool(nn.MaxPool2d):
    def forward(self, x):
        return super().forward(x) * 2


@pytest.mark.parametrize("norm", [nn.LocalResponseNorm, OwnNorm])
@pytest.mark.parametrize("pool", [nn.MaxPool2d, OwnPool])
def test_a_network_fuses_the_two_layers_and_no_subclass(rng, norm, pool):
    x = tn.Tensor(rng.standard_normal((2, 8, 9, 9)).astype(np.float32), requires_grad=True)
    layers = norm(n=3, alpha=0.5), pool(3, 2, padding=1, ceil_mode=True)
    y = nn.Sequential(*layers)(x)
    one_by_one = layers[1](layers[0](x))
    assert np.array_equal(y.data, one_by_one.data)
    fused = "LocalResponseNormMaxPool2d"
    plain = norm is nn.LocalResponseNorm and pool is nn.MaxPool2d and has_numba()
    usual = kernels.lrn_max_pool_forward.kind_for(x.data) == "numba"
    assert (type(y.creator).__name__ == fused) == (plain and usual)
