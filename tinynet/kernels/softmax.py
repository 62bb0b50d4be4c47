r"""Softmax and cross-entropy in one: the mean negative log-probability of the right classes.

    probability[n, c] = exp(s[n, c] - m[n]) / sum over j of exp(s[n, j] - m[n])
    m[n]              = max of s[n]
    loss              = -mean over n of log probability[n, label[n]]
    gs[n, c]          = (probability[n, c] - (c == label[n])) / N

Subtracting the maximum changes nothing but keeps exp from overflowing. The gradient falls out of
the forward pass, so it is returned with it.
"""

from __future__ import annotations

import numpy as np

from tinynet.backend import Array, array_module
from tinynet.kernels._cuda import Grid, in_rows, launch
from tinynet.kernels._kernel import Kernel
from tinynet.kernels._layout import share
from tinynet.kernels._native import In2, Indices1, Out1, Out2, native


@Kernel
def cross_entropy(scores: Array, labels: Array) -> tuple[Array, Array]:
    """Return (loss, gscores) of scores (N, classes), labels (N,): a 0-d array and (N, classes)."""
    xp, rows = array_module(scores), array_module(scores).arange(len(scores))
    shifted = scores - scores.max(axis=1, keepdims=True)
    exponential = xp.exp(shifted)
    total = exponential.sum(axis=1, keepdims=True)
    losses = xp.log(total[:, 0]) - shifted[rows, labels]
    gradient = exponential / total
    gradient[rows, labels] -= 1
    return xp.asarray(losses.mean()), gradient / len(scores)


# ---- the same in loops, one row at a time


@cross_entropy.numba
def cross_entropy_numba(scores: Array, labels: Array) -> tuple[Array, Array]:
    """Three passes over a row that stays in the cache."""
    N, classes = scores.shape
    labels = np.ascontiguousarray(labels, np.int64)
    if scores.size == 0 or labels.min() < 0 or labels.max() >= classes:
        return cross_entropy.reference(scores, labels)
    losses, gradient = np.empty(N, np.float32), np.empty((N, classes), np.float32)
    scores = np.ascontiguousarray(scores)
    _row_loops(N, scores, labels, losses, gradient, grain=share(8 * classes))
    return np.asarray(losses.mean()), gradient


@native
def _row_loops(
    lo: int, hi: int, scores: In2, labels: Indices1, losses: Out1, gradient: Out2
) -> None:
    N, classes = scores.shape
    for n in range(lo, hi):
        top, total = scores[n].max(), np.float32(0)
        for c in range(classes):
            gradient[n, c] = np.exp(scores[n, c] - top)
            total += gradient[n, c]
        losses[n] = np.log(total) - (scores[n, labels[n]] - top)
        for c in range(classes):
            right = np.float32(1) if c == labels[n] else np.float32(0)
            gradient[n, c] = (gradient[n, c] / total - right) / np.float32(N)


# ---- the same in threads: softmax.cu


@cross_entropy.cuda
def cross_entropy_cuda(scores: Array, labels: Array) -> tuple[Array, Array]:
    """One block a row. Where a label is no class, the loss is NaN: a GPU cannot raise."""
    xp, (N, classes) = array_module(scores), scores.shape
    on_cpu = xp is np
    if scores.size == 0 or (on_cpu and (labels.min() < 0 or labels.max() >= classes)):
        return cross_entropy.reference(scores, labels)
    losses, gradient = xp.empty(N, xp.float64), xp.empty((N, classes), scores.dtype)
    loss = xp.empty((), scores.dtype)
    threads = min(256, -(-classes // 32) * 32)  # whole warps
    labels = xp.ascontiguousarray(labels, xp.int64)
    rows = Grid((N,), (threads,))
    launch(
        "softmax", "cross_entropy_rows", rows, in_rows(scores), labels, N, classes, losses, gradient
    )
    launch("softmax", "mean", Grid((1,)), loss, losses, N)
    return loss, gradient
