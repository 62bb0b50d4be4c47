"""Normalization layers: the paper's across channels, its relative within a map, and batch norm."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinynet import functions as F
from tinynet.core import hooks
from tinynet.core.backend import Array, array_module, current
from tinynet.core.checks import check_counts, is_number, is_whole
from tinynet.core.grad_mode import no_grad_depth
from tinynet.kernels.convolution import kept
from tinynet.nn.activation import FusesReLU
from tinynet.nn.guidance import call_as
from tinynet.nn.module import Module
from tinynet.nn.parameter import Buffer, Parameter
from tinynet.nn.pooling import MaxPool2d
from tinynet.tensors import Tensor

MOST_FOLDED = 2**18  # weights of a convolution, see `BatchNorm2d.folds`


class LocalResponseNorm(Module):
    """Local response normalization across channels (section 3.3 of the AlexNet paper).

        y[c] = x[c] / (k + alpha * sum of x[j]**2 for j in c - n//2 .. c + n//2) ** beta

    The constants are given by name, since frameworks order and define them differently: `alpha`
    multiplies the sum, as the paper prints it. PyTorch and Caffe divide theirs by the window, so
    PyTorch's ``LocalResponseNorm(size, alpha, beta, k)`` is
    ``LocalResponseNorm(n=size, alpha=alpha / size, beta=beta, k=k)`` here.

    Parameters
    ----------
    n : int, odd
        Channels in the window, clipped at the first and the last channel of the group.
    k, alpha, beta : float
        Constants of the equation; the defaults are those of the paper.
    groups : int
        Windows do not cross from one group of channels to the next, as they did not cross from
        one GPU to the other in 2012.

    Raises
    ------
    ValueError
        n is even or not positive, or a constant is not a number.
    ShapeError
        x is not (N, C, H, W), or `groups` does not divide its channels.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> norm = nn.LocalResponseNorm(n=3, k=1.0, alpha=1.0, beta=1.0)
    >>> norm(tn.ones(1, 3, 1, 1)).numpy().ravel().round(4)  # 1 / (1 + 2), 1 / (1 + 3), ...
    array([0.3333, 0.25  , 0.3333], dtype=float32)
    """

    @call_as(
        "Only n is positional: write LocalResponseNorm(n=5, k=2.0, alpha=1e-4, beta=0.75). "
        "PyTorch's LocalResponseNorm(size, alpha, beta, k) is LocalResponseNorm(n=size, "
        "alpha=alpha / size, beta=beta, k=k) here: PyTorch divides its alpha by the size."
    )
    def __init__(
        self,
        n: int = 5,
        *,
        k: float = 2.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        groups: int = 1,
    ) -> None:
        _check_window("LocalResponseNorm", n)
        _check_constants("LocalResponseNorm", k=k, alpha=alpha, beta=beta)
        check_counts("LocalResponseNorm", groups=groups)
        self.n = n
        self.k = k
        self.alpha = alpha
        self.beta = beta
        self.groups = groups

    def extra_repr(self) -> str:
        """Return the constants."""
        text = f"n={self.n}, k={self.k}, alpha={self.alpha}, beta={self.beta}"
        return text if self.groups == 1 else f"{text}, groups={self.groups}"

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W), each value divided by a power of the squares around it."""
        return F.local_response_norm(
            x, n=self.n, k=self.k, alpha=self.alpha, beta=self.beta, groups=self.groups
        )

    def fuse_with(self, *following: Module) -> tuple[Callable[[Tensor], Tensor], int] | None:
        """Return a function that computes this layer and a max-pooling in one pass.

        Subclasses are not fused, since their forward may differ.
        """
        pool = following[0]
        if type(self) is not LocalResponseNorm or type(pool) is not MaxPool2d:
            return None
        both = functools.partial(
            F.local_response_norm_max_pool2d,
            kernel_size=pool.kernel_size,
            stride=pool.stride,
            padding=pool.padding,
            ceil_mode=pool.ceil_mode,
            n=self.n,
            k=self.k,
            alpha=self.alpha,
            beta=self.beta,
            groups=self.groups,
        )
        return both, 1


class SpatialResponseNorm(Module):
    """Response normalization within each map: see `functions.spatial_response_norm`.

    The layer `rnorm` of cuda-convnet. The code of 2012 had one that the paper does not mention;
    the defaults are its constants.

    Parameters
    ----------
    n : int, odd
        Side of the window in pixels, clipped at the border of the map.
    k, alpha, beta : float
        Constants of the equation. `alpha` multiplies the sum: cuda-convnet's and Caffe's is
        n * n times this one.

    Raises
    ------
    ValueError
        n is even or not positive.
    ShapeError
        x is not (N, C, H, W).

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import nn
    >>> norm = nn.SpatialResponseNorm(n=3, k=1.0, alpha=1.0, beta=1.0)
    >>> norm(tn.ones(1, 1, 1, 3)).numpy().ravel().round(4)  # 1 / (1 + 2), 1 / (1 + 3), ...
    array([0.3333, 0.25  , 0.3333], dtype=float32)
    """

    @call_as(
        "Only n is positional: write SpatialResponseNorm(n=5, k=1.0, alpha=4e-5, beta=0.75). Its "
        "alpha multiplies the sum of squares; cuda-convnet's and Caffe's is n * n times this one."
    )
    def __init__(
        self, n: int = 5, *, k: float = 1.0, alpha: float = 4e-5, beta: float = 0.75
    ) -> None:
        _check_window("SpatialResponseNorm", n)
        _check_constants("SpatialResponseNorm", k=k, alpha=alpha, beta=beta)
        self.n = n
        self.k = k
        self.alpha = alpha
        self.beta = beta

    def extra_repr(self) -> str:
        """Return the constants."""
        return f"n={self.n}, k={self.k}, alpha={self.alpha}, beta={self.beta}"

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W), each value divided by a power of the squares around it."""
        return F.spatial_response_norm(x, n=self.n, k=self.k, alpha=self.alpha, beta=self.beta)


def _check_window(layer: str, n: int) -> None:
    if not is_whole(n, 1) or n % 2 == 0:
        raise ValueError(f"{layer}: n must be odd, so that the window has a middle. Got n={n!r}.")


def _check_constants(layer: str, **constants: Any) -> None:
    """Raise ValueError at a constant of the equation that is not a number."""
    for name, value in constants.items():
        if not is_number(value):
            raise ValueError(f"{layer}: {name} is a number, got {value!r}.")


class BatchNorm2d(FusesReLU):
    """Batch normalization of each channel (Ioffe and Szegedy 2015).

    In training with the mean and variance of the batch, in evaluation with their running averages:
    see `functions.batch_norm`. In evaluation without gradients, behind a `Conv2d` in a
    `Sequential`, its factors are multiplied into the filters: the same up to rounding, and one pass
    less.

    Parameters
    ----------
    num_features : int
        Channels of x.
    eps : float
        Added to the variance.
    momentum : float
        Weight of the new batch in the running averages.
    affine : bool
        Whether each channel has a learned scale and offset.

    Attributes
    ----------
    weight, bias : (num_features,), or None
    running_mean, running_var : (num_features,)

    Raises
    ------
    ShapeError
        x is not (N, num_features, H, W), or has one value per channel in training.
    ValueError
        num_features is not a positive integer, eps negative or momentum not in 0..1.

    Examples
    --------
    >>> import numpy as np
    >>> from tinynet import nn
    >>> layer = nn.BatchNorm2d(3)
    >>> y = layer(np.random.default_rng(0).random((8, 3, 4, 4), np.float32))
    >>> bool(abs(y.numpy().mean(axis=(0, 2, 3))).max() < 1e-6)
    True
    """

    @call_as("Write BatchNorm2d(num_features, eps=1e-5, momentum=0.1, affine=True).")
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True
    ) -> None:
        check_counts("BatchNorm2d", num_features=num_features)
        if not is_number(eps, 0):
            raise ValueError(f"BatchNorm2d: eps is a number, at least 0, got {eps!r}.")
        if not is_number(momentum, 0, 1):
            raise ValueError(
                "BatchNorm2d: momentum is the weight of the new batch, a number from 0 to 1, got "
                f"{momentum!r}."
            )
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None
        self.running_mean = Buffer(np.zeros(num_features, np.float32))
        self.running_var = Buffer(np.ones(num_features, np.float32))

    def extra_repr(self) -> str:
        """Return the channels, and what is not the default."""
        text = f"{self.num_features}"
        if self.eps != 1e-5:
            text += f", eps={self.eps}"
        if self.momentum != 0.1:
            text += f", momentum={self.momentum}"
        if self.weight is None:
            text += ", affine=False"
        return text

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, H, W); in training the running values are updated."""
        return self._normalized(F.batch_norm, x)

    def with_relu(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Return max(forward(x), 0), or max(forward(x) + added, 0)."""
        return self._normalized(functools.partial(F.batch_norm_relu, added=added), x)

    def _normalized(self, function: Callable[..., Tensor], x: Tensor) -> Tensor:
        return function(
            x,
            self._constant(1.0) if self.weight is None else self.weight,
            self._constant(0.0) if self.bias is None else self.bias,
            self.running_mean,
            self.running_var,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )

    def folds(self, weight: Tensor) -> bool:
        """Return whether a convolution with this weight can do the work of this layer: `folded`.

        In inference, on a CPU, while nothing is recorded. Large weights are left as they are: to
        fold them gains nothing, and takes memory for a copy (docs/decisions/0056).
        """
        inference = not self.training and no_grad_depth.get() > 0 and hooks.active.get() is None
        fits = weight.shape[:1] == (self.num_features,) and weight.dtype == np.float32
        return inference and fits and weight.device == "cpu" and weight.size <= MOST_FOLDED

    def folded(self, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the weight and bias of a convolution that also normalizes as in evaluation.

            weight' = weight * factor                    factor = self.weight / sqrt(var + eps)
            bias'   = (bias - mean) * factor + self.bias

        The same up to rounding as the two layers. They are kept until one of the numbers changes.

        Parameters
        ----------
        weight : (OC, C // G, KH, KW)
        bias : (OC,), or None
        """
        mean = self.running_mean.data
        var = self.running_var.data
        scale = np.float32(1) if self.weight is None else self.weight.data
        shift = np.float32(0) if self.bias is None else self.bias.data
        start = np.float32(0) if bias is None else bias.data

        def fold() -> tuple[Array, Array]:
            factor = scale / np.sqrt(var + np.float64(self.eps))
            offset = (start - mean) * factor + shift
            kernel = weight.data * factor.astype(np.float32)[:, None, None, None]
            kernel.setflags(write=False)  # so that its packed filters need no comparison
            return kernel, offset.astype(np.float32)

        read = (mean, var, scale, shift, start)
        kernel, offset = kept.packed(weight.data, f"eps={self.eps}", fold, read)
        return Tensor(kernel), Tensor(offset)

    def _constant(self, value: float) -> Tensor:
        """Return (num_features,), all `value`: the scale or the offset that does nothing."""
        like = self.running_mean
        with current(like.device):
            data = array_module(like.data).full_like(like.data, value)
        return Tensor(data, like.device)
