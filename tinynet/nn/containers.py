"""What joins layers that are not a chain: branches side by side, and a way around."""

from __future__ import annotations

from tinynet import functions as F
from tinynet.core.errors import ShapeError
from tinynet.nn.module import Module, Sequential
from tinynet.tensors import Tensor


class Concatenate(Sequential):
    """Branches that all see x; their channels stand one after the other (Szegedy et al. 2015)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C1 + C2 + ..., OH, OW) for x (N, C, H, W)."""
        return F.concatenate([branch(x) for branch in self], axis=1)


class Residual(Module):
    """y = body(x) + shortcut(x); without a shortcut y = body(x) + x (He et al. 2016)."""

    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum, in the shape of body(x)."""
        change, kept = self.body(x), x if self.shortcut is None else self.shortcut(x)
        if change.shape != kept.shape:
            raise ShapeError(
                f"Residual: body and shortcut must agree, body(x) is {change.shape}, the shortcut "
                f"{kept.shape}. x is {x.shape}."
            )
        return change + kept


class Subsample(Module):
    """Every stride-th pixel, and channels of zeros after the others: a shortcut without weights.

    Option A of He et al. 2016, section 4.2.
    """

    def __init__(self, stride: int, new_channels: int) -> None:
        if stride < 1 or new_channels < 0:
            raise ValueError(
                "Subsample: stride must be at least 1 and new_channels at least 0, got "
                f"{stride} and {new_channels}."
            )
        self.stride, self.new_channels = stride, new_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C + new_channels, H / stride, W / stride), sizes rounded up."""
        kept = x[:, :, :: self.stride, :: self.stride] if self.stride > 1 else x
        return F.pad(kept, [(0, 0), (0, self.new_channels), (0, 0), (0, 0)])
