"""Functions of Tensors: how a test draws the arguments of each.

A new function gets a row in FUNCTION_ROWS; the gradient tests then find it.
A row takes (draw, fill) and returns the function and its arrays.
"""

import functools

import numpy as np
from hypothesis import strategies as st

from support import kernel_cases
from support.strategies import any_shape, sizes
from tinynet import functions as F
from tinynet.functions.conv import split_conv2d
from tinynet.functions.matmul import layer_linear


def _unary(function, positive=False):
    def row(draw, fill):
        x = fill(*any_shape(draw))
        return function, (0.5 + np.abs(x) if positive else x,)

    return row


def _binary(function, positive=False):
    def row(draw, fill):
        a = fill(*any_shape(draw))
        shape = tuple(1 if draw(st.booleans()) else n for n in a.shape)
        b = fill(*shape[draw(st.integers(0, len(shape))) :])
        if positive:
            a, b = 0.5 + np.abs(a), 0.5 + np.abs(b)
        return function, (a, b) if draw(st.booleans()) else (b, a)

    return row


def _reduction(function):
    def row(draw, fill):
        x = fill(*any_shape(draw))
        axes = draw(st.lists(st.sampled_from(range(x.ndim)), unique=True)) if x.ndim else []
        axis = tuple(a - x.ndim if draw(st.booleans()) else a for a in axes) or None
        keepdims = draw(st.booleans())
        return lambda t: function(t, axis, keepdims), (x,)

    return row


def _along_axis(function):
    def row(draw, fill):
        x = fill(*(draw(sizes) for _ in range(draw(st.integers(1, 4)))))
        axis = draw(st.integers(-x.ndim, x.ndim - 1))
        return lambda t: function(t, axis), (x,)

    return row


def conv2d(draw, fill, convolve=F.conv2d):
    x, weight, bias, g = kernel_cases.conv2d_forward(draw, fill)

    def function(x, weight, bias=None):
        return convolve(x, weight, bias, g.stride, g.padding, g.dilation, g.groups)

    return function, (x, weight) if bias is None else (x, weight, bias)


def conv2d_relu(draw, fill):
    return conv2d(draw, fill, F.conv2d_relu)


def conv2d_split(draw, fill):
    N, C, KH, KW, more = (draw(sizes) for _ in range(5))
    x = fill(N, C, KH + more, KW + more)
    OC = 2 * draw(sizes)
    arrays = x, fill(OC, C, KH, KW), fill(OC)
    relu = draw(st.booleans())
    return lambda *arrays: split_conv2d(*arrays, padding=more, relu=relu), arrays


def max_pool2d(draw, fill, pool=F.max_pool2d):
    x, g, ceil_mode = kernel_cases.max_pool2d_forward(draw, fill)
    return lambda t: pool(t, g.kernel, g.stride, g.padding, ceil_mode=ceil_mode), (x,)


def max_pool2d_relu(draw, fill):
    return max_pool2d(draw, fill, F.max_pool2d_relu)


def avg_pool2d(draw, fill):
    x, g, *settings = kernel_cases.avg_pool2d_forward(draw, fill)
    return lambda t: F.avg_pool2d(t, g.kernel, g.stride, g.padding, *settings), (x,)


def global_avg_pool2d(draw, fill):
    return F.global_avg_pool2d, (fill(*(draw(sizes) for _ in range(4))),)


def local_response_norm(draw, fill):
    x, n, k, alpha, beta, groups = kernel_cases.lrn_forward(draw, fill)
    return lambda t: F.local_response_norm(t, n, k=k, alpha=alpha, beta=beta, groups=groups), (x,)


def local_response_norm_max_pool2d(draw, fill):
    x, n, k, alpha, beta, groups, g, ceil_mode = kernel_cases.lrn_max_pool_forward(draw, fill)
    settings = {"n": n, "k": k, "alpha": alpha, "beta": beta, "groups": groups}
    settings["ceil_mode"] = ceil_mode
    window = g.kernel, g.stride, g.padding
    return lambda t: F.local_response_norm_max_pool2d(t, *window, **settings), (x,)


def adaptive_avg_pool2d(draw, fill):
    outputs = draw(sizes), draw(st.integers(1, 9))
    return lambda t: F.adaptive_avg_pool2d(t * 1, outputs), (
        fill(*(draw(sizes) for _ in range(4))),
    )


def locally_connected2d(draw, fill):
    *arrays, g = kernel_cases.locally_connected2d_forward(draw, fill)
    return lambda *ts: F.locally_connected2d(*ts, g.stride, g.padding), tuple(arrays)


def spatial_response_norm(draw, fill):
    x, n, k, alpha, beta = kernel_cases.spatial_norm_forward(draw, fill)
    return lambda t: F.spatial_response_norm(t, n, k=k, alpha=alpha, beta=beta), (x,)


def batch_norm(draw, fill, normalize=F.batch_norm):
    N, C, H, W = draw(st.integers(2, 4)), draw(sizes), draw(sizes), draw(st.integers(2, 4))
    training = draw(st.booleans())

    def function(x, weight, bias):
        mean, var = np.linspace(-1, 1, C), np.linspace(0.5, 2, C)
        return normalize(x, weight, bias, mean, var, training=training)

    return function, (fill(N, C, H, W), fill(C), fill(C))


def batch_norm_relu(draw, fill):
    joined = draw(st.booleans())

    def normalize(x, *vectors, training):
        added = x * 0.5 if joined else None
        return F.batch_norm_relu(x, *vectors, training=training, added=added)

    return batch_norm(draw, fill, normalize)


