"""Convolution, batch normalization and ReLU: the unit of which networks after 2014 are made."""

from __future__ import annotations

from tinynet import nn
from tinynet.kernels.geometry import Pair
from tinynet.tensors import Tensor


class ConvBNReLU(nn.Module):
    """ReLU of a convolution, with or without batch normalization between them.

    Its layers are called conv and bn as in torchvision.

    Parameters
    ----------
    in_channels, out_channels : of the convolution
    kernel_size : of the window, in pixels; one number or (height, width)
    stride : in pixels
    padding : zeros around the image; None keeps the size of the maps at stride 1
    batch_norm : False leaves it out, and gives the convolution a bias

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet.models.conv_bn_relu import ConvBNReLU
    >>> ConvBNReLU(3, 8, kernel_size=(1, 7))(tn.zeros(2, 3, 10, 10)).shape
    (2, 8, 10, 10)
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
        """Return (N, out_channels, OH, OW) for x (N, in_channels, H, W)."""
        if self.bn is None:
            return nn.run_sequential(x, self.conv, self.relu)
        return nn.run_sequential(x, self.conv, self.bn, self.relu)
