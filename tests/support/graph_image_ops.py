"""Ops of the random graphs that work on images: windows, normalization, dropout.

The formulas are the NumPy references of the kernels; a setting `s` is a Geometry where nothing else
is said.
"""

import numpy as np

from support.graph_ops import TF, Op, torch
from tinynet import functions as F
from tinynet import kernels
from tinynet.functions.dropout import Dropout
from tinynet.kernels.geometry import Geometry

LRN = {"n": 3, "k": 1.0, "alpha": 0.3, "beta": 0.75}
EPS = 0.1  # of batch normalization


def _filters(arrays, s):
    x, w = arrays
    return x.ndim == w.ndim == 4 and x.shape[1] == w.shape[1] and _fits(x, w.shape[2:], s)


def _fits(x, kernel, s):
    sides = zip(x.shape[2:], kernel, s.padding, strict=True)
    return all(n + sum(border) >= k for n, k, border in sides)


def _at(w, s):
    return Geometry(w.shape[2:], s.stride, s.padding)


def _windows(arrays, s):
    return arrays[0].ndim == 4 and _fits(arrays[0], s.kernel, s)


def _torch_geometry(s):
    return s.stride, (s.padding[0][0], s.padding[1][0])


def _torch_lrn(t):
    return TF.local_response_norm(t, LRN["n"], LRN["alpha"] * LRN["n"], LRN["beta"], LRN["k"])


def _lrn_vjp(gy, xs, y, s):
    n, k, alpha, beta = LRN.values()
    forward = kernels.lrn_forward.reference(xs[0], n, k, alpha, beta, 1)
    return (kernels.lrn_backward.reference(gy, xs[0], *forward, n, alpha, beta, 1),)


def _channels(arrays, s):
    x, w, b = arrays
    return x.ndim == 4 and w.shape == b.shape == x.shape[1:2] and x.size // x.shape[1] > 2


def _batch_norm(ts, s):
    running = np.zeros(ts[1].shape), np.ones(ts[1].shape)
    normalize = F.batch_norm_relu if s == "relu" else F.batch_norm
    return normalize(*ts, *running, training=True, eps=EPS)


def _batch_norm_value(xs, s):
    x, w, b = xs
    y = kernels.batch_norm_forward.reference(x, *_statistics(x), w, b, EPS)
    return np.maximum(y, 0) if s == "relu" else y


def _statistics(x):
    return x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))


def _batch_norm_vjp(gy, xs, y, s):
    x, w, _ = xs
    gy = gy * (y > 0) if s == "relu" else gy
    return kernels.batch_norm_backward.reference(gy, x, *_statistics(x), w, EPS, True)


def _torch_batch_norm(ts, s):
    y = TF.batch_norm(ts[0], None, None, ts[1], ts[2], training=True, eps=EPS)
    return y.relu() if s == "relu" else y


def _argmax(arrays, s):
    return kernels.max_pool2d_forward.reference(arrays[0], s, False)[1]


def _mask(x, s):
    return kernels.dropout.reference(np.ones(x.shape), *s)


IMAGES = {
    "conv2d": Op(
        lambda ts, s: F.conv2d(*ts, stride=s.stride, padding=s.padding[0][0]),
        lambda xs, s: kernels.conv2d_forward.reference(*xs, None, _at(xs[1], s)),
        lambda gy, xs, y, s: (
            kernels.conv2d_backward_input.reference(gy, xs[1], xs[0].shape, _at(xs[1], s)),
            kernels.conv2d_backward_weight.reference(gy, xs[0], _at(xs[1], s)),
        ),
        lambda ts, s: TF.conv2d(*ts, None, *_torch_geometry(s)),
        domain=_filters,
    ),
    "max_pool2d": Op(
        lambda ts, s: F.max_pool2d(ts[0], s.kernel, s.stride, s.padding),
        lambda xs, s: kernels.max_pool2d_forward.reference(xs[0], s, False)[0],
        lambda gy, xs, y, s: (
            kernels.max_pool2d_backward.reference(gy, _argmax(xs, s), xs[0].shape, s),
        ),
        lambda ts, s: TF.max_pool2d(ts[0], s.kernel, *_torch_geometry(s)),
        domain=_windows,
        pattern=_argmax,
        selects=True,
    ),
    "avg_pool2d": Op(
        lambda ts, s: F.avg_pool2d(ts[0], s.kernel, s.stride, s.padding),
        lambda xs, s: kernels.avg_pool2d_forward.reference(xs[0], s, False, True),
        lambda gy, xs, y, s: (kernels.avg_pool2d_backward.reference(gy, xs[0].shape, s, True),),
        lambda ts, s: TF.avg_pool2d(ts[0], s.kernel, *_torch_geometry(s)),
        domain=_windows,
    ),
}
LRN_OP = Op(
    lambda ts, s: F.local_response_norm(ts[0], **LRN),
    lambda xs, s: kernels.lrn_forward.reference(xs[0], *LRN.values(), 1)[0],
    _lrn_vjp,
    lambda ts, s: _torch_lrn(ts[0]),
    domain=lambda xs, s: xs[0].ndim == 4,
)
BATCH_NORM = Op(
    _batch_norm,
    _batch_norm_value,
    _batch_norm_vjp,
    _torch_batch_norm,
    domain=_channels,
    pattern=lambda xs, s: np.sign(_batch_norm_value(xs, "")) if s == "relu" else (),
)
DROPOUT = Op(  # s is (p, key)
    lambda ts, s: Dropout(*s)(ts[0]),
    lambda xs, s: xs[0] * _mask(xs[0], s),
    lambda gy, xs, y, s: (gy * _mask(gy, s),),
    lambda ts, s: ts[0] * torch.tensor(_mask(np.empty(ts[0].shape), s)),
)
