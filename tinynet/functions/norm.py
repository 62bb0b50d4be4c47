"""Normalization: local response (across channels or within a map) and batch normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

import numpy as np

from tinynet.core.autograd import Function
from tinynet.core.backend import Array, current, real, wide
from tinynet.core.bfloat16 import BFloat16
from tinynet.core.errors import ShapeError
from tinynet.core.hooks import array_of
from tinynet.kernels.batch_norm import (
    batch_norm_backward,
    batch_norm_forward,
    batch_norm_relu_backward,
    batch_norm_relu_forward,
    batch_norm_statistics,
)
from tinynet.kernels.lrn import lrn_backward, lrn_forward
from tinynet.kernels.relu import relu_backward
from tinynet.kernels.spatial_norm import spatial_norm_backward, spatial_norm_forward
from tinynet.words import sentence

if TYPE_CHECKING:
    from tinynet.tensors import Tensor


class LocalResponseNorm(Function):
    """y[c] = x[c] / (k + alpha * sum of x[j]**2 over the n channels around c) ** beta."""

    takes_bfloat16 = True

    def __init__(self, n: int, k: float, alpha: float, beta: float, groups: int) -> None:
        self.n = n
        self.k = k
        self.alpha = alpha
        self.beta = beta
        self.groups = groups

    def forward(self, x: Array) -> Array:
        constants = self.n, self.k, self.alpha, self.beta, self.groups
        if isinstance(x, BFloat16):
            y, scale = lrn_forward(x, *constants)
            self.saved = x, y, scale
            return y
        x = real(x)
        single = wide(x)
        y, scale = lrn_forward(single, *constants)
        self.saved = single, y, scale
        return y.astype(x.dtype, copy=False)

    def backward(self, gy: Array) -> Any:
        x, y, scale = self.saved
        if gy.dtype != x.dtype:
            gy = gy.astype(x.dtype, copy=False)
        return lrn_backward(gy, x, y, scale, self.n, self.alpha, self.beta, self.groups)


class SpatialResponseNorm(Function):
    """y = x / scale**beta, scale = k + alpha * sum of x**2 over n x n pixels of the same map."""

    def __init__(self, n: int, k: float, alpha: float, beta: float) -> None:
        self.n = n
        self.k = k
        self.alpha = alpha
        self.beta = beta

    def forward(self, x: Array) -> Array:
        x = real(x)
        single = wide(x)
        y, scale = spatial_norm_forward(single, self.n, self.k, self.alpha, self.beta)
        self.saved = single, y, scale
        return y.astype(x.dtype, copy=False)

    def backward(self, gy: Array) -> Any:
        x, y, scale = self.saved
        gy = gy.astype(x.dtype, copy=False)
        return spatial_norm_backward(gy, x, y, scale, self.n, self.alpha, self.beta)


class BatchNorm(Function):
    """y = weight * (x - mean) / sqrt(var + eps) + bias, mean and var of the batch or given.

    With a ReLU, max(y, 0) or max(y + added, 0).
    """

    def __init__(
        self, mean: Array, var: Array, eps: float, training: bool, *, relu: bool = False
    ) -> None:
        self.mean = mean
        self.var = var
        self.eps = eps
        self.training = training
        self.relu = relu

    def forward(self, x: Array, weight: Array, bias: Array, *added: Array) -> Array:
        x = real(x)
        kind = np.result_type(x.dtype, weight.dtype)
        common = np.result_type(kind, np.float32)  # the variance of a float16 needs more
        if not x.dtype == weight.dtype == common:  # the kernels of both passes take one type
            x = x.astype(common, copy=False)
            weight = weight.astype(common, copy=False)
            bias = bias.astype(common, copy=False)
            self.mean = self.mean.astype(common, copy=False)
            self.var = self.var.astype(common, copy=False)
            added = tuple(real(a).astype(common, copy=False) for a in added)
        normalize = batch_norm_relu_forward if self.relu else batch_norm_forward
        y = normalize(x, self.mean, self.var, weight, bias, self.eps, *added)
        self.saved = x, weight, y if self.relu else None
        return y.astype(kind, copy=False)

    def backward(self, gy: Array) -> Any:
        x, weight, y = self.saved
        gy = gy.astype(x.dtype, copy=False)
        rest = x, self.mean, self.var, weight, self.eps, self.training
        if len(self.inputs) == 4:
            gy = relu_backward(gy, y)  # which is also the gradient of what was added
            return *batch_norm_backward(gy, *rest), gy
        if self.relu:
            return batch_norm_relu_backward(gy, y, *rest)
        return batch_norm_backward(gy, *rest)


def local_response_norm(
    x: Tensor,
    n: int = 5,
    *positional: Never,
    k: float = 2.0,
    alpha: float = 1e-4,
    beta: float = 0.75,
    groups: int = 1,
) -> Tensor:
    """Divide every value by a power of the squares around it (section 3.3 of the paper).

        y[c] = x[c] / (k + alpha * sum of x[j]**2 for j in c - n//2 .. c + n//2) ** beta

    Parameters
    ----------
    x : (N, C, H, W)
    n : int, odd
        Channels in the window, clipped at the first and the last channel of the group.
    k, alpha, beta : float
        As the paper prints them. PyTorch's and Caffe's alpha is n times this one.
    groups : int
        Windows do not cross from one group of channels to the next, as they did not cross from
        one GPU to the other in 2012.

    Returns
    -------
    (N, C, H, W)

    Raises
    ------
    ShapeError
        If x is not (N, C, H, W), or `groups` does not divide C.
    TypeError
        If k, alpha or beta are given by position.
    ValueError
        If n is even, or less than 1.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> y = F.local_response_norm(tn.ones(1, 5, 1, 1), n=3, k=1.0, alpha=1.0, beta=1.0)
    >>> y.flatten()  # 1 / (1 + 3), at both ends 1 / (1 + 2)
    tensor([0.33333334, 0.25      , 0.25      , 0.25      , 0.33333334])
    """
    refuse_positional("local_response_norm", positional)
    check_window("local_response_norm", x, n)
    check_groups("local_response_norm", x, groups)
    return LocalResponseNorm(n, float(k), float(alpha), float(beta), groups)(x)


def spatial_response_norm(
    x: Tensor,
    n: int = 5,
    *positional: Never,
    k: float = 1.0,
    alpha: float = 4e-5,
    beta: float = 0.75,
) -> Tensor:
    """Divide every value by a power of the squares around it, in its own map.

        y[i, j] = x[i, j] / (k + alpha * sum of x[p, q]**2 for |p - i|, |q - j| <= n//2) ** beta

    The other normalization of cuda-convnet (its `rnorm`). The code of 2012 had one, which the paper
    does not mention, after the normalization of layer 2: the defaults are its constants (0.001
    divided by the 25 pixels).

    Parameters
    ----------
    x : (N, C, H, W)
    n : int, odd
        Side of the window, clipped at the border of the map.
    alpha : float
        The factor of the sum. cuda-convnet's and Caffe's is n*n times this one.
    k, beta : float

    Returns
    -------
    (N, C, H, W)

    Raises
    ------
    ShapeError
        If x is not (N, C, H, W).
    TypeError
        If k, alpha or beta are given by position.
    ValueError
        If n is even, or less than 1.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> y = F.spatial_response_norm(tn.ones(1, 1, 3, 3), n=3, k=1.0, alpha=1.0, beta=1.0)
    >>> y.data[0, 0, 1, 1]  # 1 / (1 + 9)
    np.float32(0.1)
    """
    refuse_positional("spatial_response_norm", positional)
    check_window("spatial_response_norm", x, n)
    return SpatialResponseNorm(n, float(k), float(alpha), float(beta))(x)


def refuse_positional(op: str, positional: tuple[Any, ...]) -> None:
    """Raise TypeError where k, alpha, beta were not given by name: their order differs elsewhere.

    The paper's order is n, k, alpha, beta; PyTorch's is size, alpha, beta, k.
    """
    if positional:
        raise TypeError(
            f"{op}: only n may be given by position, since libraries order the others differently "
            f"(got {', '.join(map(repr, positional))} too). Name them: k=, alpha=, beta=. "
            "PyTorch's alpha is n times this one."
        )


def check_window(op: str, x: Tensor, n: int) -> None:
    """Raise an error unless x is (N, C, H, W) and n is odd and positive."""
    if n < 1 or n % 2 == 0:
        raise ValueError(f"{op}: n must be odd, so that the window has a middle. Got n={n}.")
    if len(x.shape) != 4:
        raise ShapeError(sentence("{op}: x must be (N, C, H, W); it is {x}.", op=op, x=x.shape))


def check_groups(op: str, x: Tensor, groups: int) -> None:
    """Raise a ShapeError unless `groups` divides the channels of x (N, C, H, W)."""
    if groups < 1 or x.shape[1] % groups:
        said = "{op}: groups={groups} must divide the {channels} channels of x."
        raise ShapeError(sentence(said, op=op, groups=groups, channels=x.shape[1]))


def batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor | Array,
    running_var: Tensor | Array,
    *,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize every channel to mean 0 and variance 1, then scale and shift it.

    Ioffe and Szegedy 2015. In training mean and variance come from the batch, and the running
    values move towards them *in place*: running = (1 - momentum) * running + momentum * batch,
    with the unbiased variance (divided by count - 1), as in PyTorch. Otherwise the running values
    are used.

    Parameters
    ----------
    x : (N, C, H, W)
    weight, bias, running_mean, running_var : (C,)
    training : bool
    momentum : float
        How far the running values move towards those of the batch, 0 to 1.
    eps : float
        Added to the variance.

    Returns
    -------
    (N, C, H, W)

    Raises
    ------
    ShapeError
        If the shapes do not fit together, or in training a channel has less than 2 values.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> mean, var = tn.zeros(1), tn.ones(1)
    >>> x = tn.tensor([[[[1.0, 3.0]]]])
    >>> F.batch_norm(x, tn.ones(1), tn.zeros(1), mean, var, training=True, eps=0.0).flatten()
    tensor([-1.,  1.])
    >>> mean
    tensor([0.2])
    """
    inputs = [x, weight, bias]
    return _batch_norm(inputs, running_mean, running_var, training, momentum, eps, relu=False)


def batch_norm_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor | Array,
    running_var: Tensor | Array,
    *,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
    added: Tensor | None = None,
) -> Tensor:
    """Return relu(batch_norm(...) + added), the same numbers, in one pass over memory.

    Parameters
    ----------
    x, weight, bias, running_mean, running_var, training, momentum, eps : as for `batch_norm`
    added : (N, C, H, W), optional
        The shortcut of a residual block (He et al. 2016, Figure 2).

    Returns
    -------
    (N, C, H, W)

    Raises
    ------
    ShapeError
        As `batch_norm`, or if `added` has another shape than x.

    Examples
    --------
    >>> import tinynet as tn
    >>> from tinynet import functions as F
    >>> x = tn.tensor([[[[1.0, 3.0]]]])
    >>> one, zero = tn.ones(1), tn.zeros(1)
    >>> F.batch_norm_relu(x, one, zero, zero, one, training=False, eps=0.0).flatten()
    tensor([1., 3.])
    >>> F.batch_norm_relu(x, one, zero, zero, one, training=False, eps=0.0, added=-2 * x).flatten()
    tensor([0., 0.])
    """
    inputs = [x, weight, bias]
    if added is not None:
        if added.shape != x.shape:
            said = sentence(
                "batch_norm_relu: added must have the shape of x; it is {added}, x is {x}.",
                added=added.shape,
                x=x.shape,
            )
            raise ShapeError(said)
        inputs.append(added)
    return _batch_norm(inputs, running_mean, running_var, training, momentum, eps, relu=True)


def _batch_norm(
    inputs: list[Tensor],
    running_mean: Tensor | Array,
    running_var: Tensor | Array,
    training: bool,
    momentum: float,
    eps: float,
    *,
    relu: bool,
) -> Tensor:
    x, weight, bias = inputs[:3]
    given = [tuple(v.shape) for v in (weight, bias, running_mean, running_var)]
    if len(x.shape) != 4 or any(shape != x.shape[1:2] for shape in given):
        said = sentence(
            "batch_norm: x must be (N, C, H, W); weight, bias, running_mean, running_var (C,); "
            "x is {x}, they are {given}.",
            x=x.shape,
            given=", ".join(map(str, given)),
        )
        raise ShapeError(said)
    if not x.shape[1]:
        said = sentence("batch_norm: x needs at least 1 channel; it is {x}.", x=x.shape)
        raise ShapeError(said)
    mean = array_of(running_mean)
    var = array_of(running_var)
    if training:
        count = x.size // x.shape[1]
        if count < 2:
            said = sentence(
                "batch_norm: training needs at least 2 values per channel for a variance; "
                "x is {x}.",
                x=x.shape,
            )
            raise ShapeError(said)
        with current(x.device):
            batch_mean, batch_var = batch_norm_statistics(wide(x.data))
            mean[...] = (1 - momentum) * mean + momentum * batch_mean
            var[...] = (1 - momentum) * var + momentum * batch_var * (count / (count - 1))
        mean = batch_mean
        var = batch_var
    kind = np.result_type(x.dtype, np.float32) if x.dtype.kind == "f" else np.float32
    mean = mean.astype(kind, copy=not training)  # a later training step changes the running ones
    var = var.astype(kind, copy=not training)
    return BatchNorm(mean, var, eps, training, relu=relu)(*inputs)
