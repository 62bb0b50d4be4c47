r"""Local response normalization (Krizhevsky et al. 2012, section 3.3).

    scale[c] = k + alpha * sum(x[j]**2 for j in window(c))    window(c) = c - n//2 .. c + n//2, clipped
    y[c]     = x[c] * scale[c]**-beta

    gx[j] = gy[j] * scale[j]**-beta - 2*alpha*beta * x[j] * sum(gy[c]*y[c]/scale[c] for c in window(j))

The window runs over channels at one pixel and stays inside its group. It is symmetric (n is odd),
so "channels that c sees" and "channels that see j" are the same set, and the backward sum is the
forward sum of other numbers. PyTorch divides alpha by n; the paper, and we, do not.
"""

from __future__ import annotations

from tinynet.backend import Array
from tinynet.kernels._kernel import Kernel


def window_sum(x: Array, n: int, groups: int) -> Array:
    """Sum over the n neighbouring channels of each channel, inside its group. (N, C, H, W)."""
    N, C, H, W = x.shape
    x = x.reshape(N, groups, C // groups, H, W)
    total = x.copy()
    for i in range(1, n // 2 + 1):
        total[:, :, i:] += x[:, :, :-i]
        total[:, :, :-i] += x[:, :, i:]
    return total.reshape(N, C, H, W)


@Kernel
def lrn_forward(
    x: Array, n: int, k: float, alpha: float, beta: float, groups: int
) -> tuple[Array, Array]:
    """Return (y, scale), each (N, C, H, W)."""
    scale = k + alpha * window_sum(x * x, n, groups)
    return x * scale**-beta, scale


@Kernel
def lrn_backward(
    gy: Array, x: Array, y: Array, scale: Array, n: int, alpha: float, beta: float, groups: int
) -> Array:
    """Return gx (N, C, H, W); y and scale are what the forward pass returned for x."""
    return gy * scale**-beta - 2 * alpha * beta * x * window_sum(gy * y / scale, n, groups)
