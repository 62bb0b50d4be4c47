"""Exercises of lesson 08: local response normalization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinynet as tn
from tinynet import kernels, nn
from tinynet.lessons.exercise import Wrong, cases, exercise, expect, small
from tinynet.nn.mistakes import KerasPostLRN
from tinynet.words import phrase

Array = Any
SIX = np.array([1.0, -2, 3, -4, 5, -6]).reshape(1, 6, 1, 1)  # six channels at one pixel
IN_WORDS = "one pixel with the channels 1, -2, 3, -4, 5, -6, n = 5, k = 2"


@exercise(
    "08.1",
    "LRN, forward",
    hints=(
        "Square x first. Then sum, for every channel, over its neighbours: begin with "
        "total = squares.copy(), the channel itself.",
        "Add the neighbour i channels before with slices: total[:, i:] += squares[:, :-i]. "
        "The first i channels have no such neighbour; the slice leaves them out.",
        "The other side is total[:, :-i] += squares[:, i:]. Do both for i in 1 .. n // 2; then "
        "scale = k + alpha * total, y = x * scale**-beta.",
    ),
)
def lrn(answer: Any) -> None:
    """Write my_lrn(x, n, k, alpha, beta): divide every value of x (N, C, H, W) by scale**beta.

    Return one array, y, with the shape of x.
    """
    one = np.array([3.0]).reshape(1, 1, 1, 1)
    expect(
        _alone(answer(one, 1, 7.0, 1.0, 0.5), one),
        [0.75],
        "one channel with the value 3, n = 1, k = 7, alpha = 1, beta = 0.5",
        "scale = 7 + 3**2 = 16, and 3 / 16**0.5 = 0.75. With n = 1 the window is one channel.",
    )
    expect(
        _alone(answer(one, 5, 7.0, 1.0, 0.5), one),
        [0.75],
        "one channel with the value 3, n = 5, k = 7, alpha = 1, beta = 0.5",
        "A single channel has no neighbours: the window neither wraps around nor repeats one. "
        "And alpha multiplies the sum, not the mean: it is not divided by n.",
    )
    sums = np.array([14.0, 30, 55, 90, 86, 77])  # by hand: 1 + 4 + 9 = 14, and so on
    got = _alone(answer(SIX, 5, 2.0, 0.1, 0.75), SIX)
    found = ((SIX.ravel() / got) ** (1 / 0.75) - 2) / 0.1
    expect(
        got,
        SIX.ravel() * (2 + 0.1 * sums) ** -0.75,
        f"{phrase(IN_WORDS)}, alpha = 0.1",
        phrase(
            "The sums of squares are 14, 30, 55, 90, 86, 77: channel 0 sums channels 0 to 2, "
            "channel 2 sums 0 to 4. Yours are {found}.",
            found=small(found, 4)[1:-1],
        ),
    )
    rng = cases(0)
    x = rng.standard_normal((2, 7, 3, 4))
    truth = kernels.lrn_forward(x, 3, 2.0, 0.5, 0.75, 1)[0]
    expect(
        answer(x, 3, 2.0, 0.5, 0.75),
        truth,
        "random images (2, 7, 3, 4), n = 3, alpha = 0.5",
        "Pictures and pixels are independent: the sum runs over channels, axis 1.",
    )


def _alone(got: Any, x: Array) -> Array:
    """Return y as a row, if it is one array of the shape of x."""
    told = phrase("a tuple of {count}", count=len(got)) if isinstance(got, tuple) else small(got)
    if isinstance(got, tuple) or np.shape(got) != x.shape:
        raise Wrong(
            phrase(
                "for x of shape {shape}: expected one array of that shape, y, got {told}.",
                shape=x.shape,
                told=told,
            )
        )
    return np.asarray(got).ravel()


@lrn.solution
def my_lrn(x, n, k, alpha, beta):
    squares = x * x
    total = squares.copy()
    for i in range(1, n // 2 + 1):
        total[:, i:] += squares[:, :-i]
        total[:, :-i] += squares[:, i:]
    return x * (k + alpha * total) ** -beta


class Counted:
    """A number that counts how often one is added or subtracted."""

    steps = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def __add__(self, other: Any) -> Counted:
        Counted.steps += 1
        return Counted(self.value + getattr(other, "value", other))

    def __sub__(self, other: Any) -> Counted:
        Counted.steps += 1
        return Counted(self.value - getattr(other, "value", other))

    __radd__ = __add__

    def __repr__(self) -> str:
        return f"{self.value:g}"


@exercise(
    "08.2",
    "The same sums, by a running sum",
    hints=(
        "Two neighbouring windows share all but two channels: one enters at the front, one leaves "
        "at the back.",
        "Before the loop, sum the first half = n // 2 channels. In the loop over c, channel "
        "c + half enters the window (if there is one).",
        "After the sum for channel c is stored, channel c - half leaves, if c >= half.",
    ),
)
def running_sum(answer: Any) -> None:
    """Write my_running_sum(v, n): a list of the window sums of v, with two operations a channel.

    v is a list of numbers and n is odd. The window of v[c] goes from c - n // 2 to c + n // 2,
    clipped at both ends of v, as above.
    """
    expect(
        answer([1.0, 4.0, 9.0, 16.0], 3),
        [5, 14, 29, 25],
        "v = [1, 4, 9, 16], n = 3",
        "5 = 1 + 4; then 9 enters; then 16 enters and 1 leaves; then 4 leaves.",
    )
    expect(answer([1.0, 4.0], 5), [5, 5], "v = [1, 4], n = 5", "A window may be wider than v.")
    C = 40
    n = 9
    v = cases(0).integers(0, 10, C).astype(float)
    truth = [v[max(0, c - n // 2) : c + n // 2 + 1].sum() for c in range(C)]
    expect(answer(list(v), n), truth, phrase("{C} random digits, n = {n}", C=C, n=n))
    Counted.steps = 0
    answer([Counted(float(value)) for value in v], n)
    if Counted.steps > 2 * C + n:
        raise Wrong(
            phrase(
                "the sums are right, but for {C} channels and n = {n} it took {steps} "
                "additions and subtractions.\n  A running sum needs at most 2 a channel: {least}. "
                "Keep the previous window's sum, add what enters, subtract what leaves.",
                C=C,
                n=n,
                steps=Counted.steps,
                least=2 * C,
            )
        )


@running_sum.solution
def my_running_sum(v, n):
    half = n // 2
    total = 0.0
    sums = []
    for value in v[:half]:
        total = total + value
    for c in range(len(v)):
        if c + half < len(v):
            total = total + v[c + half]
        sums.append(total)
        if c >= half:
            total = total - v[c - half]
    return sums


@exercise(
    "08.3",
    "LRN, backward",
    hints=(
        "x[j] affects its own output y[j] directly: that gives gy[j] * scale[j]**-beta.",
        "It also affects scale[c] of every channel c whose window contains it. The derivative of "
        "y[c] there is -2 * alpha * beta * x[j] * y[c] / scale[c]: multiply it by gy[c].",
        "The window is symmetric: j is in the window of c exactly if c is in the window of j. So "
        "sum gy * y / scale over the same window as in forward, with the same slices.",
    ),
)
def lrn_backward(answer: Any) -> None:
    """Write my_lrn_backward(gy, x, y, scale, n, alpha, beta), which returns gx.

    gy, x, y, scale and gx have the shape (N, C, H, W).
    """
    y, scale = kernels.lrn_forward(SIX, 5, 2.0, 0.0, 0.75, 1)
    gy = np.array([1.0, 2, 3, 4, 5, 6]).reshape(SIX.shape)
    expect(
        _alone(answer(gy, SIX, y, scale, 5, 0.0, 0.75), SIX),
        (gy * 2**-0.75).ravel(),
        f"{phrase(IN_WORDS)}, alpha = 0, gy = 1, 2, 3, 4, 5, 6",
        "With alpha = 0 the channels do not interact and only the first term is left: "
        "gy * scale**-beta. Note the minus sign of beta.",
    )
    x, y, scale, gy = (np.full((1, 1, 1, 1), value) for value in (4.0, 2.0, 16.0, 2.0))
    expect(
        _alone(answer(gy, x, y, scale, 5, 0.25, 0.25), x),
        [0.875],
        "one channel, x = 4, scale = 16, y = 2, gy = 2, n = 5, alpha = 0.25, beta = 0.25",
        "The first term is 2 / 16**0.25 = 1. The second is 2 * alpha * beta * x times gy * y / "
        "scale, here 2 * 0.25 * 0.25 * 4 * (2 * 2 / 16) = 0.125, and it is subtracted.",
    )
    _neighbours(answer)
    rng = cases(0)
    x, gy = rng.standard_normal((2, 2, 7, 3, 4))
    y, scale = kernels.lrn_forward(x, 3, 1.0, 0.5, 0.5, 1)
    truth = kernels.lrn_backward(gy, x, y, scale, 3, 0.5, 0.5, 1)
    expect(
        answer(gy, x, y, scale, 3, 0.5, 0.5),
        truth,
        "random images, n = 3, beta = 0.5",
        "Pictures and pixels are independent: the sum runs over channels, axis 1.",
    )


def _neighbours(answer: Any) -> None:
    """Check six channels; the digits agree with PyTorch's autograd in float64."""
    y, scale = kernels.lrn_forward(SIX, 5, 2.0, 0.1, 0.75, 1)
    gy = np.zeros_like(SIX)
    gy[0, 0] = 1
    expect(
        answer(gy, SIX, y, scale, 5, 0.1, 0.75).ravel(),
        [0.3817642494, 0.0352397769, -0.0528596653, 0, 0, 0],
        f"{phrase(IN_WORDS)}, {phrase('alpha = 0.1, gy = 1 for channel 0 alone')}",
        "Channels 1 and 2 are in the window of channel 0, so they affect y[0] although their own "
        "gy is 0. In the sum, gy, y and scale are those of channel 0; the factor x in front of "
        "the sum is their own.",
        tolerance=1e-8,
    )
    expect(
        answer(np.ones_like(SIX), SIX, y, scale, 5, 0.1, 0.75).ravel(),
        [0.3864694311, 0.3068380760, 0.1728651447, 0.0912706577, 0.1733647090, 0.0987341088],
        f"{phrase(IN_WORDS)}, {phrase('alpha = 0.1, gy = 1 everywhere')}",
        "Each channel is in several windows, and each of them contributes.",
        tolerance=1e-8,
    )


