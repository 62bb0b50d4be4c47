"""Arguments for the kernels that look at images through windows: see `cases`.

Images that are not square; windows, strides and paddings that differ between height and width and
leave a rest; ties and negative images for maxima.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinynet import kernels
from tinynet.core.backend import Array
from tinynet.kernels.geometry import Padding, Pair, output_shape

Arguments = tuple[Any, ...]
Random = np.random.Generator
Maker = Callable[[Random], dict[str, Arguments]]
NONE: Padding = ((0, 0), (0, 0))


class Geometry(NamedTuple):
    """A shape of images and the windows on them."""

    shape: tuple[int, int, int, int]
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = NONE
    dilation: Pair = (1, 1)
    groups: int = 1
    filters: int = 4


WINDOWS = {
    "3x2 windows, stride 1": Geometry((2, 4, 5, 6), (3, 2)),
    "a stride that leaves a rest": Geometry((2, 4, 8, 7), (3, 3), (2, 3)),
    "more padding above and left": Geometry((2, 4, 6, 5), (3, 4), (2, 1), ((1, 0), (2, 1))),
    "one image, one channel": Geometry((1, 1, 7, 4), (3, 2), (2, 2), ((1, 1), (1, 1)), filters=1),
    "no images": Geometry((0, 4, 5, 6), (3, 2), (2, 1)),
}
CONVOLUTIONS = {
    **WINDOWS,
    "two groups": Geometry((2, 4, 6, 5), (3, 3), (1, 2), ((1, 1), (0, 1)), groups=2, filters=6),
    "dilation": Geometry((2, 4, 8, 9), (3, 2), (1, 2), ((2, 1), (0, 3)), (2, 3)),
}


def _small(rng: Random, shape: tuple[int, ...]) -> Array:
    """Return small integers: full of ties, and exact in every dtype."""
    return rng.integers(-4, 5, shape).astype(np.float64)


def _outputs(g: Geometry, ceil_mode: bool = False) -> Pair:
    return output_shape(
        "cases", g.shape, g.kernel, g.stride, g.padding, g.dilation, ceil_mode=ceil_mode
    )


def _im2col(rng: Random) -> dict[str, Arguments]:
    return {
        name: (rng.standard_normal(g.shape), g.kernel, g.stride, g.padding, g.dilation)
        for name, g in CONVOLUTIONS.items()
    }


def _col2im(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, g in CONVOLUTIONS.items():
        (N, C), (KH, KW), (OH, OW) = g.shape[:2], g.kernel, _outputs(g)
        columns = rng.standard_normal((N, C * KH * KW, OH * OW))
        cases[name] = (columns, g.shape, g.kernel, g.stride, g.padding, g.dilation)
    return cases


def _conv_forward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, g in CONVOLUTIONS.items():
        weight = rng.standard_normal((g.filters, g.shape[1] // g.groups, *g.kernel))
        bias = None if "rest" in name else rng.standard_normal(g.filters)
        x = rng.standard_normal(g.shape)
        cases[name] = (x, weight, bias, g.stride, g.padding, g.dilation, g.groups)
    return cases


def _conv_backward(rng: Random, first: Callable[[Array, Geometry], Arguments]) -> dict[str, Any]:
    cases = {}
    for name, g in CONVOLUTIONS.items():
        gy = rng.standard_normal((g.shape[0], g.filters, *_outputs(g)))
        cases[name] = (*first(gy, g), g.stride, g.padding, g.dilation, g.groups)
    return cases


def _conv_backward_input(rng: Random) -> dict[str, Arguments]:
    def first(gy: Array, g: Geometry) -> Arguments:
        return gy, rng.standard_normal((g.filters, g.shape[1] // g.groups, *g.kernel)), g.shape

    return _conv_backward(rng, first)


def _conv_backward_weight(rng: Random) -> dict[str, Arguments]:
    return _conv_backward(rng, lambda gy, g: (gy, rng.standard_normal(g.shape), g.kernel))


def _conv_backward_bias(rng: Random) -> dict[str, Arguments]:
    shapes = {"images": (2, 4, 3, 5), "one image, one channel": (1, 1, 4, 3)}
    return {name: (rng.standard_normal(shape),) for name, shape in shapes.items()}


def _conv_relu_backward(rng: Random) -> dict[str, Arguments]:
    shapes = {"images": (2, 4, 3, 5), "one image, one channel": (1, 1, 4, 3)}
    return {
        name: (rng.standard_normal(shape), rng.standard_normal(shape))
        for name, shape in shapes.items()
    }


def _max_pool_forward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, g in WINDOWS.items():
        border = ((1, 1), (1, 0)) if g.padding != NONE else NONE
        for ceil_mode in (False, True):
            many = name + (", rounding up" if ceil_mode else "")
            for kind, x in {
                "ties": _small(rng, g.shape),
                "negative images": -1 - np.abs(rng.standard_normal(g.shape)),
            }.items():
                cases[f"{many}, {kind}"] = (x, g.kernel, g.stride, border, ceil_mode)
    x = rng.standard_normal((2, 3, 2, 3))
    cases["the only window is larger than the image"] = (x, (3, 4), (2, 3), NONE, True)
    return cases


def _max_pool_backward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, (x, kernel, stride, border, ceil_mode) in _max_pool_forward(rng).items():
        y, winner = kernels.max_pool2d_forward.reference(x, kernel, stride, border, ceil_mode)
        cases[name] = (rng.standard_normal(y.shape), winner, x.shape, kernel, stride, border)
    return cases


def _avg_pool_forward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, (x, kernel, stride, border, ceil_mode) in _max_pool_forward(rng).items():
        for counted in (True, False):
            many = f"{name}, padding {'' if counted else 'not '}counted"
            cases[many] = (x, kernel, stride, border, ceil_mode, counted)
    return cases


def _avg_pool_backward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, (x, kernel, stride, border, ceil_mode, counted) in _avg_pool_forward(rng).items():
        y = kernels.avg_pool2d_forward.reference(x, kernel, stride, border, ceil_mode, counted)
        cases[name] = (rng.standard_normal(y.shape), x.shape, kernel, stride, border, counted)
    return cases


def _local(rng: Random, first: Callable[[Array, Array, Array], Arguments]) -> dict[str, Arguments]:
    """Return what `first` makes of x, weight and gy, with the stride and the padding."""
    cases, far = {}, Geometry((2, 3, 3, 4), (2, 1), padding=((3, 0), (0, 2)))
    for name, g in {**WINDOWS, "windows on the padding alone": far}.items():
        weight = rng.standard_normal((*_outputs(g), g.filters, g.shape[1], *g.kernel))
        gy = rng.standard_normal((g.shape[0], g.filters, *_outputs(g)))
        cases[name] = (*first(rng.standard_normal(g.shape), weight, gy), g.stride, g.padding)
    return cases


def _local_forward(rng: Random) -> dict[str, Arguments]:
    def first(x: Array, weight: Array, gy: Array) -> Arguments:
        return x, weight, rng.standard_normal(gy.shape[1:])

    return _local(rng, first)


def _local_backward_input(rng: Random) -> dict[str, Arguments]:
    return _local(rng, lambda x, weight, gy: (gy, weight, x.shape))


def _local_backward_weight(rng: Random) -> dict[str, Arguments]:
    return _local(rng, lambda x, weight, gy: (gy, x, weight.shape[4:]))


MAKERS: dict[str, Maker] = {
    "im2col": _im2col,
    "col2im": _col2im,
    "conv2d_forward": _conv_forward,
    "conv2d_backward_input": _conv_backward_input,
    "conv2d_backward_weight": _conv_backward_weight,
    "conv2d_backward_bias": _conv_backward_bias,
    "conv2d_relu_forward": _conv_forward,
    "conv2d_relu_backward": _conv_relu_backward,
    "max_pool2d_forward": _max_pool_forward,
    "max_pool2d_relu_forward": _max_pool_forward,
    "max_pool2d_backward": _max_pool_backward,
    "avg_pool2d_forward": _avg_pool_forward,
    "avg_pool2d_backward": _avg_pool_backward,
    "locally_connected2d_forward": _local_forward,
    "locally_connected2d_backward_input": _local_backward_input,
    "locally_connected2d_backward_weight": _local_backward_weight,
}
