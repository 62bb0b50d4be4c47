r"""Max-pooling over windows that may overlap, as in AlexNet: 3x3 windows every 2 pixels.

    y[n, c, i, j]  = max over p, q of x[n, c, SH*i + p - PH, SW*j + q - PW]     (-infinity outside)
    gx[n, c, h, w] = sum of gy[n, c, i, j] over the windows whose winner is (h, w)

A pixel can win several overlapping windows, so backward adds. Of equal values the first in
row-major order wins (PyTorch, Caffe); the code of 2012 gave the gradient to all of them.
"""

from __future__ import annotations

from tinynet.backend import Array, array_module
from tinynet.kernels._kernel import Kernel
from tinynet.kernels.geometry import Padding, Pair, frame, output_shape, unframe, windows


@Kernel
def max_pool2d_forward(
    x: Array, kernel: Pair, stride: Pair, padding: Padding, ceil_mode: bool
) -> tuple[Array, Array]:
    """Return y (N, C, OH, OW) and the winner p * KW + q inside each window (uint8, or int32)."""
    xp, (KH, KW), whole = array_module(x), kernel, (1, 1)
    outputs = output_shape("max_pool2d", x.shape, kernel, stride, padding, ceil_mode=ceil_mode)
    framed = frame(x, kernel, stride, padding, whole, outputs, fill=-xp.inf)
    view = windows(framed, kernel, stride, whole, outputs)
    view = view.transpose(0, 1, 4, 5, 2, 3).reshape(*x.shape[:2], *outputs, KH * KW)
    winner = view.argmax(axis=-1)  # the first of equal values
    y = xp.take_along_axis(view, winner[..., None], axis=-1)[..., 0]
    return y, winner.astype(xp.uint8 if KH * KW <= 256 else xp.int32)


@Kernel
def max_pool2d_backward(
    gy: Array,
    winner: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Padding,
) -> Array:
    """Return gx of `shape` (N, C, H, W): every gy (N, C, OH, OW) goes to its window's winner."""
    (KH, KW), (SH, SW), (OH, OW) = kernel, stride, gy.shape[2:]
    size = SH * (OH - 1) + KH, SW * (OW - 1) + KW
    framed = array_module(gy).zeros((*shape[:2], *size), gy.dtype)
    for p in range(KH):
        for q in range(KW):
            won = winner == p * KW + q
            framed[:, :, p : p + SH * OH : SH, q : q + SW * OW : SW] += gy * won
    return unframe(framed, shape, padding)
