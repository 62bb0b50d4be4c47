"""Kernels: how a test draws the arguments of each.

A new kernel gets a row in KERNEL_ROWS; the agreement tests then find it. A row takes (draw, fill)
and returns the arguments, with float arrays in float64; fill(*shape) makes one of them.
"""

import numpy as np
from hypothesis import strategies as st

from support.strategies import any_shape, seeds, sizes, windows
from tinynet import kernels


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


def conv2d_backward(draw, fill):
    gy, weight, shape, geometry = conv2d_backward_input(draw, fill)
    y = fill(*gy.shape) if draw(st.booleans()) else None
    halves = len(weight) % 2 == 0 and geometry.groups == 1 and draw(st.booleans())
    return gy, fill(*shape), weight, y, geometry, (True, True, True), halves


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


def lrn_max_pool_forward(draw, fill):
    x, geometry, ceil_mode = max_pool2d_forward(draw, fill)
    _, *constants, _ = lrn_forward(draw, fill)
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if x.shape[1] % g == 0]))
    return x, *constants, groups, geometry, ceil_mode


def lrn_max_pool_backward(draw, fill):
    x, *constants, geometry, ceil_mode = lrn_max_pool_forward(draw, fill)
    y, argmax = kernels.lrn_max_pool_forward.reference(x, *constants, geometry, ceil_mode)
    return fill(*y.shape), argmax, x, *constants, geometry


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
    return (fill(*any_shape(draw)),)


def add(draw, fill):
    shape = any_shape(draw)
    return fill(*shape), fill(*shape)


def relu_backward(draw, fill):
    shape = any_shape(draw)
    return fill(*shape), fill(*shape)


def batch_norm_relu_forward(draw, fill):
    x, *rest = batch_norm_forward(draw, fill)
    added = (fill(*x.shape),) if draw(st.booleans()) else ()
    return x, *rest, *added


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


def to_bfloat16(draw, fill):
    return (fill(*any_shape(draw)),)


def from_bfloat16(draw, fill):
    return (kernels.to_bfloat16.reference(np.asarray(fill(*any_shape(draw)))),)


def linear_relu_forward(draw, fill):
    z = fill(draw(st.integers(1, 40)), draw(st.integers(1, 9)))
    bias = fill(z.shape[1]) if draw(st.booleans()) else None
    key = draw(st.sampled_from([None, (7, 3, 1), (2**40, 2**33, 2, 5)]))
    p = 0.0 if key is None else draw(st.sampled_from([0.5, 0.75]))
    return z, bias, p, key, draw(st.sampled_from([1.0, 1 - p]))


def linear_relu_backward(draw, fill):
    y = fill(draw(st.integers(1, 40)), draw(st.integers(1, 9)))
    p = draw(st.sampled_from([0.0, 0.5, 0.75]))
    return fill(*y.shape), y, p, draw(st.sampled_from([1.0, 1 - p]))


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
        add,
        relu_forward,
        relu_backward,
        conv2d_relu_forward,
        conv2d_relu_backward,
        conv2d_backward,
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
        lrn_max_pool_forward,
        lrn_max_pool_backward,
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
        to_bfloat16,
        from_bfloat16,
        linear_relu_forward,
        linear_relu_backward,
        momentum_update,
    )
}
EXACT = {
    name
    for name in KERNEL_ROWS
    if not name.startswith(("lrn", "spatial_norm", "batch_norm", "cross_entropy"))
} - {"avg_pool2d_backward"}
"""Kernels that only add, multiply and compare: on small integers they cannot round."""
