"""What the networks after 2014 repeat: a convolution, batch normalization, a ReLU."""

from __future__ import annotations

from tinynet import nn
from tinynet.kernels.geometry import Pair
from tinynet.tensors import Tensor


class ConvUnit(nn.Module):
    """ReLU of the (batch-normalized) convolution, called conv and bn as in torchvision.

    `padding` None keeps the size of the maps at stride 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int = 1,
        padding: int | Pair | None = None,
        batch_norm: bool = True,
    ) -> None:
        if padding is None:
            KH, KW = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
            padding = KH // 2, KW // 2
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, bias=not batch_norm
        )
        # torchvision's eps, not the 1e-5 of nn.BatchNorm2d
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3) if batch_norm else None
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_channels, OH, OW)."""
        if self.bn is None:
            return nn.run_sequential(x, self.conv, self.relu)
        return nn.run_sequential(x, self.conv, self.bn, self.relu)
