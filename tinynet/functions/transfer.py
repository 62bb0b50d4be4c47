"""The one op whose output lives elsewhere: a copy to another device, which backward undoes.

Whatever crosses from one device to another while a network computes goes through `cross`, which
tells whoever counts. Between two pretend devices of a CPU it is counted as between two GPUs.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from tinynet.core.autograd import Function
from tinynet.core.backend import Array, Device, transfer

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class Crossing(NamedTuple):
    """An array that went from one device to another."""

    layer: str  # that it was on its way into; its gradient comes back out of the same
    source: Device
    target: Device
    backward: bool
    shape: tuple[int, ...]  # (N, ...)
    itemsize: int

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return math.prod(self.shape) * self.itemsize

    @property
    def bytes_per_image(self) -> int:
        """How much of it is one image's; a batch of none has the shape of any other."""
        return math.prod(self.shape[1:]) * self.itemsize


_seen: contextvars.ContextVar[list[Crossing] | None] = contextvars.ContextVar(
    "tinynet.crossings", default=None
)
_layer: contextvars.ContextVar[str] = contextvars.ContextVar("tinynet.crossing_into", default="")


@contextlib.contextmanager
def crossings() -> Iterator[list[Crossing]]:
    """Inside the block everything that crosses is noted in the list."""
    found: list[Crossing] = []
    token = _seen.set(found)
    try:
        yield found
    finally:
        _seen.reset(token)


@contextlib.contextmanager
def into(layer: str) -> Iterator[None]:
    """Inside the block what crosses, and later its gradient, is noted under this name."""
    token = _layer.set(layer)
    try:
        yield
    finally:
        _layer.reset(token)


def cross(x: Array, layer: str, source: Device, target: Device, *, backward: bool) -> Array:
    """Return a copy of x on `target`; every crossing of a network goes through here."""
    found = _seen.get()
    if found is not None:
        found.append(Crossing(layer, source, target, backward, x.shape, x.itemsize))
    return transfer(x, target)


class Transfer(Function):
    """y = x on another device; the gradient travels back."""

    def __init__(self, to: Device) -> None:
        self.to = to

    def __call__(self, *inputs: Any) -> Tensor:
        """Apply `Function.__call__`, then say where the copy lies."""
        y: Tensor = super().__call__(*inputs)
        y.device = self.to
        return y

    def forward(self, x: Array) -> Array:
        layer, source = self.saved = _layer.get(), self.inputs[0].device
        return cross(x, layer, source, self.to, backward=False)

    def backward(self, gy: Array) -> Any:
        layer, source = self.saved
        return cross(gy, layer, self.to, source, backward=True)
