"""Shared parts of the tests of the judges: an input, wrong functions, the text of a complaint."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.functions.norm import LocalResponseNorm

X = np.random.default_rng(0).standard_normal((2, 6, 4, 5))


def text_of(judge, *arguments, **named):
    """Return what a judge complains about."""
    with pytest.raises(AssertionError) as error:
        judge(*arguments, **named)
    return str(error.value)


def overwriting_col2im(columns, shape, geometry):
    """`=` where `+=` belongs."""
    KH, KW = geometry.kernel
    SH, SW = geometry.stride
    DH, DW = geometry.dilation
    (top, bottom), (left, right) = geometry.padding
    N, C, H, W = shape
    framed = np.zeros((N, C, H + top + bottom, W + left + right), columns.dtype)
    OH = (framed.shape[2] - DH * (KH - 1) - 1) // SH + 1
    OW = (framed.shape[3] - DW * (KW - 1) - 1) // SW + 1
    columns = columns.reshape(N, C, KH, KW, OH, OW)
    for p, q in np.ndindex(KH, KW):
        rows = slice(DH * p, DH * p + SH * OH, SH)
        cols = slice(DW * q, DW * q + SW * OW, SW)
        framed[:, :, rows, cols] = columns[:, :, p, q]
    return framed[:, :, top : top + H, left : left + W]


def side_by_side_pool(gy, argmax, shape, geometry):
    """A pixel that is the maximum of two windows keeps one gradient: right if stride = kernel."""
    SH, SW = geometry.stride
    top, left = geometry.corner
    gx = np.zeros(shape, gy.dtype)
    for n, c, i, j in np.ndindex(gy.shape):
        p, q = divmod(int(argmax[n, c, i, j]), geometry.kernel[1])
        gx[n, c, SH * i + p - top, SW * j + q - left] = gy[n, c, i, j]
    return gx


def lrn_with(backward, alpha=1.0):
    """Return an LRN layer whose backward is backward(op, gy, right gradient)."""

    class Wrong(LocalResponseNorm):
        def backward(self, gy):
            return backward(self, gy, super().backward(gy))

    def my_lrn(x):
        return Wrong(5, 2.0, alpha, 0.75, 1)(x)

    return my_lrn


def backward_that(wrong, **attributes):
    return type("Wrong", (tn.Function,), {"forward": lambda self, x: 3 * x, "backward": wrong})