@lrn_backward.solution
def my_lrn_backward(gy, x, y, scale, n, alpha, beta):
    pull = gy * y / scale
    total = pull.copy()
    for i in range(1, n // 2 + 1):
        total[:, i:] += pull[:, :-i]
        total[:, :-i] += pull[:, i:]
    return gy * scale**-beta - 2 * alpha * beta * x * total


PLACE = (3, 1, 2)  # three different numbers: c, h, w
LAYERS: dict[str, tuple[Callable[[], nn.Module], Any]] = {  # and what y[0, 3, 1, 2] sees
    "nn.ReLU()": (nn.ReLU, np.s_[3, 1, 2]),
    "nn.LocalResponseNorm(n=3)": (lambda: nn.LocalResponseNorm(n=3), np.s_[2:5, 1, 2]),
    "nn.LocalResponseNorm(n=5, groups=2)": (
        lambda: nn.LocalResponseNorm(n=5, groups=2),
        np.s_[3:6, 1, 2],
    ),
    "nn.SpatialResponseNorm(n=3)": (lambda: nn.SpatialResponseNorm(n=3), np.s_[3, 0:3, 1:4]),
    "the layer of the post, n = 3": (lambda: KerasPostLRN(n=3), np.s_[:, 0:3, 1:4]),
}


@exercise(
    "08.4",
    "What does one output see?",
    hints=(
        "The gradient of one output with respect to the input is zero exactly at the inputs that "
        "this output does not depend on.",
        "Make t = tn.tensor(x, requires_grad=True), apply the layer, take one number of the "
        "output, layer(t)[0, c, h, w], and call its backward().",
        "Afterwards t.grad has the shape of x; return t.grad[0] != 0.",
    ),
)
def sees(answer: Any) -> None:
    """Write my_sees(layer, x, c, h, w): a mask (C, H, W), True where y[0, c, h, w] depends.

    x is an array (1, C, H, W), and y = layer(x). True marks the inputs that this output depends on.
    """
    x = cases(0).uniform(1, 2, (1, 6, 5, 4))
    for name, (make, places) in LAYERS.items():
        wanted = np.zeros((6, 5, 4), bool)
        wanted[places] = True
        got = np.asarray(answer(make(), x, *PLACE))
        if got.shape != (6, 5, 4) or (got.astype(bool) != wanted).any():
            why = "Take the gradient of one output, y[0, c, h, w], not of a sum of outputs."
            if got.shape == (1, 6, 5, 4):
                why = "x has one picture: the mask is that of t.grad[0], (C, H, W)."
            elif got.shape == wanted.shape and not (got.astype(bool) & ~wanted).any():
                why = "A gradient may be negative: test != 0, not > 0."
            raise Wrong(
                phrase(
                    "for {name}, an input of 6 channels of 5x4 pixels, and the output at c = 3, "
                    "h = 1, w = 2: expected {wanted}, got {got}.\n  {why}",
                    name=phrase(name),
                    wanted=_seen(wanted),
                    got=_seen(got),
                    why=phrase(why),
                )
            )


def _seen(mask: Array) -> str:
    """Describe in words where a mask is true."""
    if mask.shape != (6, 5, 4):
        return phrase("an array of shape {shape}", shape=mask.shape)
    places = np.argwhere(mask)
    if not len(places):
        return phrase("no input")
    low = places.min(axis=0)
    high = places.max(axis=0)
    ranges = [
        phrase("{a} to {b}", a=a, b=b) if a < b else f"{a}" for a, b in zip(low, high, strict=True)
    ]
    count = phrase("1 number") if len(places) == 1 else phrase("{n} numbers", n=len(places))
    said = "{count} (channels {channels}, rows {rows}, columns {columns})"
    return phrase(said, count=count, channels=ranges[0], rows=ranges[1], columns=ranges[2])


@sees.solution
def my_sees(layer, x, c, h, w):
    t = tn.tensor(x, requires_grad=True)
    layer(t)[0, c, h, w].backward()
    return np.asarray(t.grad)[0] != 0
