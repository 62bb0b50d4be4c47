"""Copies of a tensor: to another device, to another dtype, or as it is; gradients travel back.

Every copy from one device to another goes through `cross`, which counts it for `crossings`. Two
pretend devices of a CPU are counted like two GPUs.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.core.autograd import Function, Variable
from tinynet.core.backend import Array, Device, transfer
from tinynet.core.bfloat16 import BFloat16
from tinynet.kernels.bfloat16 import from_bfloat16, to_bfloat16

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class Crossing(NamedTuple):
    """An array that was copied from one device to another."""

    layer: str  # the layer that needed it; its gradient comes back out of the same
    source: Device
    target: Device
    backward: bool
    shape: tuple[int, ...]  # (N, ...)
    itemsize: int

    @property
    def nbytes(self) -> int:
        """Its memory, in bytes."""
        return math.prod(self.shape) * self.itemsize

    @property
    def bytes_per_image(self) -> int:
        """Bytes of one image; defined for an empty batch too."""
        return math.prod(self.shape[1:]) * self.itemsize


_seen: contextvars.ContextVar[list[Crossing] | None] = contextvars.ContextVar(
    "tinynet.crossings", default=None
)
_layer: contextvars.ContextVar[str] = contextvars.ContextVar("tinynet.crossing_into", default="")


@contextlib.contextmanager
def crossings() -> Iterator[list[Crossing]]:
    """Inside the block every copy between devices is appended to the list."""
    found: list[Crossing] = []
    token = _seen.set(found)
    try:
        yield found
    finally:
        _seen.reset(token)


@contextlib.contextmanager
def into(layer: str) -> Iterator[None]:
    """Inside the block copies, and later their gradients, are listed under this layer."""
    token = _layer.set(layer)
    try:
        yield
    finally:
        _layer.reset(token)


def cross(x: Array, layer: str, source: Device, target: Device, *, backward: bool) -> Array:
    """Return a copy of x on `target`, and count it."""
    found = _seen.get()
    if found is not None:
        found.append(Crossing(layer, source, target, backward, x.shape, x.itemsize))
    return transfer(x, target)


def _widen(words: Array) -> Array:
    """Return the float32 numbers of bfloat16."""
    return from_bfloat16(BFloat16(words))


Variable.narrow = to_bfloat16
Variable.widen = _widen


class Cast(Function):
    """y = x in another floating-point type; the gradient is cast back."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def forward(self, x: Array) -> Array:
        return x.astype(self.dtype)

    def backward(self, gy: Array) -> Any:
        return gy


class Clone(Function):
    """y = a copy of x."""

    def forward(self, x: Array) -> Array:
        return x.copy()

    def backward(self, gy: Array) -> Any:
        return gy


class Transfer(Function):
    """y = x on another device; the gradient travels back."""

    def __init__(self, to: Device) -> None:
        self.to = to

    def __call__(self, *inputs: Any) -> Tensor:
        """Apply `Function.__call__`, then name the device of the copy."""
        y: Tensor = super().__call__(*inputs)
        y.device = self.to
        return y

    def forward(self, x: Array) -> Array:
        layer = _layer.get()
        source = self.inputs[0].device
        self.saved = layer, source
        return cross(x, layer, source, self.to, backward=False)

    def backward(self, gy: Array) -> Any:
        layer, source = self.saved
        return cross(gy, layer, self.to, source, backward=True)
