r"""Momentum SGD: one update of a group of parameters, in place.

    the paper (section 5):  v <- momentum * v - lr * (g + weight_decay * w)      w <- w + v
    PyTorch:                v <- momentum * v + (g + weight_decay * w)           w <- w - lr * v

They are the same while lr is constant. When lr changes, the paper's velocity still contains steps
of the old size, while PyTorch's uses the new lr at once. Nesterov's variant moves w by
momentum * (new v) plus one plain gradient step, and stores the look-ahead point in w.

The arrays of a group are updated together and in place (multi-tensor SGD): on a GPU that is one
launch, without copying the gradients into one buffer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinynet.core.backend import Array, array_module, is_array
from tinynet.kernels.codegen.layout import grain_size
from tinynet.kernels.codegen.native import In1, Out1, Real, native
from tinynet.kernels.cuda.launch import BLOCK, LIST_CAPACITY, Grid, in_rows, launch
from tinynet.kernels.dispatch import Kernel, fallback_if

Arrays = Sequence[Array]
"""A list of arrays; one array counts as the list of its rows."""

MAXIMUM_BLOCKS = 1024  # per array: enough to fill a large GPU


@Kernel
def momentum_update(
    weights: Arrays,
    gradients: Arrays,
    velocities: Arrays,
    lr: float | Array,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    rule: str,
) -> None:
    """Change weights and velocities in place; shapes agree one by one; lr may be a 0-d array."""
    for weight, gradient, velocity in zip(weights, gradients, velocities, strict=True):
        g = gradient + weight_decay * weight
        velocity *= momentum
        if rule == "paper":
            velocity -= lr * g
            weight += momentum * velocity - lr * g if nesterov else velocity
        else:
            velocity += g
            weight -= lr * (g + momentum * velocity if nesterov else velocity)


non_contiguous = fallback_if(
    "weights or velocities that are not contiguous, or of two types",
    lambda weights, gradients, velocities, *_: (
        not all(x.flags.c_contiguous for x in (*weights, *velocities))
        or len({x.dtype for x in (*weights, *velocities)}) > 1
    ),
)


# ---- Numba: one pass, with the order of operations of the reference


@momentum_update.numba
@non_contiguous
def momentum_update_numba(
    weights: Arrays,
    gradients: Arrays,
    velocities: Arrays,
    lr: float | Array,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    rule: str,
) -> None:
    """Read weight, gradient and velocity, write weight and velocity."""
    settings = float(lr), momentum, weight_decay, nesterov, rule == "paper"
    for weight, gradient, velocity in zip(weights, gradients, velocities, strict=True):
        g = np.ascontiguousarray(gradient, np.float32).reshape(-1)
        _update_loop(
            weight.size, weight.reshape(-1), g, velocity.reshape(-1), *settings, grain=grain_size(1)
        )


@native
def _update_loop(
    lo: int,
    hi: int,
    weight: Out1,
    gradient: In1,
    velocity: Out1,
    lr: Real,
    momentum: Real,
    weight_decay: Real,
    nesterov: bool,
    paper: bool,
) -> None:
    w = weight[lo:hi]  # indices that begin at 0 compile to vector instructions
    gradients = gradient[lo:hi]
    v = velocity[lo:hi]
    for i in range(len(w)):
        g = gradients[i] + weight_decay * w[i]
        moved = momentum * v[i]
        if paper:
            moved -= lr * g
            w[i] += momentum * moved - lr * g if nesterov else moved
        else:
            moved += g
            w[i] -= lr * (g + momentum * moved) if nesterov else lr * moved
        v[i] = moved


# ---- CUDA: momentum.cu


@momentum_update.cuda
@non_contiguous
def momentum_update_cuda(
    weights: Arrays,
    gradients: Arrays,
    velocities: Arrays,
    lr: float | Array,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    rule: str,
) -> None:
    """One row of blocks per array; the threads of the row share its weights."""
    dtype = weights[0].dtype
    gradients = [in_rows(g.astype(dtype, copy=False)) for g in gradients]
    live = is_array(lr)
    rate = (0, array_module(lr).asarray(lr, dtype)) if live else (lr, None)
    settings = *rate, momentum, weight_decay, nesterov, rule == "paper"
    for some in range(0, len(weights), LIST_CAPACITY):
        arrays = [list(x[some : some + LIST_CAPACITY]) for x in (weights, gradients, velocities)]
        sizes = [w.size for w in arrays[0]]
        blocks = min(-(-max(sizes) // BLOCK), MAXIMUM_BLOCKS)
        launch("momentum", "momentum_update", Grid((blocks, len(sizes))), *arrays, sizes, *settings)
