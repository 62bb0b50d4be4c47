r"""Average pooling over windows that may overlap.

    y[n, c, i, j]  = sum over p, q of x[n, c, SH*i + p - PH, SW*j + q - PW] / count[i, j]
    gx[n, c, h, w] = sum of gy[n, c, i, j] / count[i, j] over the windows that see (h, w)

count[i, j] is the number of pixels of window (i, j) inside the image and, with `count_include_pad`,
its padding. What hangs over the padding in `ceil_mode` is never counted.
"""

from __future__ import annotations

import numpy as np

from tinynet.backend import Array, array_module
from tinynet.kernels._kernel import Kernel
from tinynet.kernels.geometry import Padding, Pair, frame, output_shape, unframe, windows


def window_counts(
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    count_include_pad: bool,
    outputs: Pair,
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return count (OH, OW), the divisor of each window: rows that count times columns that do."""
    sides = []
    for size, k, s, (before, after), out in zip(
        shape[2:], kernel, stride, padding, outputs, strict=True
    ):
        low, high = (-before, size + after) if count_include_pad else (0, size)
        start = np.arange(out) * s - before
        sides.append(np.minimum(start + k, high) - np.maximum(start, low))
    return np.outer(*sides)


@Kernel
def avg_pool2d_forward(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Array:
    """Return y (N, C, OH, OW), the mean of each window of x (N, C, H, W)."""
    whole = (1, 1)
    outputs = output_shape("avg_pool2d", x.shape, kernel, stride, padding, ceil_mode=ceil_mode)
    framed = frame(x, kernel, stride, padding, whole, outputs, fill=0)
    total = windows(framed, kernel, stride, whole, outputs).sum(axis=(2, 3))
    count = window_counts(x.shape, kernel, stride, padding, count_include_pad, outputs)
    return total / array_module(x).asarray(count, x.dtype)


@Kernel
def avg_pool2d_backward(
    gy: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    count_include_pad: bool,
) -> Array:
    """Return gx of `shape` (N, C, H, W): every gy (N, C, OH, OW), shared out over its window."""
    (KH, KW), (SH, SW), (OH, OW), xp = kernel, stride, gy.shape[2:], array_module(gy)
    count = window_counts(shape, kernel, stride, padding, count_include_pad, (OH, OW))
    share = gy / xp.asarray(count, gy.dtype)
    framed = xp.zeros((*shape[:2], SH * (OH - 1) + KH, SW * (OW - 1) + KW), gy.dtype)
    for p in range(KH):
        for q in range(KW):
            framed[:, :, p : p + SH * OH : SH, q : q + SW * OW : SW] += share
    return unframe(framed, shape, padding)
