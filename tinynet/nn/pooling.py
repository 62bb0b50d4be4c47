"""Pooling layers: maxima and means over windows of images."""

from __future__ import annotations

from collections.abc import Callable

from tinynet import functions as F
from tinynet.kernels.geometry import Padding, Pair, padding_pairs, pair
from tinynet.nn.activation import FusesReLU
from tinynet.nn.guidance import call_as
from tinynet.nn.module import Module
from tinynet.tensors import Tensor


class MaxPool2d(FusesReLU):
    """Maximum of each window (section 3.4 of the AlexNet paper: windows that overlap).

    Parameters
    ----------
    kernel_size : int or (height, width)
        Size of the windows in pixels.
    stride : int or (height, width), optional
        Pixels from one window to the next; None is the kernel size, windows side by side.
    padding : int, (height, width) or ((top, bottom), (left, right))
        Pixels around the image that are never a maximum; at most half the window.
    ceil_mode : bool
        Whether a last window may extend beyond the image, as in cuda-convnet and Caffe.

    Raises
    ------
    ShapeError
        x is not (N, C, H, W), no window fits, or the padding is more than half the window.
    ValueError
        A setting is not made of whole numbers.

    Examples
    --------
    The pooling of AlexNet:

    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> pool = nn.MaxPool2d(kernel_size=3, stride=2)
    >>> pool(tn.zeros(1, 96, 55, 55)).shape
    (1, 96, 27, 27)
    """

    @call_as(
        "Write MaxPool2d(kernel_size, stride, padding, ceil_mode=True); there is no dilation, no "
        "return_indices."
    )
    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair | Padding = 0,
        *,
        ceil_mode: bool = False,
    ) -> None:
        _check_window("MaxPool2d", kernel_size, stride, padding)
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        """Return the window, and what is not the default."""
        return _window(self.kernel_size, self.stride, self.padding, self.ceil_mode)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, OH, OW) for x (N, C, H, W)."""
        return self._pooled(F.max_pool2d, x)

    def with_relu(self, x: Tensor) -> Tensor:
        """Return max(forward(x), 0)."""
        return self._pooled(F.max_pool2d_relu, x)

    def _pooled(self, function: Callable[..., Tensor], x: Tensor) -> Tensor:
        return function(
            x, self.kernel_size, self.stride, padding=self.padding, ceil_mode=self.ceil_mode
        )


class AvgPool2d(Module):
    """Mean of each window.

    Parameters
    ----------
    kernel_size : int or (height, width)
        Size of the windows in pixels.
    stride : int or (height, width), optional
        Pixels from one window to the next; None is the kernel size, windows side by side.
    padding : int, (height, width) or ((top, bottom), (left, right))
        Pixels of zeros around the image; at most half the window.
    ceil_mode : bool
        Whether a last window may extend beyond the image.
    count_include_pad : bool
        Whether the pixels of the padding count in the divisor.

    Raises
    ------
    ShapeError
        x is not (N, C, H, W), no window fits, or the padding is more than half the window.
    ValueError
        A setting is not made of whole numbers.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.AvgPool2d(2)(tn.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).item()
    2.5
    """

    @call_as(
        "Write AvgPool2d(kernel_size, stride, padding, ceil_mode=False, count_include_pad=True)."
    )
    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair | Padding = 0,
        *,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        _check_window("AvgPool2d", kernel_size, stride, padding)
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def extra_repr(self) -> str:
        """Return the window, and what is not the default."""
        text = _window(self.kernel_size, self.stride, self.padding, self.ceil_mode)
        return text if self.count_include_pad else f"{text}, count_include_pad=False"

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, OH, OW) for x (N, C, H, W)."""
        return F.avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
        )


class GlobalAvgPool2d(Module):
    """Mean of each map, (N, C, H, W) to (N, C) (Lin et al. 2014, section 3.2).

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.GlobalAvgPool2d()(tn.ones(2, 3, 4, 4)).shape
    (2, 3)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C)."""
        return F.global_avg_pool2d(x)


class AdaptiveAvgPool2d(Module):
    """Means over windows that give maps of one size: see `functions.adaptive_avg_pool2d`.

    Parameters
    ----------
    output_size : int or (height, width)
        Size of the output maps in pixels, whatever the size of the input.

    Raises
    ------
    ShapeError
        x is not (N, C, H, W) with at least one pixel.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.AdaptiveAvgPool2d(6)(tn.zeros(1, 256, 13, 9)).shape
    (1, 256, 6, 6)
    """

    @call_as("Write AdaptiveAvgPool2d(output_size).")
    def __init__(self, output_size: int | Pair) -> None:
        self.output_size = pair(output_size, "AdaptiveAvgPool2d: output_size")

    def extra_repr(self) -> str:
        """Return the size of the output maps."""
        return f"output_size={self.output_size}"

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, OH, OW) for x (N, C, H, W)."""
        return F.adaptive_avg_pool2d(x, self.output_size)


def _check_window(
    layer: str, kernel_size: int | Pair, stride: int | Pair | None, padding: int | Pair | Padding
) -> None:
    """Raise ValueError where a setting of the windows is not made of whole numbers."""
    pair(kernel_size, f"{layer}: kernel_size")
    if stride is not None:
        pair(stride, f"{layer}: stride")
    padding_pairs(padding, f"{layer}: padding")


def _window(
    kernel_size: int | Pair,
    stride: int | Pair | None,
    padding: int | Pair | Padding,
    ceil_mode: bool,
) -> str:
    """Return the settings of a pooling layer, without those that are the default."""
    text = f"kernel_size={kernel_size}"
    if stride is not None:
        text += f", stride={stride}"
    if padding != 0:
        text += f", padding={padding}"
    if ceil_mode:
        text += ", ceil_mode=True"
    return text
