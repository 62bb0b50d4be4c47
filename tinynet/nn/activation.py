"""What follows a layer, number by number."""

from __future__ import annotations

from tinynet import functions as F
from tinynet.nn.module import Module
from tinynet.tensors import Tensor


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return max(x, 0)."""
        return F.relu(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """Return tanh(x)."""
        return F.tanh(x)


class Sigmoid(Module):
    """1 / (1 + e ** -x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return 1 / (1 + e ** -x)."""
        return F.sigmoid(x)
