"""The one op whose output lives elsewhere: a copy to another device, which backward undoes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinynet.autograd import Function
from tinynet.backend import Array, Device, transfer

if TYPE_CHECKING:
    from tinynet.tensor import Tensor


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
        self.saved = self.inputs[0].device
        return transfer(x, self.to)

    def backward(self, gy: Array) -> Any:
        return transfer(gy, self.saved)
