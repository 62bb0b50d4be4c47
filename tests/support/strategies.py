"""Hypothesis strategies: images that are not square, windows that do not fit, any memory order.

Kernel = stride, square images and contiguous memory are the cases in which mistakes hide, so they
are rare here.
"""

import numpy as np
from hypothesis import strategies as st

from tinynet.kernels.geometry import Geometry

sizes = st.integers(1, 4)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def _axis(draw, pooling):
    kernel = draw(st.integers(1, 4))
    stride = draw(st.integers(1, 4))
    dilation = 1 if pooling else draw(st.sampled_from([1, 1, 2, 3]))
    border = st.integers(0, kernel // 2 if pooling else 3)
    padding = draw(border), draw(border)
    least = max(1, (kernel - 1) * dilation + 1 - sum(padding))
    return draw(st.integers(least, least + 6)), kernel, stride, padding, dilation


@st.composite
def windows(draw, pooling=False):
    """Draw the shape of images (N, C, H, W) and a Geometry of which at least one window fits."""
    height = draw(_axis(pooling))
    width = draw(_axis(pooling))
    groups = 1 if pooling else draw(st.sampled_from([1, 1, 2, 3]))
    C = groups * draw(st.integers(1, 3))
    size, *pairs = (tuple(both) for both in zip(height, width, strict=True))
    return (draw(st.integers(1, 3)), C, *size), Geometry(*pairs, groups)


def any_shape(draw):
    """Draw the shape of an array with zero to four axes."""
    return tuple(draw(sizes) for _ in range(draw(st.integers(0, 4))))


def integers(rng, shape):
    """Return integers -4..4: sums of their products are exact in float32; full of ties."""
    return rng.integers(-4, 5, shape).astype(np.float64)


def negatives(rng, shape):
    """Return integers -4..-1: a padding of 0 would win against all of them."""
    return rng.integers(-4, 0, shape).astype(np.float64)


def floats(rng, shape):
    """Return normal numbers that float32 holds exactly."""
    return rng.standard_normal(shape).astype(np.float32).astype(np.float64)


def float_fill(seed):
    """Return fill(*shape): normal numbers from a seed."""
    rng = np.random.default_rng(seed)
    return lambda *shape: floats(rng, shape)


def in_order(x, order):
    """Return x with the same values and another memory order."""
    if order == "rows" or x.ndim == 0:
        return np.array(x, order="C")  # ascontiguousarray would give a number an axis
    if order == "channels last" and x.ndim > 1:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    if order == "transposed":
        return np.ascontiguousarray(x.T).T
    poison = np.nan if x.dtype.kind == "f" else 99  # between the elements, where no kernel may read
    wide = np.full(tuple(2 * n + 3 for n in x.shape), poison, x.dtype)
    view = wide[tuple(slice(1, 2 * n + 1, 2) for n in x.shape)]
    if order == "backwards":
        view = view[tuple(slice(None, None, -1) for _ in x.shape)]
    view[...] = x
    return view


orders = st.sampled_from(["rows", "channels last", "transposed", "every other", "backwards"])
