"""Layers with weights, dropout and flattening.

Weights start as N(0, 2 / fan_in) (He et al. 2015), biases at 0. A model of `tinynet.models` whose
paper or configuration file says otherwise sets its own initial values.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeGuard

import numpy as np

from tinynet import functions as F
from tinynet.core.autograd import require_tensors
from tinynet.core.checks import check_counts, is_number, is_whole
from tinynet.core.errors import ShapeError
from tinynet.functions.conv import split_conv2d
from tinynet.functions.matmul import layer_linear
from tinynet.kernels.gemm import launches
from tinynet.kernels.geometry import Geometry, Padding, Pair, padding_pairs, pair
from tinynet.nn import init
from tinynet.nn.activation import FusesReLU, ReLU
from tinynet.nn.guidance import call_as
from tinynet.nn.module import Module
from tinynet.nn.normalization import BatchNorm2d
from tinynet.nn.parameter import Parameter
from tinynet.tensors import Tensor
from tinynet.words import sentence


class Conv2d(FusesReLU):
    """Convolution of images with learned filters: see `functions.conv2d` for the equation.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output, which are also the number of filters.
    kernel_size : int or (height, width)
        Size of the filters in pixels.
    stride : int or (height, width)
        Pixels from one window to the next.
    padding : int, (height, width), ((top, bottom), (left, right)), "same" or "valid"
        Pixels of zeros around the image. "valid" is none; "same" keeps the size of the image, for
        stride 1: an odd pixel goes to the bottom and to the right, as in PyTorch.
    dilation : int or (height, width)
        Pixels from one value of a filter to the next.
    groups : int
        Filters of group g see only the channels of group g (section 3.5 of the AlexNet paper).
    bias : bool
        Whether a number per filter is added.

    Attributes
    ----------
    weight : (out_channels, in_channels // groups, KH, KW)
    bias : (out_channels,), or None
    padding : ((top, bottom), (left, right))

    Raises
    ------
    ShapeError
        `groups` does not divide the channels; or x does not have `in_channels` channels.
    ValueError
        A size is not a positive integer, or padding is "same" with a stride.

    Examples
    --------
    The first layer of AlexNet:

    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> conv = nn.Conv2d(3, 96, kernel_size=11, stride=4)
    >>> conv
    Conv2d(3, 96, kernel_size=(11, 11), stride=(4, 4))
    >>> conv(tn.zeros(1, 3, 227, 227)).shape
    (1, 96, 55, 55)
    """

    _split = False  # see `split_accumulation`

    @call_as(
        "Write Conv2d(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, "
        "groups=1, bias=True)."
    )
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | Padding | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        check_counts("Conv2d", in_channels=in_channels, out_channels=out_channels)
        if not is_whole(groups, 1) or in_channels % groups or out_channels % groups:
            said = sentence(
                "Conv2d: groups={groups} must divide in_channels={inputs} and "
                "out_channels={outputs}.",
                groups=groups,
                inputs=in_channels,
                outputs=out_channels,
            )
            raise ShapeError(said)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size, "Conv2d: kernel_size")
        self.stride = pair(stride, "Conv2d: stride")
        self.dilation = pair(dilation, "Conv2d: dilation")
        self.padding = _padding(padding, self.kernel_size, self.stride, self.dilation)
        self.groups = groups
        self.weight = Parameter(init.he((out_channels, in_channels // groups, *self.kernel_size)))
        self.bias = Parameter(np.zeros(out_channels, np.float32)) if bias else None

    def extra_repr(self) -> str:
        """Return the channels, the kernel size, and what is not the default."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        if self.stride != (1, 1):
            text += f", stride={self.stride}"
        if self.padding != ((0, 0), (0, 0)):
            text += f", padding={_shortest(self.padding)}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_channels, OH, OW) for x (N, in_channels, H, W)."""
        return self._convolved(x)

    def with_relu(self, x: Tensor) -> Tensor:
        """Return max(forward(x), 0)."""
        return self._convolved(x, relu=True)

    def fuse_with(self, *following: Module) -> tuple[Callable[[Tensor], Tensor], int] | None:
        """Compute a following ReLU; in inference first a batch normalization, in the weights."""
        norm = following[0]
        if type(self) is not Conv2d or type(norm) is not BatchNorm2d or not norm.folds(self.weight):
            return super().fuse_with(*following)
        relu = len(following) > 1 and type(following[1]) is ReLU
        return functools.partial(self._convolved, relu=relu, norm=norm), 1 + relu

    def _convolved(self, x: Tensor, relu: bool = False, norm: BatchNorm2d | None = None) -> Tensor:
        channels = self.weight.shape[1] * self.groups
        require_tensors("Conv2d", x)
        if len(x.shape) == 4 and x.shape[3] == channels != x.shape[1]:
            said = sentence(
                "Conv2d: x must be (N, C, H, W) with {channels} channels; it is {x}. Are "
                "the channels last? Write x.transpose(0, 3, 1, 2).",
                channels=channels,
                x=x.shape,
            )
            raise ShapeError(said)
        convolve: Callable[..., Tensor] = F.conv2d_relu if relu else F.conv2d
        if self._split:
            convolve = functools.partial(split_conv2d, relu=relu)
        weight: Tensor = self.weight
        bias: Tensor | None = self.bias
        if norm is not None:
            weight, bias = norm.folded(weight, bias)
        return convolve(
            x,
            weight,
            bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


def _padding(
    padding: int | Pair | Padding | str, kernel: Pair, stride: Pair, dilation: Pair
) -> Padding:
    """Return the four numbers, also for "same" and "valid"."""
    if not isinstance(padding, str):
        return padding_pairs(padding, "Conv2d: padding")
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding != "same":
        raise ValueError(f'Conv2d: padding by name is "same" or "valid", not {padding!r}.')
    if stride != (1, 1):
        raise ValueError(
            f'Conv2d: padding="same" keeps the size of the image, which takes stride 1; stride is '
            f"{stride}. Give the pixels: padding={tuple(k // 2 for k in kernel)}."
        )
    total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    vertical, horizontal = ((t // 2, t - t // 2) for t in total)
    return vertical, horizontal


def _shortest(padding: Padding) -> Pair | Padding:
    """Return (height, width) where both sides are equal."""
    (top, bottom), (left, right) = padding
    return (top, left) if (top, left) == (bottom, right) else padding


class Linear(Module):
    """Fully connected layer, y = x @ weight.T + bias.

    Parameters
    ----------
    in_features, out_features : int
        Numbers per row of the input and of the output.
    bias : bool
        Whether a number per output is added.

    Attributes
    ----------
    weight : (out_features, in_features)
    bias : (out_features,), or None

    Raises
    ------
    ShapeError
        x does not have `in_features` columns.
    ValueError
        A number of features is not a positive integer.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> layer = nn.Linear(in_features=4, out_features=3)
    >>> layer(tn.ones(2, 4)).shape
    (2, 3)
    """

    _split = False  # see `split_accumulation`

    @call_as("Write Linear(in_features, out_features, bias=True).")
    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        check_counts("Linear", in_features=in_features, out_features=out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(init.he((out_features, in_features)))
        self.bias = Parameter(np.zeros(out_features, np.float32)) if bias else None

    def extra_repr(self) -> str:
        """Return the features, and whether there is no bias."""
        bias = "" if self.bias is not None else ", bias=False"
        return f"in_features={self.in_features}, out_features={self.out_features}{bias}"

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_features) for x (N, in_features)."""
        return layer_linear(x, self.weight, self.bias, split=self._split)

    def fuse_with(self, *following: Module) -> tuple[Callable[[Tensor], Tensor], int] | None:
        """Compute a following ReLU, and a dropout behind it in training, behind the product."""
        if type(self) is not Linear or type(following[0]) is not ReLU:
            return None
        dropping = following[1] if len(following) > 1 else None
        if not _drops_some(dropping):
            return self._hidden, 1

        def hidden(x: Tensor) -> Tensor:
            p = dropping.p
            if dropping.inverted:
                return self._hidden(x, p)
            if launches(x.data if x.stored is None else x.stored):
                return self._hidden(x, p, 1 - p)
            return dropping(self._hidden(x))

        return hidden, 2

    def _hidden(self, x: Tensor, p: float = 0.0, after: float = 1.0) -> Tensor:
        """Return after * dropout(relu(forward(x)), p)."""
        settings: Any = {"split": self._split, "relu": True, "p": float(p), "after": after}
        return layer_linear(x, self.weight, self.bias, **settings)


def _drops_some(layer: Module | None) -> TypeGuard[Dropout]:
    """Return whether a layer is a dropout in training that drops something, but not everything."""
    return type(layer) is Dropout and layer.training and 0 < layer.p < 1


def split_accumulation(layer: Any, on: bool = True) -> Any:
    """Make a Conv2d or Linear sum as two devices with half of its units each; return the layer.

    For models that must equal their two-tower form bit for bit (docs/decisions/0032).
    """
    layer._split = on
    return layer


class LocallyConnected2d(Module):
    """Convolution with filters of its own at every place: see `functions.locally_connected2d`.

    The layers "local3" and "local4" of cuda-convnet, Krizhevsky's code for CIFAR-10.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    size : int or (height, width)
        Size of the input maps in pixels.
    kernel_size : int or (height, width)
        Size of the filters in pixels.
    stride : int or (height, width)
        Pixels from one window to the next.
    padding : int, (height, width) or ((top, bottom), (left, right))
        Pixels of zeros around the image.

    Attributes
    ----------
    weight : (OH, OW, out_channels, in_channels, KH, KW)
    bias : (out_channels, OH, OW)

    Raises
    ------
    ShapeError
        No window fits; or x does not have these channels and this size.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> layer = nn.LocallyConnected2d(3, 8, size=6, kernel_size=3, padding=1)
    >>> layer(tn.zeros(2, 3, 6, 6)).shape
    (2, 8, 6, 6)
    >>> layer.weight.shape
    (6, 6, 8, 3, 3, 3)
    """

    @call_as(
        "Write LocallyConnected2d(in_channels, out_channels, size, kernel_size, stride=1, "
        "padding=0)."
    )
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int | Pair,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | Padding = 0,
    ) -> None:
        check_counts("LocallyConnected2d", in_channels=in_channels, out_channels=out_channels)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.size = pair(size, "LocallyConnected2d: size")
        self.kernel_size = pair(kernel_size, "LocallyConnected2d: kernel_size")
        self.stride = pair(stride, "LocallyConnected2d: stride")
        self.padding = padding_pairs(padding, "LocallyConnected2d: padding")
        maps = (0, in_channels, *self.size)
        geometry = Geometry(self.kernel_size, self.stride, self.padding)
        places = geometry.output_shape("LocallyConnected2d", maps)
        filters = init.he((out_channels * math.prod(places), in_channels, *self.kernel_size))
        self.weight = Parameter(
            filters.reshape(*places, out_channels, in_channels, *self.kernel_size)
        )
        self.bias = Parameter(np.zeros((out_channels, *places), np.float32))

    def extra_repr(self) -> str:
        """Return the channels, the sizes, and what is not the default."""
        text = (
            f"{self.in_channels}, {self.out_channels}, size={self.size}, "
            f"kernel_size={self.kernel_size}"
        )
        if self.stride != (1, 1):
            text += f", stride={self.stride}"
        if self.padding != ((0, 0), (0, 0)):
            text += f", padding={_shortest(self.padding)}"
        return text

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_channels, OH, OW) for x (N, in_channels, H, W)."""
        return F.locally_connected2d(
            x, self.weight, self.bias, stride=self.stride, padding=self.padding
        )


class Dropout(Module):
    """Dropout: in training each element becomes 0 with probability p (section 4.2 of the paper).

    The other elements are divided by 1 - p in training ("inverted dropout", as in every current
    framework). With ``inverted=False`` they are not, and in evaluation all elements are multiplied
    by 1 - p, as in the paper. The two differ in the scale of the activations during training.

    Parameters
    ----------
    p : float
        Probability that an element becomes 0, from 0 to 1.
    inverted : bool
        Whether the scale is corrected in training instead of in evaluation.

    Raises
    ------
    ValueError
        p is not a probability.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> layer = nn.Dropout(0.5)
    >>> sorted(set(layer(tn.ones(100)).numpy().tolist()))
    [0.0, 2.0]
    >>> layer.eval()(tn.ones(2)).numpy()
    array([1., 1.], dtype=float32)
    """

    @call_as("Write Dropout(p) or Dropout(p, inverted=False).")
    def __init__(self, p: float = 0.5, *, inverted: bool = True) -> None:
        if not is_number(p, 0, 1):
            raise ValueError(f"Dropout: p is a probability, 0 to 1. Got p={p!r}.")
        self.p = p
        self.inverted = inverted

    def extra_repr(self) -> str:
        """Return p, and whether the paper's rule is used."""
        return f"p={self.p}" if self.inverted else f"p={self.p}, inverted=False"

    def forward(self, x: Tensor) -> Tensor:
        """Return x with some elements set to zero, in the shape of x."""
        y = F.dropout(x, self.p, training=self.training)
        return y if self.inverted else y * (1 - self.p)


class Flatten(Module):
    """Every axis behind the first made one: (N, C, H, W) to (N, C * H * W).

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> nn.Flatten()(tn.zeros(2, 3, 4, 5)).shape
    (2, 60)
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, features)."""
        return F.flatten(x)


class Identity(Module):
    """The input, unchanged: a placeholder for a layer that is taken out.

    Examples
    --------
    >>> from tinynet import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    >>> model[1] = nn.Identity()
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x
