"""One row per kernel and one per function: how to draw arguments.

A new op gets its row here; the agreement tests and the gradient tests then find it by themselves.
"""

import numpy as np
from hypothesis import strategies as st

from support.strategies import floats, seeds, sizes, windows
from tinynet import functions as F
from tinynet import kernels
from tinynet.functions.conv import split_conv2d
from tinynet.functions.matmul import split_linear

# ---- kernels: name -> (draw, fill) -> arguments, float arrays in float64; fill(*shape) fills one


def _weight(draw, fill, shape, geometry):
    """Return filters (OC, C // groups, KH, KW), one to four of them per group."""
    return fill(draw(sizes) * geometry.groups, shape[1] // geometry.groups, *geometry.kernel)


def _outputs(shape, geometry):
    return geometry.output_shape("cases", shape)


def im2col(draw, fill):
    shape, geometry = draw(windows())
    return fill(*shape), geometry


def col2im(draw, fill):
    shape, geometry = draw(windows())
    N, C = shape[:2]
    columns = fill(N, C * np.prod(geometry.kernel), np.prod(_outputs(shape, geometry)))
    return columns, shape, geometry


def conv2d_forward(draw, fill):
    shape, geometry = draw(windows())
    weight = _weight(draw, fill, shape, geometry)
    bias = fill(len(weight)) if draw(st.booleans()) else None
    return fill(*shape), weight, bias, geometry


def conv2d_backward_input(draw, fill):
    shape, geometry = draw(windows())
    weight = _weight(draw, fill, shape, geometry)
    return fill(shape[0], len(weight), *_outputs(shape, geometry)), weight, shape, geometry


def conv2d_backward_weight(draw, fill):
    shape, geometry = draw(windows())
    filters = draw(sizes) * geometry.groups
    return fill(shape[0], filters, *_outputs(shape, geometry)), fill(*shape), geometry


def conv2d_backward_bias(draw, fill):
    return (fill(*(draw(sizes) for _ in range(4))),)


def conv2d_relu_forward(draw, fill):
    return conv2d_forward(draw, fill)


def conv2d_relu_backward(draw, fill):
    shape = [draw(sizes) for _ in range(4)]
    return fill(*shape), fill(*shape)


def locally_connected2d_forward(draw, fill):
    shape, geometry = draw(windows(pooling=True))
    OC = draw(st.sampled_from([1, 2, 3, 17]))
    OH, OW = _outputs(shape, geometry)
    weight = fill(OH, OW, OC, shape[1], *geometry.kernel)
    return fill(*shape), weight, fill(OC, OH, OW), geometry


def locally_connected2d_backward_input(draw, fill):
    x, weight, bias, geometry = locally_connected2d_forward(draw, fill)
    return fill(len(x), *bias.shape), weight, x.shape, geometry


def locally_connected2d_backward_weight(draw, fill):
    x, _, bias, geometry = locally_connected2d_forward(draw, fill)
    return fill(len(x), *bias.shape), x, geometry


def max_pool2d_forward(draw, fill):
    shape, geometry = draw(windows(pooling=True))
    return fill(*shape), geometry, draw(st.booleans())


def max_pool2d_relu_forward(draw, fill):
    return max_pool2d_forward(draw, fill)


def max_pool2d_backward(draw, fill):
    x, geometry, ceil_mode = max_pool2d_forward(draw, fill)
    y, argmax = kernels.max_pool2d_forward.reference(x, geometry, ceil_mode)
    return fill(*y.shape), argmax, x.shape, geometry


def avg_pool2d_forward(draw, fill):
    return *max_pool2d_forward(draw, fill), draw(st.booleans())


def avg_pool2d_backward(draw, fill):
    x, geometry, ceil_mode, counted = avg_pool2d_forward(draw, fill)
    y = kernels.avg_pool2d_forward.reference(x, geometry, ceil_mode, counted)
    return fill(*y.shape), x.shape, geometry, counted


def lrn_forward(draw, fill):
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    shape = draw(sizes), groups * draw(st.integers(1, 7)), draw(sizes), draw(sizes)
    n, beta = draw(st.sampled_from([1, 3, 5, 9])), draw(st.sampled_from([0.75, 0.5, 1.0]))
    alpha = draw(st.sampled_from([1.0, 0.3, 1e-4]))  # 1e-4 alone would hide a missing neighbour
    return fill(*shape), n, draw(st.sampled_from([1.0, 2.0])), alpha, beta, groups


def lrn_backward(draw, fill):
    x, n, k, alpha, beta, groups = lrn_forward(draw, fill)
    y, scale = kernels.lrn_forward.reference(x, n, k, alpha, beta, groups)
    return fill(*x.shape), x, y, scale, n, alpha, beta, groups


def spatial_norm_forward(draw, fill):
    shape = draw(sizes), draw(sizes), draw(st.integers(1, 7)), draw(st.integers(1, 7))
    n, beta = draw(st.sampled_from([1, 3, 5, 9])), draw(st.sampled_from([0.75, 0.5]))
    return (
        fill(*shape),
        n,
        draw(st.sampled_from([1.0, 2.0])),
        draw(st.sampled_from([1.0, 0.3])),
        beta,
    )


def spatial_norm_backward(draw, fill):
    x, n, k, alpha, beta = spatial_norm_forward(draw, fill)
    y, scale = kernels.spatial_norm_forward.reference(x, n, k, alpha, beta)
    return fill(*x.shape), x, y, scale, n, alpha, beta


def batch_norm_statistics(draw, fill):
    return (fill(*(draw(sizes) for _ in range(4))),)


def batch_norm_forward(draw, fill):
    (x,) = batch_norm_statistics(draw, fill)
    C = x.shape[1]
    return x, fill(C), 0.5 + np.abs(fill(C)), fill(C), fill(C), draw(st.sampled_from([0.25, 1e-5]))


def batch_norm_backward(draw, fill):
    x, mean, var, weight, _, eps = batch_norm_forward(draw, fill)
    return fill(*x.shape), x, mean, var, weight, eps, draw(st.booleans())


def relu_forward(draw, fill):
    return (fill(*_any_shape(draw)),)


def relu_backward(draw, fill):
    shape = _any_shape(draw)
    return fill(*shape), fill(*shape)


def batch_norm_relu_forward(draw, fill):
    return batch_norm_forward(draw, fill)


def batch_norm_relu_backward(draw, fill):
    gy, *rest = batch_norm_backward(draw, fill)
    return gy, np.maximum(fill(*gy.shape), 0), *rest


def dropout(draw, fill):
    x = fill(*(draw(sizes) for _ in range(draw(st.integers(1, 4)))))
    key = draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 2**40)), draw(st.integers(0, 99))
    return x, draw(st.sampled_from([0.0, 0.5, 0.75, 1.0])), key


