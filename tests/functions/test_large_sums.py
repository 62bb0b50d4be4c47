"""Sums of large arrays, which a compiled loop computes on all threads."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import kernels
from tinynet.core.autograd import LARGE

SHAPE = (4, 8, 46, 47)  # above LARGE, and not a multiple of a vector


def orders(x):
    """Yield x in rows, with the channels last, and with gaps."""
    yield x
    yield np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    yield np.repeat(x, 2, axis=3)[..., ::2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_residual_sum_and_its_gradients_are_numpys_bit_for_bit(rng, dtype):
    assert np.prod(SHAPE) > LARGE
    x, y, gy = (rng.standard_normal(SHAPE).astype(dtype) for _ in range(3))
    for left in orders(x):
        for right in orders(y):
            a, b = (tn.Tensor(values, requires_grad=True) for values in (left, right))
            total = a + b
            (total + a).backward(gy)  # two gradients of a meet
            assert np.array_equal(total.data, x + y)
            assert np.array_equal(a.grad, gy + gy)
            assert np.array_equal(b.grad, gy)
            assert not np.shares_memory(a.grad, b.grad)


def test_shapes_that_broadcast_and_types_that_differ(rng):
    x = rng.standard_normal(SHAPE).astype(np.float32)
    row = rng.standard_normal(SHAPE[-1]).astype(np.float32)
    assert np.array_equal((tn.Tensor(x) + tn.Tensor(row)).data, x + row)
    wide = tn.Tensor(x.astype(np.float64))
    assert (tn.Tensor(x) + wide).dtype == np.float64
    assert np.array_equal((tn.Tensor(x) + 2.5).data, x + np.float32(2.5))


@pytest.mark.skipif(kernels.add.kind_for(np.ones(1, np.float32)) != "numba", reason="not compiled")
def test_a_large_sum_takes_the_compiled_loop(rng, monkeypatch):
    x = tn.Tensor(rng.standard_normal(SHAPE).astype(np.float32))
    calls = []
    monkeypatch.setitem(
        kernels.add.implementations, "numba", lambda a, b: calls.append(a.shape) or a + b
    )
    x + x
    tn.ones(3) + tn.ones(3)
    assert calls == [SHAPE]
