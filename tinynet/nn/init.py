"""Initial values of parameters, drawn from the counter-based streams of `tinynet.core.random`."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator

import numpy as np

from tinynet.core import random
from tinynet.core.backend import Array, array_module, current
from tinynet.tensors import Tensor

_drawing: contextvars.ContextVar[bool] = contextvars.ContextVar("tinynet.init", default=True)


@contextlib.contextmanager
def skip_init() -> Iterator[None]:
    """Make parameters start as zeros inside the block: to count them, or to load weights later.

    The random streams do not advance.

    Examples
    --------
    >>> from tinynet import nn
    >>> with nn.init.skip_init():
    ...     layer = nn.Linear(2, 3)
    >>> bool(layer.weight.data.any())
    False
    """
    token = _drawing.set(False)
    try:
        yield
    finally:
        _drawing.reset(token)


def normal(shape: tuple[int, ...], std: float) -> Array:
    """Return float32 values from N(0, std**2); the paper's are N(0, 0.01**2) (section 5).

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> tn.seed(0)
    >>> round(float(nn.init.normal((100, 100), std=0.01).std()), 3)
    0.01
    """
    if not _drawing.get():
        return np.zeros(shape, np.float32)
    return random.next_parameter().standard_normal(shape, np.float32) * np.float32(std)


def he(shape: tuple[int, ...]) -> Array:
    """Return values from N(0, 2 / fan_in), which keep the variance through ReLUs (He et al. 2015).

    Parameters
    ----------
    shape : tuple of int
        Units first: (out, in) or (out, in, KH, KW). fan_in is the product of the others.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> tn.seed(0)
    >>> round(float(nn.init.he((100, 200)).std()), 2)
    0.1
    """
    return normal(shape, math.sqrt(2 / max(1, math.prod(shape[1:]))))


def uniform(shape: tuple[int, ...], bound: float) -> Array:
    """Return float32 values from the uniform distribution between -bound and bound.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> tn.seed(0)
    >>> bool(abs(nn.init.uniform((100,), bound=0.5)).max() <= 0.5)
    True
    """
    if not _drawing.get():
        return np.zeros(shape, np.float32)
    return np.float32(bound) * (2 * random.next_parameter().random(shape, np.float32) - 1)


def set_uniform(weight: Tensor, bound: float) -> None:
    """Draw a parameter anew from the uniform distribution between -bound and bound."""
    if _drawing.get():
        _set(weight, uniform(weight.shape, bound))


def set_normal(weight: Tensor, std: float) -> None:
    """Draw a parameter anew from N(0, std**2)."""
    if _drawing.get():
        _set(weight, normal(weight.shape, std))


def set_constant(bias: Tensor, value: float) -> None:
    """Set every element of a parameter to the same value.

    Examples
    --------
    >>> from tinynet import nn
    >>> layer = nn.Linear(2, 3)
    >>> nn.init.set_constant(layer.bias, 1.0)
    >>> layer.bias.numpy()
    array([1., 1., 1.], dtype=float32)
    """
    with current(bias.device):
        bias.data[...] = value


def _set(weight: Tensor, values: Array) -> None:
    """Copy values, which are drawn on the host, to the parameter, on whichever device it lies."""
    with current(weight.device):
        weight.data[...] = array_module(weight.data).asarray(values)
