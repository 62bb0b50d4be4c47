r"""Momentum SGD: one update of one parameter, in place.

    the paper (section 5):  v <- momentum * v - lr * (g + weight_decay * w)      w <- w + v
    PyTorch:                v <- momentum * v + (g + weight_decay * w)           w <- w - lr * v

They are the same while lr stays constant. When lr falls, the paper's velocity still holds steps
of the old size, PyTorch's takes the new lr at once. Nesterov's form looks ahead: w moves by
momentum * (new v) plus one plain gradient step, and w is the look-ahead point itself.
"""

from __future__ import annotations

import numpy as np

from tinynet.backend import Array, array_module, is_array
from tinynet.kernels._cuda import cover, in_rows, launch
from tinynet.kernels._kernel import Kernel, unless
from tinynet.kernels._layout import share
from tinynet.kernels._native import In1, Out1, Real, native


@Kernel
def momentum_update(
    weight: Array,
    gradient: Array,
    velocity: Array,
    lr: float | Array,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    rule: str,
) -> None:
    """Change weight and velocity in place; all three have one shape; lr may lie in memory."""
    g = gradient + weight_decay * weight
    velocity *= momentum
    if rule == "paper":
        velocity -= lr * g
        weight += momentum * velocity - lr * g if nesterov else velocity
    else:
        velocity += g
        weight -= lr * (g + momentum * velocity if nesterov else velocity)


scattered = unless(
    "weights or velocities that are not contiguous, or of two types",
    lambda weight, gradient, velocity, *_: (
        not (
            weight.flags.c_contiguous
            and velocity.flags.c_contiguous
            and weight.dtype == velocity.dtype
        )
    ),
)


# ---- the same in one pass: every number is read once, in the reference's order of operations


@momentum_update.numba
@scattered
def momentum_update_numba(
    weight: Array,
    gradient: Array,
    velocity: Array,
    lr: float | Array,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    rule: str,
) -> None:
    """Read weight, gradient and velocity, write weight and velocity."""
    g = np.ascontiguousarray(gradient, np.float32).reshape(-1)
    settings = float(lr), momentum, weight_decay, nesterov, rule == "paper"
    _update_loop(
        weight.size, weight.reshape(-1), g, velocity.reshape(-1), *settings, grain=share(1)
    )
    return


@native
def _update_loop(
    lo: int, hi: int, weight: Out1, gradient: In1, velocity: Out1, lr: Real, momentum: Real,
    weight_decay: Real, nesterov: bool, paper: bool,
) -> None:  # fmt: skip
    for i in range(lo, hi):
        g, v = gradient[i] + weight_decay * weight[i], momentum * velocity[i]
        if paper:
            v -= lr * g
            weight[i] += momentum * v - lr * g if nesterov else v
        else:
            v += g
            weight[i] -= lr * (g + momentum * v) if nesterov else lr * v
        velocity[i] = v


# ---- the same in threads: momentum.cu


@momentum_update.cuda
@scattered
def momentum_update_cuda(
    weight: Array,
    gradient: Array,
    velocity: Array,
    lr: float | Array,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    rule: str,
) -> None:
    """One thread a weight."""
    gradient = in_rows(gradient.astype(weight.dtype, copy=False))
    live = is_array(lr)
    rate = (0, array_module(lr).asarray(lr, weight.dtype)) if live else (lr, None)
    settings = *rate, momentum, weight_decay, nesterov, rule == "paper"
    launch(
        "momentum", "momentum_update", cover(weight.size), weight, gradient, velocity, weight.size,
        *settings,
    )  # fmt: skip
    return
