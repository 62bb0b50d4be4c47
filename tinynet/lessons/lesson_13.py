"""Exercises of lesson 13: grouped convolutions and two GPUs."""

import math

import numpy as np

import tinynet as tn
from tinynet import functions as F
from tinynet.lessons.exercise import Wrong, cases, exercise, expect, small
from tinynet.words import phrase


@exercise(
    "13.1",
    "A grouped convolution is block-diagonal",
    hints=(
        "Begin with zeros of shape (OC, C, KH, KW), where C is groups times weight.shape[1].",
        "Group g has the filters g*OC/G up to (g + 1)*OC/G. They see only the channels "
        "g*C/G up to (g + 1)*C/G.",
        "dense[g*o : (g + 1)*o, g*c : (g + 1)*c] = weight[g*o : (g + 1)*o] with o = OC // groups "
        "and c = weight.shape[1].",
    ),
)
def ungrouped(answer):
    """Write my_ungrouped(weight, groups): the weight (OC, C, KH, KW) for one group.

    weight is (OC, C / groups, KH, KW).
    """
    weight = np.array([[1.0], [2.0]]).reshape(2, 1, 1, 1)
    expect(
        np.squeeze(answer(weight, 2)),
        [[1, 0], [0, 2]],
        "weights 1 and 2 of 1x1 filters, groups=2",
        "Filter 0 sees channel 0 only, filter 1 sees channel 1 only: zeros elsewhere.",
    )
    weight = np.arange(1.0, 5).reshape(4, 1, 1, 1)
    expect(
        np.squeeze(answer(weight, 2)),
        [[1, 0], [2, 0], [0, 3], [0, 4]],
        "weights 1, 2, 3 and 4 of 1x1 filters, groups=2",
        "Four filters in two groups: the first two see channel 0, the last two channel 1. The "
        "block of a group has OC / G rows and C / G columns.",
    )
    rng = cases(0)
    weight = rng.standard_normal((3, 2, 3, 2))
    x = tn.tensor(rng.standard_normal((2, 6, 5, 5)))
    right = F.conv2d(x, tn.tensor(weight), groups=3).numpy()
    dense = answer(weight, 3)
    if np.shape(dense) != (3, 6, 3, 2):
        raise Wrong(
            phrase(
                "for weight (3, 2, 3, 2), groups=3: expected (3, 6, 3, 2), got {dense}",
                dense=small(dense),
            )
        )
    expect(
        F.conv2d(x, tn.tensor(dense)).numpy(),
        right,
        "your dense weight instead of groups=3",
        "The blocks lie on the diagonal, in the order of the groups.",
    )


@ungrouped.solution
def my_ungrouped(weight, groups):
    OC, c, KH, KW = weight.shape
    o = OC // groups
    dense = np.zeros((OC, c * groups, KH, KW), weight.dtype)
    for g in range(groups):
        dense[g * o : (g + 1) * o, g * c : (g + 1) * c] = weight[g * o : (g + 1) * o]
    return dense


@exercise(
    "13.2",
    "The way back of an exchange",
    hints=(
        "In forward, both towers got the maps of both. So the maps of tower i were used twice: in "
        "tower 0 and in tower 1.",
        "Gradients add up: the gradient of tower i's maps is the sum of its parts in both gys.",
        "both = gys[0] + gys[1]; half = both.shape[1] // 2; then [both[:, :half], both[:, half:]]",
    ),
)
def exchange_backward(answer):
    """Write my_exchange_backward(gys): from two (N, C, ...) gradients to two of (N, C/2, ...).

    Tower 0 made the first half of the channels, tower 1 the second. Return a list of two.
    """
    gys = [np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])]
    got = answer(gys)
    if not isinstance(got, list | tuple) or len(got) != 2:
        raise Wrong(
            phrase("for two gradients: expected a list of two arrays, got {got}.", got=small(got))
        )
    for i, expected in enumerate(([[11]], [[22]])):
        expect(
            got[i],
            expected,
            phrase("gys = [[1, 2]] and [[10, 20]], tower {i}", i=i),
            phrase("Map {i} was used in both towers: add its two gradients.", i=i),
        )
    rng = cases(0)
    gys = [rng.standard_normal((2, 6, 3, 3)) for _ in range(2)]
    got = answer(gys)
    for i in (0, 1):
        truth = (gys[0] + gys[1])[:, 3 * i : 3 * i + 3]
        expect(
            got[i],
            truth,
            phrase("random gradients (2, 6, 3, 3), tower {i}", i=i),
            "Split along the channels.",
        )


@exchange_backward.solution
def my_exchange_backward(gys):
    both = gys[0] + gys[1]
    half = both.shape[1] // 2
    return [both[:, :half], both[:, half:]]


@exercise(
    "13.3",
    "Bytes that cross",
    hints=(
        "Only the layers in `sees` get the other tower's maps; the others transfer nothing.",
        "A float32 has 4 bytes. One tower sends math.prod(shape) of them per picture.",
        "Both towers send: {layer: 2 * 4 * batch * math.prod(maps[layer]) for layer in sees}",
    ),
)
def bytes_forward(answer):
    """Write my_bytes_forward(maps, sees, batch): bytes sent into each layer in `sees`, float32."""
    maps = {"conv2": (2, 3, 3), "conv3": (4, 2, 2), "fc6": (5,)}
    for sees, batch, expected in (
        (["conv3"], 1, {"conv3": 128}),
        (["conv3", "fc6"], 10, {"conv3": 1280, "fc6": 400}),
        ([], 10, {}),
    ):
        got = answer(dict(maps), sees, batch)
        if not isinstance(got, dict) or {k: int(v) for k, v in got.items()} != expected:
            raise Wrong(
                phrase(
                    "for maps = {maps}, sees = {sees}, batch = {batch}: expected {expected}, got "
                    "{got}.\n  Both towers send their own maps to the other, 4 bytes a number.",
                    maps=maps,
                    sees=sees,
                    batch=batch,
                    expected=expected,
                    got=small(got),
                )
            )


@bytes_forward.solution
def my_bytes_forward(maps, sees, batch):
    return {layer: 2 * 4 * batch * math.prod(maps[layer]) for layer in sees}