def dropout(draw, fill):
    p, training = draw(st.sampled_from([0.0, 0.3, 0.9, 1.0])), draw(st.booleans())
    return lambda t: F.dropout(t * 1, p, training=training), (fill(*any_shape(draw)),)


def cross_entropy(draw, fill):
    return F.cross_entropy, kernel_cases.cross_entropy(draw, fill)


def linear(draw, fill):
    N, IN, OUT = draw(sizes), draw(sizes), draw(sizes)
    arrays = fill(N, IN), fill(OUT, IN), fill(OUT)
    return F.linear, arrays if draw(st.booleans()) else arrays[:2]


def linear_split(draw, fill):
    N, IN, OUT = draw(sizes), draw(sizes), 2 * draw(sizes)
    return functools.partial(layer_linear, split=True), (fill(N, IN), fill(OUT, IN), fill(OUT))


def matmul(draw, fill):
    M, K, N, stack = (draw(sizes) for _ in range(4))
    a = draw(st.sampled_from([(K,), (M, K), (stack, M, K), (1, M, K)]))
    b = draw(st.sampled_from([(K,), (K, N), (stack, K, N)]))
    return F.matmul, (fill(*a), fill(*b))


def concatenate(draw, fill):
    shape = [draw(sizes) for _ in range(draw(st.integers(1, 4)))]
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    arrays = []
    for _ in range(draw(st.integers(1, 3))):
        shape[axis] = draw(sizes)
        arrays.append(fill(*shape))
    return lambda *ts: F.concatenate(ts, axis), tuple(arrays)


def pad(draw, fill):
    x = fill(draw(sizes), *any_shape(draw)[:3])
    widths = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in range(x.ndim)]
    return lambda t: F.pad(t, widths), (x,)


def getitem(draw, fill):
    x = fill(3, 4, 5)
    index = draw(
        st.sampled_from(
            [
                1,
                -1,
                slice(1, 3),
                (slice(None), 2),
                (Ellipsis, slice(None, None, -2)),
                (1, 2, 3),
                [0, 2, 0],
                (np.array([1, 1, 0]), np.array([3, 3, 2])),
                np.arange(60).reshape(x.shape) % 3 == 0,
            ]
        )
    )
    return lambda t: F.getitem(t, index), (x,)


def reshape(draw, fill):
    return lambda t: F.reshape(t, (-1, 2, 3)), (fill(draw(sizes), 3, 2),)


def transpose(draw, fill):
    x = fill(*any_shape(draw))
    axes = draw(st.permutations(range(x.ndim)))
    return lambda t: F.transpose(t, tuple(axes)), (x,)


def flatten(draw, fill):
    return F.flatten, (fill(*(draw(sizes) for _ in range(draw(st.integers(1, 4))))),)


def squeeze(draw, fill):
    axis = draw(st.sampled_from([None, 0, -2]))
    return lambda t: F.squeeze(t, axis=axis), (fill(1, draw(sizes), 1, draw(sizes)),)


def unsqueeze(draw, fill):
    x = fill(*(draw(sizes) for _ in range(draw(st.integers(0, 3)))))
    axis = draw(st.integers(-x.ndim - 1, x.ndim))
    return lambda t: F.unsqueeze(t, axis), (x,)


def stack(draw, fill):
    shape = [draw(sizes) for _ in range(draw(st.integers(0, 3)))]
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    arrays = tuple(fill(*shape) for _ in range(draw(st.integers(1, 3))))
    return lambda *ts: F.stack(ts, axis), arrays


def spread(draw, fill):
    """A standard deviation of three numbers or more: of two it has a kink where they are equal."""
    x = fill(draw(sizes), draw(st.integers(3, 5)))
    return lambda t: F.std(t, axis=1, ddof=1), (x,)


FUNCTION_ROWS = {
    "add": _binary(F.add),
    "sub": _binary(F.sub),
    "mul": _binary(F.mul),
    "div": _binary(F.div, positive=True),
    "pow": _binary(F.pow, positive=True),
    "neg": _unary(F.neg),
    "exp": _unary(F.exp),
    "log": _unary(F.log, positive=True),
    "sqrt": _unary(F.sqrt, positive=True),
    "relu": _unary(F.relu),
    "tanh": _unary(F.tanh),
    "sigmoid": _unary(F.sigmoid),
    "abs": _unary(F.abs),
    "clip": _unary(lambda t: F.clip(t, -0.5, 1)),
    "sum": _reduction(F.sum),
    "mean": _reduction(F.mean),
    "max": _reduction(F.max),
    "min": _reduction(F.min),
    "var": _reduction(lambda t, axis, keepdims: F.var(t, axis, keepdims=keepdims)),
    "std": spread,
    "softmax": _along_axis(F.softmax),
    "log_softmax": _along_axis(F.log_softmax),
    "conv2d": conv2d,
    "conv2d_relu": conv2d_relu,
    "split_conv2d": conv2d_split,
    "max_pool2d": max_pool2d,
    "max_pool2d_relu": max_pool2d_relu,
    "avg_pool2d": avg_pool2d,
    "global_avg_pool2d": global_avg_pool2d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "locally_connected2d": locally_connected2d,
    "local_response_norm": local_response_norm,
    "local_response_norm_max_pool2d": local_response_norm_max_pool2d,
    "spatial_response_norm": spatial_response_norm,
    "batch_norm": batch_norm,
    "batch_norm_relu": batch_norm_relu,
    "dropout": dropout,
    "cross_entropy": cross_entropy,
    "linear": linear,
    "split_linear": linear_split,
    "matmul": matmul,
    "concatenate": concatenate,
    "pad": pad,
    "getitem": getitem,
    "reshape": reshape,
    "transpose": transpose,
    "flatten": flatten,
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    "stack": stack,
}