def augment(draw, fill):
    rng = np.random.default_rng(draw(seeds))
    N, C, side, pad, enlarge = (draw(st.integers(low, 3)) for low in (1, 1, 1, 0, 1))
    size = draw(st.integers(1, side * enlarge))
    images = rng.integers(0, 256, (2, C, side, side + draw(st.integers(0, 1))), dtype=np.uint8)
    room, reach = side * enlarge - size + 1, 2 * pad + 1
    places = rng.integers(0, [2, room, room, 2, reach, reach], (N, 6)).astype(np.int32)
    mean = fill(C, size, size) if draw(st.booleans()) else fill(C, 1, 1)
    shift = fill(N, C) if draw(st.booleans()) else None
    return images, places, mean, 2.0 ** np.abs(fill(C, 1, 1)).round(), shift, size, pad, enlarge


def cross_entropy(draw, fill):
    N, classes = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=N, max_size=N))
    return fill(N, classes), np.array(labels)


def matmul(draw, fill):
    M, K, N = (draw(st.integers(1, 9)) for _ in range(3))
    return fill(M, K), fill(K, N), draw(st.sampled_from(["", "M", "N", "K"]))


def momentum_update(draw, fill):
    shape = draw(sizes), draw(sizes)
    numbers = (draw(st.sampled_from([0.5, 0.25, 0.0])) for _ in range(3))
    rule = draw(st.sampled_from(["paper", "torch"]))
    return fill(*shape), fill(*shape), fill(*shape), *numbers, draw(st.booleans()), rule


KERNEL_ROWS = {
    row.__name__: row
    for row in (
        im2col,
        col2im,
        conv2d_forward,
        conv2d_backward_input,
        conv2d_backward_weight,
        conv2d_backward_bias,
        relu_forward,
        relu_backward,
        conv2d_relu_forward,
        conv2d_relu_backward,
        locally_connected2d_forward,
        locally_connected2d_backward_input,
        locally_connected2d_backward_weight,
        max_pool2d_forward,
        max_pool2d_relu_forward,
        max_pool2d_backward,
        avg_pool2d_forward,
        avg_pool2d_backward,
        lrn_forward,
        lrn_backward,
        spatial_norm_forward,
        spatial_norm_backward,
        batch_norm_statistics,
        batch_norm_forward,
        batch_norm_backward,
        batch_norm_relu_forward,
        batch_norm_relu_backward,
        dropout,
        augment,
        cross_entropy,
        matmul,
        momentum_update,
    )
}
EXACT = {
    name
    for name in KERNEL_ROWS
    if not name.startswith(("lrn", "spatial_norm", "batch_norm", "cross_entropy"))
} - {"avg_pool2d_backward"}
"""Kernels that only add, multiply and compare: on small integers they cannot round."""

