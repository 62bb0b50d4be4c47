"""Test arguments for every kernel, chosen so that mistakes show.

At the paper's alpha of 1e-4 a missing LRN neighbor changes the result by 4e-5, less than the
rounding error that float32 may have. So alpha is 1; and there is always one image with one channel,
and an empty batch. The cases of convolution and pooling are in `window_cases`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinynet import kernels
from tinynet.core.backend import Array
from tinynet.testing import window_cases
from tinynet.testing.window_cases import Arguments, Maker, Random


def cases_for(kernel: str) -> dict[str, Arguments]:
    """Return arguments by the name of the case, arrays in float64, for a kernel of this name."""
    make = _MAKERS.get(kernel)
    return {} if make is None else make(np.random.default_rng(0))


def _lrn_forward(rng: Random) -> dict[str, Arguments]:
    def x(*shape: int) -> Array:
        return rng.standard_normal(shape)

    return {
        "alpha 1, window 5": (x(2, 6, 4, 5), 5, 2.0, 1.0, 0.75, 1),
        "alpha 1, window 3, beta 0.5": (x(2, 7, 3, 2), 3, 1.0, 1.0, 0.5, 1),
        "window wider than the channels": (x(2, 3, 2, 3), 9, 2.0, 1.0, 0.75, 1),
        "window of one channel": (x(2, 4, 2, 3), 1, 2.0, 1.0, 0.75, 1),
        "two groups": (x(2, 8, 3, 4), 5, 2.0, 1.0, 0.75, 2),
        "the paper's alpha, activations near 100": (100 * x(2, 6, 3, 4), 5, 2.0, 1e-4, 0.75, 1),
        "one image, one channel": (x(1, 1, 3, 2), 5, 2.0, 1.0, 0.75, 1),
        "no images": (x(0, 6, 3, 4), 5, 2.0, 1.0, 0.75, 1),
    }


def _lrn_backward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, (x, n, k, alpha, beta, groups) in _lrn_forward(rng).items():
        y, scale = kernels.lrn_forward.reference(x, n, k, alpha, beta, groups)
        cases[name] = (rng.standard_normal(x.shape), x, y, scale, n, alpha, beta, groups)
    return cases


def _lrn_max_pool_forward(rng: Random) -> dict[str, Arguments]:
    """Without ties: of equal normalized values rounding would choose the argmax."""
    constants = 3, 1.5, 0.7, 0.75
    cases = {}
    for name, (x, geometry, ceil_mode) in cases_for("max_pool2d_forward").items():
        if "ties" not in name:
            groups = 2 if x.shape[1] == 4 else 1
            cases[name] = (rng.standard_normal(x.shape), *constants, groups, geometry, ceil_mode)
    return cases


def _lrn_max_pool_backward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, arguments in _lrn_max_pool_forward(rng).items():
        x, *constants, geometry, _ = arguments
        y, argmax = kernels.lrn_max_pool_forward.reference(*arguments)
        cases[name] = (rng.standard_normal(y.shape), argmax, x, *constants, geometry)
    return cases


def _add(rng: Random) -> dict[str, Arguments]:
    return {
        "images": (rng.standard_normal((4, 8, 16, 9)), rng.standard_normal((4, 8, 16, 9))),
        "a few numbers": (rng.standard_normal(5), rng.standard_normal(5)),
        "nothing": (rng.standard_normal((0, 3)), rng.standard_normal((0, 3))),
    }


def _spatial_norm_forward(rng: Random) -> dict[str, Arguments]:
    def x(*shape: int) -> Array:
        return rng.standard_normal(shape)

    return {
        "alpha 1, 5x5 pixels": (x(2, 3, 6, 7), 5, 2.0, 1.0, 0.75),
        "alpha 1, 3x3 pixels, beta 0.5": (x(2, 3, 5, 4), 3, 1.0, 1.0, 0.5),
        "window wider than the map": (x(2, 3, 3, 2), 9, 2.0, 1.0, 0.75),
        "window of one pixel": (x(2, 4, 2, 3), 1, 2.0, 1.0, 0.75),
        "the code of 2012, activations near 100": (100 * x(2, 3, 6, 5), 5, 1.0, 4e-5, 0.75),
        "one image, one channel": (x(1, 1, 3, 4), 3, 2.0, 1.0, 0.75),
        "no images": (x(0, 3, 4, 5), 5, 2.0, 1.0, 0.75),
    }


def _spatial_norm_backward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, (x, n, k, alpha, beta) in _spatial_norm_forward(rng).items():
        y, scale = kernels.spatial_norm_forward.reference(x, n, k, alpha, beta)
        cases[name] = (rng.standard_normal(x.shape), x, y, scale, n, alpha, beta)
    return cases


def _batch_norm_statistics(rng: Random) -> dict[str, Arguments]:
    def x(*shape: int) -> Array:
        return rng.standard_normal(shape)

    return {
        "images": (x(3, 4, 5, 2),),
        "more pixels than strips": (x(2, 3, 9, 8),),
        "a mean that is far from 0": (30 + x(4, 3, 3, 5),),
        "one image, one channel": (x(1, 1, 3, 4),),
    }


def _batch_norm_forward(rng: Random) -> dict[str, Arguments]:
    cases = {}
    for name, (x,) in _batch_norm_statistics(rng).items():
        mean, bias = rng.standard_normal((2, x.shape[1]))
        var, weight = 0.5 + rng.random((2, x.shape[1]))
        cases[name] = (x, x.mean() + mean, var, weight, bias, 0.25)
    first = cases["images"]
    return {**cases, "no images": (first[0][:0], *first[1:])}


def _batch_norm_relu_forward(rng: Random) -> dict[str, Arguments]:
    cases = _batch_norm_forward(rng)
    joined = {
        f"{name}, with a shortcut": (*arguments, rng.standard_normal(arguments[0].shape))
        for name, arguments in cases.items()
    }
    return {**cases, **joined}


def _batch_norm_backward(rng: Random) -> dict[str, Arguments]:
    return {
        f"{name}{', training' if training else ''}": (
            rng.standard_normal(x.shape),
            x,
            mean,
            var,
            weight,
            eps,
            training,
        )
        for name, (x, mean, var, weight, _, eps) in _batch_norm_forward(rng).items()
        for training in (True, False)
    }


def _relu_forward(rng: Random) -> dict[str, Arguments]:
    x = rng.standard_normal((3, 4, 5, 6))
    shapes = {"images": x, "a vector": x[0, 0, 0], "a number": x[0, 0, 0, 0], "nothing": x[:0]}
    signs = {"zeros, of both signs": np.array([0.0, -0.0, 1.0, -1.0])}
    return {name: (np.asarray(x),) for name, x in {**shapes, **signs}.items()}


def _relu_backward(rng: Random) -> dict[str, Arguments]:
    return {
        name: (np.asarray(rng.standard_normal(x.shape)), np.asarray(np.maximum(x, 0)))
        for name, (x,) in _relu_forward(rng).items()
    }


def _batch_norm_relu_backward(rng: Random) -> dict[str, Arguments]:
    return {
        name: (gy, np.maximum(rng.standard_normal(gy.shape), 0), *rest)
        for name, (gy, *rest) in _batch_norm_backward(rng).items()
    }


def _dropout(rng: Random) -> dict[str, Arguments]:
    x = rng.standard_normal((3, 4, 5, 6))
    settings = {"p 0.5": 0.5, "p 0": 0.0, "p near 1": 0.99, "p 1": 1.0}
    return {
        **{name: (x, p, (3, 2, 1)) for name, p in settings.items()},
        "another seed, step and draw": (x, 0.3, (2**40 + 7, 123456, 2)),
        "an odd number of elements": (x[:1, :1, :, :3], 0.5, (0, 0, 0)),
        "nothing": (x[:0], 0.5, (0, 0, 0)),
        "the second shard of a batch": (x, 0.5, (3, 2, 1, 120)),
        "a shard that begins anywhere": (x[:, :1, :3, :3], 0.3, (3, 2, 1, 27)),
    }


def _augment(rng: Random) -> dict[str, Arguments]:
    def case(N: int, C: int, size: int, mean: int, pad: int, enlarge: int, shifts: bool) -> Any:
        images = rng.integers(0, 256, (5, C, 6, 7), dtype=np.uint8)
        room = 6 * enlarge - size + 1  # each picture has a place of its own
        reach = 2 * pad + 1
        places = rng.integers(0, [5, room, room, 2, reach, reach], (N, 6)).astype(np.int32)
        middle = rng.uniform(0, 255, (C, mean, mean))
        deviation = rng.uniform(1, 64, (C, 1, 1))
        shift = rng.standard_normal((N, C)) if shifts else None
        return images, places, middle, deviation, shift, size, pad, enlarge

    settings = (4, 3, 4, 4, 0, 1, True), (6, 2, 6, 1, 2, 1, False), (0, 1, 9, 9, 0, 2, True)
    names = "crops of a larger picture", "borders", "no images"
    return {name: case(*given) for name, given in zip(names, settings, strict=True)}


def _cross_entropy(rng: Random) -> dict[str, Arguments]:
    scores = rng.standard_normal((7, 5))
    labels = rng.integers(0, 5, 7)
    return {
        "seven images, five classes": (scores, labels),
        "scores that overflow exp": (1000 * scores, labels),
        "one image": (scores[:1], labels[:1]),
        "one class": (scores[:, :1], 0 * labels),
    }


def _matmul(rng: Random) -> dict[str, Arguments]:
    shapes = {"tall": (7, 5, 3), "wide": (2, 5, 9), "one row": (1, 4, 1), "no rows": (0, 4, 3)}
    return {
        f"{name}{', halves of ' if side else ''}{side}": (
            rng.standard_normal((M, K)),
            rng.standard_normal((K, N)),
            side,
        )
        for name, (M, K, N) in shapes.items()
        for side in (("", "M", "N", "K") if name == "tall" else ("",))
    }


def _to_bfloat16(rng: Random) -> dict[str, Arguments]:
    ties = 1 + np.arange(9) / 256  # between two neighbors each second time
    special = np.array([0.0, -0.0, np.inf, -np.inf, 1e-45, -3.4e38])
    return {
        "images": (rng.standard_normal((3, 4, 5, 6)),),
        "ties": (ties,),
        "infinities, zeros, the smallest and the largest number": (special,),
        "nothing": (ties[:0],),
    }


def _from_bfloat16(rng: Random) -> dict[str, Arguments]:
    return {name: (kernels.to_bfloat16.reference(x),) for name, (x,) in _to_bfloat16(rng).items()}


def _linear_relu_forward(rng: Random) -> dict[str, Arguments]:
    z = rng.standard_normal((5, 12))
    bias = rng.standard_normal(12)
    return {
        "bias and dropout": (z, bias, 0.5, (3, 2, 1)),
        "bias": (z, bias, 0.0, None),
        "no bias": (z, None, 0.25, (2**40 + 7, 123456, 2)),
        "an odd number of columns": (z[:, :7], bias[:7], 0.5, (0, 0, 0)),
        "fewer columns than a thread has": (z[:, :2], bias[:2], 0.5, (0, 0, 0)),
        "a shard that begins anywhere": (z[:, :9], bias[:9], 0.3, (3, 2, 1, 27)),
        "the paper's rule": (z, bias, 0.25, (3, 2, 1), 0.75),
        "no rows": (z[:0], bias, 0.5, (0, 0, 0)),
    }


def _linear_relu_backward(rng: Random) -> dict[str, Arguments]:
    shapes = {"many rows": (70, 5), "many columns": (3, 37), "no rows": (0, 4)}
    cases: dict[str, Arguments] = {
        f"{name}, p {p}": (rng.standard_normal(shape), rng.standard_normal(shape), p)
        for name, shape in shapes.items()
        for p in (0.0, 0.5)
    }
    gy, y, _ = cases["many rows, p 0.5"]
    return {**cases, "the paper's rule": (gy, y, 0.25, 0.75), "no ReLU": (gy, None, 0.0)}


def _momentum_update(rng: Random) -> dict[str, Arguments]:
    arrays = [rng.standard_normal((3, 4, 2)) for _ in range(3)]
    return {
        f"{rule}{', Nesterov' if nesterov else ''}": (*arrays, 0.1, 0.9, 0.25, nesterov, rule)
        for rule in ("paper", "torch")
        for nesterov in (False, True)
    }


_MAKERS: dict[str, Maker] = {
    **window_cases.MAKERS,
    "add": _add,
    "lrn_forward": _lrn_forward,
    "lrn_backward": _lrn_backward,
    "lrn_max_pool_forward": _lrn_max_pool_forward,
    "lrn_max_pool_backward": _lrn_max_pool_backward,
    "spatial_norm_forward": _spatial_norm_forward,
    "spatial_norm_backward": _spatial_norm_backward,
    "batch_norm_statistics": _batch_norm_statistics,
    "batch_norm_forward": _batch_norm_forward,
    "batch_norm_backward": _batch_norm_backward,
    "batch_norm_relu_forward": _batch_norm_relu_forward,
    "batch_norm_relu_backward": _batch_norm_relu_backward,
    "relu_forward": _relu_forward,
    "relu_backward": _relu_backward,
    "dropout": _dropout,
    "augment": _augment,
    "cross_entropy": _cross_entropy,
    "matmul": _matmul,
    "to_bfloat16": _to_bfloat16,
    "from_bfloat16": _from_bfloat16,
    "linear_relu_forward": _linear_relu_forward,
    "linear_relu_backward": _linear_relu_backward,
    "momentum_update": _momentum_update,
}
