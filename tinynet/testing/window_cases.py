"""Test arguments for the kernels of convolution and pooling: see `cases`.

Images that are not square; windows, strides and paddings that differ between height and width and
leave a remainder; ties and negative images for maxima.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinynet import kernels
from tinynet.core.backend import Array
from tinynet.kernels.geometry import Geometry, Padding, Pair

Arguments = tuple[Any, ...]
Random = np.random.Generator
Maker = Callable[[Random], dict[str, Arguments]]
NONE: Padding = ((0, 0), (0, 0))


class Case(NamedTuple):
    """Images, the windows on them, and the filters of a convolution."""

    shape: tuple[int, int, int, int]
    geometry: Geometry
    filters: int = 4

    @property
    def outputs(self) -> Pair:
        """The number of windows, (OH, OW)."""
        return self.geometry.output_shape("cases", self.shape)

    def weight(self, rng: Random) -> Array:
        """Return random filters (OC, C // groups, KH, KW)."""
        members = self.shape[1] // self.geometry.groups
        return rng.standard_normal((self.filters, members, *self.geometry.kernel))

    def gradient(self, rng: Random) -> Array:
        """Return a random gradient of the outputs (N, OC, OH, OW)."""
        return rng.standard_normal((self.shape[0], self.filters, *self.outputs))


WINDOWS = {
    "3x2 windows, stride 1": Case((2, 4, 5, 6), Geometry((3, 2))),
    "a stride that leaves a rest": Case((2, 4, 8, 7), Geometry((3, 3), (2, 3))),
    "more padding above and left": Case((2, 4, 6, 5), Geometry((3, 4), (2, 1), ((1, 0), (2, 1)))),
    "one image, one channel": Case(
        (1, 1, 7, 4), Geometry((3, 2), (2, 2), ((1, 1), (1, 1))), filters=1
    ),
    "no images": Case((0, 4, 5, 6), Geometry((3, 2), (2, 1))),
}
CONVOLUTIONS = {
    **WINDOWS,
    "two groups": Case(
        (2, 4, 6, 5), Geometry((3, 3), (1, 2), ((1, 1), (0, 1)), groups=2), filters=6
    ),
    "11x11 windows, stride 4": Case((2, 2, 30, 19), Geometry((11, 11), (4, 4), ((2, 2), (1, 2)))),
    "dilation": Case((2, 4, 8, 9), Geometry((3, 2), (1, 2), ((2, 1), (0, 3)), (2, 3))),
}


def _small(rng: Random, shape: tuple[int, ...]) -> Array:
    """Return small integers: full of ties, and exact in every dtype."""
    return rng.integers(-4, 5, shape).astype(np.float64)


def _im2col(rng: Random) -> dict[str, Arguments]:
    return {
        name: (rng.standard_normal(case.shape), case.geometry)
        for name, case in CONVOLUTIONS.items()
    }


def _col2im(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, case in CONVOLUTIONS.items():
        N, C = case.shape[:2]
        KH, KW = case.geometry.kernel
        OH, OW = case.outputs
        columns = rng.standard_normal((N, C * KH * KW, OH * OW))
        cases[name] = (columns, case.shape, case.geometry)
    return cases


def _conv_forward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, case in CONVOLUTIONS.items():
        weight = case.weight(rng)
        bias = None if "rest" in name else rng.standard_normal(case.filters)
        x = rng.standard_normal(case.shape)
        cases[name] = (x, weight, bias, case.geometry)
    return cases


def _conv_backward_input(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, case in CONVOLUTIONS.items():
        gy = case.gradient(rng)
        cases[name] = (gy, case.weight(rng), case.shape, case.geometry)
    return cases


def _conv_backward_weight(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, case in CONVOLUTIONS.items():
        gy = case.gradient(rng)
        cases[name] = (gy, rng.standard_normal(case.shape), case.geometry)
    return cases


def _conv_backward_bias(rng: Random) -> dict[str, Arguments]:
    shapes = {"images": (2, 4, 3, 5), "one image, one channel": (1, 1, 4, 3)}
    return {name: (rng.standard_normal(shape),) for name, shape in shapes.items()}


def _conv_relu_backward(rng: Random) -> dict[str, Arguments]:
    shapes = {"images": (2, 4, 3, 5), "one image, one channel": (1, 1, 4, 3)}
    return {
        name: (rng.standard_normal(shape), rng.standard_normal(shape))
        for name, shape in shapes.items()
    }


def _conv_backward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, case in CONVOLUTIONS.items():
        gy = case.gradient(rng)
        y = None if "rest" in name else rng.standard_normal(gy.shape)
        x = rng.standard_normal(case.shape)
        cases[name] = (gy, x, case.weight(rng), y, case.geometry, (True, True, True), False)
    return cases


def _max_pool_forward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, case in WINDOWS.items():
        border = ((1, 1), (1, 0)) if case.geometry.padding != NONE else NONE
        geometry = Geometry(case.geometry.kernel, case.geometry.stride, border)
        for ceil_mode in (False, True):
            many = name + (", rounding up" if ceil_mode else "")
            for kind, x in {
                "ties": _small(rng, case.shape),
                "negative images": -1 - np.abs(rng.standard_normal(case.shape)),
            }.items():
                cases[f"{many}, {kind}"] = (x, geometry, ceil_mode)
    x = rng.standard_normal((2, 3, 2, 3))
    cases["the only window is larger than the image"] = (x, Geometry((3, 4), (2, 3)), True)
    return cases


def _max_pool_backward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, (x, geometry, ceil_mode) in _max_pool_forward(rng).items():
        y, argmax = kernels.max_pool2d_forward.reference(x, geometry, ceil_mode)
        cases[name] = (rng.standard_normal(y.shape), argmax, x.shape, geometry)
    return cases


def _avg_pool_forward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, (x, geometry, ceil_mode) in _max_pool_forward(rng).items():
        for counted in (True, False):
            many = f"{name}, padding {'' if counted else 'not '}counted"
            cases[many] = (x, geometry, ceil_mode, counted)
    return cases


def _avg_pool_backward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, (x, geometry, ceil_mode, counted) in _avg_pool_forward(rng).items():
        y = kernels.avg_pool2d_forward.reference(x, geometry, ceil_mode, counted)
        cases[name] = (rng.standard_normal(y.shape), x.shape, geometry, counted)
    return cases


def _local(rng: Random, first: Callable[[Array, Array, Array], Arguments]) -> dict[str, Arguments]:
    """Return what `first` makes of x, weight and gy, followed by the windows."""
    cases = {}
    far = Case((2, 3, 3, 4), Geometry((2, 1), padding=((3, 0), (0, 2))))
    for name, case in {**WINDOWS, "windows on the padding alone": far}.items():
        members = case.shape[1]
        weight_shape = (*case.outputs, case.filters, members, *case.geometry.kernel)
        weight = rng.standard_normal(weight_shape)
        gy = case.gradient(rng)
        cases[name] = (*first(rng.standard_normal(case.shape), weight, gy), case.geometry)
    return cases


def _local_forward(rng: Random) -> dict[str, Arguments]:
    def first(x: Array, weight: Array, gy: Array) -> Arguments:
        return x, weight, rng.standard_normal(gy.shape[1:])

    return _local(rng, first)


def _local_backward_input(rng: Random) -> dict[str, Arguments]:
    return _local(rng, lambda x, weight, gy: (gy, weight, x.shape))


def _local_backward_weight(rng: Random) -> dict[str, Arguments]:
    return _local(rng, lambda x, weight, gy: (gy, x))


MAKERS: dict[str, Maker] = {
    "im2col": _im2col,
    "col2im": _col2im,
    "conv2d_forward": _conv_forward,
    "conv2d_backward_input": _conv_backward_input,
    "conv2d_backward_weight": _conv_backward_weight,
    "conv2d_backward_bias": _conv_backward_bias,
    "conv2d_backward": _conv_backward,
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
