"""Every function, every row of support/function_cases.py: backward is the derivative of forward."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.function_cases import FUNCTION_ROWS
from support.strategies import float_fill, in_order, orders, seeds, windows
from tinynet import functions as F
from tinynet import kernels
from tinynet.core import random
from tinynet.tensors import tensor
from tinynet.testing import check_adjoint, check_gradient, tolerance
from tinynet.testing.compare import difference, scale_of

ROWS = pytest.mark.parametrize("row", FUNCTION_ROWS.values(), ids=FUNCTION_ROWS)


METRICS = {"accuracy", "top_k_accuracy", "confusion_matrix"}  # numbers, which have no gradient


def test_every_public_function_has_a_row():
    assert set(F.__all__) - METRICS | {"split_conv2d", "split_linear"} == set(FUNCTION_ROWS)


@ROWS
def test_backward_is_the_derivative_of_forward(row):
    @settings(max_examples=15)
    @given(st.data(), seeds, orders)
    def right(data, seed, order):
        function, arrays = row(data.draw, float_fill(seed))
        check_gradient(function, *[in_order(a, order) for a in arrays])

    right()


@ROWS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_have_the_dtype_and_the_shape_of_what_they_belong_to(row, dtype):
    @settings(max_examples=5)
    @given(st.data(), seeds)
    def kept(data, seed):
        function, arrays = row(data.draw, float_fill(seed))
        floats = [a.dtype.kind == "f" for a in arrays]
        inputs = [
            tensor(a.astype(dtype), requires_grad=True) if f else a
            for a, f in zip(arrays, floats, strict=True)
        ]
        y = function(*inputs)
        assert y.dtype == dtype
        assert isinstance(y.data, np.ndarray)
        y.sum().backward()
        for x in [x for x, f in zip(inputs, floats, strict=True) if f]:
            assert x.grad.dtype == dtype
            assert x.grad.shape == x.shape

    kept()


@ROWS
def test_float32_says_what_float64_says(row):
    """Whatever implementation float32 takes, forward and backward."""

    @settings(max_examples=10)
    @given(st.data(), seeds, orders)
    def agree(data, seed, order):
        function, arrays = row(data.draw, float_fill(seed))
        results = []
        for dtype in (np.float32, np.float64):
            inputs = [
                tensor(a.astype(dtype), requires_grad=True) if a.dtype.kind == "f" else a
                for a in arrays
            ]
            for x in [x for x in inputs if hasattr(x, "grad")]:
                x.data = in_order(x.data, order)
            with random.fork(0):  # so that both dtypes draw the same
                y = function(*inputs)
            y.backward(np.cos(np.arange(y.data.size, dtype=dtype)).reshape(y.shape))
            results.append([y.data, *[x.grad for x in inputs if hasattr(x, "grad")]])
        terms = sum(a.size for a in arrays) + results[0][0].size
        size = max(scale_of(np.asarray(r)) for r in results[1])
        for got, expected in zip(*results, strict=True):
            assume(np.isfinite(expected).all())
            assert difference(got, expected, tolerance(terms, np.float32) * max(size, 1)) is None

    agree()


# what is linear: its backward is its transpose, without a step and to the last digits


@given(windows(), seeds, st.data())
def test_both_gradients_of_a_convolution_are_transposes(drawn, seed, data):
    shape, geometry = drawn
    fill = float_fill(seed)
    filters = geometry.groups * data.draw(st.integers(1, 3))
    x = fill(*shape)
    weight = fill(filters, shape[1] // geometry.groups, *geometry.kernel)
    check_adjoint(
        lambda x: kernels.conv2d_forward(x, weight, None, geometry),
        lambda gy: kernels.conv2d_backward_input(gy, weight, x.shape, geometry),
        x,
    )
    check_adjoint(
        lambda weight: kernels.conv2d_forward(x, weight, None, geometry),
        lambda gy: kernels.conv2d_backward_weight(gy, x, geometry),
        weight,
    )


@given(windows(), seeds)
def test_col2im_is_the_transpose_of_im2col(drawn, seed):
    shape, geometry = drawn
    check_adjoint(
        lambda x: kernels.im2col(x, geometry),
        lambda columns: kernels.col2im(columns, shape, geometry),
        float_fill(seed)(*shape),
    )


@given(windows(pooling=True), seeds, st.booleans(), st.booleans())
def test_average_pooling_and_its_backward_are_transposes(drawn, seed, ceil_mode, counted):
    shape, geometry = drawn
    check_adjoint(
        lambda x: kernels.avg_pool2d_forward(x, geometry, ceil_mode, counted),
        lambda gy: kernels.avg_pool2d_backward(gy, shape, geometry, counted),
        float_fill(seed)(*shape),
    )


@given(windows(pooling=True), seeds, st.booleans())
def test_max_pooling_backward_is_the_transpose_of_picking_the_maxima(drawn, seed, ceil_mode):
    shape, geometry = drawn
    fill = float_fill(seed)
    OH, OW = geometry.output_shape("test", shape, ceil_mode=ceil_mode)
    _, argmax = kernels.max_pool2d_forward(fill(*shape), geometry, ceil_mode)
    p, q = divmod(argmax.astype(int), geometry.kernel[1])
    rows = np.arange(OH)[:, None] * geometry.stride[0] - geometry.corner[0] + p
    cols = np.arange(OW) * geometry.stride[1] - geometry.corner[1] + q
    n, c = np.ogrid[: shape[0], : shape[1]]
    check_adjoint(
        lambda x: x[n[..., None, None], c[..., None, None], rows, cols],
        lambda gy: kernels.max_pool2d_backward(gy, argmax, shape, geometry),
        fill(*shape),
    )
