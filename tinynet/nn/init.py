"""Initial values of parameters, drawn from the counter-based streams of `tinynet.core.random`."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator

import numpy as np

from tinynet.core import random
from tinynet.core.backend import Array
from tinynet.tensors import Tensor

_drawing: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet.init", default=True)


@contextlib.contextmanager
def skip_init() -> Iterator[None]:
    """Inside the block parameters start as zeros: to count 60 million of them, not to use them."""
    token = _drawing.set(False)
    try:
        yield
    finally:
        _drawing.reset(token)


def normal(shape: tuple[int, ...], std: float) -> Array:
    """Return float32 values from N(0, std**2); the paper's are N(0, 0.01**2) (section 5)."""
    if not _drawing.get():
        return np.zeros(shape, np.float32)
    return random.next_parameter().standard_normal(shape, np.float32) * np.float32(std)


def he(shape: tuple[int, ...]) -> Array:
    """Return N(0, 2 / fan_in): what keeps the variance through ReLUs (He et al. 2015)."""
    return normal(shape, math.sqrt(2 / max(1, math.prod(shape[1:]))))


def uniform(shape: tuple[int, ...], bound: float) -> Array:
    """Return float32 values, all equally probable between -bound and bound."""
    if not _drawing.get():
        return np.zeros(shape, np.float32)
    return np.float32(bound) * (2 * random.next_parameter().random(shape, np.float32) - 1)


def set_uniform(weight: Tensor, bound: float) -> None:
    """Give a parameter new values between -bound and bound."""
    if _drawing.get():
        weight.data[...] = uniform(weight.shape, bound)


def set_normal(weight: Tensor, std: float) -> None:
    """Give a parameter new values from N(0, std**2)."""
    if _drawing.get():
        weight.data[...] = normal(weight.shape, std)


def set_constant(bias: Tensor, value: float) -> None:
    """Give every element of a parameter the same value."""
    bias.data[...] = value