# ---- functions: name -> (draw, fill) -> (function of Tensors, arrays)


def _any_shape(draw):
    return tuple(draw(sizes) for _ in range(draw(st.integers(0, 4))))


def _unary(function, positive=False):
    def row(draw, fill):
        x = fill(*_any_shape(draw))
        return function, (0.5 + np.abs(x) if positive else x,)

    return row


def _binary(function, positive=False):
    def row(draw, fill):
        a = fill(*_any_shape(draw))
        shape = tuple(1 if draw(st.booleans()) else n for n in a.shape)
        b = fill(*shape[draw(st.integers(0, len(shape))) :])
        if positive:
            a, b = 0.5 + np.abs(a), 0.5 + np.abs(b)
        return function, (a, b) if draw(st.booleans()) else (b, a)

    return row


def _reduction(function):
    def row(draw, fill):
        x = fill(*_any_shape(draw))
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
    x, weight, bias, g = conv2d_forward(draw, fill)

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
    x, g, ceil_mode = max_pool2d_forward(draw, fill)
    return lambda t: pool(t, g.kernel, g.stride, g.padding, ceil_mode=ceil_mode), (x,)


def max_pool2d_relu(draw, fill):
    return max_pool2d(draw, fill, F.max_pool2d_relu)


def avg_pool2d(draw, fill):
    x, g, *settings = avg_pool2d_forward(draw, fill)
    return lambda t: F.avg_pool2d(t, g.kernel, g.stride, g.padding, *settings), (x,)


def global_avg_pool2d(draw, fill):
    return F.global_avg_pool2d, (fill(*(draw(sizes) for _ in range(4))),)


def local_response_norm(draw, fill):
    x, n, k, alpha, beta, groups = lrn_forward(draw, fill)
    return lambda t: F.local_response_norm(t, n, k=k, alpha=alpha, beta=beta, groups=groups), (x,)


def adaptive_avg_pool2d(draw, fill):
    outputs = draw(sizes), draw(st.integers(1, 9))
    return lambda t: F.adaptive_avg_pool2d(t * 1, outputs), (
        fill(*(draw(sizes) for _ in range(4))),
    )


def locally_connected2d(draw, fill):
    *arrays, g = locally_connected2d_forward(draw, fill)
    return lambda *ts: F.locally_connected2d(*ts, g.stride, g.padding), tuple(arrays)


def spatial_response_norm(draw, fill):
    x, n, k, alpha, beta = spatial_norm_forward(draw, fill)
    return lambda t: F.spatial_response_norm(t, n, k=k, alpha=alpha, beta=beta), (x,)


def batch_norm(draw, fill, normalize=F.batch_norm):
    N, C, H, W = draw(st.integers(2, 4)), draw(sizes), draw(sizes), draw(st.integers(2, 4))
    training = draw(st.booleans())

    def function(x, weight, bias):
        mean, var = np.linspace(-1, 1, C), np.linspace(0.5, 2, C)
        return normalize(x, weight, bias, mean, var, training=training)

    return function, (fill(N, C, H, W), fill(C), fill(C))


def batch_norm_relu(draw, fill):
    return batch_norm(draw, fill, F.batch_norm_relu)


def dropout_function(draw, fill):
    p, training = draw(st.sampled_from([0.0, 0.3, 0.9, 1.0])), draw(st.booleans())
    return lambda t: F.dropout(t * 1, p, training=training), (fill(*_any_shape(draw)),)


def cross_entropy_function(draw, fill):
    return F.cross_entropy, cross_entropy(draw, fill)


def linear(draw, fill):
    N, IN, OUT = draw(sizes), draw(sizes), draw(sizes)
    arrays = fill(N, IN), fill(OUT, IN), fill(OUT)
    return F.linear, arrays if draw(st.booleans()) else arrays[:2]


def linear_split(draw, fill):
    N, IN, OUT = draw(sizes), draw(sizes), 2 * draw(sizes)
    return split_linear, (fill(N, IN), fill(OUT, IN), fill(OUT))


def matmul_function(draw, fill):
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
    x = fill(draw(sizes), *_any_shape(draw)[:3])
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
    x = fill(*_any_shape(draw))
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
    "spatial_response_norm": spatial_response_norm,
    "batch_norm": batch_norm,
    "batch_norm_relu": batch_norm_relu,
    "dropout": dropout_function,
    "cross_entropy": cross_entropy_function,
    "linear": linear,
    "split_linear": linear_split,
    "matmul": matmul_function,
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


def float_fill(seed):
    """Return fill(*shape): normal numbers from a seed."""
    rng = np.random.default_rng(seed)
    return lambda *shape: floats(rng, shape)
