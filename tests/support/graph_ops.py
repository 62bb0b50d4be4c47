"""Ops of the random graphs: each in tinynet, as NumPy formulas in float64, and in PyTorch.

The formulas are written here a second time, with derivatives of their own; those on images are in
`graph_image_ops`. Nothing here uses the engine.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinynet as tn
from tinynet import functions as F

try:
    import torch
    import torch.nn.functional as TF
except ImportError:
    torch = TF = None

LARGEST = 100.0  # of a value in a graph: float16 shall hold its square
POSITIVE = 0.25  # least argument of log, sqrt and a divisor


def _everywhere(arrays, s):
    return True


def _smooth(arrays, s):
    return ()


@dataclass(frozen=True)
class Op:
    """One op with a setting `s`; `domain` says where it is used, `pattern` on which side it is."""

    tiny: Callable[..., Any]  # (tensors, s) -> tensor
    value: Callable[..., Any]  # (arrays, s) -> array
    vjp: Callable[..., Any]  # (gy, arrays, y, s) -> one gradient per array
    torch: Callable[..., Any]  # (tensors of PyTorch, s) -> tensor of PyTorch
    domain: Callable[..., bool] = _everywhere  # (arrays, s) -> whether it may be applied
    pattern: Callable[..., Any] = _smooth  # (arrays, s) -> what a kink would change
    selects: bool = False  # whether vjp reads of the arrays only where they are largest, or > 0


def unbroadcast(g, shape):
    """Sum g down to a shape: the transpose of np.broadcast_to."""
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1 and g.shape[axis] != 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


# ---- element by element


def _unary(tiny, value, slope, twin, **more):
    """Return an op y = value(x) whose derivative is slope(x, y)."""
    return Op(
        lambda ts, s: tiny(*ts),
        lambda xs, s: value(xs[0]),
        lambda gy, xs, y, s: (gy * slope(xs[0], y),),
        lambda ts, s: twin(ts[0]),
        **more,
    )


def _positive(arrays, s):
    return bool(np.all(arrays[-1] > POSITIVE))


def _sign(arrays, s):
    return np.sign(arrays[0])


UNARY = {
    "neg": _unary(F.neg, np.negative, lambda x, y: -np.ones_like(x), lambda t: -t),
    "exp": _unary(F.exp, np.exp, lambda x, y: y, lambda t: t.exp()),
    "log": _unary(F.log, np.log, lambda x, y: 1 / x, lambda t: t.log(), domain=_positive),
    "sqrt": _unary(F.sqrt, np.sqrt, lambda x, y: 0.5 / y, lambda t: t.sqrt(), domain=_positive),
    "relu": _unary(
        F.relu,
        lambda x: np.where(x > 0, x, 0),
        lambda x, y: x > 0,
        lambda t: t.relu(),
        pattern=_sign,
        selects=True,
    ),
    "abs": _unary(
        F.abs, np.abs, lambda x, y: np.sign(x), lambda t: t.abs(), pattern=_sign, selects=True
    ),
    "tanh": _unary(F.tanh, np.tanh, lambda x, y: 1 - y * y, lambda t: t.tanh()),
    "sigmoid": _unary(
        F.sigmoid, lambda x: 1 / (1 + np.exp(-x)), lambda x, y: y * (1 - y), lambda t: t.sigmoid()
    ),
    "clip": _unary(
        lambda t: F.clip(t, -0.5, 1.0),
        lambda x: np.clip(x, -0.5, 1.0),
        lambda x, y: (x >= -0.5) & (x <= 1.0),
        lambda t: t.clamp(-0.5, 1.0),
        pattern=lambda xs, s: (np.sign(xs[0] + 0.5), np.sign(xs[0] - 1)),
        selects=True,
    ),
    "clone": _unary(lambda t: t.clone(), np.copy, lambda x, y: np.ones_like(x), lambda t: t * 1),
    "times a number": _unary(
        lambda t: 3 * t, lambda x: 3 * x, lambda x, y: np.full_like(x, 3), lambda t: 3 * t
    ),
    "from a number": _unary(
        lambda t: 2 - t, lambda x: 2 - x, lambda x, y: -np.ones_like(x), lambda t: 2 - t
    ),
    "square": _unary(lambda t: t**2, lambda x: x * x, lambda x, y: 2 * x, lambda t: t**2),
}


def _binary(tiny, value, slopes, twin, domain=_everywhere, **more):
    """Return an op y = value(a, b) whose derivatives are the two of slopes(a, b, y)."""

    def vjp(gy, xs, y, s):
        pairs = zip(slopes(*xs, y), xs, strict=True)
        return tuple(unbroadcast(gy * slope, x.shape) for slope, x in pairs)

    def defined(arrays, s):
        a, b = (x.shape[::-1] for x in arrays)
        fits = all(m == n or 1 in (m, n) for m, n in zip(a, b, strict=False))
        return fits and domain(arrays, s)

    return Op(
        lambda ts, s: tiny(*ts),
        lambda xs, s: value(*xs),
        vjp,
        lambda ts, s: twin(*ts),
        defined,
        **more,
    )


def _powers(arrays, s):
    """A base of exactly 0 is allowed where the power and its derivative are finite."""
    a, b = np.broadcast_arrays(*arrays)
    zero = (a == 0) & ((b == 0) | (b == 1) | (b >= 1.5))
    return bool(np.all(zero | (a > POSITIVE)) and np.all(np.abs(b) <= 4))


def _power_slopes(a, b, y):
    one = np.where((b == 0) | ((a == 0) & (b < 1.5)), 1, b - 1)
    slope = np.where((a == 0) & (b > 0.5) & (b < 1.5), 1, b * a**one)  # of 0**1, disturbed or not
    return slope, np.where(a == 0, 0, y * np.log(np.where(a == 0, 1, a)))


def _ones(a, b, y):
    return np.ones_like(y), np.ones_like(y)


BINARY = {
    "add": _binary(F.add, np.add, _ones, lambda a, b: a + b),
    "sub": _binary(
        F.sub, np.subtract, lambda a, b, y: (np.ones_like(y), -np.ones_like(y)), lambda a, b: a - b
    ),
    "mul": _binary(F.mul, np.multiply, lambda a, b, y: (b, a), lambda a, b: a * b),
    "div": _binary(
        F.div, np.divide, lambda a, b, y: (1 / b, -a / b**2), lambda a, b: a / b, domain=_positive
    ),
    "pow": _binary(
        F.pow,
        np.power,
        _power_slopes,
        lambda a, b: a**b,
        domain=_powers,
        pattern=lambda xs, s: (xs[0] == 0, xs[1] == 0, xs[1] >= 1),
    ),
}

# ---- reductions: s is (axis, keepdims)


def _axes(axis, ndim):
    if axis is None:
        return tuple(range(ndim))
    return tuple(sorted(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))))


def _spread(g, x, s):
    """Undo the loss of axes in a reduction."""
    axis, _ = s
    shape = [1 if i in _axes(axis, x.ndim) else n for i, n in enumerate(x.shape)]
    return np.reshape(g, shape)


def _count(x, s):
    return math.prod(x.shape[a] for a in _axes(s[0], x.ndim))


def _centered(x, s):
    return x - x.mean(axis=_axes(s[0], x.ndim), keepdims=True)


def _chosen(x, s):
    """Return 1 at the first maximum of each reduced group, else 0."""
    axes = _axes(s[0], x.ndim)
    order = [i for i in range(x.ndim) if i not in axes] + list(axes)
    moved = x.transpose(order)
    rows = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
    mask = np.zeros(rows.shape)
    np.put_along_axis(mask, rows.argmax(axis=-1)[..., None], 1.0, axis=-1)
    return mask.reshape(moved.shape).transpose(np.argsort(order))


def _torch_masked(t, mask, s):
    return (t * torch.tensor(mask.copy())).sum(_axes(s[0], t.ndim), keepdim=s[1])


def _deviates(arrays, s):
    x = arrays[0]
    return _count(x, s) > 1 and bool(np.all(x.std(axis=_axes(s[0], x.ndim)) > POSITIVE))


def _std_vjp(gy, xs, y, s):
    return (
        _spread(gy, xs[0], s) * _centered(xs[0], s) / (_spread(y, xs[0], s) * _count(xs[0], s)),
    )


REDUCTIONS = {
    "sum": Op(
        lambda ts, s: ts[0].sum(*s),
        lambda xs, s: np.asarray(xs[0].sum(axis=s[0], keepdims=s[1])),
        lambda gy, xs, y, s: (_spread(gy, xs[0], s) * np.ones_like(xs[0]),),
        lambda ts, s: ts[0].sum(_axes(s[0], ts[0].ndim), keepdim=s[1]),
    ),
    "mean": Op(
        lambda ts, s: ts[0].mean(*s),
        lambda xs, s: np.asarray(xs[0].mean(axis=s[0], keepdims=s[1])),
        lambda gy, xs, y, s: (_spread(gy, xs[0], s) * np.ones_like(xs[0]) / _count(xs[0], s),),
        lambda ts, s: ts[0].mean(_axes(s[0], ts[0].ndim), keepdim=s[1]),
    ),
    "var": Op(
        lambda ts, s: ts[0].var(s[0], keepdims=s[1]),
        lambda xs, s: np.asarray(xs[0].var(axis=s[0], keepdims=s[1])),
        lambda gy, xs, y, s: (2 * _spread(gy, xs[0], s) * _centered(xs[0], s) / _count(xs[0], s),),
        lambda ts, s: ts[0].var(_axes(s[0], ts[0].ndim), correction=0, keepdim=s[1]),
    ),
    "std": Op(
        lambda ts, s: ts[0].std(s[0], keepdims=s[1]),
        lambda xs, s: np.asarray(xs[0].std(axis=s[0], keepdims=s[1])),
        _std_vjp,
        lambda ts, s: ts[0].std(_axes(s[0], ts[0].ndim), correction=0, keepdim=s[1]),
        domain=_deviates,
    ),
    "max": Op(
        lambda ts, s: ts[0].max(*s),
        lambda xs, s: np.asarray(xs[0].max(axis=s[0], keepdims=s[1])),
        lambda gy, xs, y, s: (_spread(gy, xs[0], s) * _chosen(xs[0], s),),
        lambda ts, s: _torch_masked(ts[0], _chosen(ts[0].detach().numpy(), s), s),
        pattern=lambda xs, s: _chosen(xs[0], s),
        selects=True,
    ),
    "min": Op(
        lambda ts, s: ts[0].min(*s),
        lambda xs, s: np.asarray(xs[0].min(axis=s[0], keepdims=s[1])),
        lambda gy, xs, y, s: (_spread(gy, xs[0], s) * _chosen(-xs[0], s),),
        lambda ts, s: _torch_masked(ts[0], _chosen(-ts[0].detach().numpy(), s), s),
        pattern=lambda xs, s: _chosen(-xs[0], s),
        selects=True,
    ),
}

# ---- softmax: s is an axis


def _softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


SOFTMAX = {
    "softmax": Op(
        lambda ts, s: F.softmax(ts[0], s),
        lambda xs, s: _softmax(xs[0], s),
        lambda gy, xs, y, s: (y * (gy - (gy * y).sum(axis=s, keepdims=True)),),
        lambda ts, s: ts[0].softmax(s),
    ),
    "log_softmax": Op(
        lambda ts, s: F.log_softmax(ts[0], s),
        lambda xs, s: np.log(_softmax(xs[0], s)),
        lambda gy, xs, y, s: (gy - np.exp(y) * gy.sum(axis=s, keepdims=True),),
        lambda ts, s: ts[0].log_softmax(s),
    ),
}

# ---- shapes


def _picked(gy, xs, y, s):
    gx = np.zeros_like(xs[0])
    np.add.at(gx, s, gy)
    return (gx,)


def _getitem(ts, s):
    """Return x[s], then change the index, which backward must not read again."""
    index = list(s) if isinstance(s, list) else s
    y = ts[0][index]
    if isinstance(s, list):
        index[:] = [0] * len(index)
    return y


def _inside(y, s):
    return tuple(slice(a, n - b) for n, (a, b) in zip(y.shape, s, strict=True))


def _torch_widths(s):
    return [n for pair in reversed(s) for n in pair]


def _same(arrays, s):
    return len({x.shape for x in arrays}) == 1


RESHAPE = Op(
    lambda ts, s: ts[0].reshape(s),
    lambda xs, s: xs[0].reshape(s),
    lambda gy, xs, y, s: (gy.reshape(xs[0].shape),),
    lambda ts, s: ts[0].reshape(s),
)
TRANSPOSE = Op(
    lambda ts, s: ts[0].transpose(s),
    lambda xs, s: xs[0].transpose(s),
    lambda gy, xs, y, s: (gy.transpose(np.argsort(s)) if s else gy,),
    lambda ts, s: ts[0].permute(s),
)
GETITEM = Op(
    _getitem,
    lambda xs, s: np.asarray(xs[0][s]),
    _picked,
    lambda ts, s: ts[0][s],
)
PAD = Op(
    lambda ts, s: F.pad(ts[0], s),
    lambda xs, s: np.pad(xs[0], s),
    lambda gy, xs, y, s: (gy[_inside(gy, s)],),
    lambda ts, s: TF.pad(ts[0], _torch_widths(s)),
)
CAST = Op(
    lambda ts, s: ts[0].astype(s),
    lambda xs, s: xs[0].copy(),
    lambda gy, xs, y, s: (gy,),
    lambda ts, s: ts[0] * 1,
)
JOINS = {
    "concatenate": Op(
        lambda ts, s: F.concatenate(ts, s),
        lambda xs, s: np.concatenate(xs, axis=s),
        lambda gy, xs, y, s: tuple(np.split(gy, len(xs), axis=s)),
        lambda ts, s: torch.cat(ts, s),
        domain=_same,
    ),
    "stack": Op(
        lambda ts, s: F.stack(ts, s),
        lambda xs, s: np.stack(xs, axis=s),
        lambda gy, xs, y, s: tuple(np.moveaxis(gy, s, 0)),
        lambda ts, s: torch.stack(ts, s),
        domain=_same,
    ),
}

# ---- products of matrices: at least two axes, or one on the left


def _matrices(arrays, s):
    a, b = arrays
    return a.ndim >= 1 and b.ndim == 2 and a.shape[-1] == b.shape[0]


def _matmul_vjp(gy, xs, y, s):
    a, b = xs
    rows = a.reshape(-1, a.shape[-1])
    return gy @ b.T, rows.T @ gy.reshape(rows.shape[0], b.shape[1])


def _layer(arrays, s):
    x, w, b = arrays
    return x.ndim == w.ndim == 2 and x.shape[1] == w.shape[1] and b.shape == w.shape[:1]


MATMUL = Op(
    lambda ts, s: ts[0] @ ts[1],
    lambda xs, s: xs[0] @ xs[1],
    _matmul_vjp,
    lambda ts, s: ts[0] @ ts[1],
    domain=_matrices,
)
LINEAR = Op(
    lambda ts, s: F.linear(*ts),
    lambda xs, s: xs[0] @ xs[1].T + xs[2],
    lambda gy, xs, y, s: (gy @ xs[1], gy.T @ xs[0], gy.sum(axis=0)),
    lambda ts, s: TF.linear(*ts),
    domain=_layer,
)


def again(function, op):
    """Return the op of a Function object that was applied before."""
    return Op(
        lambda ts, _: function(*ts), op.value, op.vjp, op.torch, op.domain, op.pattern, op.selects
    )


def leaf(array, requires_grad):
    """Return a tensor that wraps an array as it is, whatever its memory order or byte order."""
    return tn.Tensor(array, requires_grad=requires_grad)
